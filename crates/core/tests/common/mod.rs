//! What the tests of the manager share: sessions on a memory store with a
//! manual clock, and a store that fails or is plain on demand.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use revocable_core::{
    Change, CreateOutcome, CreateRequest, EndListener, EndReason, Ended, Epoch, Error, ErrorKind,
    Event, Lookup, ManualClock, Page, Policy, PresentedToken, Record, Rejection, Result,
    RevokeAllOutcome, RevokeAllRequest, SessionId, SessionStore, Sessions, SessionsBuilder,
    SweepOutcome, SweepRequest, Token, UpdateOutcome, UserId,
};
use revocable_memory::MemoryStore;

pub(crate) use pollster::block_on;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// Sessions for a test, with what it needs to steer and to look inside.
pub(crate) struct Setup {
    pub(crate) sessions: Sessions,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<TestStore>,
    pub(crate) events: Arc<Mutex<Vec<String>>>,
}

pub(crate) fn policy() -> revocable_core::PolicyBuilder {
    Policy::builder(24 * HOUR)
        .idle_timeout(HOUR)
        .touch_interval(MINUTE)
        .renewal_interval(10 * MINUTE)
        .renewal_overlap(10 * SECOND)
}

pub(crate) fn setup() -> Setup {
    setup_with(|builder| builder.policy(policy()))
}

