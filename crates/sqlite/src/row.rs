//! A record as columns, and back.
//!
//! ```text
//! checksum = CRC-32 of
//!   16  ID
//!   8   created_ms         all numbers big endian, times signed
//!   8   authenticated_ms
//!   8   last_seen_ms
//!   8   expires_ms
//!   8   idle_timeout_ms
//!   8   version
//!   32  digest
//!   1   previous: 0 none · 1 unconfirmed · 2 presented · 3 immediate
//!       if not none:   32 digest, 8 replaced_ms
//!       unconfirmed:   32 salt
//!       presented:     8 at_ms
//!   1   IP address: 0 none · 4 · 6, and 4 or 16 bytes
//!   2+2+2+4  lengths of user, user agent (0 for none), label (likewise), data
//!   n   user, user agent, label, data
//! ```
//!
//! It finds damage; it is no protection against somebody who can write to the
//! file.

pub(crate) mod large;

use std::net::IpAddr;
use std::sync::Arc;

use revocable_core::{Client, Digest, Previous, Record, Salt, SessionId, Successor, Times, UserId};
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};

use crate::fault::{Fault, Result};
use large::Tail;

const SELECT: &str = "SELECT created_ms, last_seen_ms, expires_ms, idle_timeout_ms,
    authenticated_ms, version, checksum, digest, user, previous_digest, previous_replaced_ms,
    successor_salt, successor_presented_ms, client_ip, client_label,
    CASE WHEN is_large IS NULL THEN client_user_agent
        ELSE (SELECT large.client_user_agent FROM large WHERE large.id = ?1) END,
    CASE WHEN is_large IS NULL THEN data
        ELSE (SELECT large.data FROM large WHERE large.id = ?1) END
    FROM sessions WHERE id = ?1";

const INSERT: &str = "INSERT INTO sessions (id, created_ms, last_seen_ms, expires_ms,
    idle_timeout_ms, authenticated_ms, version, checksum, digest, user, previous_digest,
    previous_replaced_ms, successor_salt, successor_presented_ms, client_ip, client_label,
    client_user_agent, data, is_large)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
    ON CONFLICT (id) DO NOTHING";

const TOUCH: &str = "UPDATE sessions SET last_seen_ms = ?2, checksum = ?3 WHERE id = ?1";

/// All that a change may write but the data.
const UPDATE: &str = "UPDATE sessions SET last_seen_ms = ?2, authenticated_ms = ?3, version = ?4,
    checksum = ?5, digest = ?6, previous_digest = ?7, previous_replaced_ms = ?8,
    successor_salt = ?9, successor_presented_ms = ?10 WHERE id = ?1";

const UPDATE_DATA: &str = "UPDATE sessions SET last_seen_ms = ?2, authenticated_ms = ?3,
    version = ?4, checksum = ?5, digest = ?6, previous_digest = ?7, previous_replaced_ms = ?8,
    successor_salt = ?9, successor_presented_ms = ?10, client_user_agent = ?11, data = ?12,
    is_large = ?13 WHERE id = ?1";

/// What is in the table under an ID.
#[derive(Debug)]
pub(crate) enum Found {
    /// A record as it was written.
    Whole(Arc<Record>),
    /// Something else; and the user, if that much can be read, which need not
    /// be the right one.
    Damaged(Option<UserId>),
}

/// The row with this ID.
pub(crate) fn find(connection: &Connection, id: SessionId) -> Result<Option<Found>> {
    let mut statement = connection.prepare_cached(SELECT)?;
    let mut rows = statement.query([id.as_bytes().as_slice()])?;
    Ok(rows.next()?.map(|row| match decode(id, row) {
        Some(record) => Found::Whole(Arc::new(record)),
        None => Found::Damaged(row.get_ref(8).ok().and_then(text).and_then(user_id)),
    }))
}

/// The record with this ID.
pub(crate) fn read(connection: &Connection, id: SessionId) -> Result<Option<Arc<Record>>> {
    match find(connection, id)? {
        Some(Found::Whole(record)) => Ok(Some(record)),
        Some(Found::Damaged(_)) => Err(Fault::corrupt_record()),
        None => Ok(None),
    }
}

/// Finds the place of a row and reads nothing else of it, as the engine does
/// first when it deletes one: an error if it would not get there.
pub(crate) fn seek(connection: &Connection, id: SessionId) -> Result<()> {
    connection
        .prepare_cached("SELECT 1 FROM sessions WHERE id = ?1")?
        .query_row([id.as_bytes().as_slice()], |_| Ok(()))
        .optional()?;
    Ok(())
}

/// Only what decides when the session ends; not checked against damage.
pub(crate) fn times(connection: &Connection, id: SessionId) -> Result<Option<Times>> {
    let times = connection
        .prepare_cached(
            "SELECT created_ms, last_seen_ms, expires_ms, idle_timeout_ms FROM sessions
             WHERE id = ?1",
        )?
        .query_row([id.as_bytes().as_slice()], |row| times_at(row, 0))
        .optional()?;
    Ok(times)
}

