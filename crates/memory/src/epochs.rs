//! The positions of revocations.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use revocable_core::{Epoch, UserId};

use crate::shard::roomy;
use crate::sweep::Walk;

/// The sequence of a shard's revocations: each user's last, as long as a login
/// that began before may still come, and the highest that was forgotten.
///
/// Positions are compared within one user only, and a user is in one shard, so
/// each shard counts by itself.
pub(crate) struct Epochs {
    last: Epoch,
    floor: Epoch,
    of_users: IndexMap<UserId, Taken, RandomState>,
}

struct Taken {
    epoch: Epoch,
    at_ms: i64,
}

impl Epochs {
    pub(crate) fn new() -> Self {
        // At random, so that a login that began in another process is not taken
        // for one of this. Below 2^62 there is room to count.
        let start = std::hash::RandomState::new().hash_one(()) >> 2;
        Self {
            last: Epoch::from_number(start),
            floor: Epoch::from_number(start),
            of_users: IndexMap::default(),
        }
    }

    /// Where a login that begins now stands: after every revocation so far,
    /// so that forgetting one never concerns it.
    pub(crate) fn last(&self) -> Epoch {
        self.last
    }

    /// Whether a login of this user that began at a position is too old, or
    /// began in another process.
    pub(crate) fn supersede(&self, user: &UserId, began: Epoch) -> bool {
        self.floor > began
            || self.last < began
            || self.of_users.get(user).is_some_and(|own| own.epoch > began)
    }

    /// The next position, for a user.
    pub(crate) fn take(&mut self, user: UserId, now_ms: i64) -> Epoch {
        self.last = self.last.next();
        self.of_users.insert(
            user,
            Taken {
                epoch: self.last,
                at_ms: now_ms,
            },
        );
        self.last
    }

    /// What remains when everybody's sessions are revoked: the next position,
    /// which refuses all logins that began before.
    pub(crate) fn after_everything(&self) -> Self {
        let last = self.last.next();
        Self {
            last,
            floor: last,
            of_users: IndexMap::default(),
        }
    }

    /// Looks at the next epochs of a sweep, forgets those that were taken
    /// before a time, and says how many.
    pub(crate) fn forget(&mut self, walk: &mut Walk, before_ms: i64) -> u64 {
        let mut forgotten = 0;
        for at in walk.next_positions(self.of_users.len()) {
            let taken = &self.of_users[at];
            if taken.at_ms < before_ms {
                self.floor = self.floor.max(taken.epoch);
                self.of_users.swap_remove_index(at);
                forgotten += 1;
            }
        }
        if let Some(capacity) = roomy(self.of_users.len(), self.of_users.capacity()) {
            self.of_users.shrink_to(capacity);
        }
        forgotten
    }
}
