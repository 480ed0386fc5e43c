//! One part of the store: all of the users of some buckets.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use revocable_core::{
    Applied, Cap, Change, Epoch, Liveness, Page, Record, RevokeAllRequest, SessionId,
    UpdateOutcome, UserId,
};

use crate::by_id::{ById, IdHash};
use crate::epochs::Epochs;
use crate::room::Room;
use crate::sweep::Walk;
use crate::users::Users;

/// Sessions, the index of their users, and epochs; one lock is around it.
///
/// What is removed is returned, so that it is freed after the lock.
///
/// No method can panic between its first change and its last: in between there
/// are only the tables' own operations, on keys whose `Hash` and `Eq` do not
/// panic. So a shard is sound whenever it is not locked.
pub(crate) struct Shard {
    /// A set and not a map with positions, which a sweep could walk: a lookup
    /// costs what it has to fetch from memory, and that would be one place
    /// more. The sweep walks the users instead.
    sessions: HashSet<ById, IdHash>,
    users: Users,
    epochs: Epochs,
}

/// What became of a create.
pub(crate) enum Created {
    /// It is there, and these had to end for it.
    Yes(Vec<Arc<Record>>),
    Exists(Arc<Record>),
    Superseded,
    CapReached,
    Full,
}

impl Shard {
    pub(crate) fn new() -> Self {
        Self {
            sessions: HashSet::default(),
            users: Users::default(),
            epochs: Epochs::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn create(
        &mut self,
        record: Arc<Record>,
        expected_epoch: Option<Epoch>,
        cap: Option<(Cap, Liveness)>,
        room: &Room,
    ) -> Created {
        if let Some(there) = self.sessions.get(&record.id) {
            return Created::Exists(there.0.clone());
        }
        if expected_epoch.is_some_and(|began| self.epochs.supersede(&record.user, began)) {
            return Created::Superseded;
        }
        let ending = match cap {
            None => Vec::new(),
            Some((cap, liveness)) => match cap.make_room(self.live(&record.user, liveness)) {
                None => return Created::CapReached,
                Some(ending) => ending,
            },
        };
        // A session that the cap ends hands its place to the new one, so that
        // a full store still lets its users log in again and nobody else can
        // take the place in between.
        if ending.is_empty() {
            if !room.reserve() {
                return Created::Full;
            }
        } else {
            room.release(ending.len() - 1);
        }
        let ended = ending.iter().filter_map(|id| self.take(*id)).collect();
        self.users.insert(&record.user, record.id);
        self.sessions.insert(ById(record));
        Created::Yes(ended)
    }

    pub(crate) fn lookup(&self, id: SessionId) -> Option<Arc<Record>> {
        self.sessions.get(&id).map(|there| there.0.clone())
    }

    /// Also returns the record that was replaced, to be freed.
    pub(crate) fn update(
        &mut self,
        id: SessionId,
        change: &Change,
    ) -> (UpdateOutcome, Option<Arc<Record>>) {
        let Some(ById(record)) = self.sessions.get(&id) else {
            return (UpdateOutcome::Absent, None);
        };
        match change.apply(record) {
            Applied::Changed(changed) => {
                let replaced = self.sessions.replace(ById(changed.clone()));
                (
                    UpdateOutcome::Updated(changed),
                    replaced.map(|ById(record)| record),
                )
            }
            Applied::Unchanged => (UpdateOutcome::Unchanged(record.clone()), None),
            Applied::Conflict => (UpdateOutcome::Conflict(record.clone()), None),
            Applied::Expired => (UpdateOutcome::Absent, None),
        }
    }

    pub(crate) fn revoke(&mut self, id: SessionId, room: &Room) -> Option<Arc<Record>> {
        let removed = self.take(id)?;
        room.release(1);
        Some(removed)
    }

    pub(crate) fn revoke_all_for_user(
        &mut self,
        request: RevokeAllRequest,
        room: &Room,
    ) -> (Epoch, Vec<Arc<Record>>) {
        let ids = self.users.remove_all(&request.user, request.keep);
        let removed: Vec<_> = ids
            .iter()
            .filter_map(|id| self.sessions.take(id))
            .map(|ById(record)| record)
            .collect();
        self.shrink();
        room.release(removed.len());
        (self.epochs.take(request.user, request.now_ms), removed)
    }

    /// Leaves an empty shard that refuses all logins under way, and returns
    /// what there was.
    pub(crate) fn revoke_everything(&mut self, room: &Room) -> Self {
        let empty = Self {
            epochs: self.epochs.after_everything(),
            ..Self::new()
        };
        room.release(self.len());
        std::mem::replace(self, empty)
    }

    pub(crate) fn list_for_user(
        &self,
        user: &UserId,
        after: Option<SessionId>,
        limit: NonZeroU32,
    ) -> Page {
        let mut ids = self.users.after(user, after);
        let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        let records: Vec<_> = ids
            .by_ref()
            .take(limit)
            .filter_map(|id| self.lookup(id))
            .collect();
        let more = ids.next().is_some();
        Page {
            next: records.last().filter(|_| more).map(|record| record.id),
            records,
            damaged: Vec::new(),
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epochs.last()
    }

    /// Looks at the next sessions of a sweep and returns those that are not
    /// live, which it removed.
    pub(crate) fn sweep_sessions(
        &mut self,
        walk: &mut Walk,
        liveness: Liveness,
        room: &Room,
    ) -> Vec<Arc<Record>> {
        let mut removed = Vec::new();
        for id in self.users.next(walk) {
            let record = self.sessions.get(&id);
            if record.is_some_and(|ById(record)| !liveness.is_live(&**record)) {
                removed.extend(self.take(id));
            }
        }
        room.release(removed.len());
        removed
    }

    /// As [`Epochs::forget`].
    pub(crate) fn forget_epochs(&mut self, walk: &mut Walk, before_ms: i64) -> u64 {
        self.epochs.forget(walk, before_ms)
    }

    /// The user's live sessions, and when each was last used.
    fn live(&self, user: &UserId, liveness: Liveness) -> Vec<(SessionId, i64)> {
        self.users
            .after(user, None)
            .filter_map(|id| self.sessions.get(&id))
            .map(|ById(record)| record)
            .filter(|record| liveness.is_live(&***record))
            .map(|record| (record.id, record.last_seen_ms))
            .collect()
    }

    /// Takes a session out of all tables; its place in the room stays taken.
    fn take(&mut self, id: SessionId) -> Option<Arc<Record>> {
        let ById(record) = self.sessions.take(&id)?;
        self.users.remove(&record.user, id);
        self.shrink();
        Some(record)
    }

    fn shrink(&mut self) {
        if let Some(capacity) = roomy(self.sessions.len(), self.sessions.capacity()) {
            self.sessions.shrink_to(capacity);
        }
    }
}

/// The capacity that a table should shrink to, if it is much too large.
///
/// Amortized: shrinking costs O(len); afterwards the table has room to double,
/// and loses at least half of its entries before it shrinks again.
pub(crate) fn roomy(len: usize, capacity: usize) -> Option<usize> {
    const SMALL: usize = 16;
    (capacity > SMALL && len < capacity / 4).then_some(len * 2)
}

#[cfg(test)]
mod tests;
