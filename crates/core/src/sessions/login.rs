//! Logging in: a session is created after the user proved who they are.

use std::fmt;
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use super::event::Event;
use super::session::Session;
use super::{Sessions, entropy_repeats};
use crate::clock::{duration_ms, from_ms, to_ms};
use crate::ended::EndReason;
use crate::epoch::Epoch;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Bucket, SessionId};
use crate::record::{Client, Record};
use crate::store::{CreateOutcome, CreateRequest};
use crate::token::{Secret, Token};
use crate::user::UserId;

/// A login under way; made by [`Sessions::begin_login`] before the password is
/// checked, given to [`Sessions::create`] after.
///
/// If all of the user's sessions are revoked in between, the login is refused:
/// who presses "log out everywhere" also stops the thief who has just typed the
/// password.
///
/// For a login over several requests keep the parts on the server, or signed,
/// and put them together with [`LoginAttempt::resume`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "pass the attempt to `create` once the user proved who they are"]
pub struct LoginAttempt {
    user: UserId,
    epoch: Epoch,
    begun_ms: i64,
}

impl LoginAttempt {
    /// An attempt of which the parts were kept. They must come from
    /// [`LoginAttempt`] and must not have passed through the client unsigned: a
    /// later epoch or time would let through a login that has to be refused.
    pub fn resume(user: UserId, epoch: Epoch, begun_at: SystemTime) -> Self {
        Self {
            user,
            epoch,
            begun_ms: to_ms(begun_at),
        }
    }

    /// Who is logging in.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The position of the store's revocations when the login began.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// When the login began.
    pub fn begun_at(&self) -> SystemTime {
        from_ms(self.begun_ms)
    }
}

/// A session to be created: for whom, and what else is known. `Debug` shows of
/// the data its length only.
#[derive(Clone, PartialEq, Eq)]
#[must_use = "pass it to `Sessions::create`"]
pub struct NewSession {
    user: UserId,
    attempt: Option<LoginAttempt>,
    client: Client,
    data: Box<[u8]>,
    absolute_timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
}

impl fmt::Debug for NewSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSession")
            .field("user", &self.user)
            .field("attempt", &self.attempt)
            .field("client", &self.client)
            .field("data", &format_args!("{} bytes", self.data.len()))
            .field("absolute_timeout", &self.absolute_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .finish()
    }
}

impl NewSession {
    /// A session for this user.
    pub fn for_user(user: impl Into<UserId>) -> Self {
        Self {
            user: user.into(),
            attempt: None,
            client: Client::new(),
            data: Box::default(),
            absolute_timeout: None,
            idle_timeout: None,
        }
    }

    /// Whose session it will be.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// What is known of the client.
    pub fn client(mut self, client: Client) -> Self {
        self.client = client;
        self
    }

    /// The application's first data.
    pub fn data(mut self, data: impl Into<Box<[u8]>>) -> Self {
        self.data = data.into();
        self
    }

    /// An absolute timeout for this session, if shorter than the policy's.
    pub fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.absolute_timeout = Some(timeout);
        self
    }

    /// An idle timeout for this session, if shorter than the policy's.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }
}

impl From<LoginAttempt> for NewSession {
    fn from(attempt: LoginAttempt) -> Self {
        Self {
            attempt: Some(attempt.clone()),
            ..Self::for_user(attempt.user)
        }
    }
}

impl From<UserId> for NewSession {
    fn from(user: UserId) -> Self {
        Self::for_user(user)
    }
}

impl From<&UserId> for NewSession {
    fn from(user: &UserId) -> Self {
        Self::for_user(user)
    }
}

impl TryFrom<&str> for NewSession {
    type Error = Error;
    fn try_from(user: &str) -> Result<Self> {
        Ok(Self::for_user(UserId::new(user)?))
    }
}

impl TryFrom<&String> for NewSession {
    type Error = Error;
    fn try_from(user: &String) -> Result<Self> {
        Ok(Self::for_user(UserId::new(user)?))
    }
}

impl TryFrom<String> for NewSession {
    type Error = Error;
    fn try_from(user: String) -> Result<Self> {
        Ok(Self::for_user(UserId::new(user)?))
    }
}

impl Sessions {
    /// Begins a login, before the user proves who they are. Writes nothing.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if this cannot be a user's
    /// key; `Unavailable` if the store cannot answer.
    pub async fn begin_login<U>(&self, user: U) -> Result<LoginAttempt>
    where
        U: TryInto<UserId>,
        U::Error: Into<Error>,
    {
        let user = user.try_into().map_err(Into::into)?;
        // The time first: an attempt may look older than it is, not younger.
        let begun_ms = self.now_ms();
        let epoch = self.inner.store.epoch(&user).await?;
        Ok(LoginAttempt {
            user,
            epoch,
            begun_ms,
        })
    }

