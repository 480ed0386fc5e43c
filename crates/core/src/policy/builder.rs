//! Putting a policy together, and refusing contradictions.

use std::num::NonZeroU32;
use std::time::Duration;

use super::Policy;
use super::document::human;
use crate::error::{Error, ErrorKind, Result};
use crate::record::Record;
use crate::store::{AtCap, Cap};

/// The longest duration that a policy takes: ten years. Beyond it somebody has
/// mistaken the unit.
const MAX_DURATION: Duration = Duration::from_secs(3_650 * 24 * 3_600);

/// A [`Policy`] in the making.
///
/// | setting | unless told otherwise |
/// | --- | --- |
/// | [`idle_timeout`](Self::idle_timeout) | 1 hour |
/// | [`touch_interval`](Self::touch_interval) | 60 seconds |
/// | [`renewal_interval`](Self::renewal_interval) | no periodic renewal |
/// | [`renewal_overlap`](Self::renewal_overlap) | 10 seconds |
/// | [`revoke_on_reuse`](Self::revoke_on_reuse) | yes |
/// | [`max_sessions_per_user`](Self::max_sessions_per_user) | any number |
/// | [`login_attempt_max_age`](Self::login_attempt_max_age) | 15 minutes |
/// | [`max_data_len`](Self::max_data_len) | 16 KiB |
///
/// A default gives way to what is set: with an absolute timeout of an hour or
/// less there is no idle timeout, and the touch interval and the overlap are no
/// longer than half of the period that they are part of. What is set is taken
/// as it is or refused, never adjusted.
#[derive(Clone, Debug)]
#[must_use = "a policy is made by `build`"]
pub struct PolicyBuilder {
    absolute_timeout: Duration,
    idle_timeout: IdleTimeout,
    touch_interval: Option<Duration>,
    renewal_interval: Option<Duration>,
    renewal_overlap: Option<Duration>,
    revoke_on_reuse: bool,
    max_sessions_per_user: Option<(u32, AtCap)>,
    login_attempt_max_age: Duration,
    max_data_len: usize,
}

#[derive(Clone, Copy, Debug)]
enum IdleTimeout {
    Default,
    None,
    After(Duration),
}

impl PolicyBuilder {
    // NIST SP 800-63B-4, 2.2.3.
    const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(3_600);
    const DEFAULT_TOUCH_INTERVAL: Duration = Duration::from_secs(60);
    const DEFAULT_RENEWAL_OVERLAP: Duration = Duration::from_secs(10);

    pub(super) fn new(absolute_timeout: Duration) -> Self {
        Self {
            absolute_timeout,
            idle_timeout: IdleTimeout::Default,
            touch_interval: None,
            renewal_interval: None,
            renewal_overlap: None,
            revoke_on_reuse: true,
            max_sessions_per_user: None,
            login_attempt_max_age: Duration::from_secs(15 * 60),
            max_data_len: 16 << 10,
        }
    }

    /// A session that is not used for so long ends. Shorter than the absolute
    /// timeout.
    pub fn idle_timeout(mut self, idle_timeout: Duration) -> Self {
        self.idle_timeout = IdleTimeout::After(idle_timeout);
        self
    }

    /// A session lives until its absolute timeout, used or not.
    pub fn no_idle_timeout(mut self) -> Self {
        self.idle_timeout = IdleTimeout::None;
        self
    }

    /// The use of a session is recorded at most so often. Zero: at each
    /// lookup, which costs a write.
    ///
    /// By this much a session may end before its idle timeout is over, so it
    /// is at most half of the idle timeout.
    pub fn touch_interval(mut self, touch_interval: Duration) -> Self {
        self.touch_interval = Some(touch_interval);
        self
    }

    /// A token of this age is due to be renewed, and reuse of the old one is
    /// detected. Shorter than the absolute timeout.
    ///
    /// Not on by default, because the application has to take part: it has to
    /// hand the new token to the client.
    pub fn renewal_interval(mut self, renewal_interval: Duration) -> Self {
        self.renewal_interval = Some(renewal_interval);
        self
    }

    /// No token is renewed because of its age.
    pub fn no_renewal(mut self) -> Self {
        self.renewal_interval = None;
        self
    }

