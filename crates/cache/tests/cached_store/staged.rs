//! A store that stops where a test wants it to, and what the tests share.

use std::future::{Future, poll_fn};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use futures_executor::block_on;
use revocable_core::{
    Bucket, Change, ChangeKind, Client, CreateOutcome, CreateRequest, Digest, EndListener,
    EndReason, Ended, Epoch, Error, ErrorKind, Liveness, Page, Record, Result, RevokeAllOutcome,
    RevokeAllRequest, SessionId, SessionStore, Sharing, SweepOutcome, SweepRequest, UpdateOutcome,
    UserId,
};
use revocable_memory::MemoryStore;

/// Where a call can be stopped. Closed until it is opened, if it was closed.
#[derive(Default)]
pub(crate) struct Gate {
    closed: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Gate {
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn open(&self) {
        self.closed.store(false, Ordering::SeqCst);
        for waker in self.waiting.lock().unwrap().drain(..) {
            waker.wake();
        }
    }

    async fn pass(&self) {
        poll_fn(|context| {
            let mut waiting = self.waiting.lock().unwrap();
            if !self.closed.load(Ordering::SeqCst) {
                return Poll::Ready(());
            }
            waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A store in memory with gates, which can also fail and pretend.
pub(crate) struct Staged {
    pub(crate) memory: MemoryStore,
    /// After a row was loaded, before it is returned.
    pub(crate) loaded: Gate,
    /// Before a write takes effect.
    pub(crate) begun: Gate,
    /// After it took effect, before it is acknowledged.
    pub(crate) committed: Gate,
    /// While the changes of others are counted.
    pub(crate) counting: Gate,
    /// How often a row was asked for.
    pub(crate) loads: AtomicU64,
    /// Every call fails.
    pub(crate) broken: AtomicBool,
    /// Every write takes effect and says that it does not know.
    pub(crate) forgetful: AtomicBool,
    pub(crate) panics: AtomicBool,
    /// Touches are taken, and applied by the test.
    pub(crate) touches_late: bool,
    /// Whether it tells of ended sessions itself.
    pub(crate) tells: bool,
    pub(crate) sharing: Sharing,
    pub(crate) foreign: AtomicU64,
    /// How often that was asked for.
    pub(crate) counted: AtomicU64,
}

impl Staged {
    pub(crate) fn new() -> Self {
        Self {
            memory: MemoryStore::new(),
            loaded: Gate::default(),
            begun: Gate::default(),
            committed: Gate::default(),
            counting: Gate::default(),
            loads: AtomicU64::new(0),
            broken: AtomicBool::new(false),
            forgetful: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            touches_late: false,
            // Most tests are about what the cache does by itself.
            tells: false,
            sharing: Sharing::Sole,
            foreign: AtomicU64::new(0),
            counted: AtomicU64::new(0),
        }
    }

    pub(crate) fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    pub(crate) fn set(flag: &AtomicBool, to: bool) {
        flag.store(to, Ordering::SeqCst);
    }

    fn check(&self) -> Result<()> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "broken"));
        }
        Ok(())
    }

    async fn write<T>(&self, write: impl Future<Output = Result<T>>) -> Result<T> {
        self.check()?;
        self.begun.pass().await;
        assert!(!self.panics.load(Ordering::SeqCst), "as the test wants it");
        let outcome = write.await?;
        self.committed.pass().await;
        if self.forgetful.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::UnknownOutcome, "forgotten"));
        }
        Ok(outcome)
    }
}

#[async_trait]
impl SessionStore for Staged {
    async fn create(&self, request: CreateRequest) -> Result<CreateOutcome> {
        self.write(self.memory.create(request)).await
    }

    async fn lookup(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        self.check()?;
        self.loads.fetch_add(1, Ordering::SeqCst);
        let found = self.memory.lookup(id).await?;
        self.loaded.pass().await;
        Ok(found)
    }

