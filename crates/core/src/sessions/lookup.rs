//! Looking a token up: the way of every request.

use std::fmt;
use std::sync::Arc;

use super::Sessions;
use super::event::Event;
use super::presented::PresentedToken;
use super::session::Session;
use crate::change::{Change, ChangeKind};
use crate::clock::duration_ms;
use crate::ended::EndReason;
use crate::error::Result;
use crate::id::SessionId;
use crate::liveness::{Expired, Liveness};
use crate::record::{Record, Successor};
use crate::store::UpdateOutcome;
use crate::token::{Digest, Token};

/// What a presented token turned out to be; see [`Sessions::inspect`].
#[derive(Debug, Clone)]
pub enum Lookup {
    /// A live session.
    Live(Session),
    /// None, and why.
    Rejected(Rejection),
}

impl Lookup {
    /// The session, if there is one.
    pub fn into_session(self) -> Option<Session> {
        match self {
            Self::Live(session) => Some(session),
            Self::Rejected(_) => None,
        }
    }
}

/// Why a token was refused. For logs and metrics, and for telling a user "your
/// session has expired"; to the client all refusals are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejection {
    /// Not the form of a token. No store was asked.
    Malformed,
    /// There is no such session: revoked, swept, or never there.
    Unknown,
    /// There is a session with this ID, but this is not its secret: forged, or
    /// replaced more than once since.
    WrongSecret,
    /// The session has reached a timeout.
    Expired(Expired),
    /// A renewal for security has replaced the token a moment ago; a request
    /// that was under way brought it.
    Replaced,
    /// The token was replaced and its time is over: it was stolen, or somebody
    /// replays it. If the policy says so, the session has been revoked.
    Reused,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::WrongSecret => "wrong_secret",
            Self::Expired(Expired::Idle) => "expired_idle",
            Self::Expired(Expired::Absolute) => "expired_absolute",
            Self::Replaced => "replaced",
            Self::Reused => "reused",
        })
    }
}

/// Which of a session's tokens was presented, if it is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The current one.
    Current,
    /// The one before; its successor has not been presented yet.
    Unconfirmed,
    /// The one before, in the overlap.
    Overlapping,
}

impl Sessions {
    /// The live session of a token, or `None`.
    ///
    /// Costs one digest and one lookup in the store. Records that the session
    /// was used, at most once in the policy's touch interval, and does not wait
    /// for that to be written unless the store cannot do otherwise. Waits for a
    /// write in two cases: a new token is presented for the first time after a
    /// periodic renewal, or a replaced token is reused and the policy revokes
    /// the session for it.
    ///
    /// Never creates a session.
    ///
    /// # Errors
    ///
    /// If the store cannot answer: then nobody knows whether the session lives,
    /// and nobody gets in.
    pub async fn lookup(&self, token: impl PresentedToken) -> Result<Option<Session>> {
        Ok(self.inspect(token).await?.into_session())
    }

    /// As [`lookup`](Sessions::lookup), and tells why there is no session.
    ///
    /// # Errors
    ///
    /// As for `lookup`.
    pub async fn inspect(&self, token: impl PresentedToken) -> Result<Lookup> {
        let Some(token) = token.into_token() else {
            self.inner.hub.emit(&Event::Rejected {
                id: None,
                rejection: Rejection::Malformed,
            });
            return Ok(Lookup::Rejected(Rejection::Malformed));
        };
        let liveness = self.liveness();
        let (record, standing) = match self.find(&token, &liveness).await? {
            Ok(found) => found,
            Err(rejection) => return Ok(Lookup::Rejected(rejection)),
        };
        let record = match self.used(record, standing, liveness).await {
            Ok(record) => record,
            Err(rejection) => {
                self.reject(token.id(), rejection);
                return Ok(Lookup::Rejected(rejection));
            }
        };
        Ok(Lookup::Live(self.session_of(record, standing, &liveness)))
    }

    /// Finds the live session of a token, and deals with one that is refused.
    pub(super) async fn find(
        &self,
        token: &Token,
        liveness: &Liveness,
    ) -> Result<std::result::Result<(Arc<Record>, Standing), Rejection>> {
        let digest = token.digest();
        let id = token.id();
        let Some(record) = self.inner.store.lookup(id).await? else {
            self.reject(id, Rejection::Unknown);
            return Ok(Err(Rejection::Unknown));
        };
        match self.judge(&record, &digest, liveness) {
            Ok(standing) => Ok(Ok((record, standing))),
            Err(rejection) => {
                self.reject(id, rejection);
                if rejection == Rejection::Reused && self.inner.policy.revoke_on_reuse() {
                    self.revoke_because(id, EndReason::Reuse).await?;
                }
                Ok(Err(rejection))
            }
        }
    }

