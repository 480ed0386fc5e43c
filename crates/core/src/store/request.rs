//! What is asked of a store, and what it answers.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::ended::{EndReason, Ended};
use crate::epoch::Epoch;
use crate::error::{Error, Result};
use crate::id::{Bucket, SessionId};
use crate::liveness::Liveness;
use crate::record::Record;
use crate::user::UserId;

/// What to create, and on which conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRequest {
    /// The session.
    pub record: Record,
    /// The position at which the login began; `None` to create
    /// unconditionally.
    pub expected_epoch: Option<Epoch>,
    /// The most live sessions that the user may have afterwards.
    pub cap: Option<Cap>,
    /// Which of the user's sessions count as live.
    pub liveness: Liveness,
}

impl CreateRequest {
    /// What every store checks first.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the record is not
    /// consistent with itself or its data is larger than
    /// [`Record::MAX_DATA_LEN`].
    pub fn validate(&self) -> Result<()> {
        if self.record.id.bucket() != Bucket::of(&self.record.user) {
            return Err(Error::invalid("the session ID is not of the user's bucket"));
        }
        if self.record.data.len() > Record::MAX_DATA_LEN {
            return Err(Error::invalid("the session's data has more than 1 MiB"));
        }
        if self.record.idle_timeout_ms <= 0 {
            return Err(Error::invalid("the idle timeout is not positive"));
        }
        Ok(())
    }
}

/// At most so many live sessions a user. Damaged ones do not count: nobody can
/// use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cap {
    /// The most sessions.
    pub max: NonZeroU32,
    /// What happens when one more is created.
    pub at_cap: AtCap,
}

/// What happens when a user who has as many sessions as allowed logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AtCap {
    /// The session with the lowest ID, that is the oldest, ends; of those
    /// created in the same millisecond any.
    EndOldest,
    /// The session with the earliest `last_seen_ms` ends; of equals the one
    /// with the lowest ID.
    EndLeastRecentlyUsed,
    /// The login is refused.
    Refuse,
}

impl Cap {
    /// Which of a user's live sessions have to end so that one more can be
    /// created; `None` if the cap refuses. For stores: the one place where
    /// this is decided.
    pub fn make_room(&self, mut live: Vec<(SessionId, i64)>) -> Option<Vec<SessionId>> {
        let keep = self.max.get() as usize - 1;
        if live.len() <= keep {
            return Some(Vec::new());
        }
        match self.at_cap {
            AtCap::Refuse => return None,
            AtCap::EndOldest => live.sort_unstable_by_key(|(id, _)| *id),
            AtCap::EndLeastRecentlyUsed => {
                live.sort_unstable_by_key(|(id, last_seen_ms)| (*last_seen_ms, *id));
            }
        }
        live.truncate(live.len() - keep);
        Some(live.into_iter().map(|(id, _)| id).collect())
    }
}

/// What became of a [`CreateRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The session is there.
    Created {
        /// What the cap ended to make room.
        ended: Vec<Ended>,
    },
    /// A session with this ID is there already. If it has the same digest, it
    /// is the very one: the outcome of an attempt before was unknown.
    Exists(Arc<Record>),
    /// A revoke-all came between. Nothing was changed.
    Superseded,
    /// The cap refuses. Nothing was changed.
    CapReached,
}

/// What became of a [`Change`](crate::Change).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// The record as it is now.
    Updated(Arc<Record>),
    /// The record was so already; nothing was written.
    Unchanged(Arc<Record>),
    /// The condition does not hold; the record as it is.
    Conflict(Arc<Record>),
    /// There is no live session with this ID.
    Absent,
}

/// Whose sessions to revoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeAllRequest {
    /// The user.
    pub user: UserId,
    /// A session of the user to spare.
    pub keep: Option<SessionId>,
    /// Why, for observers.
    pub reason: EndReason,
    /// Now: by it a sweep decides when the epoch may be forgotten.
    pub now_ms: i64,
}

/// What a revoke-all did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeAllOutcome {
    /// The sessions that it ended.
    pub ended: Vec<SessionId>,
    /// The position that it took.
    pub epoch: Epoch,
}

/// A part of a user's sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The sessions, in the order of their IDs.
    pub records: Vec<Arc<Record>>,
    /// Sessions in the same part whose record is damaged. They can be revoked.
    pub damaged: Vec<SessionId>,
    /// The last session of this page if there are more: the next page begins
    /// after it. `None` at the end.
    pub next: Option<SessionId>,
}

/// One step of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepRequest {
    /// Which sessions are live, and so stay.
    pub liveness: Liveness,
    /// Epochs taken before this time may be forgotten: no login can be older.
    pub forget_epochs_before_ms: i64,
    /// Where the step before ended; `None` to begin.
    pub cursor: Option<SweepCursor>,
    /// The most sessions to look at, and the most epochs.
    pub max_rows: NonZeroU32,
}

/// What a step of a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepOutcome {
    /// How many sessions were looked at.
    pub examined: u64,
    /// What was removed.
    pub ended: Vec<Ended>,
    /// How many epochs were forgotten.
    pub epochs_forgotten: u64,
    /// Where the next step begins; `None` when all was looked at.
    pub cursor: Option<SweepCursor>,
}

/// A place in a sweep. Means something to the store that made it, while that
/// store is open.
#[derive(Clone, PartialEq, Eq)]
pub struct SweepCursor(Box<[u8]>);

impl SweepCursor {
    /// A place, in the store's own form.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The store's own form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SweepCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SweepCursor")
    }
}