/// The four times of a row, from this column on.
pub(crate) fn times_at(row: &Row<'_>, first: usize) -> rusqlite::Result<Times> {
    Ok(Times {
        created_ms: row.get(first)?,
        last_seen_ms: row.get(first + 1)?,
        expires_ms: row.get(first + 2)?,
        idle_timeout_ms: row.get(first + 3)?,
    })
}

/// Writes a new row.
pub(crate) fn insert(connection: &Connection, record: &Record) -> rusqlite::Result<bool> {
    let previous = PreviousColumns::of(record);
    let mut octets = [0; 16];
    let ip = ip_octets(record.client.ip(), &mut octets);
    let tail = Tail::of(record);
    let inserted = connection.prepare_cached(INSERT)?.execute(params![
        record.id.as_bytes(),
        record.created_ms,
        record.last_seen_ms,
        record.expires_ms,
        record.idle_timeout_ms,
        record.authenticated_ms,
        record.version.cast_signed(),
        checksum(record),
        record.digest.as_bytes(),
        record.user.as_str(),
        previous.digest,
        previous.replaced_ms,
        previous.salt,
        previous.presented_ms,
        ip,
        record.client.label(),
        tail.user_agent,
        tail.data,
        tail.is_large,
    ])?;
    if inserted == 1 && tail.is_large.is_some() {
        large::put(connection, record)?;
    }
    Ok(inserted == 1)
}

/// Writes what differs between a row and what is to take its place, so that a
/// touch rewrites neither secrets nor data.
pub(crate) fn update(connection: &Connection, old: &Record, new: &Record) -> rusqlite::Result<()> {
    let id = new.id.as_bytes();
    let same_data = old.data == new.data;
    let only_seen = same_data
        && old.digest == new.digest
        && old.previous == new.previous
        && old.authenticated_ms == new.authenticated_ms
        && old.version == new.version;
    if only_seen {
        connection
            .prepare_cached(TOUCH)?
            .execute(params![id, new.last_seen_ms, checksum(new)])?;
        return Ok(());
    }
    let previous = PreviousColumns::of(new);
    let mut statement: CachedStatement<'_> =
        connection.prepare_cached(if same_data { UPDATE } else { UPDATE_DATA })?;
    let common = params![
        id,
        new.last_seen_ms,
        new.authenticated_ms,
        new.version.cast_signed(),
        checksum(new),
        new.digest.as_bytes(),
        previous.digest,
        previous.replaced_ms,
        previous.salt,
        previous.presented_ms,
    ];
    for (i, value) in common.iter().enumerate() {
        statement.raw_bind_parameter(i + 1, value)?;
    }
    if same_data {
        statement.raw_execute()?;
        return Ok(());
    }
    let tail = Tail::of(new);
    for (i, value) in params![tail.user_agent, tail.data, tail.is_large]
        .iter()
        .enumerate()
    {
        statement.raw_bind_parameter(common.len() + i + 1, value)?;
    }
    statement.raw_execute()?;
    if tail.is_large.is_some() {
        large::put(connection, new)?;
    } else if large::is_large(old) {
        large::remove(connection, new.id)?;
    }
    Ok(())
}

fn decode(id: SessionId, row: &Row<'_>) -> Option<Record> {
    let column = |i| row.get_ref(i).ok();
    let record = Record {
        id,
        created_ms: integer(column(0)?)?,
        last_seen_ms: integer(column(1)?)?,
        expires_ms: integer(column(2)?)?,
        idle_timeout_ms: integer(column(3)?)?,
        authenticated_ms: integer(column(4)?)?,
        version: integer(column(5)?)?.cast_unsigned(),
        digest: Digest::from_slice(blob(column(7)?)?)?,
        user: user_id(text(column(8)?)?)?,
        previous: previous(column(9)?, column(10)?, column(11)?, column(12)?)?,
        client: Client::from_parts(
            nullable(column(15)?, text)?,
            nullable(column(13)?, ip_address)?,
            nullable(column(14)?, text)?,
        )?,
        data: blob(column(16)?)?.into(),
    };
    (integer(column(6)?)? == i64::from(checksum(&record))).then_some(record)
}

fn previous(
    digest: ValueRef<'_>,
    replaced_ms: ValueRef<'_>,
    salt: ValueRef<'_>,
    presented_ms: ValueRef<'_>,
) -> Option<Option<Box<Previous>>> {
    let null = ValueRef::Null;
    if digest == null {
        return (replaced_ms == null && salt == null && presented_ms == null).then_some(None);
    }
    let successor = match (salt, presented_ms) {
        (ValueRef::Null, ValueRef::Null) => Successor::Immediate,
        (salt, ValueRef::Null) => Successor::Unconfirmed {
            salt: Salt::from_slice(blob(salt)?)?,
        },
        (ValueRef::Null, at_ms) => Successor::Presented {
            at_ms: integer(at_ms)?,
        },
        _ => return None,
    };
    Some(Some(Box::new(Previous {
        digest: Digest::from_slice(blob(digest)?)?,
        replaced_ms: integer(replaced_ms)?,
        successor,
    })))
}

