//! What the tests have in common.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_executor::block_on;
use revocable_core::{
    Bucket, Change, ChangeKind, Client, CreateOutcome, CreateRequest, Digest, EndListener,
    EndReason, Ended, Liveness, Record, RevokeAllRequest, SessionId, SessionStore, SweepRequest,
    UserId,
};
use revocable_sqlite::SqliteStore;
use rusqlite::Connection;
use tempfile::TempDir;

/// A folder of its own, with the path of a store in it.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("sessions.db")
    }

    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        self.folder.path().join(format!("sessions.db{suffix}"))
    }

    pub(crate) fn open(&self) -> SqliteStore {
        SqliteStore::open(self.path()).unwrap()
    }

    /// A connection around the store.
    pub(crate) fn connect(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection
            .busy_timeout(std::time::Duration::from_secs(5))
            .unwrap();
        connection
    }
}

pub(crate) fn exclusively(place: &Place) -> revocable_core::Result<SqliteStore> {
    SqliteStore::builder(place.path()).exclusive(true).open()
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// A new session with an ID like no other.
pub(crate) fn record(name: &str) -> Record {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let user = user(name);
    let mut digest = [7; 32];
    digest[..8].copy_from_slice(&n.to_be_bytes());
    Record {
        id: SessionId::new(1_000 + n as i64, Bucket::of(&user), n.to_be_bytes()),
        user,
        digest: Digest::from_bytes(digest),
        previous: None,
        created_ms: 1_000,
        authenticated_ms: 1_000,
        last_seen_ms: 1_000,
        expires_ms: 1_000_000,
        idle_timeout_ms: 100_000,
        version: 0,
        client: Client::new()
            .with_user_agent("a browser")
            .with_ip([192, 0, 2, 1].into()),
        data: b"some data".as_slice().into(),
    }
}

pub(crate) fn request(record: Record) -> CreateRequest {
    CreateRequest {
        record,
        expected_epoch: None,
        cap: None,
        liveness: Liveness::at(2_000),
    }
}

/// Creates a session and returns it.
pub(crate) fn create(store: &SqliteStore, name: &str) -> Record {
    let record = record(name);
    let created = block_on(store.create(request(record.clone()))).unwrap();
    assert_eq!(created, CreateOutcome::Created { ended: vec![] });
    record
}

pub(crate) fn lookup(store: &SqliteStore, id: SessionId) -> Option<Record> {
    block_on(store.lookup(id))
        .unwrap()
        .map(|record| Record::clone(&record))
}

pub(crate) fn revoke(store: &SqliteStore, id: SessionId) -> Option<Ended> {
    block_on(store.revoke(id, EndReason::LoggedOut)).unwrap()
}

pub(crate) fn revoke_all(name: &str) -> RevokeAllRequest {
    RevokeAllRequest {
        user: user(name),
        keep: None,
        reason: EndReason::LoggedOutEverywhere,
        now_ms: 2_000,
    }
}

pub(crate) fn touch(now_ms: i64) -> Change {
    Change {
        liveness: Liveness::at(now_ms),
        kind: ChangeKind::Touch,
    }
}

pub(crate) fn rows(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

pub(crate) fn sweep(now_ms: i64) -> SweepRequest {
    SweepRequest {
        liveness: Liveness::at(now_ms),
        forget_epochs_before_ms: i64::MIN,
        cursor: None,
        max_rows: rows(10_000),
    }
}

/// Remembers what ended.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) ended: Mutex<Vec<Ended>>,
    pub(crate) everything: Mutex<Vec<(u64, EndReason)>>,
}

impl Heard {
    pub(crate) fn of(store: &SqliteStore) -> Arc<Self> {
        let heard = Arc::new(Self::default());
        let listener: Arc<dyn EndListener> = heard.clone();
        assert!(store.subscribe(Arc::downgrade(&listener)));
        heard
    }

    pub(crate) fn ids(&self) -> Vec<SessionId> {
        self.ended.lock().unwrap().iter().map(|e| e.id).collect()
    }
}

impl EndListener for Heard {
    fn ended(&self, ended: &[Ended]) {
        self.ended.lock().unwrap().extend_from_slice(ended);
    }

    fn everything_ended(&self, count: u64, reason: EndReason) {
        self.everything.lock().unwrap().push((count, reason));
    }
}
