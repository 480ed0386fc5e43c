//! The store: shards, room and listeners.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use async_trait::async_trait;
use revocable_core::{
    Bucket, Change, CreateOutcome, CreateRequest, EndListener, EndListeners, EndReason, Ended,
    Epoch, Error, ErrorKind, Page, Record, Result, RevokeAllOutcome, RevokeAllRequest, SessionId,
    SessionStore, Sharing, SweepOutcome, SweepRequest, UpdateOutcome, UserId,
};

use crate::room::Room;
use crate::shard::{Created, Shard};
use crate::sweep::Sweep;

/// Sessions in memory: exact, bounded if asked, gone with the process.
///
/// - **Exact.** A live session leaves only by a revocation, or by the cap of
///   its own user. Nothing is evicted.
/// - **Bounded if asked.** With a [limit](Self::with_limit), one session more is
///   refused with [`Full`](revocable_core::ErrorKind::Full). Sessions that have
///   expired count until a sweep removes them.
/// - **No more than what lives.** Revoked sessions free their memory at once,
///   expired ones and old epochs when they are swept; tables shrink.
/// - **Durable** for as long as the process lives, and no longer: after a
///   restart everybody has to log in again.
///
/// No call waits for anything but a lock that is held for less than a small
/// batch takes, so futures are ready when first polled, and one that is
/// dropped has done all of its work or none. `update_soon` applies the change
/// at once.
///
/// # Costs
///
/// With n sessions and k of the user: `lookup`, `update`, `epoch` O(1);
/// `create` and `revoke` O(log k), `create` with a cap O(k);
/// `revoke_all_for_user` O(k); a page O(log k + page); `revoke_everything`
/// O(1) under the locks, and O(n) to free the memory. A table that grows or
/// shrinks moves what is in it, 1/128 of the sessions at a time.
///
/// ```
/// use revocable_core::{EndReason, SessionStore};
/// use revocable_memory::MemoryStore;
///
/// # futures_executor::block_on(async {
/// let store = MemoryStore::with_limit(1_000_000);
/// assert_eq!(store.revoke_everything(EndReason::Administrator).await?, 0);
/// assert!(store.is_empty());
/// # Ok::<(), revocable_core::Error>(())
/// # }).unwrap();
/// ```
pub struct MemoryStore {
    shards: Box<[Aligned]>,
    room: Room,
    listeners: EndListeners,
}

/// A shard on cache lines of its own: looking up in one must not slow down its
/// neighbour. 128 bytes, because today's processors fetch lines in pairs.
#[repr(align(128))]
struct Aligned(RwLock<Shard>);

impl MemoryStore {
    /// So many that threads rarely meet and growing one is short; so few that
    /// an empty store is small and a sweep is quickly around.
    const SHARDS: usize = 128;

    /// An empty store for as many sessions as fit in memory.
    pub fn new() -> Self {
        Self::with_limit(usize::MAX)
    }

    /// An empty store for at most so many sessions. One more is refused with
    /// [`Full`](revocable_core::ErrorKind::Full), unless the cap of its user
    /// ends another in the same step.
    pub fn with_limit(max_sessions: usize) -> Self {
        Self {
            shards: (0..Self::SHARDS)
                .map(|_| Aligned(RwLock::new(Shard::new())))
                .collect(),
            room: Room::new(max_sessions),
            listeners: EndListeners::new(),
        }
    }

    /// The most sessions, [`usize::MAX`] if there is no limit.
    pub fn limit(&self) -> usize {
        self.room.limit()
    }

    /// How many sessions there are, live or not.
    pub fn len(&self) -> usize {
        self.room.taken()
    }

