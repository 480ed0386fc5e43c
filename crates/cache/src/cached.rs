//! A cache in front of a store.

use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use revocable_core::{
    Bucket, Change, ChangeKind, CreateOutcome, CreateRequest, EndListener, EndReason, Ended, Epoch,
    Feed, Page, Record, Result, RevokeAllOutcome, RevokeAllRequest, SessionId, SessionStore,
    Sharing, SweepOutcome, SweepRequest, UpdateOutcome, UserId,
};

use crate::abandoned::Abandoned;
use crate::builder::CachedStoreBuilder;
use crate::carry::{Carried, Finisher};
use crate::entries::Entries;
use crate::foreign::Foreign;
use crate::keeper::{Announced, Keeper};
use crate::stamps::Reach;

/// A bounded cache in front of a store, itself a store: it answers lookups from
/// memory, and never with a session that was revoked.
///
/// A revocation through it, by any of the verbs, holds when it returns, and
/// before: as soon as anybody could have seen it in the store. The same goes
/// for renewals and data. What ends in the store past the cache, by a handle of
/// its own in the same process, is heard of if the store tells of it, as those
/// of Revocable do; but *change* sessions through the cache only.
///
/// # Others at the same store
///
/// A cache is right only as long as it hears of every change. So it
/// [asks the store](SessionStore::sharing), and does not build if it could
/// serve what others revoked:
///
/// - **Sole**: the store has its data to itself, such as a
///   `SqliteStore` opened `exclusive`, a `SledStore`, one in memory. Nothing
///   more is needed.
/// - **Counted**: other processes may write to the same file. Then
///   [`max_staleness`](CachedStoreBuilder::max_staleness) says how old the
///   knowledge may be that nobody did: a lookup that starts later than that
///   after a revocation by another process returned never finds the session.
///   The store is asked at most so often, a change by anybody else empties the
///   cache, and until the store has answered nothing is served from the cache.
///   Before anybody is told that a session was not used for too long, or gets a
///   new token, the store is [asked](SessionStore::lookup_fresh) in any case.
/// - **Announced**: others may write, also on other machines, and the store tells
///   of it as they do. Then [`max_staleness`](CachedStoreBuilder::max_staleness)
///   is the term of a lease: the cache answers only while
///   [`keep_lease`](Self::keep_lease) runs and has heard all that was announced up
///   to so long ago. A lookup that starts later than that after a revocation on
///   another machine was committed never finds the session, also if this machine
///   was cut off, stopped or suspended meanwhile: then the store is asked, and if
///   it cannot answer that is an error. Watches end with sessions that other
///   machines revoke.
/// - **Unknown**: refused, unless the application
///   [vouches for it](CachedStoreBuilder::sole_writer), or has each session
///   [read again](CachedStoreBuilder::read_again_after) after so long: a
///   `PostgresStore` behind PgBouncer that is not told where the announcements come from, or a
///   store of your own. A lookup that starts later than that after a revocation elsewhere
///   was committed never finds the session. Watches hear of this process alone.
///
/// # What is kept
///
/// The records that were looked up last, up to a bound in bytes or in number.
/// That there is *no* session with an ID is not kept: who sends tokens that he
/// made up asks the store each time, and displaces nobody. Errors are passed on
/// and not kept either. While the store cannot answer, lookups of what is in
/// the cache go on for as long as the above allows; a revocation that fails is
/// an error to its caller, and takes the session out of the cache all the same.
///
/// A session that was [touched](SessionStore::update_soon) is read from the store
/// until the store shows it, which takes up to a second with those of
/// Revocable.
///
/// # Callers that go away
///
/// A write that has begun is carried to its end if its future is dropped,
/// because only when its outcome is known may the cache answer again for the
/// user that it is about. That is done on a thread of its own, started when it
/// is needed first, and so is the asking about others, for which no lookup
/// waits; for a store that needs its runtime for that, say so by
/// [`finish_with`](CachedStoreBuilder::finish_with).
///
/// # Costs
///
/// A hit shares a lock with other hits, which an insertion takes for some
/// nanoseconds; it allocates nothing, and asks the clock once, twice if others
/// may write. A miss is the store's lookup and an
/// insertion. While a write about a user is under way, lookups of the users of
/// the same bucket, one in 4,096, go to the store; while everything is being
/// revoked, all do.
///
/// ```
/// use revocable_core::SessionStore;
/// use revocable_memory::MemoryStore;
/// use revocable_cache::CachedStore;
///
/// let store = CachedStore::new(MemoryStore::new())?;
/// # futures_executor::block_on(async {
/// store.health().await?;
/// # Ok::<(), revocable_core::Error>(())
/// # })?;
/// # Ok::<(), revocable_core::Error>(())
/// ```
pub struct CachedStore<S> {
    store: Arc<S>,
    entries: Arc<Entries>,
    others: Others,
    finisher: Finisher,
    abandoned: Arc<Abandoned>,
}

