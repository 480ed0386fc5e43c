//! What others do to a store that several machines share.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::ended::{EndReason, Ended};
use crate::error::Result;
use crate::id::SessionId;

/// One subscription to the channel on which a shared store announces what was
/// revoked and changed, in the order in which it was committed: what
/// [`SessionStore::follow`](crate::SessionStore::follow) opens.
///
/// # What every feed keeps
///
/// - **Whole.** Between two notices that it returned nothing is missing. Where
///   something may be (a connection that was lost, a message that cannot be
///   read, a queue that ran over, another server at the same address) `next`
///   returns an error, and only errors from then on: a feed that has a gap is
///   over. It never subscribes again by itself.
/// - **Ordered.** Everything that was committed before [`mark`](Self::mark) was
///   called is returned before that mark.
/// - **Announced with the commit.** A revocation and its notice are one step of
///   the store: neither is without the other.
///
/// A store whose channel has several parts, such as the primaries of a cluster,
/// sends a mark through each and returns it when all have brought it back.
#[async_trait]
pub trait Feed: Send + fmt::Debug {
    /// Sends a mark through the channel. It comes back by
    /// [`next`](Self::next), after everything that was announced before.
    ///
    /// # Errors
    ///
    /// If it could not be sent. The feed is over.
    async fn mark(&mut self, mark: Mark) -> Result<()>;

    /// The next notice, or `None` if there was none for as long as `wait`, which
    /// may be [`Duration::ZERO`]. Marks of other feeds are left out.
    ///
    /// # Errors
    ///
    /// If notices may be missing from here on. The feed is over.
    async fn next(&mut self, wait: Duration) -> Result<Option<Notice>>;
}

/// What is sent to oneself, to learn how far one has read: a number that nobody
/// else uses.
pub type Mark = [u8; 16];

/// Something that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A mark that was sent by this feed.
    Mark(Mark),
    /// These sessions ended.
    Ended {
        /// Which, whose as far as that is known, and why.
        ended: Vec<Ended>,
        /// By this very store, which has told its listeners itself.
        own: bool,
    },
    /// This session got a new secret or other data, by whomever.
    Changed(SessionId),
    /// All sessions that there were ended.
    EverythingEnded {
        /// How many there were.
        count: u64,
        /// Why.
        reason: EndReason,
        /// By this very store, which has told its listeners itself.
        own: bool,
    },
}