fn integer(value: ValueRef<'_>) -> Option<i64> {
    value.as_i64().ok()
}

fn text(value: ValueRef<'_>) -> Option<&str> {
    value.as_str().ok()
}

fn blob(value: ValueRef<'_>) -> Option<&[u8]> {
    match value {
        ValueRef::Blob(bytes) => Some(bytes),
        _ => None,
    }
}

fn nullable<'a, T>(
    value: ValueRef<'a>,
    read: impl Fn(ValueRef<'a>) -> Option<T>,
) -> Option<Option<T>> {
    match value {
        ValueRef::Null => Some(None),
        value => read(value).map(Some),
    }
}

fn user_id(text: &str) -> Option<UserId> {
    UserId::new(text).ok()
}

fn ip_address(value: ValueRef<'_>) -> Option<IpAddr> {
    let bytes = blob(value)?;
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(octets.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn ip_octets(ip: Option<IpAddr>, octets: &mut [u8; 16]) -> Option<&[u8]> {
    match ip? {
        IpAddr::V4(ip) => {
            octets[..4].copy_from_slice(&ip.octets());
            Some(&octets[..4])
        }
        IpAddr::V6(ip) => {
            *octets = ip.octets();
            Some(octets)
        }
    }
}

struct PreviousColumns<'a> {
    digest: Option<&'a [u8; Digest::LEN]>,
    replaced_ms: Option<i64>,
    salt: Option<&'a [u8; Salt::LEN]>,
    presented_ms: Option<i64>,
}

impl<'a> PreviousColumns<'a> {
    fn of(record: &'a Record) -> Self {
        let previous = record.previous.as_ref();
        let (salt, presented_ms) = match previous.map(|previous| &previous.successor) {
            Some(Successor::Unconfirmed { salt }) => (Some(salt.as_bytes()), None),
            Some(Successor::Presented { at_ms }) => (None, Some(*at_ms)),
            Some(Successor::Immediate) | None => (None, None),
        };
        Self {
            digest: previous.map(|previous| previous.digest.as_bytes()),
            replaced_ms: previous.map(|previous| previous.replaced_ms),
            salt,
            presented_ms,
        }
    }
}

/// The longest that the fixed part of the encoding gets.
const HEAD_LEN: usize = 16 + 6 * 8 + 32 + (1 + 32 + 8 + 32) + (1 + 16) + (3 * 2 + 4);

/// Bytes put one after the other, without an allocation.
struct Head {
    bytes: [u8; HEAD_LEN],
    len: usize,
}

impl Head {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

/// The checksum of all columns, see above.
fn checksum(record: &Record) -> u32 {
    let mut head = Head {
        bytes: [0; HEAD_LEN],
        len: 0,
    };
    head.put(record.id.as_bytes());
    for time in [
        record.created_ms,
        record.authenticated_ms,
        record.last_seen_ms,
        record.expires_ms,
        record.idle_timeout_ms,
    ] {
        head.put(&time.to_be_bytes());
    }
    head.put(&record.version.to_be_bytes());
    head.put(record.digest.as_bytes());
    match &record.previous {
        None => head.put(&[0]),
        Some(previous) => {
            head.put(&[match previous.successor {
                Successor::Unconfirmed { .. } => 1,
                Successor::Presented { .. } => 2,
                Successor::Immediate => 3,
            }]);
            head.put(previous.digest.as_bytes());
            head.put(&previous.replaced_ms.to_be_bytes());
            match &previous.successor {
                Successor::Unconfirmed { salt } => head.put(salt.as_bytes()),
                Successor::Presented { at_ms } => head.put(&at_ms.to_be_bytes()),
                Successor::Immediate => {}
            }
        }
    }
    match record.client.ip() {
        None => head.put(&[0]),
        Some(IpAddr::V4(ip)) => {
            head.put(&[4]);
            head.put(&ip.octets());
        }
        Some(IpAddr::V6(ip)) => {
            head.put(&[6]);
            head.put(&ip.octets());
        }
    }
    let user_agent = record.client.user_agent().unwrap_or_default();
    let label = record.client.label().unwrap_or_default();
    // The types bound these lengths: 255, 512 and 128 bytes, and 1 MiB.
    for text in [record.user.as_str(), user_agent, label] {
        head.put(&(text.len() as u16).to_be_bytes());
    }
    head.put(&(record.data.len() as u32).to_be_bytes());

    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&head.bytes[..head.len]);
    hasher.update(record.user.as_str().as_bytes());
    hasher.update(user_agent.as_bytes());
    hasher.update(label.as_bytes());
    hasher.update(&record.data);
    hasher.finalize()
}

#[cfg(test)]
mod tests;
