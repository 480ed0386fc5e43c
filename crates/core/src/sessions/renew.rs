//! Giving a session a new secret.

use super::event::Event;
use super::lookup::Standing;
use super::presented::PresentedToken;
use super::session::Session;
use super::{Sessions, entropy_repeats, settled};
use crate::change::{Change, ChangeKind, Renewal};
use crate::error::{Error, ErrorKind, Result};
use crate::liveness::Liveness;
use crate::record::{Record, Successor};
use crate::store::UpdateOutcome;
use crate::token::{Digest, Salt, Secret, Token};

/// How often a renewal starts over because another request renewed the session
/// at the same time.
const ATTEMPTS: usize = 8;

/// What [`Sessions::renew`] did.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Renewed {
    /// The session.
    pub session: Session,
    /// The token to set in the cookie; `None` if the presented token has been
    /// replaced already and the client has its successor.
    pub token: Option<Token>,
}

impl Sessions {
    /// Gives a session a new secret; the ID stays. To be called from time to
    /// time, when [`Session::renewal_due`] says so.
    ///
    /// The old token stays good until the new one has been presented, and for
    /// the policy's overlap after that, so that requests under way and a lost
    /// response log nobody out. Until then renewing with the old token again,
    /// also concurrently, gives the *same* new token. Afterwards the old token
    /// counts as reused, until the next renewal: only the token before the
    /// current one is remembered, an older one is refused as a forgery is.
    ///
    /// `None` if the token is not that of a live session, as for
    /// [`lookup`](Sessions::lookup).
    ///
    /// # Errors
    ///
    /// From the store or the entropy source. After
    /// [`UnknownOutcome`](ErrorKind::UnknownOutcome) the old token is good
    /// still; renew again.
    pub async fn renew(&self, token: impl PresentedToken) -> Result<Option<Renewed>> {
        let Some(token) = token.into_token() else {
            return Ok(None);
        };
        for _ in 0..ATTEMPTS {
            // A cache may not know yet that the successor was presented.
            let Ok((record, standing, liveness)) = self.find_fresh(&token).await? else {
                return Ok(None);
            };
            if standing != Standing::Current {
                let token = successor_of(&token, &record);
                let session = self.session_of(record, standing, &liveness);
                return Ok(Some(Renewed { session, token }));
            }
            let mut salt = [0; Salt::LEN];
            self.inner.entropy.fill(&mut salt)?;
            let salt = Salt::from_bytes(salt);
            let successor = token.successor(&salt);
            let renewal = Renewal::Periodic { salt };
            if let Some(outcome) = self
                .replace_secret(&record, record.digest, &successor, renewal, liveness)
                .await?
            {
                return Ok(outcome.map(|session| Renewed {
                    session,
                    token: Some(successor),
                }));
            }
        }
        Err(contended())
    }

    /// Gives a session a new secret for security, as after a change of the
    /// user's rights: the old token dies with it, also if the response is lost.
    ///
    /// `None` if the token is not that of a live session.
    ///
    /// # Errors
    ///
    /// From the store or the entropy source. After
    /// [`UnknownOutcome`](ErrorKind::UnknownOutcome) the old token may be dead;
    /// then the user has to log in again.
    pub async fn renew_now(&self, token: impl PresentedToken) -> Result<Option<(Token, Session)>> {
        self.replace(token, Renewal::Immediate).await
    }

    /// Records that the user proved again who they are, for
    /// [`Session::require_fresh`], and gives the session a new secret as
    /// [`renew_now`](Sessions::renew_now) does (ASVS 5.0, 7.2.4). The absolute
    /// deadline does not move.
    ///
    /// # Errors
    ///
    /// As for `renew_now`.
    pub async fn reauthenticated(
        &self,
        token: impl PresentedToken,
    ) -> Result<Option<(Token, Session)>> {
        self.replace(token, Renewal::Reauthentication).await
    }

    async fn replace(
        &self,
        token: impl PresentedToken,
        renewal: Renewal,
    ) -> Result<Option<(Token, Session)>> {
        let Some(token) = token.into_token() else {
            return Ok(None);
        };
        for _ in 0..ATTEMPTS {
            let Ok((record, standing, liveness)) = self.find_fresh(&token).await? else {
                return Ok(None);
            };
            let expected = match standing {
                // What the client's other requests carry: they are not to be
                // taken for forgeries.
                Standing::Unconfirmed => token.digest(),
                Standing::Current | Standing::Overlapping => record.digest,
            };
            let mut secret = Secret::default();
            self.inner.entropy.fill(secret.as_mut_slice())?;
            let successor = Token::new(token.id(), &secret);
            if let Some(outcome) = self
                .replace_secret(&record, expected, &successor, renewal, liveness)
                .await?
            {
                return Ok(outcome.map(|session| (successor, session)));
            }
        }
        Err(contended())
    }

    /// `None` if another request was faster, `Some(None)` if the session ended.
    async fn replace_secret(
        &self,
        record: &Record,
        expected: Digest,
        successor: &Token,
        renewal: Renewal,
        liveness: Liveness,
    ) -> Result<Option<Option<Session>>> {
        if [record.digest, expected].contains(&successor.digest()) {
            return Err(entropy_repeats());
        }
        let change = Change {
            liveness,
            kind: ChangeKind::Renew {
                expected,
                digest: successor.digest(),
                renewal,
            },
        };
        let outcome = settled(|| self.inner.store.update(record.id, change.clone())).await?;
        Ok(match outcome {
            UpdateOutcome::Updated(record) | UpdateOutcome::Unchanged(record) => {
                self.inner.hub.emit(&Event::Renewed {
                    id: record.id,
                    user: &record.user,
                    kind: renewal.kind(),
                });
                let session = self.session(record, &liveness).with_renewal_due(false);
                Some(Some(session))
            }
            UpdateOutcome::Conflict(_) => None,
            UpdateOutcome::Absent => Some(None),
        })
    }
}

/// The token that replaced this one, made again, if nobody has presented it.
fn successor_of(token: &Token, record: &Record) -> Option<Token> {
    match record.previous.as_ref()?.successor {
        Successor::Unconfirmed { salt } => {
            Some(token.successor(&salt)).filter(|successor| successor.digest() == record.digest)
        }
        Successor::Presented { .. } | Successor::Immediate => None,
    }
}

fn contended() -> Error {
    Error::new(
        ErrorKind::Conflict,
        "other requests kept renewing the session",
    )
}
