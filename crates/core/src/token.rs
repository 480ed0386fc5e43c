//! Tokens: what the cookie carries, and the digest that a store keeps of it.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::base64url;
use crate::id::SessionId;

/// The credential of a session: its ID and a secret, 48 bytes, written as
/// exactly 64 characters of base64url (RFC 4648, section 5) without padding.
///
/// Whoever has it is taken for the user. It goes into the cookie and nowhere
/// else: never into a log, a URL or a store. To keep that so, it has neither
/// `Display` nor `Serialize`, its `Debug` shows the ID only, and its memory is
/// wiped when it is dropped. [`Token::expose`] gives the text.
///
/// ```text
/// byte    0 .. 16   16 .. 48
///         ID        secret, 256 bit
/// ```
#[derive(Clone)]
pub struct Token {
    bytes: Zeroizing<[u8; Self::LEN]>,
}

impl Token {
    /// The length in bytes.
    pub const LEN: usize = SessionId::LEN + Self::SECRET_LEN;
    /// The length of the secret in bytes. OWASP ASVS 5.0, 7.2.3, asks for at
    /// least 128 bits of entropy.
    pub const SECRET_LEN: usize = 32;
    /// The length of the text in characters.
    pub const TEXT_LEN: usize = Self::LEN / 3 * 4;

    /// Puts a token together.
    pub(crate) fn new(id: SessionId, secret: &[u8; Self::SECRET_LEN]) -> Self {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        bytes[..SessionId::LEN].copy_from_slice(id.as_bytes());
        bytes[SessionId::LEN..].copy_from_slice(secret);
        Self { bytes }
    }

    /// Reads what a client presented; `None` for anything but the 64 canonical
    /// characters of a token whose ID has the right version and variant.
    ///
    /// Takes a time that does not depend on the characters.
    pub fn parse(text: impl AsRef<[u8]>) -> Option<Self> {
        let text: &[u8; Self::TEXT_LEN] = text.as_ref().try_into().ok()?;
        let mut token = Self {
            bytes: Zeroizing::new([0; Self::LEN]),
        };
        if !base64url::decode(text, &mut token.bytes) {
            return None;
        }
        SessionId::from_slice(&token.bytes[..SessionId::LEN])?;
        Some(token)
    }

    /// The session that the token is of.
    pub fn id(&self) -> SessionId {
        let mut id = [0; SessionId::LEN];
        id.copy_from_slice(&self.bytes[..SessionId::LEN]);
        SessionId::from_bytes(id).expect("a token is made from an ID or checked when parsed")
    }

    /// What a store keeps of the token: SHA-256 of its bytes.
    pub fn digest(&self) -> Digest {
        Digest(Sha256::digest(self.bytes.as_slice()).into())
    }

    /// The text for the cookie. It is the credential: do not log or store it.
    pub fn expose(&self) -> TokenText {
        let mut text = Zeroizing::new([0; Self::TEXT_LEN]);
        Base64UrlUnpadded::encode(self.bytes.as_slice(), text.as_mut_slice())
            .expect("48 bytes are 64 characters");
        TokenText(text)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.bytes
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, secret redacted)", self.id())
    }
}

/// The text of a [`Token`]; wiped from memory when dropped.
#[derive(Clone)]
pub struct TokenText(Zeroizing<[u8; Token::TEXT_LEN]>);

impl TokenText {
    /// The 64 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.0.as_slice()).expect("base64url is ASCII")
    }
}

impl std::ops::Deref for TokenText {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for TokenText {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(redacted)")
    }
}

/// SHA-256 of a token's bytes: what is stored instead of the secret.
///
/// Compared in constant time. `Debug` prints nothing of it.
#[derive(Clone, Copy)]
pub struct Digest([u8; Self::LEN]);

impl Digest {
    /// The length in bytes.
    pub const LEN: usize = 32;

