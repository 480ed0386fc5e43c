//! Tokens against forged requests: made from a key and a session's ID.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use revocable_core::{Error, ErrorKind, Result, SessionId};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::entropy::Entropy;

/// Keeps these tokens apart from whatever else a key is used for.
const PURPOSE: &[u8] = b"revocable csrf v1";
/// The length of HMAC-SHA256.
const MAC_LEN: usize = 32;
/// Mask and masked, in base64url without padding.
const TEXT_LEN: usize = (2 * MAC_LEN * 4).div_ceil(3);

/// The server's key for [`CsrfToken`]s: 32 random bytes, kept where secrets of
/// the server are kept and the same at every process that serves the
/// application. Wiped from memory when dropped; `Debug` shows nothing of it.
#[derive(Clone)]
pub struct CsrfKey(Zeroizing<[u8; Self::LEN]>);

impl CsrfKey {
    /// The length in bytes.
    pub const LEN: usize = 32;

    /// A key of these bytes, which have to be random.
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// As [`from_bytes`](Self::from_bytes), from bytes that were read somewhere.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) unless there are 32.
    pub fn from_slice(bytes: &[u8]) -> Result<Self> {
        bytes.try_into().map(Self::from_bytes).map_err(|_| {
            let message = "a key for CSRF tokens has exactly 32 bytes";
            Error::new(ErrorKind::Configuration, message)
        })
    }

    /// A new key from the operating system: for a single process whose forms
    /// need not outlive it.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) if the system has no entropy.
    pub fn random() -> Result<Self> {
        let mut key = Self::from_bytes([0; Self::LEN]);
        Entropy::System.fill(key.0.as_mut_slice())?;
        Ok(key)
    }

    /// HMAC-SHA256(key, purpose ‖ ID). Both parts have a fixed length.
    fn mac(&self, session: SessionId) -> Zeroizing<[u8; MAC_LEN]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice())
            .expect("HMAC takes keys of any length");
        mac.update(PURPOSE);
        mac.update(session.as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for CsrfKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfKey(redacted)")
    }
}

/// What a page shows to prove that it is the application's own: 86 characters of
/// base64url, for a field of a form or of a request.
///
/// ```text
/// byte    0 .. 32   32 .. 64
///         mask      mask XOR HMAC-SHA256(key, "revocable csrf v1" ‖ session ID)
/// ```
///
/// The mask is random and new each time, so that a page that is compressed does
/// not give the token away to who can let it be sent again and again (BREACH).
///
/// It is bound to the session's ID, which a renewal keeps: pages that are open
/// stay good. It ends with the session; a login makes another. Who has it can
/// forge requests and do nothing else: it is no credential. All the same it is
/// not logged: `Debug` shows nothing of it, and it is wiped when dropped.
#[derive(Clone)]
pub struct CsrfToken(Zeroizing<String>);

impl CsrfToken {
    /// The text, for the page.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken(redacted)")
    }
}

pub(super) fn make(
    key: Option<&CsrfKey>,
    session: SessionId,
    entropy: &Entropy,
) -> Result<CsrfToken> {
    let key = key.ok_or_else(|| {
        let message = "the policy against forged requests has no key for tokens";
        Error::new(ErrorKind::Configuration, message)
    })?;
    let mut bytes = Zeroizing::new([0; 2 * MAC_LEN]);
    let (mask, masked) = bytes.split_at_mut(MAC_LEN);
    entropy.fill(mask)?;
    masked.copy_from_slice(key.mac(session).as_slice());
    xor(masked, mask);
    let text = Base64UrlUnpadded::encode_string(bytes.as_slice());
    Ok(CsrfToken(Zeroizing::new(text)))
}

pub(super) fn verify<'a>(
    keys: impl IntoIterator<Item = &'a CsrfKey>,
    session: SessionId,
    token: &[u8],
) -> bool {
    if token.len() != TEXT_LEN {
        return false;
    }
    let mut bytes = Zeroizing::new([0; 2 * MAC_LEN]);
    if Base64UrlUnpadded::decode(token, bytes.as_mut_slice()).is_err() {
        return false;
    }
    let (mask, masked) = bytes.split_at_mut(MAC_LEN);
    xor(masked, mask);
    // All keys, so that the time does not tell which one it was.
    let mut good = subtle::Choice::from(0);
    for key in keys {
        good |= key.mac(session).as_slice().ct_eq(masked);
    }
    good.into()
}

