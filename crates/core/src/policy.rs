//! The policy: how long sessions live, and how many a user may have.

mod builder;
mod document;
mod presets;

use std::time::Duration;

pub use builder::PolicyBuilder;

use crate::clock::duration_ms;
use crate::liveness::Liveness;
use crate::store::Cap;

/// How long sessions live, when they get a new token and how many a user may
/// have at the same time.
///
/// A policy that exists is free of contradictions: [`PolicyBuilder::build`]
/// refuses any other. It comes from [`Policy::builder`], from a preset for a
/// standard ([`Policy::nist_aal2`], [`Policy::asvs_level_2`] and their like),
/// or from [`Policy::default`].
///
/// ```
/// use std::time::Duration;
/// use revocable_core::{AtCap, Policy};
///
/// let policy = Policy::builder(Duration::from_secs(12 * 3_600))
///     .idle_timeout(Duration::from_secs(30 * 60))
///     .max_sessions_per_user(5, AtCap::EndLeastRecentlyUsed)
///     .build()?;
///
/// assert_eq!(policy.absolute_timeout(), Duration::from_secs(43_200));
/// println!("{}", policy.document());
/// # Ok::<(), revocable_core::Error>(())
/// ```
///
/// # Changing the policy of sessions that exist
///
/// A session keeps the deadlines that it was created with, and each lookup
/// applies those of the policy in force besides; the earlier one counts. So
/// shorter timeouts hold for existing sessions from the next lookup, and
/// longer ones for new sessions only. A lower number of sessions takes effect
/// when the user logs in next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    absolute_timeout: Duration,
    idle_timeout: Option<Duration>,
    touch_interval: Duration,
    renewal_interval: Option<Duration>,
    renewal_overlap: Duration,
    revoke_on_reuse: bool,
    cap: Option<Cap>,
    login_attempt_max_age: Duration,
    max_data_len: usize,
}

impl Policy {
    /// Begins a policy. The absolute timeout is how long a session lives at
    /// most, counted from its creation, whatever happens to it.
    ///
    /// [`PolicyBuilder`] lists what holds unless it is told otherwise.
    pub fn builder(absolute_timeout: Duration) -> PolicyBuilder {
        PolicyBuilder::new(absolute_timeout)
    }

    /// How long a session lives at most.
    pub fn absolute_timeout(&self) -> Duration {
        self.absolute_timeout
    }

    /// How long a session lives without being used; `None` for as long as the
    /// absolute timeout allows.
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.idle_timeout
    }

    /// How often at most the use of a session is recorded. Zero: each time.
    pub fn touch_interval(&self) -> Duration {
        self.touch_interval
    }

    /// At which age a token is due to be renewed; `None` for never.
    pub fn renewal_interval(&self) -> Option<Duration> {
        self.renewal_interval
    }

    /// How long a token that was renewed periodically stays good after its
    /// successor was first presented.
    pub fn renewal_overlap(&self) -> Duration {
        self.renewal_overlap
    }

    /// Whether a session ends when a token that was renewed for its age is
    /// presented after the overlap, while its successor is the current one.
    pub fn revoke_on_reuse(&self) -> bool {
        self.revoke_on_reuse
    }

    /// How many live sessions a user may have, and what happens at one more;
    /// `None` for any number.
    pub fn cap(&self) -> Option<Cap> {
        self.cap
    }

    /// How long a login may take from its beginning to its session.
    pub fn login_attempt_max_age(&self) -> Duration {
        self.login_attempt_max_age
    }

    /// The most bytes of the application's data in a session.
    pub fn max_data_len(&self) -> usize {
        self.max_data_len
    }

    /// What the policy says about the end of sessions, at an instant in Unix
    /// milliseconds: the form in which stores take it.
    pub fn liveness(&self, now_ms: i64) -> Liveness {
        Liveness {
            now_ms,
            absolute_timeout_ms: duration_ms(self.absolute_timeout),
            idle_timeout_ms: self.idle_timeout.map_or(i64::MAX, duration_ms),
        }
    }
}

impl Default for Policy {
    /// The limits of NIST SP 800-63B-4 for AAL2 and no other: absolute timeout
    /// 24 hours, idle timeout 1 hour, and for the rest the defaults of
    /// [`PolicyBuilder`].
    fn default() -> Self {
        Self::nist_aal2()
            .build()
            .expect("the preset has no contradiction")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_has_the_limits_of_aal2() {
        let policy = Policy::default();
        assert_eq!(policy, Policy::nist_aal2().build().unwrap());
        assert_eq!(policy.absolute_timeout(), Duration::from_secs(24 * 3_600));
        assert_eq!(policy.idle_timeout(), Some(Duration::from_secs(3_600)));
    }

    #[test]
    fn liveness_carries_the_timeouts_in_milliseconds() {
        let builder = Policy::builder(Duration::from_millis(9_001));
        let idle = builder.clone().idle_timeout(Duration::from_millis(1_001));
        assert_eq!(
            idle.build().unwrap().liveness(-5),
            Liveness {
                now_ms: -5,
                absolute_timeout_ms: 9_001,
                idle_timeout_ms: 1_001,
            }
        );
        let no_idle = builder.no_idle_timeout().build().unwrap();
        assert_eq!(no_idle.liveness(0).idle_timeout_ms, i64::MAX);
    }
}
