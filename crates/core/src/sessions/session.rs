//! A live session, as the application sees it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use crate::clock::{duration_ms, from_ms};
use crate::error::{Error, ErrorKind, Result};
use crate::id::SessionId;
use crate::liveness::Liveness;
use crate::policy::Policy;
use crate::record::{Client, Record};
use crate::user::UserId;

/// A session that was live when it was read. Cheap to clone; never changes.
///
/// It is a snapshot: it shows what was true at its lookup, not what was revoked
/// or written since. Keep it for one request, not longer.
#[derive(Debug, Clone)]
pub struct Session {
    record: Arc<Record>,
    now_ms: i64,
    absolute_deadline_ms: i64,
    idle_deadline_ms: i64,
    renewal_due: bool,
}

impl Session {
    pub(super) fn new(record: Arc<Record>, liveness: &Liveness, policy: &Policy) -> Self {
        let secret_since_ms = record
            .previous
            .as_ref()
            .map_or(record.created_ms, |previous| previous.replaced_ms);
        let renewal_due = policy.renewal_interval().is_some_and(|interval| {
            liveness.now_ms.saturating_sub(secret_since_ms) >= duration_ms(interval)
        });
        Self {
            now_ms: liveness.now_ms,
            absolute_deadline_ms: liveness.absolute_deadline_ms(&*record),
            idle_deadline_ms: liveness.idle_deadline_ms(&*record),
            renewal_due,
            record,
        }
    }

    pub(super) fn with_renewal_due(self, renewal_due: bool) -> Self {
        Self {
            renewal_due,
            ..self
        }
    }

    /// The session's public name.
    pub fn id(&self) -> SessionId {
        self.record.id
    }

    /// Whose session it is.
    pub fn user(&self) -> &UserId {
        &self.record.user
    }

    /// When the user logged in.
    pub fn created_at(&self) -> SystemTime {
        from_ms(self.record.created_ms)
    }

    /// When the user last proved who they are: at login or at a step-up.
    pub fn authenticated_at(&self) -> SystemTime {
        from_ms(self.record.authenticated_ms)
    }

    /// When the session was last used, as precisely as the policy's touch
    /// interval.
    pub fn last_seen_at(&self) -> SystemTime {
        from_ms(self.record.last_seen_ms)
    }

    /// When this snapshot was made, by the clock of its `Sessions`.
    pub fn read_at(&self) -> SystemTime {
        from_ms(self.now_ms)
    }

    /// When the session ends at the latest, under the policy in force.
    pub fn expires_at(&self) -> SystemTime {
        from_ms(self.absolute_deadline_ms)
    }

    /// When the session ends if it is not used again. Not after
    /// [`expires_at`](Session::expires_at).
    pub fn idle_expires_at(&self) -> SystemTime {
        from_ms(self.idle_deadline_ms.min(self.absolute_deadline_ms))
    }

    /// What is known of the client.
    pub fn client(&self) -> &Client {
        &self.record.client
    }

    /// Counts the changes of the data.
    pub fn version(&self) -> u64 {
        self.record.version
    }

    /// The application's bytes; empty until they are set.
    pub fn data(&self) -> &[u8] {
        &self.record.data
    }

    /// The application's data as
    /// [`modify`](crate::Sessions::modify) writes it, which is JSON; the
    /// default value while there is none.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) if the data is not a `T` in JSON. The
    /// error shows the place, not the data.
    pub fn data_as<T: DeserializeOwned + Default>(&self) -> Result<T> {
        if self.data().is_empty() {
            return Ok(T::default());
        }
        serde_json::from_slice(self.data()).map_err(|error| {
            // Without the source: its text may quote the data.
            Error::new(
                ErrorKind::Corrupt,
                format!(
                    "the session's data is not of the expected type (line {}, column {})",
                    error.line(),
                    error.column()
                ),
            )
        })
    }

    /// Whether it is time for [`renew`](crate::Sessions::renew): the policy's
    /// interval is over, or the token that was presented has been replaced and
    /// its successor has not arrived.
    pub fn renewal_due(&self) -> bool {
        self.renewal_due
    }

    /// Asks that the user proved who they are no longer ago than this: for a
    /// step-up before something sensitive (ASVS 5.0, 7.5.1 and 7.5.3).
    ///
    /// # Errors
    ///
    /// [`AuthenticationTooOld`]: ask for the password, or what else serves, and
    /// then call [`reauthenticated`](crate::Sessions::reauthenticated).
    pub fn require_fresh(&self, max_age: Duration) -> Result<(), AuthenticationTooOld> {
        // A time of authentication in the future means that the clock moved
        // back; far from now in either direction, nobody knows how old it is.
        let age_ms = self.now_ms.abs_diff(self.record.authenticated_ms);
        if u128::from(age_ms) <= max_age.as_millis() {
            Ok(())
        } else {
            Err(AuthenticationTooOld { max_age })
        }
    }

    /// The record underneath.
    pub fn record(&self) -> &Arc<Record> {
        &self.record
    }
}

/// The user has to prove again who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the user has to authenticate again: not within the last {} s", .max_age.as_secs())]
#[non_exhaustive]
pub struct AuthenticationTooOld {
    /// How long ago it may have been.
    pub max_age: Duration,
}
