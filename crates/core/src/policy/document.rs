//! The policy as a text for people.

use std::fmt;
use std::time::Duration;

use super::Policy;
use super::presets::NistLevel;
use crate::store::{AtCap, Cap};
use crate::token::Token;

impl Policy {
    /// The policy as a Markdown text: what OWASP ASVS 5.0 asks to be documented
    /// about timeouts (7.1.1) and concurrent sessions (7.1.2).
    ///
    /// The text depends on the policy alone and is the same on every call, so
    /// it can be committed beside the application and compared by a test. The
    /// application's own reasons are for a person to add.
    pub fn document(&self) -> String {
        self.to_string()
    }

    fn timeouts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let absolute = human(self.absolute_timeout);
        writeln!(f, "## Timeouts (OWASP ASVS 5.0: 7.1.1, 7.3.1, 7.3.2)\n")?;
        writeln!(
            f,
            "- Absolute timeout: {absolute}. A session ends {absolute} after it was created. \
             Neither use nor renewal nor re-authentication extends it. A session may be given \
             shorter timeouts at its creation, not longer ones."
        )?;
        match self.idle_timeout {
            Some(idle) => {
                let idle = human(idle);
                writeln!(
                    f,
                    "- Inactivity timeout: {idle}. A session that is not used for {idle} ends."
                )?;
            }
            None => writeln!(
                f,
                "- Inactivity timeout: none. A session that is not used lives until its absolute \
                 timeout."
            )?,
        }
        match (self.touch_interval, self.idle_timeout) {
            (Duration::ZERO, _) => writeln!(f, "- Accuracy: each use of a session is recorded.")?,
            (touch, Some(_)) => {
                let touch = human(touch);
                writeln!(
                    f,
                    "- Accuracy: use of a session is recorded at most once in {touch}, so the \
                     inactivity timeout may end it up to {touch} early."
                )?;
            }
            (touch, None) => {
                let touch = human(touch);
                writeln!(
                    f,
                    "- Accuracy: use of a session is recorded at most once in {touch}."
                )?;
            }
        }
        if self.idle_timeout.is_some() {
            writeln!(
                f,
                "- Use whose record is lost in a crash counts as not having happened: a session \
                 may end early by that, and never late."
            )?;
        }
        self.nist_levels(f)
    }

    /// ASVS 7.1.1 asks to justify deviations from NIST SP 800-63B.
    fn nist_levels(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nAgainst the limits of NIST SP 800-63B-4:\n")?;
        for level in &NistLevel::ALL {
            let NistLevel { name, section, .. } = level;
            write!(
                f,
                "- {name} ({section}): at most {}",
                human(level.absolute_timeout)
            )?;
            if let Some(idle) = level.idle_timeout {
                write!(f, ", and {} without use", human(idle))?;
            }
            writeln!(
                f,
                ". {}",
                if level.is_kept_by(self) {
                    "Kept."
                } else {
                    "Not kept: an application of this level has to justify it."
                }
            )?;
        }
        Ok(())
    }

    fn concurrent_sessions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n## Concurrent sessions (OWASP ASVS 5.0: 7.1.2)\n")?;
        let Some(Cap { max, at_cap }) = self.cap else {
            return writeln!(f, "- A user may have any number of sessions at a time.");
        };
        let plural = if max.get() == 1 { "" } else { "s" };
        writeln!(f, "- A user has at most {max} session{plural} at a time.")?;
        let beyond = match at_cap {
            AtCap::EndOldest => "ends the user's oldest session",
            AtCap::EndLeastRecentlyUsed => "ends the user's least recently used session",
            AtCap::Refuse => "is refused; the user's sessions go on",
        };
        writeln!(f, "- One more login {beyond}.")
    }

    fn tokens(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n## Tokens (OWASP ASVS 5.0: 7.2.3, 7.2.4)\n")?;
        writeln!(
            f,
            "- A token is a random reference with {} bits of entropy. The store keeps a digest of \
             it.",
            Token::SECRET_LEN * 8
        )?;
        writeln!(
            f,
            "- After re-authentication the session has a new token, and the old one is dead at \
             once."
        )?;
        match self.renewal_interval {
            Some(interval) => writeln!(
                f,
                "- Periodic renewal: a token is due for renewal {} after it was made.",
                human(interval)
            )?,
            None => writeln!(f, "- Periodic renewal: none.")?,
        }
        writeln!(
            f,
            "- Overlap: a token that was renewed for its age stays good until {} after its \
             successor was first presented.",
            human(self.renewal_overlap)
        )?;
        writeln!(
            f,
            "- Reuse: after that the token lets nobody in, and presenting it {}.",
            if self.revoke_on_reuse {
                "ends the session, if its successor is still the current one"
            } else {
                "is reported; the session goes on"
            }
        )
    }

    fn rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n## Logins and data\n")?;
        writeln!(
            f,
            "- A login attempt is good for {}. One that began before all of the user's sessions \
             were revoked is refused.",
            human(self.login_attempt_max_age)
        )?;
        writeln!(
            f,
            "- A session holds at most {} bytes of application data.",
            self.max_data_len
        )
    }
}

/// The text of [`Policy::document`].
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Session policy\n")?;
        self.timeouts(f)?;
        self.concurrent_sessions(f)?;
        self.tokens(f)?;
        self.rest(f)
    }
}