    async fn update(&self, id: SessionId, change: Change) -> Result<UpdateOutcome> {
        self.write(self.memory.update(id, change)).await
    }

    fn update_soon(&self, id: SessionId, change: &Change) -> bool {
        self.touches_late || self.memory.update_soon(id, change)
    }

    async fn revoke(&self, id: SessionId, reason: EndReason) -> Result<Option<Ended>> {
        self.write(self.memory.revoke(id, reason)).await
    }

    async fn revoke_all_for_user(&self, request: RevokeAllRequest) -> Result<RevokeAllOutcome> {
        self.write(self.memory.revoke_all_for_user(request)).await
    }

    async fn revoke_everything(&self, reason: EndReason) -> Result<u64> {
        self.write(self.memory.revoke_everything(reason)).await
    }

    async fn list_for_user(
        &self,
        user: &UserId,
        after: Option<SessionId>,
        limit: NonZeroU32,
    ) -> Result<Page> {
        self.check()?;
        self.memory.list_for_user(user, after, limit).await
    }

    async fn epoch(&self, user: &UserId) -> Result<Epoch> {
        self.check()?;
        self.memory.epoch(user).await
    }

    async fn sweep_expired(&self, request: SweepRequest) -> Result<SweepOutcome> {
        self.write(self.memory.sweep_expired(request)).await
    }

    async fn health(&self) -> Result<()> {
        self.check()
    }

    fn sharing(&self) -> Sharing {
        self.sharing
    }

    async fn foreign_changes(&self) -> Result<u64> {
        self.check()?;
        self.counted.fetch_add(1, Ordering::SeqCst);
        let count = self.foreign.load(Ordering::SeqCst);
        self.counting.pass().await;
        Ok(count)
    }

    fn subscribe(&self, listener: Weak<dyn EndListener>) -> bool {
        self.tells && self.memory.subscribe(listener)
    }
}

pub(crate) type Cached = revocable_cache::CachedStore<Arc<Staged>>;

pub(crate) fn cached() -> (Arc<Staged>, Cached) {
    let store = Arc::new(Staged::new());
    let cached = Cached::new(Arc::clone(&store)).unwrap();
    (store, cached)
}

/// Far from now: the cache looks at the real clock.
pub(crate) const NEVER_MS: i64 = 1 << 50;

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
        expires_ms: NEVER_MS,
        idle_timeout_ms: NEVER_MS,
        version: 0,
        client: Client::new(),
        data: b"data".as_slice().into(),
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

/// A session of this user.
pub(crate) fn create(store: &dyn SessionStore, name: &str) -> Record {
    let record = record(name);
    let outcome = block_on(store.create(request(record.clone()))).unwrap();
    assert!(matches!(outcome, CreateOutcome::Created { .. }));
    record
}

/// A session that is in the cache.
pub(crate) fn create_cached(store: &Staged, cached: &Cached, name: &str) -> Record {
    let record = create(cached, name);
    assert!(lookup(cached, record.id).is_some());
    let loads = store.loads();
    assert!(lookup(cached, record.id).is_some());
    assert_eq!(store.loads(), loads, "not in the cache");
    record
}

pub(crate) fn lookup(store: &dyn SessionStore, id: SessionId) -> Option<Arc<Record>> {
    block_on(store.lookup(id)).unwrap()
}

pub(crate) fn touch(now_ms: i64) -> Change {
    Change {
        liveness: Liveness::at(now_ms),
        kind: ChangeKind::Touch,
    }
}

pub(crate) fn set_data(expected_version: u64, data: &[u8]) -> Change {
    Change {
        liveness: Liveness::at(2_000),
        kind: ChangeKind::SetData {
            expected_version,
            data: data.into(),
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

/// Polls a future once; the tests say when it goes on.
pub(crate) fn poll<T>(future: &mut Pin<Box<dyn Future<Output = T> + Send + '_>>) -> Poll<T> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}
