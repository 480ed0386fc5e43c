//! What observers hear.

use super::lookup::Rejection;
use crate::change::RenewalKind;
use crate::ended::{EndReason, Ended};
use crate::id::SessionId;
use crate::user::UserId;

/// Hears of everything that happens to sessions: for audit logs and metrics.
///
/// Events name sessions by ID and carry no token. An event comes after what it
/// tells of took effect. That a session ended is told even if the caller who
/// ended it no longer waits, provided that the store tells of it itself
/// ([`SessionStore::subscribe`](crate::SessionStore::subscribe)); the stores
/// of this project do.
///
/// The same events go to `tracing`, with the target `revocable`.
pub trait Observer: Send + Sync + 'static {
    /// Something happened. Called on the thread that did it, a store's writer
    /// included, so return soon, and do not wait for anything that waits for
    /// the store. A panic is caught and reported by a `tracing` event.
    fn observe(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Send + Sync + 'static> Observer for F {
    fn observe(&self, event: &Event<'_>) {
        self(event);
    }
}

/// Something that happened to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A user logged in.
    #[non_exhaustive]
    Created {
        /// The new session.
        id: SessionId,
        /// Whose.
        user: &'a UserId,
    },
    /// A session got a new secret.
    #[non_exhaustive]
    Renewed {
        /// Which session.
        id: SessionId,
        /// Whose.
        user: &'a UserId,
        /// Why.
        kind: RenewalKind,
    },
    /// A session ended: was revoked, expired and swept, or made room.
    Ended(&'a Ended),
    /// All sessions were revoked at once.
    #[non_exhaustive]
    EverythingEnded {
        /// How many there were.
        count: u64,
        /// Why.
        reason: EndReason,
    },
    /// A token was presented and refused.
    #[non_exhaustive]
    Rejected {
        /// The session that the token names, which need not exist; `None` if
        /// what was presented is no token.
        id: Option<SessionId>,
        /// Why.
        rejection: Rejection,
    },
}

impl Event<'_> {
    pub(super) fn trace(&self) {
        const TARGET: &str = "revocable";
        match self {
            Self::Created { id, .. } => {
                tracing::info!(target: TARGET, session = %id, "session created");
            }
            Self::Renewed { id, kind, .. } => {
                tracing::debug!(target: TARGET, session = %id, ?kind, "session renewed");
            }
            Self::Ended(Ended { id, reason, .. }) if *reason == EndReason::Reuse => {
                tracing::warn!(target: TARGET, session = %id, %reason, "session ended");
            }
            Self::Ended(Ended { id, reason, .. }) => {
                tracing::info!(target: TARGET, session = %id, %reason, "session ended");
            }
            Self::EverythingEnded { count, reason } => {
                tracing::warn!(target: TARGET, count, %reason, "all sessions ended");
            }
            Self::Rejected {
                id: Some(id),
                rejection: Rejection::Reused,
            } => tracing::warn!(target: TARGET, session = %id, "replaced token presented"),
            Self::Rejected { id, rejection } => {
                let id = id.map(tracing::field::display);
                tracing::debug!(target: TARGET, session = id, %rejection, "token rejected");
            }
        }
    }
}
