//! When a session is live.

use crate::record::Record;

/// An instant and the limits of the policy in force: by these a store judges
/// whether a session is live, so that it needs neither a clock nor a policy of
/// its own.
///
/// A session ends at the earliest of
///
/// - its absolute deadline, `expires_ms`;
/// - its creation plus the policy's absolute timeout;
/// - its last use plus its idle timeout or the policy's, the shorter.
///
/// So a policy that is tightened holds for sessions that exist already, and
/// one that is relaxed does not. At the very instant of its end a session is
/// expired. All arithmetic saturates; a clock that jumps moves no deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liveness {
    /// Now, in Unix milliseconds.
    pub now_ms: i64,
    /// The policy's absolute timeout; [`i64::MAX`] for no further limit.
    pub absolute_timeout_ms: i64,
    /// The policy's idle timeout; [`i64::MAX`] for no further limit.
    pub idle_timeout_ms: i64,
}

/// Which limit a session has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expired {
    /// It was not used for as long as the idle timeout.
    Idle,
    /// Its absolute deadline is over.
    Absolute,
}

/// The fields of a [`Record`] that decide when it ends, for stores that keep
/// them in columns and need not read the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// As in [`Record`].
    pub created_ms: i64,
    /// As in [`Record`].
    pub last_seen_ms: i64,
    /// As in [`Record`].
    pub expires_ms: i64,
    /// As in [`Record`].
    pub idle_timeout_ms: i64,
}

impl From<&Record> for Times {
    fn from(record: &Record) -> Self {
        Self {
            created_ms: record.created_ms,
            last_seen_ms: record.last_seen_ms,
            expires_ms: record.expires_ms,
            idle_timeout_ms: record.idle_timeout_ms,
        }
    }
}

impl Liveness {
    /// Judges by the deadlines that the sessions themselves carry.
    pub fn at(now_ms: i64) -> Self {
        Self {
            now_ms,
            absolute_timeout_ms: i64::MAX,
            idle_timeout_ms: i64::MAX,
        }
    }

    /// The absolute deadline under these limits.
    pub fn absolute_deadline_ms(&self, times: impl Into<Times>) -> i64 {
        let times = times.into();
        times
            .expires_ms
            .min(times.created_ms.saturating_add(self.absolute_timeout_ms))
    }

    /// The end of the session if it is not used again.
    pub fn idle_deadline_ms(&self, times: impl Into<Times>) -> i64 {
        let times = times.into();
        times
            .last_seen_ms
            .saturating_add(times.idle_timeout_ms.min(self.idle_timeout_ms))
    }

    /// Which limit has been reached; `None` while the session is live.
    pub fn expired(&self, times: impl Into<Times>) -> Option<Expired> {
        let times = times.into();
        if self.now_ms >= self.absolute_deadline_ms(times) {
            Some(Expired::Absolute)
        } else if self.now_ms >= self.idle_deadline_ms(times) {
            Some(Expired::Idle)
        } else {
            None
        }
    }

    /// Whether the session is live.
    pub fn is_live(&self, times: impl Into<Times>) -> bool {
        self.expired(times).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times {
        created_ms: 1_000,
        last_seen_ms: 2_000,
        expires_ms: 10_000,
        idle_timeout_ms: 3_000,
    };

    #[test]
    fn expires_at_the_very_instant() {
        assert_eq!(Liveness::at(4_999).expired(TIMES), None);
        assert_eq!(Liveness::at(5_000).expired(TIMES), Some(Expired::Idle));
        assert_eq!(Liveness::at(10_000).expired(TIMES), Some(Expired::Absolute));
    }

    #[test]
    fn the_tighter_limit_counts() {
        let tight = Liveness {
            now_ms: 4_000,
            absolute_timeout_ms: 3_000,
            idle_timeout_ms: 2_500,
        };
        assert_eq!(tight.expired(TIMES), Some(Expired::Absolute));
        let idle = Liveness {
            now_ms: 3_999,
            idle_timeout_ms: 1_999,
            ..Liveness::at(0)
        };
        assert_eq!(idle.expired(TIMES), Some(Expired::Idle));
        let loose = Liveness {
            now_ms: 4_999,
            absolute_timeout_ms: 99_000,
            idle_timeout_ms: 99_000,
        };
        assert_eq!(loose.expired(TIMES), None);
    }

    #[test]
    fn extreme_times_neither_overflow_nor_revive() {
        for now_ms in [i64::MIN, -1, 0, 1, i64::MAX] {
            for value in [i64::MIN, -1, 0, 1, i64::MAX] {
                let times = Times {
                    created_ms: value,
                    last_seen_ms: value,
                    expires_ms: value,
                    idle_timeout_ms: i64::MAX,
                };
                let live = Liveness::at(now_ms).is_live(times);
                assert_eq!(live, now_ms < value, "{now_ms} {value}");
            }
        }
    }
}
