//! What is stored of a session, and how it is read back.

use std::error::Error as StdError;
use std::sync::Arc;

use bytes::BytesMut;
use revocable_core::{Error, ErrorKind, Record, Result, SessionId};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

const CHECKSUM_LEN: usize = 4;

/// A session's two columns: all but the application's data, and these. Most
/// changes leave the data as they are, and a touch then writes neither them nor,
/// if there are many, their pages.
pub(crate) struct Stored {
    pub(crate) record: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

impl Stored {
    pub(crate) fn of(record: &Record) -> Self {
        Self {
            record: without_data(record),
            data: with_checksum(&record.data),
        }
    }
}

pub(crate) fn without_data(record: &Record) -> Vec<u8> {
    let data: &[u8] = &[];
    Record {
        data: data.into(),
        ..record.clone()
    }
    .encode()
}

fn with_checksum(data: &[u8]) -> Vec<u8> {
    [data, &crc32fast::hash(data).to_be_bytes()].concat()
}

/// The record, if it is whole and of this session.
pub(crate) fn record(id: SessionId, record: &[u8], data: &[u8]) -> Result<Arc<Record>> {
    let (data, checksum) = data
        .len()
        .checked_sub(CHECKSUM_LEN)
        .map(|at| data.split_at(at))
        .ok_or_else(corrupt)?;
    if crc32fast::hash(data).to_be_bytes() != checksum || data.len() > Record::MAX_DATA_LEN {
        return Err(corrupt());
    }
    let mut whole = head(id, record)?;
    whole.data = data.into();
    Ok(Arc::new(whole))
}

/// All but the data.
pub(crate) fn head(id: SessionId, record: &[u8]) -> Result<Record> {
    match Record::decode(record) {
        Ok(record) if record.id == id && record.data.is_empty() => Ok(record),
        Ok(_) => Err(corrupt()),
        Err(error) => Err(corrupt().with_source(error)),
    }
}

pub(crate) fn corrupt() -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "the session's record is damaged; it can only be revoked",
    )
}

/// A session's ID as a `uuid`, which may have another form if it was not written
/// here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Uuid(pub(crate) [u8; SessionId::LEN]);

/// Before every session's.
pub(crate) const LOWEST: Uuid = Uuid([0; SessionId::LEN]);

type Outcome<T> = std::result::Result<T, Box<dyn StdError + Sync + Send>>;

impl Uuid {
    pub(crate) fn of(id: SessionId) -> Self {
        Self(*id.as_bytes())
    }

    pub(crate) fn session(self) -> Option<SessionId> {
        SessionId::from_bytes(self.0)
    }
}

impl ToSql for Uuid {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Outcome<IsNull> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::UUID
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Uuid {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Outcome<Self> {
        Ok(Self(raw.try_into()?))
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::UUID
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use revocable_core::{Bucket, Client, Digest, UserId};

    fn a_record(data: &[u8]) -> Record {
        let user = UserId::new("alice").unwrap();
        Record {
            id: SessionId::new(1, Bucket::of(&user), [7; 8]),
            user,
            digest: Digest::from_bytes([5; 32]),
            previous: None,
            created_ms: 1,
            authenticated_ms: 1,
            last_seen_ms: 1,
            expires_ms: 9,
            idle_timeout_ms: 5,
            version: 0,
            client: Client::new(),
            data: data.into(),
        }
    }

    #[test]
    fn what_is_stored_is_read_back() {
        for data in [&b""[..], b"{}", &[7; 10_000]] {
            let whole = a_record(data);
            let stored = Stored::of(&whole);
            let back = record(whole.id, &stored.record, &stored.data).unwrap();
            assert_eq!(*back, whole);
        }
    }

    #[test]
    fn damage_to_either_part_is_found() {
        let whole = a_record(b"{\"a\":1}");
        let stored = Stored::of(&whole);
        for at in 0..stored.record.len() {
            let mut damaged = stored.record.clone();
            damaged[at] ^= 1;
            assert!(record(whole.id, &damaged, &stored.data).is_err(), "{at}");
        }
        for at in 0..stored.data.len() {
            let mut damaged = stored.data.clone();
            damaged[at] ^= 1;
            assert!(record(whole.id, &stored.record, &damaged).is_err(), "{at}");
            let short = &stored.data[..at];
            assert!(record(whole.id, &stored.record, short).is_err(), "{at}");
        }
        let other = SessionId::new(2, whole.id.bucket(), [7; 8]);
        assert!(record(other, &stored.record, &stored.data).is_err());
        // Data in the place of the record's own.
        assert!(record(whole.id, &whole.encode(), &stored.data).is_err());
    }
}
