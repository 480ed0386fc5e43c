//! The contract of a store.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Weak};

use async_trait::async_trait;

use crate::change::Change;
use crate::ended::{EndListener, EndReason, Ended};
use crate::epoch::Epoch;
use crate::error::{Error, Result};
use crate::id::{Bucket, SessionId};
use crate::liveness::Liveness;
use crate::record::Record;
use crate::user::UserId;

/// Where sessions are kept. Applications talk to [`Sessions`](crate::Sessions);
/// this is for those who write a store.
///
/// Each verb is one atomic step. Stores take IDs and digests, never tokens;
/// they have no clock and no policy, both come with the call. There is no verb
/// that saves a record whatever is there: `create` inserts if absent, and a
/// [`Change`] changes what is there.
///
/// # What every verb keeps
///
/// - **Final.** A lookup that starts after a revocation returned never finds
///   the session, whatever else was under way.
/// - **Durable.** What was acknowledged stays, as far as the store's
///   documentation says.
/// - **Whole or not at all.** A future may be dropped at any await point. The
///   write then happens whole or not at all, and a write that may still come is
///   never overtaken by an answer that ignores it.
/// - **Closed.** A store that cannot answer returns an error, never `None`.
/// - **Idempotent.** After [`UnknownOutcome`](crate::ErrorKind::UnknownOutcome)
///   any call may be repeated with the same arguments.
/// - **Unharmed by damage.** A damaged session is an error for who looks it up
///   and for nobody else; it can be revoked, and does not stop a sweep, a
///   listing or a revoke-all.
///
/// The crate `revocable-conformance` is this contract as tests.
///
/// # Costs
///
/// With n sessions in all and k of the user, `lookup`, `update`, `revoke` and
/// `epoch` take O(log n) or better; `create` the same, and O(k) more with a
/// cap; `revoke_all_for_user` O(k log n); a page or a sweep step is in
/// proportion to its limit.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Inserts a session if its ID is not there.
    ///
    /// One atomic step, durable when it returns: checks the ID, then the
    /// expected epoch, then the cap over the user's live sessions; ends what
    /// the cap ends; inserts. With a cap of n, no number of concurrent creates
    /// leaves more than n live sessions of the user.
    ///
    /// A duplicate ID, a superseded login and a reached cap are outcomes.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if
    /// [`CreateRequest::validate`] finds fault,
    /// [`Full`](crate::ErrorKind::Full) if there is no room, and what any
    /// write may return: `Unavailable`, `UnknownOutcome`, `Corrupt`.
    async fn create(&self, request: CreateRequest) -> Result<CreateOutcome>;

    /// The record with this ID, or `None`.
    ///
    /// Sees everything that was acknowledged before it began. Does not judge
    /// whether the session is live: an expired one that no sweep has removed
    /// is returned. Writes nothing.
    ///
    /// # Errors
    ///
    /// `Unavailable`, or `Corrupt` for a damaged record.
    async fn lookup(&self, id: SessionId) -> Result<Option<Arc<Record>>>;

    /// Applies a change to the session with this ID, by the rules of
    /// [`Change::apply`].
    ///
    /// One atomic step, durable when it returns. A missing or expired session
    /// is an outcome and stays as it is.
    ///
    /// # Errors
    ///
    /// As for any write; `Full` too.
    async fn update(&self, id: SessionId, change: Change) -> Result<UpdateOutcome>;

    /// Applies a change soon, without making the caller wait: for touches.
    /// Returns whether the store does this at all; if not, the caller awaits
    /// [`update`](Self::update).
    ///
    /// The change may be lost in a crash or under pressure. It never brings a
    /// session back: it is applied under its own condition like any other.
    /// Must not block. Costs memory for a bounded number of sessions.
    fn update_soon(&self, id: SessionId, change: &Change) -> bool {
        let _ = (id, change);
        false
    }

    /// Removes the session with this ID, live or not, and returns what was
    /// removed; `None` if it was not there.
    ///
    /// Durable when it returns. Works on a damaged record.
    ///
    /// # Errors
    ///
    /// As for any write.
    async fn revoke(&self, id: SessionId, reason: EndReason) -> Result<Option<Ended>>;

    /// Removes all sessions of a user, but for one to keep if asked, and takes
    /// the next [`Epoch`] for the user, so that logins under way are refused.
    ///
    /// One atomic step with respect to creates, changes and lookups of the
    /// user; durable when it returns. The epoch advances also if there was
    /// nothing to remove.
    ///
    /// # Errors
    ///
    /// As for any write.
    async fn revoke_all_for_user(&self, request: RevokeAllRequest) -> Result<RevokeAllOutcome>;

    /// Removes all sessions of everybody and refuses all logins under way.
    /// Returns how many sessions there were.
    ///
    /// One atomic step, durable when it returns.
    ///
    /// # Errors
    ///
    /// As for any write.
    async fn revoke_everything(&self, reason: EndReason) -> Result<u64>;

    /// The sessions of a user in the order of their IDs, which is that of
    /// their creation, beginning after the given one. Live or not.
    ///
    /// A page holds at most `limit` sessions and is one consistent view.
    /// Damaged ones are named, not returned.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn list_for_user(
        &self,
        user: &UserId,
        after: Option<SessionId>,
        limit: NonZeroU32,
    ) -> Result<Page>;

    /// The position of the store's revocations, for a login of this user that
    /// begins now.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    async fn epoch(&self, user: &UserId) -> Result<Epoch>;

    /// Looks at no more than the given number of sessions, removes those that
    /// are not live, forgets old epochs likewise, and says where to go on.
    ///
    /// Each removal checks again that the session is not live. Skips damaged
    /// records. Does not hold up others for longer than a small batch takes.
    ///
    /// # Errors
    ///
    /// As for any write. What was removed before stays removed; the same step
    /// may be repeated.
    async fn sweep_expired(&self, request: SweepRequest) -> Result<SweepOutcome>;

    /// Whether the store can read and write now.
    ///
    /// # Errors
    ///
    /// What stands in the way.
    async fn health(&self) -> Result<()>;

    /// Tells the listener of every session that ends from now on, as
    /// [`EndListener`] says. Returns false if the store does not do this; then
    /// its callers tell what they ended themselves.
    fn subscribe(&self, listener: Weak<dyn EndListener>) -> bool {
        let _ = listener;
        false
    }
}

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

