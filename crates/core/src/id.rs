//! Session IDs: public names of sessions, ordered by time, that tell which
//! bucket their user is in.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::user::UserId;

/// The public name of a session: 16 bytes, a UUID of version 8 (RFC 9562,
/// section 5.8).
///
/// An ID is not a credential: it may be logged, listed and put in a URL. It
/// stays the same when the session gets a new secret.
///
/// ```text
/// byte    0 1 2 3 4 5      6 7                  8 9 10 11 12 13 14 15
///         Unix ms, 48 bit  version 8 ‖ bucket   variant 0b10 ‖ random, 62 bit
///         big endian       4 bit     12 bit     2 bit
/// ```
///
/// Its text form, `Display` and `FromStr`, is that of a UUID: 36 lower-case
/// characters with hyphens. IDs sort by the time of their creation, so inserts
/// go to the end of a B-tree.
///
/// An ID tells two things to whoever sees it: when the session was created,
/// and 12 bits of a hash of the user.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; Self::LEN]);

/// The 1 of 4,096 parts of all users that a user belongs to: the first 12 bits
/// of SHA-256(`"revocable bucket v1"` ‖ user).
///
/// A session's ID names the bucket of its user, so an engine in parts finds a
/// session by ID, and all sessions of a user, in the same part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(u16);

impl Bucket {
    /// How many buckets there are.
    pub const COUNT: usize = 1 << 12;

    /// The bucket of a user. Costs one SHA-256.
    pub fn of(user: &UserId) -> Self {
        let hash = Sha256::new()
            .chain_update(b"revocable bucket v1")
            .chain_update(user.as_str())
            .finalize();
        Self(u16::from(hash[0]) << 4 | u16::from(hash[1]) >> 4)
    }

    /// The bucket with this number; `None` unless it is below
    /// [`Bucket::COUNT`].
    pub fn from_index(index: usize) -> Option<Self> {
        let number = u16::try_from(index).ok()?;
        (index < Self::COUNT).then_some(Self(number))
    }

    /// The bucket as a number below [`Bucket::COUNT`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl SessionId {
    /// The length in bytes.
    pub const LEN: usize = 16;

    const MAX_MS: i64 = (1 << 48) - 1;

    /// Puts an ID together. Times outside of 48 bits are clamped: the time
    /// orders IDs, nothing is decided by it.
    pub fn new(created_ms: i64, bucket: Bucket, random: [u8; 8]) -> Self {
        let mut bytes = [0; Self::LEN];
        let ms = created_ms.clamp(0, Self::MAX_MS).to_be_bytes();
        bytes[..6].copy_from_slice(&ms[2..]);
        bytes[6..8].copy_from_slice(&(0x8000 | bucket.0).to_be_bytes());
        bytes[8..].copy_from_slice(&random);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Self(bytes)
    }

    /// Reads an ID; `None` unless the version is 8 and the variant is that of
    /// RFC 9562.
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Option<Self> {
        (bytes[6] >> 4 == 8 && bytes[8] >> 6 == 0b10).then_some(Self(bytes))
    }

    /// As [`SessionId::from_bytes`], from a slice that may have any length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Self::from_bytes(bytes.try_into().ok()?)
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The bucket of the session's user.
    pub fn bucket(&self) -> Bucket {
        Bucket(u16::from_be_bytes([self.0[6], self.0[7]]) & 0x0fff)
    }

    /// The time of creation in Unix milliseconds, as the ID tells it.
    pub fn created_ms(&self) -> i64 {
        let mut ms = [0; 8];
        ms[2..].copy_from_slice(&self.0[..6]);
        i64::from_be_bytes(ms)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                at += 1;
            }
            text[at] = HEX[usize::from(byte >> 4)];
            text[at + 1] = HEX[usize::from(byte & 15)];
            at += 2;
        }
        f.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// The text is not the canonical form of a [`SessionId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a session ID")]
pub struct ParseSessionIdError;

impl FromStr for SessionId {
    type Err = ParseSessionIdError;

    /// Accepts exactly what `Display` prints.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text: &[u8; 36] = text
            .as_bytes()
            .try_into()
            .map_err(|_| ParseSessionIdError)?;
        let digit = |c: u8| match c {
            b'0'..=b'9' => Ok(c - b'0'),
            b'a'..=b'f' => Ok(c - b'a' + 10),
            _ => Err(ParseSessionIdError),
        };
        let mut bytes = [0; Self::LEN];
        let mut at = 0;
        for (i, byte) in bytes.iter_mut().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                if text[at] != b'-' {
                    return Err(ParseSessionIdError);
                }
                at += 1;
            }
            *byte = digit(text[at])? << 4 | digit(text[at + 1])?;
            at += 2;
        }
        Self::from_bytes(bytes).ok_or(ParseSessionIdError)
    }
}

impl serde::Serialize for SessionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for SessionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = SessionId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a session ID")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SessionId, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_numbered() {
        let last = Bucket::COUNT - 1;
        assert_eq!(Bucket::from_index(last).map(Bucket::index), Some(last));
        assert_eq!(Bucket::from_index(Bucket::COUNT), None);
        assert_eq!(Bucket::from_index(1 << 16), None);
    }

    fn id() -> SessionId {
        SessionId::new(1_700_000_000_000, Bucket(0xabc), [0xff; 8])
    }

    #[test]
    fn layout_is_uuid_version_8() {
        assert_eq!(id().to_string(), "018bcfe5-6800-8abc-bfff-ffffffffffff");
        assert_eq!(id().created_ms(), 1_700_000_000_000);
        assert_eq!(id().bucket(), Bucket(0xabc));
    }

    #[test]
    fn text_form_round_trips_and_nothing_else_is_accepted() {
        let text = id().to_string();
        assert_eq!(text.parse(), Ok(id()));
        assert!(text.to_uppercase().parse::<SessionId>().is_err());
        assert!(text.replace('-', "").parse::<SessionId>().is_err());
        assert!(text.replace("-8", "-4").parse::<SessionId>().is_err());
        assert!(text.replace("-bfff", "-ffff").parse::<SessionId>().is_err());
        assert!("".parse::<SessionId>().is_err());
        assert!("é".repeat(18).parse::<SessionId>().is_err());
    }

    #[test]
    fn times_out_of_range_are_clamped() {
        let at = |ms| SessionId::new(ms, Bucket(0), [0; 8]).created_ms();
        assert_eq!(at(-1), 0);
        assert_eq!(at(i64::MIN), 0);
        assert_eq!(at(i64::MAX), SessionId::MAX_MS);
    }

    #[test]
    fn bucket_is_the_first_12_bits_of_the_hash() {
        let user = UserId::new("alice").unwrap();
        let hash = Sha256::digest(b"revocable bucket v1alice");
        let expected = usize::from(u16::from_be_bytes([hash[0], hash[1]]) >> 4);
        assert_eq!(Bucket::of(&user).index(), expected);
    }
}