/// Who else writes, and how it is known.
#[derive(Debug)]
pub(crate) enum Others {
    /// Nobody.
    None,
    /// The store is asked.
    Counted(Arc<Foreign>),
    /// The store tells.
    Announced(Arc<Announced>),
    /// It is not known. Entries are used for so long only.
    Ageing,
}

impl Others {
    /// Whether the entries may be used, by what is known already.
    fn are_known(&self) -> bool {
        match self {
            // Of each entry by itself.
            Self::None | Self::Ageing => true,
            Self::Counted(foreign) => foreign.is_known(),
            Self::Announced(announced) => announced.lease.is_live(),
        }
    }
}

impl<S: SessionStore> CachedStore<S> {
    /// A cache of 64 MiB, some 100,000 sessions with little data, in front of a
    /// store that has its data to itself.
    ///
    /// # Errors
    ///
    /// As [`CachedStoreBuilder::build`].
    pub fn new(store: S) -> Result<Self> {
        Self::builder(store).build()
    }

    /// Settings for a cache in front of this store.
    pub fn builder(store: S) -> CachedStoreBuilder<S> {
        CachedStoreBuilder::new(store)
    }

    pub(crate) fn from_parts(
        store: S,
        entries: Arc<Entries>,
        others: Others,
        finisher: Finisher,
    ) -> Self {
        Self {
            store: Arc::new(store),
            entries,
            others,
            finisher,
            abandoned: Arc::default(),
        }
    }

