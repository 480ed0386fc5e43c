//! Policies for standards.
//!
//! Each is a [`PolicyBuilder`] that is filled already, so that an application
//! can change the rest, or make the limits shorter still.

use std::time::Duration;

use super::{Policy, PolicyBuilder};
use crate::store::AtCap;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The limits of an authentication assurance level of NIST SP 800-63B-4.
pub(super) struct NistLevel {
    pub(super) name: &'static str,
    /// The section that sets the limits.
    pub(super) section: &'static str,
    /// "Overall timeout" there.
    pub(super) absolute_timeout: Duration,
    /// "Inactivity timeout" there.
    pub(super) idle_timeout: Option<Duration>,
}

impl NistLevel {
    const AAL1: Self = Self {
        name: "AAL1",
        section: "2.1.3",
        absolute_timeout: Duration::from_secs(30 * 24 * 3_600),
        idle_timeout: None,
    };
    const AAL2: Self = Self {
        name: "AAL2",
        section: "2.2.3",
        absolute_timeout: DAY,
        idle_timeout: Some(HOUR),
    };
    const AAL3: Self = Self {
        name: "AAL3",
        section: "2.3.3",
        absolute_timeout: Duration::from_secs(12 * 3_600),
        idle_timeout: Some(Duration::from_secs(15 * 60)),
    };
    pub(super) const ALL: [Self; 3] = [Self::AAL1, Self::AAL2, Self::AAL3];

    pub(super) fn is_kept_by(&self, policy: &Policy) -> bool {
        // Where there is no idle timeout, the absolute one ends idle sessions.
        let idle_timeout = policy.idle_timeout.unwrap_or(policy.absolute_timeout);
        policy.absolute_timeout <= self.absolute_timeout
            && self.idle_timeout.is_none_or(|limit| idle_timeout <= limit)
    }

    fn policy(&self) -> PolicyBuilder {
        let builder = Policy::builder(self.absolute_timeout);
        match self.idle_timeout {
            Some(idle_timeout) => builder.idle_timeout(idle_timeout),
            None => builder.no_idle_timeout(),
        }
    }
}

impl Policy {
    /// NIST SP 800-63B-4, AAL1 (section 2.1.3): an absolute timeout, which
    /// should be no more than 30 days; no idle timeout is required.
    ///
    /// Sets 30 days and no idle timeout. The standard counts from the last
    /// authentication; here the absolute timeout counts from the creation of
    /// the session and is not extended by a re-authentication, which is
    /// stricter.
    ///
    /// The timeouts are the part of the standard that a session store can
    /// keep. How users authenticate is up to the application.
    pub fn nist_aal1() -> PolicyBuilder {
        NistLevel::AAL1.policy()
    }

    /// NIST SP 800-63B-4, AAL2 (section 2.2.3): the absolute timeout should be
    /// no more than 24 hours and the idle timeout no more than 1 hour.
    ///
    /// Sets these two. See [`Policy::nist_aal1`] for what they count from.
    pub fn nist_aal2() -> PolicyBuilder {
        NistLevel::AAL2.policy()
    }

    /// NIST SP 800-63B-4, AAL3 (section 2.3.3): the absolute timeout shall be
    /// no more than 12 hours, and the idle timeout should be no more than 15
    /// minutes.
    ///
    /// Sets these two. See [`Policy::nist_aal1`] for what they count from.
    pub fn nist_aal3() -> PolicyBuilder {
        NistLevel::AAL3.policy()
    }

    /// For OWASP ASVS 5.0, level 1.
    ///
    /// ASVS prescribes no numbers, and asks for timeouts from level 2 on only.
    /// **The values are ours**: absolute timeout 30 days, idle timeout 7 days,
    /// any number of sessions.
    ///
    /// What chapter V7 asks of a session store at this level holds under every
    /// policy: tokens are random references with at least 128 bits of entropy
    /// (7.2.2, 7.2.3; they have 256) and are verified on the server (7.2.1);
    /// logout and expiry end the session there (7.4.1). That an authentication
    /// makes a new token and ends the old one (7.2.4), and that all of a
    /// user's sessions end with the account (7.4.2), are calls that the
    /// application makes.
    pub fn asvs_level_1() -> PolicyBuilder {
        Self::builder(30 * DAY).idle_timeout(7 * DAY)
    }