    /// Decides about a token by the record of its session alone.
    pub(super) fn judge(
        &self,
        record: &Record,
        digest: &Digest,
        liveness: &Liveness,
    ) -> std::result::Result<Standing, Rejection> {
        let previous = match &record.previous {
            _ if record.digest == *digest => None,
            Some(previous) if previous.digest == *digest => Some(previous),
            _ => return Err(Rejection::WrongSecret),
        };
        // Only who has the secret learns that the session has expired.
        if let Some(expired) = liveness.expired(record) {
            return Err(Rejection::Expired(expired));
        }
        let Some(previous) = previous else {
            return Ok(Standing::Current);
        };
        // In either direction: a clock that moved back must not stretch the
        // overlap.
        let overlap_ms = duration_ms(self.inner.policy.renewal_overlap()).unsigned_abs();
        let in_overlap_of = |since_ms: i64| liveness.now_ms.abs_diff(since_ms) < overlap_ms;
        match previous.successor {
            Successor::Unconfirmed { .. } => Ok(Standing::Unconfirmed),
            Successor::Presented { at_ms } if in_overlap_of(at_ms) => Ok(Standing::Overlapping),
            Successor::Immediate if in_overlap_of(previous.replaced_ms) => Err(Rejection::Replaced),
            Successor::Presented { .. } | Successor::Immediate => Err(Rejection::Reused),
        }
    }

    pub(super) fn session_of(
        &self,
        record: Arc<Record>,
        standing: Standing,
        liveness: &Liveness,
    ) -> Session {
        let session = self.session(record, liveness);
        match standing {
            Standing::Current => session,
            Standing::Unconfirmed => session.with_renewal_due(true),
            Standing::Overlapping => session.with_renewal_due(false),
        }
    }

    /// Records that the session was used, and that the successor of a renewal
    /// has arrived.
    async fn used(
        &self,
        record: Arc<Record>,
        standing: Standing,
        liveness: Liveness,
    ) -> std::result::Result<Arc<Record>, Rejection> {
        let unconfirmed = record
            .previous
            .as_ref()
            .is_some_and(|previous| matches!(previous.successor, Successor::Unconfirmed { .. }));
        let unseen_ms = liveness.now_ms.saturating_sub(record.last_seen_ms);
        let kind = if standing == Standing::Current && unconfirmed {
            ChangeKind::ConfirmSuccessor {
                digest: record.digest,
            }
        } else if unseen_ms >= duration_ms(self.inner.policy.touch_interval()) && unseen_ms > 0 {
            ChangeKind::Touch
        } else {
            return Ok(record);
        };
        // A touch can wait. That the successor has arrived is written before
        // anybody is let in by it: from then on the old token counts as reused,
        // also after a crash. Once in a renewal.
        let may_wait = matches!(kind, ChangeKind::Touch);
        let change = Change { liveness, kind };
        if may_wait && self.inner.store.update_soon(record.id, &change) {
            return Ok(record);
        }
        match self.inner.store.update(record.id, change).await {
            Ok(UpdateOutcome::Updated(record) | UpdateOutcome::Unchanged(record)) => Ok(record),
            // Renewed meanwhile by another request: the token was good when
            // this one began.
            Ok(UpdateOutcome::Conflict(_)) => Ok(record),
            Ok(UpdateOutcome::Absent) => Err(Rejection::Unknown),
            Err(error) => {
                // The lookup has its answer. The use goes unrecorded, and the
                // session ends earlier rather than later.
                tracing::debug!(
                    target: "revocable",
                    session = %record.id,
                    error = &error as &dyn std::error::Error,
                    "use of a session not recorded"
                );
                Ok(record)
            }
        }
    }

    pub(super) fn reject(&self, id: SessionId, rejection: Rejection) {
        match rejection {
            Rejection::Unknown => self.inner.hub.found_gone(id, EndReason::Unknown),
            Rejection::Expired(_) => self.inner.hub.found_gone(id, EndReason::Expired),
            _ => {}
        }
        self.inner.hub.emit(&Event::Rejected {
            id: Some(id),
            rejection,
        });
    }
}