    /// A token that was renewed for its age stays good for so long after its
    /// successor was first presented: for requests that were under way.
    /// Shorter than the renewal interval.
    ///
    /// Where several processes share a store, longer than their clocks differ:
    /// to one whose clock is ahead the overlap is over earlier.
    pub fn renewal_overlap(mut self, renewal_overlap: Duration) -> Self {
        self.renewal_overlap = Some(renewal_overlap);
        self
    }

    /// Whether the session ends when a token that was renewed for its age is
    /// presented after the overlap, while its successor is the current one.
    /// Either way that token lets nobody in, and the observers hear of it.
    pub fn revoke_on_reuse(mut self, revoke: bool) -> Self {
        self.revoke_on_reuse = revoke;
        self
    }

    /// A user has at most so many live sessions, and this happens at one more.
    pub fn max_sessions_per_user(mut self, max: u32, at_cap: AtCap) -> Self {
        self.max_sessions_per_user = Some((max, at_cap));
        self
    }

    /// A user may have any number of sessions.
    pub fn unlimited_sessions(mut self) -> Self {
        self.max_sessions_per_user = None;
        self
    }

    /// A login that began longer ago is refused. Bounds how long the traces of
    /// a revoke-all are kept.
    pub fn login_attempt_max_age(mut self, max_age: Duration) -> Self {
        self.login_attempt_max_age = max_age;
        self
    }

    /// The most bytes of the application's data in a session, at most
    /// [`Record::MAX_DATA_LEN`].
    pub fn max_data_len(mut self, max_data_len: usize) -> Self {
        self.max_data_len = max_data_len;
        self
    }

    /// The policy, if it does not contradict itself.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration), with a message that names
    /// the contradiction and what to change:
    ///
    /// - a duration that is zero (the touch interval may be), has a part of a
    ///   millisecond or is longer than ten years;
    /// - an idle timeout or a renewal interval that is not shorter than the
    ///   absolute timeout;
    /// - a touch interval of more than half of the idle timeout, or, without
    ///   one, not shorter than the absolute timeout;
    /// - an overlap that is not shorter than the renewal interval, or, without
    ///   one, than the absolute timeout;
    /// - no session at all for a user;
    /// - a bound of 0 for the data, or one above [`Record::MAX_DATA_LEN`].
    pub fn build(self) -> Result<Policy> {
        let policy = Policy {
            absolute_timeout: self.absolute_timeout,
            idle_timeout: self.resolved_idle_timeout(),
            touch_interval: self.resolved_touch_interval(),
            renewal_interval: self.renewal_interval,
            renewal_overlap: self.resolved_renewal_overlap(),
            revoke_on_reuse: self.revoke_on_reuse,
            cap: self.resolved_cap()?,
            login_attempt_max_age: self.login_attempt_max_age,
            max_data_len: self.max_data_len,
        };
        check_durations(&policy)?;
        check_timeouts(&policy)?;
        check_renewal(&policy)?;
        check_data(&policy)?;
        Ok(policy)
    }

    fn resolved_idle_timeout(&self) -> Option<Duration> {
        match self.idle_timeout {
            IdleTimeout::After(idle_timeout) => Some(idle_timeout),
            IdleTimeout::None => None,
            IdleTimeout::Default => Some(Self::DEFAULT_IDLE_TIMEOUT)
                .filter(|idle_timeout| *idle_timeout < self.absolute_timeout),
        }
    }

    fn resolved_touch_interval(&self) -> Duration {
        let period = self
            .resolved_idle_timeout()
            .unwrap_or(self.absolute_timeout);
        self.touch_interval
            .unwrap_or_else(|| Self::DEFAULT_TOUCH_INTERVAL.min(half(period)))
    }

    fn resolved_renewal_overlap(&self) -> Duration {
        let period = self.renewal_interval.unwrap_or(self.absolute_timeout);
        self.renewal_overlap.unwrap_or_else(|| {
            // One millisecond for want of a shorter period than the shortest.
            let half = half(period).max(Duration::from_millis(1));
            Self::DEFAULT_RENEWAL_OVERLAP.min(half)
        })
    }

