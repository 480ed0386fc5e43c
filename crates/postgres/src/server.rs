//! What all clones of a store share.

use std::sync::Arc;

use revocable_core::{Bucket, Change, Error, ErrorKind, Record, Result, SessionId};
use revocable_remote::{Local, Remote, random};
use tokio::sync::Mutex;
use tokio_postgres::Row;

use crate::connect::Place;
use crate::fault::{lost_meta, unexpected};
use crate::link::{Limits, Link};
use crate::statements::Statements;
use crate::stored;
use crate::update::{Kind, update};

/// The server, and what is known of it.
pub(crate) struct Server {
    pub(crate) statements: Statements,
    /// A lookup does not wait behind writes, unless the application's own pool
    /// makes it.
    pub(crate) reads: Link,
    pub(crate) writes: Link,
    /// What is sent here waits for all that is being announced, and nobody waits for it.
    pub(crate) marks: Link,
    /// Held while one is.
    pub(crate) marking: Mutex<()>,
    /// How long a write waits for a lock, in milliseconds.
    pub(crate) patience: String,
    pub(crate) limits: Limits,
    /// Where the announcements come from.
    pub(crate) announces: Option<Place>,
    pub(crate) schema: String,
    pub(crate) local: Local,
}

/// A session as it was read.
pub(crate) struct Found {
    pub(crate) record: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) stamp: i64,
}

impl Server {
    /// What is stored of a session that has not ended with all others.
    pub(crate) async fn value(&self, id: SessionId) -> Result<Option<Found>> {
        let rows = self
            .reads
            .read(&self.statements.lookup, &[&stored::Uuid::of(id)])
            .await?;
        Found::in_row(rows.first().ok_or_else(lost_meta)?, 0)
    }

    pub(crate) async fn find(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        let rows = self
            .reads
            .read(&self.statements.lookup, &[&stored::Uuid::of(id)])
            .await?;
        let row = rows.first().ok_or_else(lost_meta)?;
        let (record, data): (Option<&[u8]>, Option<&[u8]>) = (get(row, 0)?, get(row, 1)?);
        record
            .zip(data)
            .map(|(record, data)| stored::record(id, record, data))
            .transpose()
    }
}

impl Found {
    /// From these columns on; `None` if there was nothing to join.
    pub(crate) fn in_row(row: &Row, first: usize) -> Result<Option<Self>> {
        let Some(record) = get(row, first)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            record,
            data: get(row, first + 1)?,
            stamp: get(row, first + 2)?,
        }))
    }

    pub(crate) fn record(&self, id: SessionId) -> Result<Arc<Record>> {
        stored::record(id, &self.record, &self.data)
    }
}

impl Remote for Server {
    fn local(&self) -> &Local {
        &self.local
    }

    async fn is_there(&self, id: SessionId) -> Result<bool> {
        match self.find(id).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(true),
            found => Ok(found?.is_some()),
        }
    }

    async fn touch(&self, id: SessionId, touch: Change) -> Result<()> {
        update(self, id, &touch, Kind::MayBeLost).await.map(|_| ())
    }
}

/// A column.
pub(crate) fn get<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, at: usize) -> Result<T> {
    row.try_get(at).map_err(unexpected)
}

pub(crate) fn stamp() -> Result<i64> {
    random().map(i64::from_be_bytes)
}

/// What locks of the bucket are named by.
pub(crate) fn number(bucket: Bucket) -> i32 {
    i32::try_from(bucket.index()).unwrap_or(i32::MAX)
}

/// Others were faster, each time.
pub(crate) fn overtaken() -> Error {
    Error::new(
        ErrorKind::Conflict,
        "others change the same sessions faster than this call can",
    )
}
