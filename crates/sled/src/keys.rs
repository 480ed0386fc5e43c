//! How keys and values are laid out. Numbers are big-endian, so that keys are
//! in their order.
//!
//! ```text
//! sessions   ID (16)                          ->  the record, by `Record::encode`
//! by_user    length (1) ‖ user ‖ ID (16)      ->  nothing
//! epochs     length (1) ‖ user                ->  position (8) ‖ taken at, Unix ms (8)
//! meta       name                             ->  number (8)
//! ```

use revocable_core::{SessionId, UserId};

/// The length comes first, so that no user's keys are a part of another's.
pub(crate) fn of_user(user: &UserId) -> Vec<u8> {
    let name = user.as_str().as_bytes();
    let len = u8::try_from(name.len()).expect("a user's name has at most 255 bytes");
    let mut key = Vec::with_capacity(1 + name.len() + SessionId::LEN);
    key.push(len);
    key.extend_from_slice(name);
    key
}

pub(crate) fn by_user(user: &UserId, id: SessionId) -> Vec<u8> {
    let mut key = of_user(user);
    key.extend_from_slice(id.as_bytes());
    key
}

/// The ID at the end of a key of `by_user`.
pub(crate) fn id_of(key: &[u8]) -> Option<SessionId> {
    key.last_chunk().and_then(|id| SessionId::from_bytes(*id))
}

/// When a user's sessions were last revoked all at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) position: u64,
    pub(crate) at_ms: i64,
}

impl Taken {
    pub(crate) fn encode(self) -> [u8; 16] {
        let mut value = [0; 16];
        value[..8].copy_from_slice(&self.position.to_be_bytes());
        value[8..].copy_from_slice(&self.at_ms.to_be_bytes());
        value
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let (position, at_ms) = value.split_first_chunk()?;
        Some(Self {
            position: u64::from_be_bytes(*position),
            at_ms: i64::from_be_bytes(at_ms.try_into().ok()?),
        })
    }
}

pub(crate) fn number(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use revocable_core::Bucket;

    #[test]
    fn the_keys_of_one_user_are_never_a_part_of_anothers() {
        let users = ["a", "aa", "a\u{1}", "b"].map(|name| UserId::new(name).unwrap());
        for one in &users {
            let id = SessionId::new(0, Bucket::of(one), [b'a'; 8]);
            assert_eq!(id_of(&by_user(one, id)), Some(id));
            for other in &users {
                let within = by_user(one, id).starts_with(&of_user(other));
                assert_eq!(within, one == other);
            }
        }
    }

    #[test]
    fn what_was_taken_is_read_back() {
        let taken = Taken {
            position: u64::MAX - 1,
            at_ms: -5,
        };
        assert_eq!(Taken::decode(&taken.encode()), Some(taken));
        assert_eq!(Taken::decode(&[0; 15]), None);
        assert_eq!(Taken::decode(&[0; 17]), None);
    }
}