    /// Follows what is announced in a store that other machines write to, and so
    /// keeps the lease under which the cache may answer. Spawn it on a runtime,
    /// with that runtime's timer; it ends when the cache is dropped, and at once
    /// for a store that [announces nothing](Sharing).
    ///
    /// ```ignore
    /// let sessions = CachedStore::builder(store).max_staleness(TWO_SECONDS).build()?;
    /// tokio::spawn(sessions.keep_lease(tokio::time::sleep));
    /// ```
    ///
    /// Whenever announcements may have been missed, the cache is emptied, answers
    /// nothing until there is another subscription, and each session that is
    /// watched is looked up. A subscription is tried again after 5 ms, and then
    /// twice as long each time, up to 5 s. If this future is dropped, or is not
    /// polled, the lease runs out and every lookup goes to the store; so it is
    /// before the first poll.
    ///
    /// Three marks a term go through the store's channel.
    pub fn keep_lease<T, F>(
        &self,
        sleep: T,
    ) -> impl Future<Output = ()> + Send + 'static + use<S, T, F>
    where
        T: Fn(Duration) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let keeper = match &self.others {
            Others::Announced(announced) => {
                Some(Keeper::new(&self.store, &self.entries, announced))
            }
            Others::None | Others::Counted(_) | Others::Ageing => None,
        };
        async move {
            if let Some(keeper) = keeper {
                keeper.run(sleep).await;
            }
        }
    }

    /// The store behind the cache. Change sessions through the cache, not
    /// through this.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// How many sessions are in the cache.
    pub fn cached_sessions(&self) -> usize {
        self.entries.len()
    }

    /// Whether the entries may be used. If it is time, asks the store about the
    /// others, and waits for no answer: a store that counts with its writer
    /// answers when that has the time, and a lookup waits for no writer. Until
    /// the answer is there all do without the entries.
    fn may_answer(&self) -> bool {
        if self.others.are_known() {
            return true;
        }
        let Others::Counted(foreign) = &self.others else {
            return false;
        };
        let Some(turn) = foreign.turn() else {
            return false;
        };
        let (store, entries) = (Arc::clone(&self.store), Arc::clone(&self.entries));
        let asked = Carried::new(
            &self.finisher,
            async move { turn.ask(&*store, &entries).await },
        );
        asked.if_ready() == Some(true)
    }

    /// A write: nothing that it may change is served from the cache until its
    /// outcome is known, whoever still waits.
    ///
    /// If the store panics the outcome never becomes known, and what the write
    /// reaches is served by the store from then on.
    fn write<T, F>(
        &self,
        reach: Reach,
        write: F,
        settle: impl FnOnce(&Entries, &Result<T>) + Send + 'static,
    ) -> Carried<Result<T>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let entries = Arc::clone(&self.entries);
        let abandoned = Arc::clone(&self.abandoned);
        let write = Carried::new(&self.finisher, async move {
            entries.stamps.hold(reach);
            abandoned.settled(reach).await;
            let outcome = write.await;
            let stamps = &entries.stamps;
            stamps.settle(reach, || settle(&entries, &outcome));
            outcome
        });
        write.noted(&self.abandoned, reach)
    }
}

#[async_trait]
impl<S: SessionStore> SessionStore for CachedStore<S> {
    async fn create(&self, request: CreateRequest) -> Result<CreateOutcome> {
        if request.cap.is_none() {
            // Nothing that is in the cache can become wrong.
            let bucket = request.record.id.bucket();
            self.abandoned.settled(Reach::Bucket(bucket)).await;
            return self.store.create(request).await;
        }
        let bucket = request.record.id.bucket();
        let store = Arc::clone(&self.store);
        self.write(
            Reach::Bucket(bucket),
            async move { store.create(request).await },
            move |entries, outcome| match outcome {
                Ok(CreateOutcome::Created { ended }) => {
                    for ended in ended {
                        entries.forget(ended.id);
                    }
                }
                Ok(_) => {}
                // The cap may have ended some, and nobody knows which.
                Err(_) => entries.forget_user(bucket, &[]),
            },
        )
        .await
    }

    async fn lookup(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        if self.may_answer()
            && let Some(record) = self.entries.hit(id)
        {
            return Ok(Some(record));
        }
        self.abandoned.settled(Reach::Bucket(id.bucket())).await;
        let loading = self.entries.begin_load(id);
        let found = self.store.lookup(id).await?;
        if let Some(record) = &found {
            self.entries.fill(record, loading);
        }
        Ok(found)
    }

    fn lookup_now(&self, id: SessionId) -> Option<Result<Option<Arc<Record>>>> {
        // `lookup` asks about the others.
        if !self.others.are_known() {
            return None;
        }
        if let Some(record) = self.entries.hit(id) {
            return Some(Ok(Some(record)));
        }
        if !self.abandoned.are_none() {
            return None;
        }
        let loading = self.entries.begin_load(id);
        let found = self.store.lookup_now(id)?;
        if let Ok(Some(record)) = &found {
            self.entries.fill(record, loading);
        }
        Some(found)
    }

    async fn lookup_fresh(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        self.abandoned.settled(Reach::Bucket(id.bucket())).await;
        let loading = self.entries.begin_load(id);
        let found = self.store.lookup_fresh(id).await?;
        match &found {
            Some(record) => self.entries.fill(record, loading),
            // Others ended it, if it was here.
            None => self.entries.remove(id),
        }
        Ok(found)
    }

