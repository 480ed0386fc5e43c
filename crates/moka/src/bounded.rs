//! A bounded store in memory.

mod held;
mod index;
mod sweep;

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError,
    Weak,
};

use async_trait::async_trait;
use revocable_core::{
    Applied, Bucket, Change, CreateOutcome, CreateRequest, EndListener, EndListeners, EndReason,
    Ended, Epoch, Error, ErrorKind, Page, Record, Result, RevokeAllOutcome, RevokeAllRequest,
    SessionId, SessionStore, Sharing, SweepOutcome, SweepRequest, UpdateOutcome, UserId,
};

use self::held::{Capacity, Held};
use self::index::Index;
use self::sweep::Place;

/// Sessions in memory, up to a bound, for processes that must not grow.
///
/// - **Bounded**, by number or by weight. When it is full, a login ends the
///   session that was not used for longest, whoever's it is.
/// - **That is a silent logout.** Its user has to log in again, sooner than the
///   policy says. So give it room: for all sessions that are in use at a time,
///   and then some. Observers hear of each as [`EndReason::Evicted`], and
///   [`evicted`](Self::evicted) counts them. A number that grows while there is
///   no rush means that the bound is too low, or that somebody creates sessions
///   in masses: limit logins, and set a cap per user, which ends the user's own
///   sessions first.
/// - **A login is never refused** for want of room, unless the session alone is
///   larger than the bound.
/// - **Least recently used** is the one that was not looked up, changed or
///   created for longest. Where threads look up so much that moka cannot keep
///   its books, it leaves single uses out; of sessions in constant use it
///   misses some, not all.
/// - **At once.** When a call returns, what had to go is gone from lookups,
///   lists, caps and the count, and was told.
/// - **Durable** for as long as the process lives, and no longer.
///
/// All else is as the contract says. Where logins should rather be refused than
/// anybody logged out, take a `MemoryStore` with a limit.
///
/// # Costs
///
/// With n sessions and k of the user: `lookup` O(1), and it waits only for a
/// write about a user of the same part of 64; each write O(log n), `create` with
/// a cap and `revoke_all_for_user` O(k log n), `revoke_everything` O(n), one
/// write at a time. Moka's own bookkeeping is done by the writes. No future is
/// ever pending, so one that is dropped has done all of its work or none.
///
/// ```
/// use revocable_core::SessionStore;
/// use revocable_moka::MokaStore;
///
/// let store = MokaStore::with_capacity(100_000);
/// assert!(store.is_empty());
/// # futures_executor::block_on(store.health()).unwrap();
/// ```
#[derive(Debug)]
pub struct MokaStore {
    held: Held,
    /// Taken by every write, before the turns.
    index: Mutex<Index>,
    /// A lookup takes one of these to read; to write, a write about more than
    /// one session of a user, and one that moka may undo for a moment because
    /// others have to go: nobody sees half of it.
    turns: Box<[Turn]>,
    evicted: AtomicU64,
    listeners: EndListeners,
}

/// On cache lines of its own: a lookup in one part must not slow down those in
/// the next.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Turn(RwLock<()>);

const TURNS: usize = 64;

impl MokaStore {
    /// An empty store for at most so many sessions; at least 1.
    pub fn with_capacity(sessions: u64) -> Self {
        Self::new(Capacity::Sessions(sessions.max(1)))
    }

    /// An empty store for sessions of so many bytes in all, counted per session
    /// as its data, its user's and its client's, and 768 more for all the rest.
    pub fn with_weight(bytes: u64) -> Self {
        Self::new(Capacity::Bytes(bytes))
    }

    fn new(capacity: Capacity) -> Self {
        Self {
            held: Held::new(capacity),
            index: Mutex::new(Index::new()),
            turns: (0..TURNS).map(|_| Turn::default()).collect(),
            evicted: AtomicU64::new(0),
            listeners: EndListeners::new(),
        }
    }

    /// The bound: in sessions, or in bytes if it was made
    /// [with a weight](Self::with_weight).
    pub fn capacity(&self) -> u64 {
        self.held.capacity()
    }

