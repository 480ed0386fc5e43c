//! A store in memory that announces what is done, as one on a server does,
//! behind a cache with a lease.

use std::collections::VecDeque;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_executor::block_on;
use revocable::{
    CachedStore, Change, ChangeKind, CreateOutcome, CreateRequest, EndListener, EndReason, Ended,
    Epoch, Error, ErrorKind, Feed, Mark, MemoryStore, Notice, Page, Record, Result,
    RevokeAllOutcome, RevokeAllRequest, SessionId, SessionStore, Sharing, SweepOutcome,
    SweepRequest, UpdateOutcome, UserId,
};
use revocable_conformance::Harness;

/// So short that checks meet the cache with a lease and without.
const TERM: Duration = Duration::from_millis(20);

pub(super) struct CachedAnnounced;

impl Harness for CachedAnnounced {
    fn open(&self, _: &str) -> Result<Arc<dyn SessionStore>> {
        let cached = CachedStore::builder(Announcing::default())
            .max_staleness(TERM)
            .build()?;
        let keeper = cached.keep_lease(|pause| async move { thread::park_timeout(pause) });
        // Ends with the cache.
        thread::spawn(move || block_on(keeper));
        Ok(Arc::new(cached))
    }
}

#[derive(Default)]
struct Announcing {
    memory: MemoryStore,
    channel: Arc<Channel>,
}

/// What was announced and not yet heard. There is one subscriber.
#[derive(Default)]
struct Channel {
    queue: Mutex<VecDeque<Notice>>,
    more: Condvar,
}

impl Channel {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Notice>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Announcing {
    /// Does something and announces it, in one step.
    fn announced<T>(
        &self,
        done: impl Future<Output = Result<T>>,
        notice: impl FnOnce(&T) -> Option<Notice>,
    ) -> Result<T> {
        let mut queue = self.channel.lock();
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(outcome) = pin!(done).poll(&mut context) else {
            return Err(Error::new(ErrorKind::Unavailable, "memory does not wait"));
        };
        let outcome = outcome?;
        queue.extend(notice(&outcome));
        self.channel.more.notify_all();
        Ok(outcome)
    }
}

/// The store has told its listeners itself.
fn ended(ended: Vec<Ended>) -> Option<Notice> {
    (!ended.is_empty()).then_some(Notice::Ended { ended, own: true })
}

#[async_trait]
impl SessionStore for Announcing {
    async fn create(&self, request: CreateRequest) -> Result<CreateOutcome> {
        self.announced(self.memory.create(request), |outcome| match outcome {
            CreateOutcome::Created { ended: by_cap } => ended(by_cap.clone()),
            _ => None,
        })
    }

    async fn lookup(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        self.memory.lookup(id).await
    }

    async fn update(&self, id: SessionId, change: Change) -> Result<UpdateOutcome> {
        let tells = !matches!(change.kind, ChangeKind::Touch);
        self.announced(self.memory.update(id, change), |outcome| {
            let changed = matches!(outcome, UpdateOutcome::Updated(_));
            (tells && changed).then_some(Notice::Changed(id))
        })
    }

    fn update_soon(&self, id: SessionId, change: &Change) -> bool {
        self.memory.update_soon(id, change)
    }

    async fn revoke(&self, id: SessionId, reason: EndReason) -> Result<Option<Ended>> {
        self.announced(self.memory.revoke(id, reason), |revoked| {
            ended(revoked.iter().cloned().collect())
        })
    }

    async fn revoke_all_for_user(&self, request: RevokeAllRequest) -> Result<RevokeAllOutcome> {
        let (user, reason) = (request.user.clone(), request.reason);
        self.announced(self.memory.revoke_all_for_user(request), |outcome| {
            let of_user = outcome.ended.iter().map(|id| Ended {
                id: *id,
                user: Some(user.clone()),
                reason,
            });
            ended(of_user.collect())
        })
    }

    async fn revoke_everything(&self, reason: EndReason) -> Result<u64> {
        self.announced(self.memory.revoke_everything(reason), |count| {
            Some(Notice::EverythingEnded {
                count: *count,
                reason,
                own: true,
            })
        })
    }

    async fn list_for_user(
        &self,
        user: &UserId,
        after: Option<SessionId>,
        limit: NonZeroU32,
    ) -> Result<Page> {
        self.memory.list_for_user(user, after, limit).await
    }

    async fn epoch(&self, user: &UserId) -> Result<Epoch> {
        self.memory.epoch(user).await
    }

    async fn sweep_expired(&self, request: SweepRequest) -> Result<SweepOutcome> {
        self.announced(self.memory.sweep_expired(request), |outcome| {
            ended(outcome.ended.clone())
        })
    }

    async fn health(&self) -> Result<()> {
        self.memory.health().await
    }

    fn sharing(&self) -> Sharing {
        Sharing::Announced
    }

    async fn follow(&self) -> Result<Box<dyn Feed>> {
        self.channel.lock().clear();
        Ok(Box::new(Subscription(Arc::clone(&self.channel))))
    }

    fn subscribe(&self, listener: Weak<dyn EndListener>) -> bool {
        self.memory.subscribe(listener)
    }
}

struct Subscription(Arc<Channel>);

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subscription")
    }
}

/// Waits on its thread: nobody else is on it.
#[async_trait]
impl Feed for Subscription {
    async fn mark(&mut self, mark: Mark) -> Result<()> {
        self.0.lock().push_back(Notice::Mark(mark));
        Ok(())
    }

    async fn next(&mut self, wait: Duration) -> Result<Option<Notice>> {
        let until = Instant::now() + wait;
        let mut queue = self.0.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if !queue.is_empty() || left.is_zero() {
                return Ok(queue.pop_front());
            }
            let waited = self.0.more.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