    /// Creates a session, after the user proved who they are. Takes the user,
    /// a [`LoginAttempt`], or a [`NewSession`] made from either.
    ///
    /// The token is random and new: nothing that a client brought is adopted.
    /// It is shown this once; the store keeps a digest. The session is durable
    /// when this returns, as far as the store says.
    ///
    /// # Errors
    ///
    /// - [`Superseded`](ErrorKind::Superseded): all sessions of the user were
    ///   revoked after the attempt began, or the attempt is older than the
    ///   policy allows. The login has to begin again.
    /// - [`TooManySessions`](ErrorKind::TooManySessions): the policy's cap
    ///   refuses.
    /// - [`InvalidInput`](ErrorKind::InvalidInput): the user or the data is out
    ///   of bounds.
    /// - [`Full`](ErrorKind::Full), `Unavailable`, `UnknownOutcome`: from the
    ///   store or the entropy source. After the last the session may exist, but
    ///   nobody has its token.
    pub async fn create<N>(&self, new: N) -> Result<(Token, Session)>
    where
        N: TryInto<NewSession>,
        N::Error: Into<Error>,
    {
        self.create_session(new.try_into().map_err(Into::into)?)
            .await
    }

    async fn create_session(&self, new: NewSession) -> Result<(Token, Session)> {
        let policy = &self.inner.policy;
        if new.data.len() > policy.max_data_len() {
            return Err(too_large(policy.max_data_len()));
        }
        let liveness = self.liveness();
        if let Some(attempt) = &new.attempt {
            let age_ms = liveness.now_ms.saturating_sub(attempt.begun_ms);
            if age_ms > duration_ms(policy.login_attempt_max_age()) {
                return Err(Error::new(
                    ErrorKind::Superseded,
                    "the login took too long; it has to begin again",
                ));
            }
        }
        let absolute_ms = shorter(new.absolute_timeout, liveness.absolute_timeout_ms)?;
        let idle_timeout_ms = shorter(new.idle_timeout, liveness.idle_timeout_ms)?;

        // IDs of one millisecond and bucket differ in 62 random bits: a second
        // round is luck beyond belief, a third means that the source repeats.
        let mut settled = false;
        for _ in 0..3 {
            let (token, id) = self.new_token(&new.user, liveness.now_ms)?;
            let record = Record {
                id,
                user: new.user.clone(),
                digest: token.digest(),
                previous: None,
                created_ms: liveness.now_ms,
                authenticated_ms: liveness.now_ms,
                last_seen_ms: liveness.now_ms,
                expires_ms: liveness.now_ms.saturating_add(absolute_ms),
                idle_timeout_ms,
                version: 0,
                client: new.client.clone(),
                data: new.data.clone(),
            };
            let request = CreateRequest {
                record: record.clone(),
                expected_epoch: new.attempt.as_ref().map(|attempt| attempt.epoch),
                cap: policy.cap(),
                liveness,
            };
            let outcome = match self.inner.store.create(request).await {
                // Not the same ID again: if the session was created and then
                // revoked by somebody, that would bring it back. It is ended
                // instead, if it is there, and another takes its place.
                Err(error) if error.kind() == ErrorKind::UnknownOutcome && !settled => {
                    settled = true;
                    if self.revoke_because(id, EndReason::Replaced).await.is_err() {
                        return Err(error);
                    }
                    continue;
                }
                outcome => outcome?,
            };
            match outcome {
                CreateOutcome::Created { ended } => self.tell_ended(&ended),
                CreateOutcome::Exists(_) => continue,
                CreateOutcome::Superseded => {
                    return Err(Error::new(
                        ErrorKind::Superseded,
                        "all sessions of the user were revoked since the login began",
                    ));
                }
                CreateOutcome::CapReached => {
                    return Err(Error::new(
                        ErrorKind::TooManySessions,
                        "the user has as many sessions as the policy allows",
                    ));
                }
            }
            let session = self.session(record.into(), &liveness);
            self.inner.hub.emit(&Event::Created {
                id,
                user: session.user(),
            });
            return Ok((token, session));
        }
        Err(entropy_repeats())
    }

    fn new_token(&self, user: &UserId, now_ms: i64) -> Result<(Token, SessionId)> {
        let mut random = Zeroizing::new([0; 8 + Token::SECRET_LEN]);
        self.inner.entropy.fill(random.as_mut_slice())?;
        let (for_id, for_secret) = random.split_at(8);
        let mut id = [0; 8];
        id.copy_from_slice(for_id);
        let mut secret = Secret::default();
        secret.copy_from_slice(for_secret);
        let id = SessionId::new(now_ms, Bucket::of(user), id);
        Ok((Token::new(id, &secret), id))
    }
}

pub(super) fn too_large(max_len: usize) -> Error {
    Error::invalid(format!(
        "the session's data has more than the {max_len} bytes that the policy allows"
    ))
}

/// The shorter of what was asked for and what the policy allows.
fn shorter(asked: Option<Duration>, allowed_ms: i64) -> Result<i64> {
    match asked.map(duration_ms) {
        Some(..=0) => Err(Error::invalid("a timeout is at least one millisecond")),
        Some(asked_ms) => Ok(asked_ms.min(allowed_ms)),
        None => Ok(allowed_ms),
    }
}
