//! tower-sessions: its store in memory, and its store over rusqlite.

use std::path::Path;
use std::time::Duration;

use futures_executor::block_on;
use revocable_benches::workload::{ROLE, Request};
use serde_json::Value;
use time::OffsetDateTime;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};
use tower_sessions_rusqlite_store::RusqliteStore;
use tower_sessions_rusqlite_store::tokio_rusqlite::{self, Connection, rusqlite};

use crate::peer::Peer;

/// A store of tower-sessions, asked directly: without its middleware, and
/// without the lock and the copy of each value that its `Session` adds.
///
/// A record has the user and the role and no more: it has no place of its own
/// for what is known of the client.
#[derive(Debug)]
pub(crate) struct TowerSessions<S>(pub(crate) S);

impl<S: SessionStore> Peer for TowerSessions<S> {
    async fn create(&self, user: &str) -> Box<[u8]> {
        let mut record = Record {
            id: Id::default(),
            data: [("user", user), ("role", ROLE)]
                .map(|(name, value)| (name.to_owned(), Value::from(value)))
                .into(),
            expiry_date: OffsetDateTime::now_utc() + Duration::from_secs(12 * 3_600),
        };
        self.0.create(&mut record).await.unwrap();
        record.id.to_string().as_bytes().into()
    }

    async fn is_right(&self, request: &Request) -> bool {
        let Some(id) = id(request) else { return false };
        let Some(record) = self.0.load(&id).await.unwrap() else {
            return false;
        };
        let is = |name, value| record.data.get(name).and_then(Value::as_str) == Some(value);
        is("user", &request.user) && is("role", ROLE)
    }

    async fn revoke(&self, request: &Request) -> bool {
        let Some(id) = id(request) else { return false };
        self.0.delete(&id).await.is_ok()
    }
}

fn id(request: &Request) -> Option<Id> {
    str::from_utf8(&request.key).ok()?.parse().ok()
}

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Synchronous {
    /// No: to fill a file.
    Off = 0,
    /// Yes.
    Full = 2,
}

/// The file of the SQLite store.
#[derive(Debug)]
pub(crate) struct SqliteFile(Connection);

impl SqliteFile {
    /// Opens the file in WAL mode, with as large a page cache as Revocable's
    /// writer has, and with or without durable commits.
    pub(crate) fn open(file: &Path, synchronous: Synchronous) -> Self {
        let connection = block_on(Connection::open(file)).unwrap();
        let settings = move |connection: &mut rusqlite::Connection| {
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", synchronous as i64)?;
            connection.pragma_update(None, "cache_size", -16_384)
        };
        block_on(connection.call(settings)).unwrap();
        let file = Self(connection);
        assert_eq!(file.in_force(), ("wal".to_owned(), synchronous as i64));
        file
    }

    /// The journal mode and the synchronous setting, as the connection that
    /// the store uses has them.
    pub(crate) fn in_force(&self) -> (String, i64) {
        let read = |connection: &mut rusqlite::Connection| {
            let journal = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
            let synchronous =
                connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
            Ok::<_, rusqlite::Error>((journal, synchronous))
        };
        block_on(self.0.call(read)).unwrap()
    }

    /// The store.
    pub(crate) fn store(&self) -> TowerSessions<RusqliteStore> {
        let store = RusqliteStore::new(self.0.clone());
        block_on(store.migrate()).unwrap();
        TowerSessions(store)
    }

    /// How many sessions there are.
    pub(crate) fn count(&self) -> usize {
        let count = |connection: &mut rusqlite::Connection| {
            let count = "SELECT count(*) FROM tower_sessions";
            connection.query_row(count, [], |row| row.get::<_, i64>(0))
        };
        usize::try_from(block_on(self.0.call(count)).unwrap()).unwrap()
    }

    /// Copies the log into the file, and closes it.
    pub(crate) fn close(self) {
        block_on(self.0.close())
            .map_err(|error: tokio_rusqlite::Error| error.to_string())
            .unwrap();
    }
}
