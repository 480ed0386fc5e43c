//! Time, injected.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// Where all time comes from.
///
/// Deadlines are instants on the wall clock, because sessions outlive
/// processes. A wall clock can jump: forward, and sessions end early; back,
/// and they end when the clock reaches their deadline again. Neither makes an
/// ended session come back after a sweep removed it, nor any arithmetic wrong.
pub trait Clock: Send + Sync + 'static {
    /// The time of day.
    fn now(&self) -> SystemTime;

    /// The time since some fixed instant, never going back, for measuring how
    /// long work takes.
    fn elapsed(&self) -> Duration;
}

/// The operating system's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// The operating system's clocks.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that stands still until it is told to move: for tests.
///
/// Share it in an `Arc` between a test and what is tested.
#[derive(Debug)]
pub struct ManualClock(Mutex<(SystemTime, Duration)>);

impl ManualClock {
    /// A clock that shows this time.
    pub fn new(now: SystemTime) -> Self {
        Self(Mutex::new((now, Duration::ZERO)))
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        let mut time = self.lock();
        time.0 = time.0.checked_add(by).unwrap_or(time.0);
        time.1 = time.1.saturating_add(by);
    }

    /// Lets the wall clock jump, forward or back; measured time goes on as if
    /// nothing had happened.
    pub fn jump_to(&self, now: SystemTime) {
        self.lock().0 = now;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (SystemTime, Duration)> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        self.lock().0
    }

    fn elapsed(&self) -> Duration {
        self.lock().1
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> SystemTime {
        (**self).now()
    }

    fn elapsed(&self) -> Duration {
        (**self).elapsed()
    }
}

/// Unix milliseconds, rounded down; clamped to what fits.
pub(crate) fn to_ms(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => {
            let before = before.duration();
            let ms = u64::try_from(before.as_millis()).unwrap_or(u64::MAX);
            let part = i64::from(before.subsec_nanos() % 1_000_000 != 0);
            0_i64.saturating_sub_unsigned(ms).saturating_sub(part)
        }
    }
}

/// The time of some Unix milliseconds; clamped to what the platform can show.
pub(crate) fn from_ms(ms: i64) -> SystemTime {
    let distance = Duration::from_millis(ms.unsigned_abs());
    if ms >= 0 {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    }
    .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Whole milliseconds; clamped to what fits.
pub(crate) fn duration_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_round_down_too() {
        let epoch = SystemTime::UNIX_EPOCH;
        assert_eq!(to_ms(epoch), 0);
        assert_eq!(to_ms(epoch - Duration::from_micros(1)), -1);
        assert_eq!(to_ms(epoch - Duration::from_millis(1)), -1);
        assert_eq!(to_ms(epoch + Duration::from_micros(1_999)), 1);
        for ms in [i64::MIN, -1_000_000, -1, 0, 1, 1_700_000_000_000, i64::MAX] {
            assert_eq!(to_ms(from_ms(ms)), ms);
        }
    }

    #[test]
    fn a_jump_does_not_disturb_measured_time() {
        let clock = ManualClock::new(from_ms(1_000));
        clock.advance(Duration::from_millis(5));
        clock.jump_to(from_ms(-7));
        assert_eq!(to_ms(clock.now()), -7);
        assert_eq!(clock.elapsed(), Duration::from_millis(5));
    }
}