/// At most so many live sessions a user.
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
    /// The session with the lowest ID, that is the oldest, ends.
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
    /// is the very one: the outcome of the attempt before was unknown.
    Exists(Arc<Record>),
    /// A revoke-all came between. Nothing was changed.
    Superseded,
    /// The cap refuses. Nothing was changed.
    CapReached,
}

/// What became of a [`Change`].
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
    /// Where the next page begins; `None` at the end.
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

/// Implements the trait for a pointer to a store. Written out, so that the
/// inner store's future is handed on without a box of its own around it.
macro_rules! forward_to_pointee {
    ($pointer:ident) => {
        impl<S: SessionStore + ?Sized> SessionStore for $pointer<S> {
            fn create<'a, 'f>(&'a self, request: CreateRequest) -> BoxFuture<'f, CreateOutcome>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).create(request)
            }

            fn lookup<'a, 'f>(&'a self, id: SessionId) -> BoxFuture<'f, Option<Arc<Record>>>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).lookup(id)
            }

            fn update<'a, 'f>(
                &'a self,
                id: SessionId,
                change: Change,
            ) -> BoxFuture<'f, UpdateOutcome>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).update(id, change)
            }

            fn update_soon(&self, id: SessionId, change: &Change) -> bool {
                (**self).update_soon(id, change)
            }

            fn revoke<'a, 'f>(
                &'a self,
                id: SessionId,
                reason: EndReason,
            ) -> BoxFuture<'f, Option<Ended>>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).revoke(id, reason)
            }

            fn revoke_all_for_user<'a, 'f>(
                &'a self,
                request: RevokeAllRequest,
            ) -> BoxFuture<'f, RevokeAllOutcome>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).revoke_all_for_user(request)
            }

            fn revoke_everything<'a, 'f>(&'a self, reason: EndReason) -> BoxFuture<'f, u64>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).revoke_everything(reason)
            }

            fn list_for_user<'a, 'u, 'f>(
                &'a self,
                user: &'u UserId,
                after: Option<SessionId>,
                limit: NonZeroU32,
            ) -> BoxFuture<'f, Page>
            where
                'a: 'f,
                'u: 'f,
                Self: 'f,
            {
                (**self).list_for_user(user, after, limit)
            }

            fn epoch<'a, 'u, 'f>(&'a self, user: &'u UserId) -> BoxFuture<'f, Epoch>
            where
                'a: 'f,
                'u: 'f,
                Self: 'f,
            {
                (**self).epoch(user)
            }

            fn sweep_expired<'a, 'f>(&'a self, request: SweepRequest) -> BoxFuture<'f, SweepOutcome>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).sweep_expired(request)
            }

            fn health<'a, 'f>(&'a self) -> BoxFuture<'f, ()>
            where
                'a: 'f,
                Self: 'f,
            {
                (**self).health()
            }

            fn subscribe(&self, listener: Weak<dyn EndListener>) -> bool {
                (**self).subscribe(listener)
            }
        }
    };
}

type BoxFuture<'f, T> = std::pin::Pin<Box<dyn std::future::Future<Output = Result<T>> + Send + 'f>>;

forward_to_pointee!(Arc);
forward_to_pointee!(Box);
