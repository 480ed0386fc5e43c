//! What the tests have in common.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_executor::block_on;
use revocable_core::{
    Bucket, Change, ChangeKind, Client, CreateOutcome, CreateRequest, Digest, EndListener,
    EndReason, Ended, Liveness, Record, RevokeAllRequest, SessionId, SessionStore, UserId,
};
use revocable_moka::MokaStore;

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

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
        client: Client::new(),
        data: b"data".as_slice().into(),
    }
}

pub(crate) fn request(record: &Record) -> CreateRequest {
    CreateRequest {
        record: record.clone(),
        expected_epoch: None,
        cap: None,
        liveness: Liveness::at(2_000),
    }
}

pub(crate) fn create(store: &MokaStore, name: &str) -> Record {
    let record = record(name);
    let outcome = block_on(store.create(request(&record))).unwrap();
    assert!(matches!(outcome, CreateOutcome::Created { .. }));
    record
}

pub(crate) fn is_there(store: &MokaStore, record: &Record) -> bool {
    block_on(store.lookup(record.id)).unwrap().is_some()
}

pub(crate) fn listed(store: &MokaStore, name: &str) -> Vec<SessionId> {
    let limit = u32::MAX.try_into().unwrap();
    let page = block_on(store.list_for_user(&user(name), None, limit)).unwrap();
    page.records.iter().map(|record| record.id).collect()
}

pub(crate) fn touch(now_ms: i64) -> Change {
    Change {
        liveness: Liveness::at(now_ms),
        kind: ChangeKind::Touch,
    }
}

pub(crate) fn set_data(expected_version: u64, len: usize) -> Change {
    Change {
        liveness: Liveness::at(2_000),
        kind: ChangeKind::SetData {
            expected_version,
            data: vec![1; len].into(),
        },
    }
}

pub(crate) fn revoke_all(name: &str) -> RevokeAllRequest {
    RevokeAllRequest {
        user: user(name),
        keep: None,
        reason: EndReason::LoggedOutEverywhere,
        now_ms: 2_000,
    }
}

/// For tests that need much memory, and that which counts it: one at a time.
pub(crate) fn memory_to_oneself() -> MutexGuard<'static, ()> {
    static MEMORY: Mutex<()> = Mutex::new(());
    MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says that it is over when it is dropped, also by a panic: otherwise threads
/// that go on until then would go on for ever.
pub(crate) struct Over<'a>(pub(crate) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Keeps what it is told.
#[derive(Default)]
pub(crate) struct Told(pub(crate) Mutex<Vec<Ended>>);

impl EndListener for Told {
    fn ended(&self, ended: &[Ended]) {
        self.0.lock().unwrap().extend_from_slice(ended);
    }

    fn everything_ended(&self, _: u64, _: EndReason) {}
}

impl Told {
    pub(crate) fn of(store: &MokaStore) -> Arc<Self> {
        let told = Arc::new(Self::default());
        let listener: Arc<dyn EndListener> = told.clone();
        assert!(store.subscribe(Arc::downgrade(&listener)));
        told
    }

    pub(crate) fn evicted(&self) -> Vec<SessionId> {
        let told = self.0.lock().unwrap();
        let evicted = told
            .iter()
            .filter(|ended| ended.reason == EndReason::Evicted);
        evicted.map(|ended| ended.id).collect()
    }
}
