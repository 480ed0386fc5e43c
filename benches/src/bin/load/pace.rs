//! When to begin which call.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How early a sleep ends, so that the rest of the wait is exact. Longer than it
/// takes to wake a thread up, and short enough to leave the processor to those
/// who have work.
const SPIN: Duration = Duration::from_micros(40);

/// An open loop: calls are due at a fixed rate, whether those before them are
/// done or not. The threads that make them pull numbers from one counter, so
/// that none waits for a slow call of another while it is free.
pub(crate) struct Pace<'a> {
    start: Instant,
    rate: f64,
    count: usize,
    next: AtomicUsize,
    spin: Duration,
    patience: Duration,
    given_up: &'a AtomicBool,
}

/// A call that is due.
pub(crate) struct Due {
    /// Which of all it is.
    pub(crate) number: usize,
    /// From when its latency counts, and from the beginning of the loop.
    pub(crate) at: Instant,
    pub(crate) after: Duration,
}

impl<'a> Pace<'a> {
    /// So many calls a second for so long. When one begins later than it was due
    /// by more than the patience, all who share the flag stop: what they hold up
    /// would take longer the further they are behind.
    pub(crate) fn new(
        start: Instant,
        rate: f64,
        time: Duration,
        patience: Duration,
        given_up: &'a AtomicBool,
    ) -> Self {
        Self {
            start,
            rate,
            count: (rate * time.as_secs_f64()) as usize,
            next: AtomicUsize::new(0),
            spin: Duration::ZERO,
            patience,
            given_up,
        }
    }

    /// Waits with the processor in hand at the end, for calls that take less
    /// than to wake up.
    pub(crate) fn exactly(self) -> Self {
        Self { spin: SPIN, ..self }
    }

    /// How many calls there are in all.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The next call, at the time that it is due, or later if nobody was free
    /// then.
    pub(crate) fn next(&self) -> Option<Due> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= self.count {
            return None;
        }
        let after = Duration::from_secs_f64(number as f64 / self.rate);
        let at = self.start + after;
        wait_until(at, self.spin);
        if at.elapsed() > self.patience {
            self.given_up.store(true, Ordering::Relaxed);
        }
        let go_on = !self.given_up.load(Ordering::Relaxed);
        go_on.then_some(Due { number, at, after })
    }
}

/// Sleeps, so that a thread that is woken goes before one that computes, as in a
/// server; yielding in a loop instead would put it behind.
fn wait_until(at: Instant, spin: Duration) {
    loop {
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        match left.checked_sub(spin) {
            Some(sleep) if !sleep.is_zero() => thread::sleep(sleep),
            _ => std::hint::spin_loop(),
        }
    }
}

/// Asks the system to end sleeps when they are over, not up to 50 microseconds
/// later so that it can end several at once. For the threads that are started
/// from now on; where the system has no such setting nothing happens.
pub(crate) fn wake_on_time() {
    let _ = std::fs::write("/proc/self/timerslack_ns", "1000");
}
