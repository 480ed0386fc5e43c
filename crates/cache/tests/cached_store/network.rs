//! Two machines at one store, a channel between them and a clock, all of which
//! do what a test says.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use revocable_cache::CachedStore;
use revocable_core::{
    Change, Clock, CreateOutcome, CreateRequest, EndReason, Ended, Epoch, Error, ErrorKind, Feed,
    ManualClock, Mark, Notice, Page, Record, Result, RevokeAllOutcome, RevokeAllRequest, SessionId,
    SessionStore, Sharing, SweepOutcome, SweepRequest, UpdateOutcome, UserId,
};
use revocable_memory::MemoryStore;

pub(crate) const TERM: Duration = Duration::from_secs(3);

/// What travels, and when it arrives at the earliest.
#[derive(Debug, Clone)]
struct Message {
    at: Duration,
    what: Result<Notice, ()>,
}

/// The way from the store to one subscriber. What is in it stays in order.
#[derive(Default)]
pub(crate) struct Line {
    messages: VecDeque<Message>,
    /// Nothing arrives and nobody is told.
    pub(crate) silent: bool,
    /// Nothing arrives on this subscription; on the next it does.
    pub(crate) deaf: bool,
    /// No subscription can be made.
    pub(crate) refused: bool,
    /// What a message takes.
    pub(crate) delay: Duration,
    /// Of the subscription that there is; one of before hears nothing.
    pub(crate) number: u64,
}

/// The store and the lines to those who follow it.
pub(crate) struct Network {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) memory: Arc<MemoryStore>,
    pub(crate) line: Mutex<Line>,
    /// The store answers nobody on this machine.
    pub(crate) unreachable: AtomicBool,
    /// Loads stop after they have read, until they are polled again.
    pub(crate) slow: AtomicBool,
    /// Lookups have no answer; all else has.
    pub(crate) mute: AtomicBool,
}

impl Network {
    pub(crate) fn new(clock: Arc<ManualClock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            memory: Arc::new(MemoryStore::new()),
            line: Mutex::default(),
            unreachable: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            mute: AtomicBool::new(false),
        })
    }

    fn send(&self, what: Result<Notice, ()>) {
        let mut line = self.line.lock().unwrap();
        let at = self.clock.elapsed() + line.delay;
        line.messages.push_back(Message { at, what });
    }

    /// What the other machine commits is announced with it.
    pub(crate) fn announce(&self, notice: Notice) {
        self.send(Ok(notice));
    }

    /// The connection breaks when what was sent before has arrived.
    pub(crate) fn cut(&self) {
        self.send(Err(()));
    }

    /// The last message arrives once more.
    pub(crate) fn repeat(&self) {
        let mut line = self.line.lock().unwrap();
        if let Some(last) = line.messages.back().cloned() {
            line.messages.push_back(last);
        }
    }

    fn check(&self) -> Result<()> {
        if self.unreachable.load(Ordering::SeqCst) {
            return Err(unreachable());
        }
        Ok(())
    }
}

fn unreachable() -> Error {
    Error::new(ErrorKind::Unavailable, "cut off")
}

struct Subscription {
    network: Arc<Network>,
    number: u64,
    over: bool,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subscription")
    }
}

#[async_trait]
impl Feed for Subscription {
    async fn mark(&mut self, mark: Mark) -> Result<()> {
        if self.over {
            return Err(unreachable());
        }
        self.network.send(Ok(Notice::Mark(mark)));
        Ok(())
    }

    async fn next(&mut self, wait: Duration) -> Result<Option<Notice>> {
        let until = self.network.clock.elapsed() + wait;
        poll_fn(|_| {
            let mut line = self.network.line.lock().unwrap();
            if self.over || line.number != self.number {
                return Poll::Ready(Err(unreachable()));
            }
            let now = self.network.clock.elapsed();
            if !line.silent
                && !line.deaf
                && line.messages.front().is_some_and(|next| next.at <= now)
            {
                let message = line.messages.pop_front().unwrap();
                return Poll::Ready(message.what.map(Some).map_err(|()| {
                    self.over = true;
                    unreachable()
                }));
            }
            if now >= until {
                return Poll::Ready(Ok(None));
            }
            Poll::Pending
        })
        .await
    }
}