    fn resolved_cap(&self) -> Result<Option<Cap>> {
        let Some((max, at_cap)) = self.max_sessions_per_user else {
            return Ok(None);
        };
        let max = NonZeroU32::new(max).ok_or_else(|| {
            refused("at most 0 sessions per user would let nobody log in: allow at least 1")
        })?;
        Ok(Some(Cap { max, at_cap }))
    }
}

/// So that a builder can be given where a policy is asked for.
impl TryFrom<PolicyBuilder> for Policy {
    type Error = Error;

    /// As [`PolicyBuilder::build`].
    fn try_from(builder: PolicyBuilder) -> Result<Self> {
        builder.build()
    }
}

/// Half of a period in whole milliseconds.
fn half(period: Duration) -> Duration {
    Duration::from_millis(u64::try_from(period.as_millis() / 2).unwrap_or(u64::MAX))
}

fn check_durations(policy: &Policy) -> Result<()> {
    let named = [
        ("absolute timeout", Some(policy.absolute_timeout)),
        ("idle timeout", policy.idle_timeout),
        ("renewal interval", policy.renewal_interval),
        ("renewal overlap", Some(policy.renewal_overlap)),
        ("age of a login attempt", Some(policy.login_attempt_max_age)),
        // Zero means that each use is recorded.
        (
            "touch interval",
            Some(policy.touch_interval).filter(|interval| !interval.is_zero()),
        ),
    ];
    for (name, duration) in named {
        let Some(duration) = duration else { continue };
        if duration.is_zero() {
            return Err(refused(format!(
                "the {name} is zero: set at least 1 millisecond"
            )));
        }
        if duration.subsec_nanos() % 1_000_000 != 0 {
            return Err(refused(format!(
                "the {name} has a part of a millisecond: set whole milliseconds"
            )));
        }
        if duration > MAX_DURATION {
            return Err(refused(format!(
                "the {name} is longer than ten years (3650 days): set a shorter one"
            )));
        }
    }
    Ok(())
}

fn check_timeouts(policy: &Policy) -> Result<()> {
    let absolute = policy.absolute_timeout;
    let touch = policy.touch_interval;
    match policy.idle_timeout {
        Some(idle) if idle >= absolute => Err(refused(format!(
            "the idle timeout ({}) is not shorter than the absolute timeout ({}) and so says \
             nothing: shorten it, or say `no_idle_timeout`",
            human(idle),
            human(absolute),
        ))),
        Some(idle) if touch > idle / 2 => Err(refused(format!(
            "the touch interval ({}) is more than half of the idle timeout ({}), so sessions in \
             use would end: set it to {} or less",
            human(touch),
            human(idle),
            human(half(idle)),
        ))),
        None if touch >= absolute => Err(refused(format!(
            "the touch interval ({}) is not shorter than the absolute timeout ({}), so no use \
             would ever be recorded: shorten it",
            human(touch),
            human(absolute),
        ))),
        _ => Ok(()),
    }
}

fn check_renewal(policy: &Policy) -> Result<()> {
    let absolute = policy.absolute_timeout;
    let overlap = policy.renewal_overlap;
    match policy.renewal_interval {
        Some(interval) if interval >= absolute => Err(refused(format!(
            "the renewal interval ({}) is not shorter than the absolute timeout ({}), so nothing \
             would ever be renewed: shorten it, or say `no_renewal`",
            human(interval),
            human(absolute),
        ))),
        Some(interval) if overlap >= interval => Err(refused(format!(
            "the renewal overlap ({}) is not shorter than the renewal interval ({}), so an old \
             token would never die: shorten the overlap",
            human(overlap),
            human(interval),
        ))),
        None if overlap >= absolute => Err(refused(format!(
            "the renewal overlap ({}) is not shorter than the absolute timeout ({}), so an old \
             token would never die: shorten the overlap",
            human(overlap),
            human(absolute),
        ))),
        _ => Ok(()),
    }
}

fn check_data(policy: &Policy) -> Result<()> {
    if policy.max_data_len == 0 {
        return Err(refused(
            "at most 0 bytes of data would refuse all data: allow at least 1 byte",
        ));
    }
    if policy.max_data_len > Record::MAX_DATA_LEN {
        return Err(refused(format!(
            "at most {} bytes of data is more than stores take: allow {} or less",
            policy.max_data_len,
            Record::MAX_DATA_LEN,
        )));
    }
    Ok(())
}