    /// Whether there are no sessions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn of(bucket: Bucket) -> usize {
        bucket.index() % Self::SHARDS
    }

    // A poisoned lock is used like any other. Nothing that changes a shard can
    // panic half-way (see `Shard`), so poison only tells that somebody
    // panicked before the first change; and refusing would turn a defect in
    // one request into an outage of 1/128 of all users.

    fn read(&self, bucket: Bucket) -> RwLockReadGuard<'_, Shard> {
        let lock = &self.shards[Self::of(bucket)].0;
        lock.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, bucket: Bucket) -> RwLockWriteGuard<'_, Shard> {
        Self::lock(&self.shards[Self::of(bucket)])
    }

    fn lock(shard: &Aligned) -> RwLockWriteGuard<'_, Shard> {
        shard.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the listeners of sessions that have ended. Frees the records, so
    /// it is called with no lock held for two reasons.
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
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn create(&self, request: CreateRequest) -> Result<CreateOutcome> {
        request.validate()?;
        let record = Arc::new(request.record);
        let created = self.write(record.id.bucket()).create(
            record,
            request.expected_epoch,
            request.cap.map(|cap| (cap, request.liveness)),
            &self.room,
        );
        Ok(match created {
            Created::Yes(ended) => CreateOutcome::Created {
                ended: self.tell(ended, EndReason::Cap),
            },
            Created::Exists(there) => CreateOutcome::Exists(there),
            Created::Superseded => CreateOutcome::Superseded,
            Created::CapReached => CreateOutcome::CapReached,
            Created::Full => {
                return Err(Error::new(
                    ErrorKind::Full,
                    "the store has as many sessions as it may",
                ));
            }
        })
    }

    async fn lookup(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        Ok(self.read(id.bucket()).lookup(id))
    }

    fn lookup_now(&self, id: SessionId) -> Option<Result<Option<Arc<Record>>>> {
        Some(Ok(self.read(id.bucket()).lookup(id)))
    }

    async fn update(&self, id: SessionId, change: Change) -> Result<UpdateOutcome> {
        change.validate()?;
        let (outcome, _replaced) = self.write(id.bucket()).update(id, &change);
        Ok(outcome)
    }

    fn update_soon(&self, id: SessionId, change: &Change) -> bool {
        let _outcome = self.write(id.bucket()).update(id, change);
        true
    }

    async fn revoke(&self, id: SessionId, reason: EndReason) -> Result<Option<Ended>> {
        let removed = self.write(id.bucket()).revoke(id, &self.room);
        Ok(self.tell(removed.into_iter().collect(), reason).pop())
    }

    async fn revoke_all_for_user(&self, request: RevokeAllRequest) -> Result<RevokeAllOutcome> {
        let (bucket, reason) = (Bucket::of(&request.user), request.reason);
        let (epoch, removed) = self.write(bucket).revoke_all_for_user(request, &self.room);
        let ended = self.tell(removed, reason);
        Ok(RevokeAllOutcome {
            ended: ended.into_iter().map(|ended| ended.id).collect(),
            epoch,
        })
    }

    async fn revoke_everything(&self, reason: EndReason) -> Result<u64> {
        let removed: Vec<Shard> = {
            // All locks in one order, and nobody else ever waits for a second
            // one, so this cannot deadlock.
            let mut shards: Vec<_> = self.shards.iter().map(Self::lock).collect();
            let clear =
                |shard: &mut RwLockWriteGuard<'_, Shard>| shard.revoke_everything(&self.room);
            shards.iter_mut().map(clear).collect()
        };
        let count = removed.iter().map(|shard| shard.len() as u64).sum();
        // Others may log in by now.
        let is_there = |id: SessionId| self.read(id.bucket()).lookup(id).is_some();
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
        let shard = self.read(Bucket::of(user));
        Ok(shard.list_for_user(user, after, limit))
    }

    async fn epoch(&self, user: &UserId) -> Result<Epoch> {
        Ok(self.read(Bucket::of(user)).epoch())
    }

    async fn sweep_expired(&self, request: SweepRequest) -> Result<SweepOutcome> {
        let mut sweep = Sweep::begin(&request)?;
        let mut outcome = SweepOutcome::default();
        while let Some(shard) = self.shards.get(sweep.shard) {
            let removed = {
                let mut shard = Self::lock(shard);
                outcome.epochs_forgotten +=
                    shard.forget_epochs(&mut sweep.epochs, request.forget_epochs_before_ms);
                shard.sweep_sessions(&mut sweep.sessions, request.liveness, &self.room)
            };
            outcome.ended.extend(self.tell(removed, EndReason::Expired));
            if sweep.sessions.is_at_end() && sweep.epochs.is_at_end() {
                sweep.next_shard();
            } else if sweep.sessions.is_used_up() || sweep.epochs.is_used_up() {
                outcome.cursor = Some(sweep.cursor());
                break;
            }
        }
        outcome.examined = sweep.sessions.visited();
        Ok(outcome)
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

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("len", &self.len())
            .field("limit", &self.limit())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