    /// A digest that a store kept.
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// As [`Digest::from_bytes`]; `None` unless the slice has 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// The bytes, for a store to keep.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        // Eight bytes at a time, in a time that does not depend on them.
        let words = |bytes: &[u8; Self::LEN]| {
            let word = |at: usize| {
                let mut word = [0; 8];
                word.copy_from_slice(&bytes[8 * at..][..8]);
                u64::from_ne_bytes(word)
            };
            [word(0), word(1), word(2), word(3)]
        };
        let (own, other) = (words(&self.0), words(&other.0));
        own.ct_eq(&other).into()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(redacted)")
    }
}

/// A secret while it is being made; wiped when dropped.
pub(crate) type Secret = Zeroizing<[u8; Token::SECRET_LEN]>;

/// Random bytes, kept beside a session from a periodic renewal until the new
/// token was presented, with which the new token can be made again from the
/// old one. Worth nothing without the old token; who has both, the old token
/// and a copy of the store from before the new token was presented, can make the
/// new one. Erased from the record when the new token is presented.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt([u8; Self::LEN]);

impl Salt {
    /// The length in bytes.
    pub const LEN: usize = 32;

    /// A salt that a store kept.
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// As [`Salt::from_bytes`]; `None` unless the slice has 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// The bytes, for a store to keep.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(redacted)")
    }
}

impl Token {
    /// The successor of this token under a salt: the same ID, and
    /// HMAC-SHA256(key: this token, `"revocable renewal v1"` ‖ salt) as its
    /// secret.
    ///
    /// A renewal whose response was lost can so be answered again with the
    /// *same* new token, though the store holds only digests.
    pub(crate) fn successor(&self, salt: &Salt) -> Self {
        use hmac::{Hmac, KeyInit, Mac};
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(b"revocable renewal v1");
        mac.update(salt.as_bytes());
        let mut secret = Secret::default();
        let mut output = mac.finalize().into_bytes();
        secret.copy_from_slice(&output);
        output.as_mut_slice().zeroize();
        Self::new(self.id(), &secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Bucket;
    use crate::user::UserId;

    fn token() -> Token {
        let bucket = Bucket::of(&UserId::new("alice").unwrap());
        Token::new(
            SessionId::new(1_700_000_000_000, bucket, [7; 8]),
            &[0xfb; 32],
        )
    }

    #[test]
    fn text_has_64_characters_and_is_read_back() {
        let text = token().expose();
        assert_eq!(text.len(), 64);
        let read = Token::parse(text.as_str()).unwrap();
        assert_eq!(read.as_bytes(), token().as_bytes());
        assert_eq!(read.id(), token().id());
        assert!(read.digest() == token().digest());
    }

    #[test]
    fn anything_but_the_canonical_text_is_refused() {
        let text = token().expose();
        let text = text.as_str();
        assert!(Token::parse("").is_none());
        assert!(Token::parse(&text[1..]).is_none());
        assert!(Token::parse(format!("{text}=")).is_none());
        assert!(Token::parse(format!(" {}", &text[1..])).is_none());
        assert!(text.contains(['-', '_']));
        assert!(Token::parse(text.replace('-', "+").replace('_', "/")).is_none());
        assert!(Token::parse([0xff; 64]).is_none());
        // All zero bits: neither version 8 nor the variant.
        assert!(Token::parse("A".repeat(64)).is_none());
    }

    #[test]
    fn debug_shows_no_secret() {
        let token = token();
        let text = token.expose();
        for shown in [
            format!("{token:?}"),
            format!("{text:?}"),
            format!("{:?}", token.digest()),
        ] {
            assert!(shown.contains("redacted"), "{shown}");
            assert!(!shown.contains(&text[22..]), "{shown}");
        }
    }

    #[test]
    fn a_successor_depends_on_the_token_and_the_salt_only() {
        let salt = Salt::from_bytes([1; 32]);
        let successor = token().successor(&salt);
        assert_eq!(successor.id(), token().id());
        assert!(successor.digest() == token().successor(&salt).digest());
        assert!(successor.digest() != token().digest());
        assert!(successor.digest() != token().successor(&Salt::from_bytes([2; 32])).digest());
        assert!(successor.digest() != successor.successor(&salt).digest());
    }
}