    async fn update(&self, id: SessionId, change: Change) -> Result<UpdateOutcome> {
        let store = Arc::clone(&self.store);
        self.write(
            Reach::Bucket(id.bucket()),
            async move { store.update(id, change).await },
            move |entries, _| entries.forget(id),
        )
        .await
    }

    fn update_soon(&self, id: SessionId, change: &Change) -> bool {
        // Anything but a touch has to be waited for, so that the cache knows
        // when it is done.
        if !matches!(change.kind, ChangeKind::Touch) {
            return false;
        }
        // Before the store is told, which may apply it at once.
        self.entries.touched(id, change.liveness.now_ms);
        self.store.update_soon(id, change)
    }

    async fn revoke(&self, id: SessionId, reason: EndReason) -> Result<Option<Ended>> {
        let store = Arc::clone(&self.store);
        self.write(
            Reach::Bucket(id.bucket()),
            async move { store.revoke(id, reason).await },
            move |entries, _| entries.forget(id),
        )
        .await
    }

    async fn revoke_all_for_user(&self, request: RevokeAllRequest) -> Result<RevokeAllOutcome> {
        let bucket = Bucket::of(&request.user);
        let store = Arc::clone(&self.store);
        self.write(
            Reach::Bucket(bucket),
            async move { store.revoke_all_for_user(request).await },
            move |entries, outcome| {
                let ended = outcome.as_ref().map_or(&[][..], |outcome| &outcome.ended);
                entries.forget_user(bucket, ended);
            },
        )
        .await
    }

    async fn revoke_everything(&self, reason: EndReason) -> Result<u64> {
        let store = Arc::clone(&self.store);
        self.write(
            Reach::All,
            async move { store.revoke_everything(reason).await },
            |entries, _| entries.forget_everything(),
        )
        .await
    }

    async fn list_for_user(
        &self,
        user: &UserId,
        after: Option<SessionId>,
        limit: NonZeroU32,
    ) -> Result<Page> {
        self.abandoned
            .settled(Reach::Bucket(Bucket::of(user)))
            .await;
        self.store.list_for_user(user, after, limit).await
    }

    async fn epoch(&self, user: &UserId) -> Result<Epoch> {
        self.abandoned
            .settled(Reach::Bucket(Bucket::of(user)))
            .await;
        self.store.epoch(user).await
    }

    async fn sweep_expired(&self, request: SweepRequest) -> Result<SweepOutcome> {
        let (store, entries) = (Arc::clone(&self.store), Arc::clone(&self.entries));
        self.abandoned.settled(Reach::All).await;
        let sweep = Carried::new(&self.finisher, async move {
            let liveness = request.liveness;
            entries.sweeps.begin(liveness);
            let outcome = store.sweep_expired(request).await;
            match &outcome {
                Ok(outcome) => {
                    for ended in &outcome.ended {
                        entries.forget(ended.id);
                    }
                }
                Err(_) => entries.forget_everything(),
            }
            entries.sweeps.end(liveness);
            outcome
        });
        sweep.noted(&self.abandoned, Reach::All).await
    }

    async fn health(&self) -> Result<()> {
        self.store.health().await
    }

    fn sharing(&self) -> Sharing {
        self.store.sharing()
    }

    async fn foreign_changes(&self) -> Result<u64> {
        self.store.foreign_changes().await
    }

    async fn follow(&self) -> Result<Box<dyn Feed>> {
        self.store.follow().await
    }

    fn subscribe(&self, listener: Weak<dyn EndListener>) -> bool {
        if let Others::Announced(announced) = &self.others {
            announced.listeners.add(Weak::clone(&listener));
        }
        self.store.subscribe(listener)
    }
}

impl<S> fmt::Debug for CachedStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedStore")
            .field("others", &self.others)
            .field("finisher", &self.finisher)
            .finish_non_exhaustive()
    }
}