fn refused(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3_600);
    const DAY: Duration = Duration::from_secs(86_400);

    fn day() -> PolicyBuilder {
        Policy::builder(DAY)
    }

    #[track_caller]
    fn accepted(builder: PolicyBuilder) -> Policy {
        builder.build().unwrap()
    }

    /// Refused, with a message that names all of the words.
    #[track_caller]
    fn refuses(builder: PolicyBuilder, words: &[&str]) {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        for word in words {
            assert!(error.to_string().contains(word), "{word:?} in {error}");
        }
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let policy = accepted(day());
        assert_eq!(policy.absolute_timeout(), DAY);
        assert_eq!(policy.idle_timeout(), Some(HOUR));
        assert_eq!(policy.touch_interval(), MINUTE);
        assert_eq!(policy.renewal_interval(), None);
        assert_eq!(policy.renewal_overlap(), 10 * SECOND);
        assert!(policy.revoke_on_reuse());
        assert_eq!(policy.cap(), None);
        assert_eq!(policy.login_attempt_max_age(), 15 * MINUTE);
        assert_eq!(policy.max_data_len(), 16_384);
    }

    #[test]
    fn what_is_set_is_what_the_policy_says() {
        let policy = accepted(
            day()
                .idle_timeout(2 * HOUR)
                .touch_interval(3 * MINUTE)
                .renewal_interval(4 * HOUR)
                .renewal_overlap(5 * SECOND)
                .revoke_on_reuse(false)
                .max_sessions_per_user(6, AtCap::Refuse)
                .login_attempt_max_age(7 * MINUTE)
                .max_data_len(8),
        );
        assert_eq!(policy.idle_timeout(), Some(2 * HOUR));
        assert_eq!(policy.touch_interval(), 3 * MINUTE);
        assert_eq!(policy.renewal_interval(), Some(4 * HOUR));
        assert_eq!(policy.renewal_overlap(), 5 * SECOND);
        assert!(!policy.revoke_on_reuse());
        let cap = policy.cap().unwrap();
        assert_eq!((cap.max.get(), cap.at_cap), (6, AtCap::Refuse));
        assert_eq!(policy.login_attempt_max_age(), 7 * MINUTE);
        assert_eq!(policy.max_data_len(), 8);
    }

    #[test]
    fn what_is_taken_back_is_gone() {
        let policy = accepted(
            day()
                .no_idle_timeout()
                .renewal_interval(HOUR)
                .no_renewal()
                .max_sessions_per_user(1, AtCap::EndOldest)
                .unlimited_sessions(),
        );
        assert_eq!(policy.idle_timeout(), None);
        assert_eq!(policy.renewal_interval(), None);
        assert_eq!(policy.cap(), None);
    }

    #[test]
    fn defaults_give_way_to_what_is_set() {
        let hour = accepted(Policy::builder(HOUR));
        assert_eq!(hour.idle_timeout(), None);
        let longer = accepted(Policy::builder(HOUR + MS));
        assert_eq!(longer.idle_timeout(), Some(HOUR));

        let short_idle = accepted(day().idle_timeout(90 * SECOND));
        assert_eq!(short_idle.touch_interval(), 45 * SECOND);
        let short_life = accepted(Policy::builder(SECOND));
        assert_eq!(short_life.touch_interval(), SECOND / 2);

        let fast_renewal = accepted(day().renewal_interval(15 * SECOND));
        assert_eq!(fast_renewal.renewal_overlap(), SECOND * 15 / 2);
        assert_eq!(
            accepted(Policy::builder(2 * MS)).renewal_overlap(),
            Duration::from_millis(1)
        );
    }

    #[test]
    fn zero_durations_are_refused() {
        let zero = Duration::ZERO;
        refuses(Policy::builder(zero), &["absolute timeout is zero"]);
        refuses(day().idle_timeout(zero), &["idle timeout is zero"]);
        refuses(day().renewal_interval(zero), &["renewal interval is zero"]);
        refuses(day().renewal_overlap(zero), &["renewal overlap is zero"]);
        refuses(
            day().login_attempt_max_age(zero),
            &["age of a login attempt is zero"],
        );
        assert_eq!(accepted(day().touch_interval(zero)).touch_interval(), zero);
    }

    #[test]
    fn parts_of_a_millisecond_are_refused() {
        let part = HOUR + Duration::from_nanos(999_999);
        let words = &["part of a millisecond", "whole milliseconds"];
        refuses(Policy::builder(part), words);
        refuses(day().idle_timeout(part), words);
        refuses(day().touch_interval(Duration::from_nanos(1)), words);
        refuses(day().renewal_interval(part), words);
        refuses(day().renewal_overlap(part), words);
        refuses(day().login_attempt_max_age(part), words);
        accepted(Policy::builder(HOUR + MS));
    }

    #[test]
    fn ten_years_are_accepted_and_no_more() {
        let ten_years = 3_650 * DAY;
        accepted(Policy::builder(ten_years));
        accepted(day().login_attempt_max_age(ten_years));
        let more = ten_years + MS;
        let words = &["longer than ten years"];
        refuses(Policy::builder(more), words);
        refuses(
            Policy::builder(Duration::MAX - Duration::from_nanos(999_999_999)),
            words,
        );
        refuses(day().idle_timeout(more), words);
        refuses(day().touch_interval(more), words);
        refuses(day().renewal_interval(more), words);
        refuses(day().renewal_overlap(more), words);
        refuses(day().login_attempt_max_age(more), words);
    }

    #[test]
    fn an_idle_timeout_is_shorter_than_the_absolute_one() {
        accepted(day().idle_timeout(DAY - MS));
        refuses(
            day().idle_timeout(DAY),
            &[
                "idle timeout (24 hours)",
                "absolute timeout (24 hours)",
                "`no_idle_timeout`",
            ],
        );
        refuses(day().idle_timeout(DAY + MS), &["idle timeout"]);
    }

    #[test]
    fn a_touch_interval_is_at_most_half_of_the_idle_timeout() {
        let idle = day().idle_timeout(10 * MINUTE);
        accepted(idle.clone().touch_interval(5 * MINUTE));
        refuses(
            idle.touch_interval(5 * MINUTE + MS),
            &[
                "touch interval (5 minutes 1 millisecond)",
                "set it to 5 minutes or less",
            ],
        );
        // An odd number of milliseconds has its half in the middle of one.
        let odd = day().idle_timeout(3 * MS);
        accepted(odd.clone().touch_interval(MS));
        refuses(odd.touch_interval(2 * MS), &["1 millisecond or less"]);
        accepted(day().idle_timeout(MS));
    }

    #[test]
    fn without_an_idle_timeout_a_touch_is_still_possible() {
        let no_idle = day().no_idle_timeout();
        accepted(no_idle.clone().touch_interval(DAY - MS));
        refuses(no_idle.touch_interval(DAY), &["touch interval (24 hours)"]);
    }

    #[test]
    fn a_renewal_comes_before_the_end() {
        accepted(day().renewal_interval(DAY - MS));
        refuses(
            day().renewal_interval(DAY),
            &["renewal interval (24 hours)", "`no_renewal`"],
        );
    }

    #[test]
    fn an_overlap_is_shorter_than_what_it_overlaps() {
        let hourly = day().renewal_interval(HOUR);
        accepted(hourly.clone().renewal_overlap(HOUR - MS));
        refuses(
            hourly.renewal_overlap(HOUR),
            &["renewal overlap (1 hour)", "renewal interval (1 hour)"],
        );
        accepted(day().renewal_overlap(DAY - MS));
        refuses(
            day().renewal_overlap(DAY),
            &["renewal overlap (24 hours)", "absolute timeout"],
        );
    }

    #[test]
    fn a_user_may_have_at_least_one_session() {
        accepted(day().max_sessions_per_user(1, AtCap::EndOldest));
        refuses(
            day().max_sessions_per_user(0, AtCap::EndOldest),
            &["0 sessions", "at least 1"],
        );
    }

    #[test]
    fn the_bound_of_the_data_is_one_that_stores_take() {
        accepted(day().max_data_len(1));
        accepted(day().max_data_len(Record::MAX_DATA_LEN));
        refuses(day().max_data_len(0), &["0 bytes"]);
        refuses(
            day().max_data_len(Record::MAX_DATA_LEN + 1),
            &["1048577 bytes", "1048576 or less"],
        );
    }
}
