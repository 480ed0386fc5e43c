//! What the keys are called, and where in a session's value what is.

use std::sync::Arc;

use revocable_core::{Bucket, Error, ErrorKind, Record, Result, SessionId, Times, UserId};

/// The names of one store's keys. Those of a bucket have the bucket in braces: a
/// cluster keeps what has the same in one place.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// With its colon.
    prefix: Arc<str>,
}

impl Keys {
    /// A prefix that can be told from others and from the rest of a key.
    pub(crate) fn new(prefix: &str) -> Result<Self> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.:/".contains(c);
        if prefix.is_empty() || prefix.len() > 64 || !prefix.chars().all(is_plain) {
            return Err(Error::new(
                ErrorKind::Configuration,
                "the prefix of the keys has to be 1 to 64 of the characters A-Z a-z 0-9 _ - . : /",
            ));
        }
        Ok(Self {
            prefix: format!("{prefix}:").into(),
        })
    }

    pub(crate) fn of(&self, bucket: Bucket, name: &str) -> Vec<u8> {
        format!("{}{{{}}}:{name}", self.prefix, text(bucket)).into_bytes()
    }

    /// The position below which all sessions of the bucket have ended; every
    /// script finds the bucket's other keys by it.
    pub(crate) fn since(&self, bucket: Bucket) -> Vec<u8> {
        self.of(bucket, "g")
    }

    pub(crate) fn session(&self, id: SessionId) -> Vec<u8> {
        let mut key = self.of(id.bucket(), "s:");
        key.extend_from_slice(id.as_bytes());
        key
    }

    /// What is gone when the store's data are.
    pub(crate) fn life(&self, bucket: Bucket) -> Vec<u8> {
        self.of(bucket, "l")
    }

    /// Where it is tried whether writing works.
    pub(crate) fn health(&self, bucket: Bucket) -> Vec<u8> {
        self.of(bucket, "h")
    }

    /// Where everything is announced.
    pub(crate) fn channel(&self) -> Vec<u8> {
        format!("{}notices", self.prefix).into_bytes()
    }

    /// Where this member of a cluster announces what it does. Scripts are told the
    /// beginning, with no ID.
    pub(crate) fn channel_of(&self, member: &str) -> Vec<u8> {
        format!("{}notices:{member}", self.prefix).into_bytes()
    }
}

/// A bucket as scripts know it.
pub(crate) fn text(bucket: Bucket) -> String {
    format!("{:03x}", bucket.index())
}

/// Some session of this user would be in this place of the index.
pub(crate) fn indexed(user: &UserId) -> Vec<u8> {
    let user = user.as_str().as_bytes();
    // The type bounds it: 255.
    let length = u8::try_from(user.len()).unwrap_or(u8::MAX);
    [&[length][..], user].concat()
}

/// A member of the index, and of what is announced: the first one, and the rest.
pub(crate) fn split_member(bytes: &[u8]) -> Option<(Option<UserId>, SessionId, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (user, rest) = rest.split_at_checked(usize::from(*length))?;
    let (id, rest) = rest.split_at_checked(SessionId::LEN)?;
    let user = std::str::from_utf8(user).ok()?;
    let user = match user {
        "" => None,
        user => Some(UserId::new(user).ok()?),
    };
    Some((user, SessionId::from_slice(id)?, rest))
}

/// What tells one state of a session from every other: where it was created,
/// and a stamp that is new with each write.
pub(crate) const HEAD: usize = 16;

/// How much of a value has the times in it, whoever the user is: head, user with
/// its length, and the record's format, ID, digest and five times.
pub(crate) const UP_TO_TIMES: usize = HEAD + 1 + 255 + 1 + 16 + 32 + 5 * 8;

/// A session's value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub(crate) head: [u8; HEAD],
    /// As [`Record::encode`] writes it, unless only a part was read.
    record: &'a [u8],
}

impl<'a> Stored<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Option<Self> {
        let (head, rest) = value.split_first_chunk()?;
        let (length, rest) = rest.split_first()?;
        let (_, record) = rest.split_at_checked(usize::from(*length))?;
        Some(Self {
            head: *head,
            record,
        })
    }

    /// Whether it was created since everything was revoked.
    pub(crate) fn is_of_now(&self, since: u64) -> bool {
        self.position() >= since
    }

    fn position(&self) -> u64 {
        let (position, _) = self.head.split_at(8);
        position.try_into().map_or(0, u64::from_be_bytes)
    }

    /// What decides when the session ends, also if only the beginning was read:
    /// not checked against damage.
    pub(crate) fn times(&self) -> Option<Times> {
        // Format, ID, digest: see the codec.
        let times = self.record.get(1 + 16 + 32..)?;
        let (times, _) = times.as_chunks::<8>();
        let time = |at: usize| times.get(at).copied().map(i64::from_be_bytes);
        Some(Times {
            created_ms: time(0)?,
            last_seen_ms: time(2)?,
            expires_ms: time(3)?,
            idle_timeout_ms: time(4)?,
        })
    }

    /// The record, if it is whole and of this session.
    pub(crate) fn record(&self, id: SessionId) -> Result<Arc<Record>> {
        match Record::decode(self.record) {
            Ok(record) if record.id == id => Ok(Arc::new(record)),
            Ok(_) => Err(corrupt()),
            Err(error) => Err(corrupt().with_source(error)),
        }
    }

    /// The value after a change.
    pub(crate) fn changed(&self, record: &Record, stamp: [u8; 8]) -> Vec<u8> {
        [&self.head[..8], &tail(record, stamp)].concat()
    }
}

/// A session's value but for the position, which the server adds.
pub(crate) fn tail(record: &Record, stamp: [u8; 8]) -> Vec<u8> {
    [&stamp[..], &indexed(&record.user), &record.encode()].concat()
}

pub(crate) fn corrupt() -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "the session's record is damaged; it can only be revoked",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_could_be_mistaken_for_a_bucket_is_refused() {
        for prefix in ["", "a{b}", "a b", "ä", &"x".repeat(65)] {
            let kind = Keys::new(prefix).map(|_| ()).map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::Configuration), "{prefix}");
        }
    }

    #[test]
    fn all_keys_of_a_user_are_in_one_slot_of_a_cluster() {
        let keys = Keys::new("app").unwrap();
        let user = UserId::new("alice").unwrap();
        let bucket = Bucket::of(&user);
        let id = SessionId::new(1, bucket, [7; 8]);
        let tag = format!("app:{{{:03x}}}:", bucket.index());
        for key in [keys.since(bucket), keys.session(id), keys.life(bucket)] {
            assert!(key.starts_with(tag.as_bytes()));
        }
    }

    #[test]
    fn members_are_read_back_one_after_the_other() {
        let user = UserId::new("alice").unwrap();
        let id = |n| SessionId::new(n, Bucket::of(&user), [7; 8]);
        let mut bytes = indexed(&user);
        bytes.extend_from_slice(id(1).as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(id(2).as_bytes());
        let (whose, first, rest) = split_member(&bytes).unwrap();
        assert_eq!((whose, first), (Some(user.clone()), id(1)));
        let (whose, second, rest) = split_member(rest).unwrap();
        assert_eq!((whose, second, rest), (None, id(2), &[][..]));
        for length in 0..bytes.len() - 17 {
            assert!(split_member(&bytes[..length]).is_none(), "{length}");
        }
    }
}