/// A duration in words, to the millisecond: `1 hour 30 minutes`. Days are used
/// from two days on, because standards say `24 hours`.
pub(super) fn human(duration: Duration) -> String {
    let mut rest_ms = duration.as_millis();
    let mut parts = Vec::new();
    const DAY_MS: u128 = 86_400_000;
    for (name, unit_ms) in [
        ("day", DAY_MS),
        ("hour", 3_600_000),
        ("minute", 60_000),
        ("second", 1_000),
        ("millisecond", 1),
    ] {
        if unit_ms == DAY_MS && rest_ms < 2 * DAY_MS {
            continue;
        }
        let count = rest_ms / unit_ms;
        rest_ms %= unit_ms;
        match count {
            0 => {}
            1 => parts.push(format!("1 {name}")),
            _ => parts.push(format!("{count} {name}s")),
        }
    }
    if parts.is_empty() {
        return "0 milliseconds".to_owned();
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn durations_are_written_in_words() {
        for (ms, words) in [
            (0, "0 milliseconds"),
            (1, "1 millisecond"),
            (1_001, "1 second 1 millisecond"),
            (59_000, "59 seconds"),
            (5_400_000, "1 hour 30 minutes"),
            (86_400_000, "24 hours"),
            (2 * 86_400_000 - 1_000, "47 hours 59 minutes 59 seconds"),
            (2 * 86_400_000, "2 days"),
            (30 * 86_400_000 + 3_600_000, "30 days 1 hour"),
        ] {
            assert_eq!(human(Duration::from_millis(ms)), words);
        }
    }

    #[test]
    fn the_document_says_the_whole_policy() {
        let policy = Policy::builder(8 * HOUR)
            .idle_timeout(40 * MINUTE)
            .touch_interval(2 * MINUTE)
            .renewal_interval(3 * HOUR)
            .renewal_overlap(Duration::from_secs(7))
            .max_sessions_per_user(4, AtCap::EndOldest)
            .login_attempt_max_age(9 * MINUTE)
            .max_data_len(1_000)
            .build()
            .unwrap();
        let expected = "\
# Session policy

## Timeouts (OWASP ASVS 5.0: 7.1.1, 7.3.1, 7.3.2)

- Absolute timeout: 8 hours. A session ends 8 hours after it was created. Neither use nor renewal nor re-authentication extends it. A session may be given shorter timeouts at its creation, not longer ones.
- Inactivity timeout: 40 minutes. A session that is not used for 40 minutes ends.
- Accuracy: use of a session is recorded at most once in 2 minutes, so the inactivity timeout may end it up to 2 minutes early.
- Use whose record is lost in a crash counts as not having happened: a session may end early by that, and never late.

Against the limits of NIST SP 800-63B-4:

- AAL1 (2.1.3): at most 30 days. Kept.
- AAL2 (2.2.3): at most 24 hours, and 1 hour without use. Kept.
- AAL3 (2.3.3): at most 12 hours, and 15 minutes without use. Not kept: an application of this level has to justify it.

## Concurrent sessions (OWASP ASVS 5.0: 7.1.2)

- A user has at most 4 sessions at a time.
- One more login ends the user's oldest session.

## Tokens (OWASP ASVS 5.0: 7.2.3, 7.2.4)

- A token is a random reference with 256 bits of entropy. The store keeps a digest of it.
- After re-authentication the session has a new token, and the old one is dead at once.
- Periodic renewal: a token is due for renewal 3 hours after it was made.
- Overlap: a token that was renewed for its age stays good until 7 seconds after its successor was first presented.
- Reuse: after that the token lets nobody in, and presenting it ends the session, if its successor is still the current one.

## Logins and data

- A login attempt is good for 9 minutes. One that began before all of the user's sessions were revoked is refused.
- A session holds at most 1000 bytes of application data.
";
        assert_eq!(policy.document(), expected);
        assert_eq!(policy.to_string(), expected);
    }

    #[test]
    fn what_a_policy_leaves_out_is_said_too() {
        let policy = Policy::nist_aal1().revoke_on_reuse(false).build().unwrap();
        let text = policy.document();
        for sentence in [
            "Absolute timeout: 30 days.",
            "Inactivity timeout: none.",
            "Accuracy: use of a session is recorded at most once in 1 minute.\n",
            "AAL1 (2.1.3): at most 30 days. Kept.",
            "any number of sessions",
            "Periodic renewal: none.",
            "presenting it is reported; the session goes on.",
        ] {
            assert!(text.contains(sentence), "{sentence:?} in {text}");
        }
        assert!(!text.contains("crash"), "{text}");
    }

    #[test]
    fn each_behaviour_at_the_cap_has_its_sentence() {
        let text = |max, at_cap| {
            let policy = Policy::nist_aal2().max_sessions_per_user(max, at_cap);
            policy
                .touch_interval(Duration::ZERO)
                .build()
                .unwrap()
                .document()
        };
        assert!(text(1, AtCap::EndOldest).contains("at most 1 session at a time"));
        assert!(text(2, AtCap::EndOldest).contains("ends the user's oldest session."));
        let least = text(2, AtCap::EndLeastRecentlyUsed);
        assert!(least.contains("at most 2 sessions at a time"));
        assert!(least.contains("ends the user's least recently used session."));
        assert!(least.contains("each use of a session is recorded."));
        assert!(text(2, AtCap::Refuse).contains("One more login is refused;"));
    }
}
