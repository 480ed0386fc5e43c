//! The contract of a store.

mod feed;
mod pointer;
mod request;

use std::num::NonZeroU32;
use std::sync::{Arc, Weak};

use async_trait::async_trait;

use crate::change::Change;
use crate::ended::{EndListener, EndReason, Ended};
use crate::epoch::Epoch;
use crate::error::{Error, ErrorKind, Result};
use crate::id::SessionId;
use crate::record::Record;
use crate::user::UserId;

pub use feed::{Feed, Mark, Notice};
pub use request::{
    AtCap, Cap, CreateOutcome, CreateRequest, Page, RevokeAllOutcome, RevokeAllRequest,
    SweepCursor, SweepOutcome, SweepRequest, UpdateOutcome,
};

/// Who writes to what a store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sharing {
    /// This store alone: it is in this process's memory, or the store has
    /// locked it.
    Sole,
    /// Others may write too, and
    /// [`foreign_changes`](SessionStore::foreign_changes) tells.
    Counted,
    /// Others may write, also on other machines, and
    /// [`follow`](SessionStore::follow) tells.
    Announced,
    /// Others may write, and nothing tells.
    Unknown,
}

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
    /// expected [`Epoch`], then the cap over the user's live sessions; ends what
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

    /// What [`lookup`](Self::lookup) would answer, if this store can tell on
    /// the caller's thread without a future; `None` if it cannot, and then the
    /// caller awaits `lookup`.
    ///
    /// Keeps all that `lookup` keeps. A store that reads on the caller's thread
    /// in `lookup` too has nothing to lose by answering here; one that would
    /// wait for a network, another thread or another task returns `None`. It
    /// may answer some calls and not others: a cache answers what it has. Saves
    /// the allocation of a future, on every request.
    ///
    /// # Errors
    ///
    /// As for `lookup`.
    fn lookup_now(&self, id: SessionId) -> Option<Result<Option<Arc<Record>>>> {
        let _ = id;
        None
    }

    /// As [`lookup`](Self::lookup), and never from a cache. Asked before anybody
    /// is told that a session is over for want of use, or a new secret is handed
    /// out: others at the same store may have used or renewed it meanwhile.
    ///
    /// A store in front of another one forwards it. Any other has nothing to
    /// add.
    ///
    /// # Errors
    ///
    /// As for `lookup`.
    async fn lookup_fresh(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        self.lookup(id).await
    }

    /// Applies a change to the session with this ID, by the rules of
    /// [`Change::apply`].
    ///
    /// One atomic step, durable when it returns. A missing or expired session
    /// is an outcome and stays as it is.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if
    /// [`Change::validate`] finds fault, and as for any write; `Full` too.
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

    /// Whether anybody else may write to what this store keeps. A cache in
    /// front of the store asks this once, when it is built.
    ///
    /// The answer never changes. [`Sharing::Unknown`] unless a store says
    /// better.
    fn sharing(&self) -> Sharing {
        Sharing::Unknown
    }

    /// A number that differs from the one before if anybody but this store
    /// wrote in between, for stores with [`Sharing::Counted`].
    ///
    /// What was committed before the call began is counted. This store's own
    /// writes do not count. Costs about as much as a lookup.
    ///
    /// # Errors
    ///
    /// `Unavailable`; [`Configuration`](crate::ErrorKind::Configuration) if the
    /// store does not count.
    async fn foreign_changes(&self) -> Result<u64> {
        Err(Error::new(
            ErrorKind::Configuration,
            "this store does not count the changes of others",
        ))
    }

    /// Subscribes to what anybody does to the store, for stores with
    /// [`Sharing::Announced`]. Everything that is committed after this returned
    /// is in the [`Feed`].
    ///
    /// # Errors
    ///
    /// `Unavailable`; [`Configuration`](crate::ErrorKind::Configuration) if the
    /// store does not announce.
    async fn follow(&self) -> Result<Box<dyn Feed>> {
        Err(Error::new(
            ErrorKind::Configuration,
            "this store does not announce the changes of others",
        ))
    }

    /// Tells the listener of every session that ends from now on, as
    /// [`EndListener`] says. Returns false if the store does not do this; then
    /// its callers tell what they ended themselves.
    fn subscribe(&self, listener: Weak<dyn EndListener>) -> bool {
        let _ = listener;
        false
    }
}
