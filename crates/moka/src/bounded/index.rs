//! What moka does not keep: whose the sessions are, and the positions of
//! revocations.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

use revocable_core::{Epoch, Record, SessionId, UserId};

/// Behind one lock; every write takes it.
#[derive(Debug)]
pub(super) struct Index {
    /// By user, and of a user in the order of IDs.
    sessions: BTreeMap<(UserId, SessionId), Arc<Record>>,
    /// Each user's last revoke-all, as long as a login that began before may
    /// still come.
    epochs: BTreeMap<UserId, Taken>,
    /// Of the last revocation, and the highest that was forgotten.
    last: Epoch,
    floor: Epoch,
}

#[derive(Debug)]
struct Taken {
    epoch: Epoch,
    at_ms: i64,
}

impl Index {
    pub(super) fn new() -> Self {
        // At random, so that a login that began in another process is not taken
        // for one of this. Below 2^62 there is room to count.
        let start = Epoch::from_number(RandomState::new().hash_one(()) >> 2);
        Self {
            sessions: BTreeMap::new(),
            epochs: BTreeMap::new(),
            last: start,
            floor: start,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Adds a session, or replaces its record.
    pub(super) fn put(&mut self, record: &Arc<Record>) {
        let key = (record.user.clone(), record.id);
        self.sessions.insert(key, Arc::clone(record));
    }

    pub(super) fn remove(&mut self, record: &Record) -> Option<Arc<Record>> {
        self.sessions.remove(&(record.user.clone(), record.id))
    }

    /// A user's sessions, from after one on.
    pub(super) fn of_user(
        &self,
        user: &UserId,
        after: Option<SessionId>,
    ) -> impl Iterator<Item = &Arc<Record>> {
        let first = SessionId::new(0, revocable_core::Bucket::of(user), [0; 8]);
        let start = match after {
            Some(after) => Excluded((user.clone(), after)),
            None => Included((user.clone(), first)),
        };
        self.sessions
            .range((start, Unbounded))
            .map_while(move |((owner, _), record)| (owner == user).then_some(record))
    }

    /// The next sessions of a sweep, of whichever user.
    pub(super) fn after(
        &self,
        place: Option<&(UserId, SessionId)>,
        limit: usize,
    ) -> Vec<Arc<Record>> {
        let start = place.map_or(Unbounded, |place| Excluded(place.clone()));
        let next = self.sessions.range((start, Unbounded)).take(limit);
        next.map(|(_, record)| Arc::clone(record)).collect()
    }

    /// Where a login that begins now stands.
    pub(super) fn epoch(&self) -> Epoch {
        self.last
    }

    /// Whether a login of this user that began there is too old, or began in
    /// another process.
    pub(super) fn supersedes(&self, user: &UserId, began: Epoch) -> bool {
        let own = self.epochs.get(user).map_or(self.floor, |own| own.epoch);
        !(own.max(self.floor)..=self.last).contains(&began)
    }

    /// The next position, for a user.
    pub(super) fn take_epoch(&mut self, user: UserId, now_ms: i64) -> Epoch {
        self.last = self.last.next();
        // A clock that was set back must not have it forgotten early.
        let before = self.epochs.get(&user).map_or(now_ms, |own| own.at_ms);
        let taken = Taken {
            epoch: self.last,
            at_ms: now_ms.max(before),
        };
        self.epochs.insert(user, taken);
        self.last
    }

    /// Empties it, and refuses all logins under way. Returns what there was.
    pub(super) fn take_everything(&mut self) -> impl Iterator<Item = SessionId> + use<> {
        self.last = self.last.next();
        self.floor = self.last;
        self.epochs.clear();
        let sessions = std::mem::take(&mut self.sessions);
        sessions.into_keys().map(|(_, id)| id)
    }

    /// Looks at some epochs, forgets those that were taken before a time, and
    /// says how many, and where to go on.
    pub(super) fn forget_epochs(
        &mut self,
        after: Option<&UserId>,
        limit: usize,
        before_ms: i64,
    ) -> (u64, Option<UserId>) {
        let start = after.map_or(Unbounded, |after| Excluded(after.clone()));
        let mut epochs = self.epochs.range((start, Unbounded));
        let mut old = Vec::new();
        let mut last = None;
        for (user, taken) in epochs.by_ref().take(limit) {
            if taken.at_ms < before_ms {
                old.push(user.clone());
            }
            last = Some(user);
        }
        let next = epochs.next().and(last).cloned();
        for user in &old {
            if let Some(taken) = self.epochs.remove(user) {
                // A login from before it is refused all the same.
                self.floor = self.floor.max(taken.epoch);
            }
        }
        (old.len() as u64, next)
    }
}
