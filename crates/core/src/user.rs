//! The key of the user that a session belongs to.

use std::fmt;

use smol_str::{SmolStr, ToSmolStr};

use crate::error::Error;

/// The application's own key of a user: opaque here, compared byte by byte.
///
/// 1 to 255 bytes of UTF-8 without U+0000 (which not every engine can store).
/// Use a key that never changes hands, such as a primary key; an e-mail
/// address can be given to somebody else, and stands in logs. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(
    // Keys of up to 23 bytes are in place, so that a lookup need not fetch them
    // from elsewhere.
    SmolStr,
);

impl UserId {
    /// The longest key in bytes.
    pub const MAX_LEN: usize = 255;

    /// Makes a user key.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the key is empty,
    /// longer than [`UserId::MAX_LEN`] bytes or holds U+0000.
    pub fn new(key: impl AsRef<str>) -> Result<Self, Error> {
        let key = key.as_ref();
        if key.is_empty() || key.len() > Self::MAX_LEN {
            return Err(Error::invalid("a user ID has 1 to 255 bytes"));
        }
        if key.contains('\0') {
            return Err(Error::invalid("a user ID has no U+0000"));
        }
        Ok(Self(key.into()))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({:?})", self.as_str())
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl TryFrom<&str> for UserId {
    type Error = Error;
    fn try_from(key: &str) -> Result<Self, Error> {
        Self::new(key)
    }
}

impl TryFrom<&String> for UserId {
    type Error = Error;
    fn try_from(key: &String) -> Result<Self, Error> {
        Self::new(key)
    }
}

impl TryFrom<String> for UserId {
    type Error = Error;
    fn try_from(key: String) -> Result<Self, Error> {
        Self::new(key)
    }
}

impl From<&UserId> for UserId {
    fn from(user: &UserId) -> Self {
        user.clone()
    }
}

macro_rules! from_integer {
    ($($integer:ty),*) => {$(
        impl From<$integer> for UserId {
            fn from(key: $integer) -> Self {
                Self(key.to_smolstr())
            }
        }
    )*};
}
// Database keys; a generic impl would collide with the ones above.
from_integer!(u32, u64, i32, i64, u128);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_checked() {
        assert!(UserId::new("").is_err());
        assert!(UserId::new("a\0b").is_err());
        assert!(UserId::new("a".repeat(255)).is_ok());
        assert!(UserId::new("a".repeat(256)).is_err());
        assert!(UserId::new("é".repeat(128)).is_err());
    }

    #[test]
    fn integers_are_written_in_decimal() {
        assert_eq!(UserId::from(42_u64).as_str(), "42");
        assert_eq!(UserId::from(-1_i64).as_str(), "-1");
    }
}