    /// How many sessions there are, live or not.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there are no sessions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many sessions were ended so far to make room.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    // A poisoned lock is used like any other: nothing between the first change
    // and the last can panic, so it tells only that somebody did before.

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Index>> {
        match self.index.try_lock() {
            Ok(index) => Some(index),
            Err(TryLockError::Poisoned(index)) => Some(index.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn read(&self, bucket: Bucket) -> RwLockReadGuard<'_, ()> {
        let turn = &self.turns[bucket.index() % TURNS].0;
        turn.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, bucket: Bucket) -> RwLockWriteGuard<'_, ()> {
        let turn = &self.turns[bucket.index() % TURNS].0;
        turn.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a record that fits, and takes what had to go out of the index too.
    /// For the writer, who has the user's turn unless the record takes the
    /// place of one that is as large.
    fn put(&self, index: &mut Index, record: &Arc<Record>) -> Vec<Arc<Record>> {
        let gone = self.held.put(record);
        let gone: Vec<_> = gone.iter().filter_map(|gone| index.remove(gone)).collect();
        index.put(record);
        self.evicted.fetch_add(gone.len() as u64, Ordering::Relaxed);
        gone
    }

    /// For the writer, whose books are in order when this returns.
    fn take(&self, index: &mut Index, records: &[Arc<Record>]) {
        for record in records {
            self.held.remove(record.id);
            index.remove(record);
        }
        if !records.is_empty() {
            self.held.settle();
        }
    }

    /// Tells the listeners of sessions that have ended. Called with no lock
    /// held.
    fn tell(&self, removed: Vec<Arc<Record>>, reason: EndReason) -> Vec<Ended> {
        let ended: Vec<Ended> = removed
            .into_iter()
            .map(|record| Ended {
                id: record.id,
                user: Some(record.user.clone()),
                reason,
            })
            .collect();
        self.listeners.ended(&ended);
        ended
    }

    fn update_with(
        &self,
        mut index: MutexGuard<'_, Index>,
        id: SessionId,
        change: &Change,
    ) -> Result<UpdateOutcome> {
        let Some(record) = self.held.get(id) else {
            return Ok(UpdateOutcome::Absent);
        };
        let changed = match change.apply(&record) {
            Applied::Changed(changed) => changed,
            Applied::Unchanged => return Ok(UpdateOutcome::Unchanged(record)),
            Applied::Conflict => return Ok(UpdateOutcome::Conflict(record)),
            Applied::Expired => return Ok(UpdateOutcome::Absent),
        };
        if !self.held.has_room_for(&changed) {
            return Err(Self::full());
        }
        let evicted = {
            // If it grows, others have to go, and for a moment perhaps itself.
            let grows = self.held.grows(&record, &changed);
            let _turn = grows.then(|| self.write(id.bucket()));
            self.put(&mut index, &changed)
        };
        drop(index);
        self.tell(evicted, EndReason::Evicted);
        Ok(UpdateOutcome::Updated(changed))
    }

    fn full() -> Error {
        Error::new(
            ErrorKind::Full,
            "the session alone is larger than the store's bound",
        )
    }
}

#[async_trait]
impl SessionStore for MokaStore {
    async fn create(&self, request: CreateRequest) -> Result<CreateOutcome> {
        request.validate()?;
        let record = Arc::new(request.record);
        let (capped, evicted) = {
            let mut index = self.lock();
            if let Some(there) = self.held.get(record.id) {
                return Ok(CreateOutcome::Exists(there));
            }
            if let Some(began) = request.expected_epoch
                && index.supersedes(&record.user, began)
            {
                return Ok(CreateOutcome::Superseded);
            }
            if !self.held.has_room_for(&record) {
                return Err(Self::full());
            }
            let mut capped = Vec::new();
            if let Some(cap) = request.cap {
                let own = index.of_user(&record.user, None);
                let live = own
                    .filter(|own| request.liveness.is_live(&***own))
                    .map(|own| (own.id, own.last_seen_ms));
                let Some(ending) = cap.make_room(live.collect()) else {
                    return Ok(CreateOutcome::CapReached);
                };
                let own = index.of_user(&record.user, None);
                capped = own
                    .filter(|own| ending.contains(&own.id))
                    .map(Arc::clone)
                    .collect();
            }
            let _turn = self.write(record.id.bucket());
            // First, so that nobody else has to go for a user who is at the cap.
            self.take(&mut index, &capped);
            (capped, self.put(&mut index, &record))
        };
        self.tell(evicted, EndReason::Evicted);
        let ended = self.tell(capped, EndReason::Cap);
        Ok(CreateOutcome::Created { ended })
    }

    async fn lookup(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        let _turn = self.read(id.bucket());
        Ok(self.held.get(id))
    }

    async fn update(&self, id: SessionId, change: Change) -> Result<UpdateOutcome> {
        change.validate()?;
        self.update_with(self.lock(), id, &change)
    }

    fn update_soon(&self, id: SessionId, change: &Change) -> bool {
        // Somebody else writes, and perhaps for long: then this one is lost,
        // and comes again with the session's next use.
        if change.validate().is_ok()
            && let Some(index) = self.try_lock()
        {
            let updated = self.update_with(index, id, change);
            if updated.is_err() {
                tracing::debug!(session = %id, "a touch was dropped");
            }
        }
        true
    }

    async fn revoke(&self, id: SessionId, reason: EndReason) -> Result<Option<Ended>> {
        let removed = {
            let mut index = self.lock();
            let Some(record) = self.held.get(id) else {
                return Ok(None);
            };
            self.take(&mut index, std::slice::from_ref(&record));
            record
        };
        Ok(self.tell(vec![removed], reason).pop())
    }

    async fn revoke_all_for_user(&self, request: RevokeAllRequest) -> Result<RevokeAllOutcome> {
        let (removed, epoch) = {
            let mut index = self.lock();
            let own = index.of_user(&request.user, None);
            let removed: Vec<_> = own
                .filter(|own| Some(own.id) != request.keep)
                .map(Arc::clone)
                .collect();
            let _turn = self.write(Bucket::of(&request.user));
            self.take(&mut index, &removed);
            (removed, index.take_epoch(request.user, request.now_ms))
        };
        let ended = self.tell(removed, request.reason);
        Ok(RevokeAllOutcome {
            ended: ended.into_iter().map(|ended| ended.id).collect(),
            epoch,
        })
    }

    async fn revoke_everything(&self, reason: EndReason) -> Result<u64> {
        let count = {
            let mut index = self.lock();
            {
                let turns = self.turns.iter().map(|turn| &turn.0);
                let _turns: Vec<_> = turns
                    .map(|turn| turn.write().unwrap_or_else(PoisonError::into_inner))
                    .collect();
                self.held.begin_next_life();
            }
            let mut count = 0;
            for id in index.take_everything() {
                self.held.remove(id);
                count += 1;
            }
            self.held.settle();
            count
        };
        // Others may log in by now.
        let is_there = |id: SessionId| {
            let _turn = self.read(id.bucket());
            self.held.get(id).is_some()
        };
        self.listeners
            .everything_before_ended(count, reason, is_there);
        Ok(count)
    }

    async fn list_for_user(
        &self,
        user: &UserId,
        after: Option<SessionId>,
        limit: NonZeroU32,
    ) -> Result<Page> {
        let index = self.lock();
        let mut own = index.of_user(user, after);
        let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        let records: Vec<_> = own.by_ref().take(limit).map(Arc::clone).collect();
        let more = own.next().is_some();
        Ok(Page {
            next: records.last().filter(|_| more).map(|record| record.id),
            records,
            damaged: Vec::new(),
        })
    }

    async fn epoch(&self, _: &UserId) -> Result<Epoch> {
        Ok(self.lock().epoch())
    }

    async fn sweep_expired(&self, request: SweepRequest) -> Result<SweepOutcome> {
        let place = Place::read(request.cursor.as_ref())?;
        Ok(self.sweep(&request, place))
    }

    async fn health(&self) -> Result<()> {
        Ok(())
    }

    fn sharing(&self) -> Sharing {
        Sharing::Sole
    }

    fn subscribe(&self, listener: Weak<dyn EndListener>) -> bool {
        self.listeners.add(listener);
        true
    }
}

#[cfg(test)]
mod tests;