fn xor(bytes: &mut [u8], mask: &[u8]) {
    for (byte, mask) in bytes.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::testing::{block_on, sessions};

    fn session() -> SessionId {
        let (_, session) = block_on(sessions().create("alice")).unwrap();
        session.id()
    }

    fn key(byte: u8) -> CsrfKey {
        CsrfKey::from_bytes([byte; 32])
    }

    fn made(key: &CsrfKey, session: SessionId) -> String {
        let token = make(Some(key), session, &Entropy::System).unwrap();
        token.expose().to_owned()
    }

    #[test]
    fn a_token_is_good_for_its_session_and_key_only() {
        let (own, other) = (session(), session());
        let token = made(&key(1), own);
        assert_eq!(token.len(), TEXT_LEN);
        assert!(verify(&[key(1)], own, token.as_bytes()));
        assert!(verify(&[key(2), key(1)], own, token.as_bytes()));
        assert!(!verify(&[key(1)], other, token.as_bytes()));
        assert!(!verify(&[key(2)], own, token.as_bytes()));
        assert!(!verify(&[], own, token.as_bytes()));
    }

    #[test]
    fn no_two_tokens_have_a_part_in_common() {
        let session = session();
        let (first, second) = (made(&key(1), session), made(&key(1), session));
        for at in 0..TEXT_LEN - 8 {
            assert!(!second.contains(&first[at..at + 8]), "{first} {second}");
        }
    }

    #[test]
    fn every_change_of_a_token_is_seen() {
        let session = session();
        let token = made(&key(1), session).into_bytes();
        for at in 0..token.len() {
            for bit in 0..7 {
                let mut changed = token.clone();
                changed[at] ^= 1 << bit;
                assert!(!verify(&[key(1)], session, &changed), "{at}, {bit}");
            }
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let session = session();
        let token = made(&key(1), session);
        let with_padding = format!("{token}==");
        let no_mac = Base64UrlUnpadded::encode_string(&[0; 64]);
        let unmasked = Base64UrlUnpadded::encode_string(key(1).mac(session).as_slice());
        for text in [
            "",
            "A",
            &token[1..],
            &with_padding,
            &no_mac,
            &unmasked,
            &"A".repeat(1 << 16),
        ] {
            assert!(!verify(&[key(1)], session, text.as_bytes()), "{text}");
        }
        assert!(!verify(&[key(1)], session, &[0xff; TEXT_LEN]));
    }

    #[test]
    fn a_token_is_made_as_documented() {
        let session = session();
        let token = make(Some(&key(7)), session, &Entropy::injected(Ones)).unwrap();
        let mut bytes = [0xff; 64];
        let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
        mac.update(b"revocable csrf v1");
        mac.update(session.as_bytes());
        for (byte, mac) in bytes[32..].iter_mut().zip(mac.finalize().into_bytes()) {
            *byte ^= mac;
        }
        assert_eq!(token.expose(), Base64UrlUnpadded::encode_string(&bytes));
    }

    #[test]
    fn without_key_or_entropy_there_is_an_error_and_no_token() {
        let error = make(None, session(), &Entropy::System).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let error = make(Some(&key(1)), session(), &Entropy::injected(Broken)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(CsrfKey::from_slice(&[1; 31]).is_err());
        assert!(CsrfKey::from_slice(&[1; 32]).is_ok());
    }

    #[test]
    fn debug_shows_no_secret() {
        let token = make(Some(&key(1)), session(), &Entropy::System).unwrap();
        assert_eq!(format!("{token:?}"), "CsrfToken(redacted)");
        assert_eq!(format!("{:?}", key(1)), "CsrfKey(redacted)");
    }

    /// A generator of ones.
    struct Ones;

    impl rand_core::TryRng for Ones {
        type Error = Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            Ok(u32::MAX)
        }
        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            Ok(u64::MAX)
        }
        fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), Infallible> {
            into.fill(0xff);
            Ok(())
        }
    }

    impl rand_core::TryCryptoRng for Ones {}

    struct Broken;

    impl rand_core::TryRng for Broken {
        type Error = fmt::Error;
        fn try_next_u32(&mut self) -> Result<u32, fmt::Error> {
            Err(fmt::Error)
        }
        fn try_next_u64(&mut self) -> Result<u64, fmt::Error> {
            Err(fmt::Error)
        }
        fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), fmt::Error> {
            Err(fmt::Error)
        }
    }

    impl rand_core::TryCryptoRng for Broken {}
}