    /// For OWASP ASVS 5.0, level 2, which asks for an idle timeout (7.3.1) and
    /// an absolute timeout (7.3.2), for their documentation (7.1.1) and for
    /// that of the number of concurrent sessions (7.1.2):
    /// [`Policy::document`] writes it.
    ///
    /// ASVS prescribes no numbers, but asks to justify where an application
    /// deviates from NIST SP 800-63B. The timeouts are therefore those of
    /// [`Policy::nist_aal2`]. **The number of sessions is ours**: at most 20 a
    /// user; at one more the least recently used ends.
    pub fn asvs_level_2() -> PolicyBuilder {
        Self::nist_aal2().max_sessions_per_user(20, AtCap::EndLeastRecentlyUsed)
    }

    /// For OWASP ASVS 5.0, level 3, which asks the same of timeouts and
    /// concurrent sessions as level 2, and in V7 besides for a new
    /// authentication before highly sensitive operations (7.5.3), which the
    /// application has to demand.
    ///
    /// ASVS prescribes no numbers. The timeouts are those of
    /// [`Policy::nist_aal3`]. **The rest is ours**: at most 5 sessions a user,
    /// at one more the least recently used ends; use is recorded every 15
    /// seconds; a token is due to be renewed every hour, so that a stolen one
    /// is noticed when thief and owner both use it. The application has to
    /// hand the renewed token to the client.
    pub fn asvs_level_3() -> PolicyBuilder {
        Self::nist_aal3()
            .touch_interval(MINUTE / 4)
            .renewal_interval(HOUR)
            .max_sessions_per_user(5, AtCap::EndLeastRecentlyUsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeouts(builder: PolicyBuilder) -> (Duration, Option<Duration>) {
        let policy = builder.build().unwrap();
        (policy.absolute_timeout(), policy.idle_timeout())
    }

    #[test]
    fn nist_presets_have_the_limits_of_the_standard() {
        assert_eq!(timeouts(Policy::nist_aal1()), (30 * DAY, None));
        assert_eq!(timeouts(Policy::nist_aal2()), (24 * HOUR, Some(HOUR)));
        assert_eq!(
            timeouts(Policy::nist_aal3()),
            (12 * HOUR, Some(15 * MINUTE))
        );
    }

    #[test]
    fn asvs_presets_have_the_documented_values() {
        assert_eq!(timeouts(Policy::asvs_level_1()), (30 * DAY, Some(7 * DAY)));
        assert_eq!(
            timeouts(Policy::asvs_level_2()),
            timeouts(Policy::nist_aal2())
        );
        assert_eq!(
            timeouts(Policy::asvs_level_3()),
            timeouts(Policy::nist_aal3())
        );
        let cap = |builder: PolicyBuilder| {
            let cap = builder.build().unwrap().cap();
            cap.map(|cap| (cap.max.get(), cap.at_cap))
        };
        assert_eq!(cap(Policy::asvs_level_1()), None);
        assert_eq!(
            cap(Policy::asvs_level_2()),
            Some((20, AtCap::EndLeastRecentlyUsed))
        );
        assert_eq!(
            cap(Policy::asvs_level_3()),
            Some((5, AtCap::EndLeastRecentlyUsed))
        );
        let level_3 = Policy::asvs_level_3().build().unwrap();
        assert_eq!(level_3.touch_interval(), Duration::from_secs(15));
        assert_eq!(level_3.renewal_interval(), Some(HOUR));
    }

    #[test]
    fn a_level_is_kept_up_to_its_limits() {
        let kept = |builder: PolicyBuilder| {
            let policy = builder.build().unwrap();
            NistLevel::ALL.map(|level| level.is_kept_by(&policy))
        };
        let ms = Duration::from_millis(1);
        assert_eq!(kept(Policy::nist_aal1()), [true, false, false]);
        assert_eq!(kept(Policy::nist_aal2()), [true, true, false]);
        assert_eq!(kept(Policy::nist_aal3()), [true, true, true]);
        let beyond = Policy::builder(30 * DAY + ms).no_idle_timeout();
        assert_eq!(kept(beyond), [false, false, false]);
        let idle_beyond = Policy::nist_aal2().idle_timeout(HOUR + ms);
        assert_eq!(kept(idle_beyond), [true, false, false]);
        let no_idle = Policy::nist_aal2().no_idle_timeout();
        assert_eq!(kept(no_idle), [true, false, false]);
        let short = Policy::builder(15 * MINUTE).no_idle_timeout();
        assert_eq!(kept(short), [true, true, true]);
    }
}