/// The store as one machine sees it.
pub(crate) struct Node(pub(crate) Arc<Network>);

#[async_trait]
impl SessionStore for Node {
    async fn create(&self, request: CreateRequest) -> Result<CreateOutcome> {
        self.0.check()?;
        self.0.memory.create(request).await
    }
    async fn lookup(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        self.0.check()?;
        if self.0.mute.load(Ordering::SeqCst) {
            return Err(unreachable());
        }
        let found = self.0.memory.lookup(id).await;
        if self.0.slow.load(Ordering::SeqCst) {
            let mut first = true;
            poll_fn(|context| {
                if std::mem::take(&mut first) {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
            .await;
        }
        found
    }
    async fn update(&self, id: SessionId, change: Change) -> Result<UpdateOutcome> {
        self.0.memory.update(id, change).await
    }
    async fn revoke(&self, id: SessionId, reason: EndReason) -> Result<Option<Ended>> {
        let ended = self.0.memory.revoke(id, reason).await?;
        self.0.announce(Notice::Ended {
            ended: ended.iter().cloned().collect(),
            own: true,
        });
        Ok(ended)
    }
    async fn revoke_all_for_user(&self, request: RevokeAllRequest) -> Result<RevokeAllOutcome> {
        self.0.memory.revoke_all_for_user(request).await
    }
    async fn revoke_everything(&self, reason: EndReason) -> Result<u64> {
        self.0.memory.revoke_everything(reason).await
    }
    async fn list_for_user(
        &self,
        user: &UserId,
        after: Option<SessionId>,
        limit: NonZeroU32,
    ) -> Result<Page> {
        self.0.memory.list_for_user(user, after, limit).await
    }
    async fn epoch(&self, user: &UserId) -> Result<Epoch> {
        self.0.memory.epoch(user).await
    }
    async fn sweep_expired(&self, request: SweepRequest) -> Result<SweepOutcome> {
        self.0.memory.sweep_expired(request).await
    }
    async fn health(&self) -> Result<()> {
        self.0.check()
    }
    fn sharing(&self) -> Sharing {
        Sharing::Announced
    }
    async fn follow(&self) -> Result<Box<dyn Feed>> {
        self.0.check()?;
        let mut line = self.0.line.lock().unwrap();
        if line.refused {
            return Err(unreachable());
        }
        line.messages.clear();
        line.number += 1;
        line.deaf = false;
        Ok(Box::new(Subscription {
            number: line.number,
            network: Arc::clone(&self.0),
            over: false,
        }))
    }
}

pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A machine: a cache, and what keeps its lease.
pub(crate) struct Machine {
    pub(crate) network: Arc<Network>,
    pub(crate) cached: CachedStore<Node>,
    pub(crate) keeper: Task,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::with_term(TERM)
    }

    pub(crate) fn with_term(term: Duration) -> Self {
        Self::with_clock(term, |clock| clock)
    }

    /// The cache reads the clock by what `wrap` makes of it.
    pub(crate) fn with_clock<C: Clock>(
        term: Duration,
        wrap: impl FnOnce(Arc<ManualClock>) -> C,
    ) -> Self {
        let clock = Arc::new(ManualClock::new(std::time::SystemTime::now()));
        let network = Network::new(Arc::clone(&clock));
        let cached = CachedStore::builder(Node(Arc::clone(&network)))
            .max_staleness(term)
            .clock(wrap(Arc::clone(&clock)))
            .build()
            .unwrap();
        let keeper = Box::pin(cached.keep_lease(move |pause| {
            let clock = Arc::clone(&clock);
            let until = clock.elapsed() + pause;
            poll_fn(move |_| {
                if clock.elapsed() < until {
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
        }));
        Self {
            network,
            cached,
            keeper,
        }
    }

    /// Lets the keeper do what it can do now. Whether it has come to its end.
    pub(crate) fn keep(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        self.keeper.as_mut().poll(&mut context).is_ready()
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.network.clock.advance(by);
    }
}
