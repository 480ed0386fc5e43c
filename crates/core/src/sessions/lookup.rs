//! Looking a token up: the way of every request.

use std::fmt;
use std::sync::Arc;

use super::event::Event;
use super::presented::PresentedToken;
use super::session::Session;
use super::{Sessions, settled};
use crate::change::{Change, ChangeKind};
use crate::clock::duration_ms;
use crate::ended::EndReason;
use crate::error::Result;
use crate::id::SessionId;
use crate::liveness::{Expired, Liveness};
use crate::record::{Record, Successor};
use crate::store::UpdateOutcome;
use crate::token::{Digest, Token};

/// How long a store may take, at the most, to write a change that was to come
/// soon; with room to spare.
const MAX_DELAY_MS: i64 = 30_000;

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
    /// The token was replaced, and that is no sign of theft: by a renewal for
    /// security, whose response may be under way or lost. Do not clear the
    /// cookie for it: another response may just have set the new one.
    Replaced,
    /// The token was replaced by a periodic renewal, its successor was
    /// presented, and the overlap is over: one of the two is stolen, or somebody
    /// replays it. If the policy says so, the session has been revoked. Seen for
    /// the token before the current one; an older one is a `WrongSecret`.
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
    /// Costs one digest and one lookup in the store, and a second one, past any
    /// cache, before it says that the session was not used for too long, or that
    /// this is not its secret.
    ///
    /// Records that the session was used, at most once in the policy's touch
    /// interval, and does not wait for that to be written unless the store cannot
    /// do otherwise or the idle timeout is less than 30 seconds away. Waits for a
    /// write in two more cases: a new token is presented for the first time after
    /// a periodic renewal, or a replaced token is reused and the policy revokes the
    /// session for it.
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
        let found = self.read(token.id()).await?;
        // After the read, so that the processor can work on it while the record
        // is still coming from memory.
        let digest = token.digest();
        // The time after the record was read: however long that took, what the
        // record tells of is not in the future.
        let liveness = self.liveness();
        // Nearly every request ends here.
        if let Some(record) = &found
            && let Ok(standing) = self.judge(record, &digest, &liveness)
            && !self.has_to_write(record, standing, &liveness)
        {
            let record = Arc::clone(record);
            return Ok(Lookup::Live(self.session_of(record, standing, &liveness)));
        }
        // Boxed, so that the future of a lookup stays small.
        Box::pin(self.conclude(token.id(), digest, found, liveness)).await
    }

    /// What is left to do when a token is refused or its use has to be written.
    async fn conclude(
        &self,
        id: SessionId,
        digest: Digest,
        found: Option<Arc<Record>>,
        liveness: Liveness,
    ) -> Result<Lookup> {
        let (found, liveness) = self.look_again(id, &digest, found, liveness).await?;
        let (record, standing) = match self.admit(id, &digest, found, &liveness).await? {
            Ok(admitted) => admitted,
            Err(rejection) => return Ok(Lookup::Rejected(rejection)),
        };
        let record = match self.used(record, standing, liveness).await? {
            Ok(record) => record,
            Err(rejection) => {
                self.reject(id, rejection);
                return Ok(Lookup::Rejected(rejection));
            }
        };
        Ok(Lookup::Live(self.session_of(record, standing, &liveness)))
    }

    /// Finds the live session of a token, past any cache, and deals with one that
    /// is refused: for renewals.
    pub(super) async fn find_fresh(
        &self,
        token: &Token,
    ) -> Result<std::result::Result<(Arc<Record>, Standing, Liveness), Rejection>> {
        let found = self.inner.store.lookup_fresh(token.id()).await?;
        let liveness = self.liveness();
        let admitted = self
            .admit(token.id(), &token.digest(), found, &liveness)
            .await?;
        Ok(admitted.map(|(record, standing)| (record, standing, liveness)))
    }

    async fn read(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        match self.inner.store.lookup_now(id) {
            Some(found) => found,
            None => self.inner.store.lookup(id).await,
        }
    }

    /// Lets a token in or refuses it, with all that follows from a refusal.
    async fn admit(
        &self,
        id: SessionId,
        digest: &Digest,
        found: Option<Arc<Record>>,
        liveness: &Liveness,
    ) -> Result<std::result::Result<(Arc<Record>, Standing), Rejection>> {
        let Some(record) = found else {
            self.reject(id, Rejection::Unknown);
            return Ok(Err(Rejection::Unknown));
        };
        match self.judge(&record, digest, liveness) {
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

    /// Reads a session once more, past any cache, if its token is about to be
    /// refused for want of use or as a forgery: the session may have been used
    /// or renewed at another process.
    async fn look_again(
        &self,
        id: SessionId,
        digest: &Digest,
        found: Option<Arc<Record>>,
        liveness: Liveness,
    ) -> Result<(Option<Arc<Record>>, Liveness)> {
        let judged = found
            .as_ref()
            .map(|record| self.judge(record, digest, &liveness));
        match judged {
            Some(Err(Rejection::Expired(Expired::Idle) | Rejection::WrongSecret)) => {
                let found = self.inner.store.lookup_fresh(id).await?;
                Ok((found, self.liveness()))
            }
            _ => Ok((found, liveness)),
        }
    }

    /// The record of a session, read past any cache before it is said to be
    /// idle.
    pub(super) async fn record_of(
        &self,
        id: SessionId,
        liveness: &Liveness,
    ) -> Result<Option<Arc<Record>>> {
        match self.read(id).await? {
            Some(record) if liveness.expired(&*record) == Some(Expired::Idle) => {
                self.inner.store.lookup_fresh(id).await
            }
            found => Ok(found),
        }
    }

    /// Decides about a token by the record of its session alone.
    pub(super) fn judge(
        &self,
        record: &Record,
        digest: &Digest,
        liveness: &Liveness,
    ) -> std::result::Result<Standing, Rejection> {
        let previous = match record.previous.as_deref() {
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
        match previous.successor {
            Successor::Unconfirmed { .. } => Ok(Standing::Unconfirmed),
            Successor::Presented { at_ms } => {
                let overlap_ms = duration_ms(self.inner.policy.renewal_overlap());
                let since_ms = liveness.now_ms.saturating_sub(at_ms);
                if since_ms.unsigned_abs() < overlap_ms.unsigned_abs() {
                    Ok(Standing::Overlapping)
                } else if since_ms < 0 {
                    // The clock moved back. That must neither stretch the
                    // overlap nor end the session of somebody who did nothing.
                    Err(Rejection::Replaced)
                } else {
                    Err(Rejection::Reused)
                }
            }
            // It died at once and took nobody in since, so there is nothing to
            // end. Its response may have been lost, too.
            Successor::Immediate => Err(Rejection::Replaced),
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
    ) -> Result<std::result::Result<Arc<Record>, Rejection>> {
        if arrives(&record, standing) {
            self.confirm_successor(record, liveness).await
        } else {
            Ok(self.touch(record, liveness).await)
        }
    }

    /// Whether there is anything for [`used`](Self::used) to do.
    fn has_to_write(&self, record: &Record, standing: Standing, liveness: &Liveness) -> bool {
        arrives(record, standing) || self.touch_is_due(record, liveness)
    }

    fn touch_is_due(&self, record: &Record, liveness: &Liveness) -> bool {
        let unseen_ms = liveness.now_ms.saturating_sub(record.last_seen_ms);
        // A session may have a shorter idle timeout than the policy's interval
        // was chosen for; in use, it must not end.
        let interval_ms =
            duration_ms(self.inner.policy.touch_interval()).min(record.idle_timeout_ms / 2);
        unseen_ms >= interval_ms.max(1)
    }

    /// Written before anybody is let in by the new token: from then on the old
    /// one counts as reused, also after a crash. Once in a renewal.
    async fn confirm_successor(
        &self,
        record: Arc<Record>,
        liveness: Liveness,
    ) -> Result<std::result::Result<Arc<Record>, Rejection>> {
        let kind = ChangeKind::ConfirmSuccessor {
            digest: record.digest,
        };
        let change = Change { liveness, kind };
        let outcome = settled(|| self.inner.store.update(record.id, change.clone())).await?;
        Ok(match outcome {
            UpdateOutcome::Updated(record) | UpdateOutcome::Unchanged(record) => Ok(record),
            // Renewed meanwhile by another request: the token was good when
            // this one began.
            UpdateOutcome::Conflict(_) => Ok(record),
            UpdateOutcome::Absent => Err(Rejection::Unknown),
        })
    }

    async fn touch(
        &self,
        record: Arc<Record>,
        liveness: Liveness,
    ) -> std::result::Result<Arc<Record>, Rejection> {
        if !self.touch_is_due(&record, &liveness) {
            return Ok(record);
        }
        // A touch can wait, unless the session might look expired before it is
        // written: then others would be told that it has ended.
        let left_ms = liveness
            .idle_deadline_ms(&*record)
            .saturating_sub(liveness.now_ms);
        let change = Change {
            liveness,
            kind: ChangeKind::Touch,
        };
        if left_ms >= MAX_DELAY_MS && self.inner.store.update_soon(record.id, &change) {
            return Ok(record);
        }
        match self.inner.store.update(record.id, change).await {
            Ok(UpdateOutcome::Updated(record) | UpdateOutcome::Unchanged(record)) => Ok(record),
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

/// Whether a token that was made by a periodic renewal is presented for the
/// first time.
fn arrives(record: &Record, standing: Standing) -> bool {
    let unconfirmed = record
        .previous
        .as_deref()
        .is_some_and(|previous| matches!(previous.successor, Successor::Unconfirmed { .. }));
    standing == Standing::Current && unconfirmed
}