pub(crate) fn setup_with(configure: impl FnOnce(SessionsBuilder) -> SessionsBuilder) -> Setup {
    let clock = Arc::new(ManualClock::new(
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
    ));
    let store = Arc::new(TestStore::default());
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = events.clone();
    let builder = Sessions::builder(store.clone())
        .clock(clock.clone())
        .observer(move |event: &Event<'_>| heard.lock().unwrap().push(describe(event)));
    Setup {
        sessions: configure(builder).build().unwrap(),
        clock,
        store,
        events,
    }
}

fn describe(event: &Event<'_>) -> String {
    match event {
        Event::Created { user, .. } => format!("created {user}"),
        Event::Renewed { user, .. } => format!("renewed {user}"),
        Event::Ended(Ended { user, reason, .. }) => {
            format!(
                "ended {} {reason}",
                user.as_ref().map_or("?", UserId::as_str)
            )
        }
        Event::EverythingEnded { count, .. } => format!("everything ended {count}"),
        Event::Rejected { rejection, .. } => format!("rejected {rejection}"),
        _ => "something new".into(),
    }
}

/// Polls a future once.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

impl Setup {
    pub(crate) fn take_events(&self) -> Vec<String> {
        std::mem::take(&mut self.events.lock().unwrap())
    }

    pub(crate) fn live(&self, token: &Token) -> bool {
        block_on(self.sessions.lookup(token)).unwrap().is_some()
    }

    pub(crate) fn rejection(&self, token: impl PresentedToken) -> Option<Rejection> {
        rejection(&self.sessions, token)
    }

    /// Sessions at another process, which shares the store and no cache.
    pub(crate) fn elsewhere(&self) -> Sessions {
        Sessions::builder(self.store.inner.clone())
            .clock(self.clock.clone())
            .policy(policy())
            .build()
            .unwrap()
    }

    pub(crate) fn record(&self, id: SessionId) -> Option<Arc<Record>> {
        block_on(self.store.inner.lookup(id)).unwrap()
    }
}

pub(crate) fn rejection(sessions: &Sessions, token: impl PresentedToken) -> Option<Rejection> {
    match block_on(sessions.inspect(token)).unwrap() {
        Lookup::Live(_) => None,
        Lookup::Rejected(rejection) => Some(rejection),
    }
}

/// A memory store that counts its calls, fails the next ones on demand, and
/// can do without what a store need not do.
#[derive(Default)]
pub(crate) struct TestStore {
    pub(crate) inner: Arc<MemoryStore>,
    /// Without deferred writes and without telling of ended sessions.
    pub(crate) plain: std::sync::atomic::AtomicBool,
    pub(crate) lookups: AtomicUsize,
    /// How many of them were past any cache.
    pub(crate) fresh: AtomicUsize,
    /// What any other lookup finds, as if it came from a cache that others wrote
    /// past.
    pub(crate) cached: Mutex<Option<Arc<Record>>>,
    pub(crate) writes: AtomicUsize,
    /// How many calls pass before they fail.
    pub(crate) passes: AtomicUsize,
    /// The next calls fail so, the first one first; with `true` the write is
    /// made all the same.
    pub(crate) failures: Mutex<Vec<(ErrorKind, bool)>>,
    /// Runs before the next update reaches the store: a race, made to happen.
    pub(crate) before_update: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// Runs when the next lookup has read and not yet returned.
    pub(crate) after_lookup: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl TestStore {
    pub(crate) fn fail(&self, kind: ErrorKind, but_write: bool) {
        self.failures.lock().unwrap().push((kind, but_write));
    }

    /// The next call, a lookup, passes; the one after it fails.
    pub(crate) fn fail_after_lookup(&self, kind: ErrorKind) {
        self.fail_after_lookup_with(kind, false);
    }

    pub(crate) fn fail_after_lookup_with(&self, kind: ErrorKind, but_write: bool) {
        self.passes.store(1, Ordering::Relaxed);
        self.fail(kind, but_write);
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.plain.load(Ordering::Relaxed)
    }

    fn failure(&self) -> (Option<Error>, bool) {
        let mut failures = self.failures.lock().unwrap();
        if failures.is_empty() || self.passes.swap(0, Ordering::Relaxed) == 1 {
            return (None, true);
        }
        let (kind, but_write) = failures.remove(0);
        (Some(Error::new(kind, "told to fail")), but_write)
    }

    async fn write<T>(&self, write: impl Future<Output = Result<T>>) -> Result<T> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        match self.failure() {
            (None, _) => write.await,
            (Some(error), true) => write.await.and(Err(error)),
            (Some(error), false) => Err(error),
        }
    }
}

#[async_trait]
impl SessionStore for TestStore {
    async fn create(&self, request: CreateRequest) -> Result<CreateOutcome> {
        self.write(self.inner.create(request)).await
    }
    async fn lookup(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        let cached = self.cached.lock().unwrap().clone();
        let cached = cached.filter(|cached| cached.id == id);
        self.lookups.fetch_add(1, Ordering::Relaxed);
        match self.failure().0 {
            Some(error) => Err(error),
            None => {
                let found = match cached {
                    None => self.inner.lookup(id).await,
                    cached => Ok(cached),
                };
                let after = self.after_lookup.lock().unwrap().take();
                if let Some(after) = after {
                    after();
                }
                found
            }
        }
    }
    async fn lookup_fresh(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        self.fresh.fetch_add(1, Ordering::Relaxed);
        let cached = self.cached.lock().unwrap().take();
        let found = self.lookup(id).await;
        *self.cached.lock().unwrap() = cached;
        found
    }
    async fn update(&self, id: SessionId, change: Change) -> Result<UpdateOutcome> {
        let before = self.before_update.lock().unwrap().take();
        if let Some(before) = before {
            before();
        }
        self.write(self.inner.update(id, change)).await
    }
    fn update_soon(&self, id: SessionId, change: &Change) -> bool {
        !self.is_plain() && {
            self.writes.fetch_add(1, Ordering::Relaxed);
            self.inner.update_soon(id, change)
        }
    }
    async fn revoke(&self, id: SessionId, reason: EndReason) -> Result<Option<Ended>> {
        self.write(self.inner.revoke(id, reason)).await
    }
    async fn revoke_all_for_user(&self, request: RevokeAllRequest) -> Result<RevokeAllOutcome> {
        self.write(self.inner.revoke_all_for_user(request)).await
    }
    async fn revoke_everything(&self, reason: EndReason) -> Result<u64> {
        self.write(self.inner.revoke_everything(reason)).await
    }
    async fn list_for_user(
        &self,
        user: &UserId,
        after: Option<SessionId>,
        limit: NonZeroU32,
    ) -> Result<Page> {
        self.inner.list_for_user(user, after, limit).await
    }
    async fn epoch(&self, user: &UserId) -> Result<Epoch> {
        self.inner.epoch(user).await
    }
    async fn sweep_expired(&self, request: SweepRequest) -> Result<SweepOutcome> {
        self.write(self.inner.sweep_expired(request)).await
    }
    async fn health(&self) -> Result<()> {
        self.inner.health().await
    }
    fn subscribe(&self, listener: Weak<dyn EndListener>) -> bool {
        !self.is_plain() && self.inner.subscribe(listener)
    }
}
