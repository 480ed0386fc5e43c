//! For how long the entries may be used after what was heard last.
//!
//! ```text
//! send    (elapsed, wall) = now; then the mark goes into the store's channel
//! hear    the mark is back, after everything that was committed before it was sent:
//!         lease = (elapsed, wall) of its sending
//! gap     lease = none; subscribe again; forget everything
//! hit     the lease, by both clocks, then the entry's stamps, in this order
//! ```
//!
//! What was revoked more than a term before a hit was committed before the mark
//! was sent, so it was heard before the lease was given, and the stamps show it.
//! Taken from the time at which the mark came back, the lease would be longer
//! than that by the time that the channel takes, which nobody bounds.
//!
//! Everything is forgotten after the new subscription stands, not before: what is
//! loaded in between may be revoked when nobody tells.
//!
//! A machine that was suspended has a clock for measured time that stood still;
//! one whose wall clock was set has a wall clock that is wrong. So both have to
//! agree that the term is not over.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use revocable_core::Clock;

/// By both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instants {
    /// Measured time, in nanoseconds.
    elapsed: u64,
    /// Unix time, in milliseconds.
    wall_ms: i64,
}

impl Instants {
    /// Measured time since then.
    pub(crate) fn since(self, then: Self) -> Duration {
        Duration::from_nanos(self.elapsed.saturating_sub(then.elapsed))
    }
}

/// So long by both clocks.
pub(crate) struct Term {
    length: Duration,
    clock: Arc<dyn Clock>,
}

impl Term {
    pub(crate) fn new(length: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { length, clock }
    }

    pub(crate) fn now(&self) -> Instants {
        let since = self.clock.now().duration_since(SystemTime::UNIX_EPOCH);
        Instants {
            // 584 years.
            elapsed: u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(NEVER - 1),
            wall_ms: since.map_or(0, |since| {
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }),
        }
    }

    /// Whether less than it has gone by, by both clocks.
    pub(crate) fn is_not_over(&self, since: Instants, now: Instants) -> bool {
        // A lease may have been given after `now`.
        let elapsed = u128::from(now.elapsed.saturating_sub(since.elapsed));
        let wall_ms = now.wall_ms.saturating_sub(since.wall_ms);
        // The wall clock is known to the millisecond only: one is taken off.
        let term_ms = self.length.as_millis().saturating_sub(1);
        elapsed < self.length.as_nanos()
            && u128::try_from(wall_ms).is_ok_and(|wall_ms| wall_ms < term_ms)
    }
}

impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Term").field(&self.length).finish()
    }
}

/// The right to use the entries.
pub(crate) struct Lease {
    term: Term,
    /// When the mark was sent that came back last; [`NEVER`].
    elapsed: AtomicU64,
    wall_ms: AtomicI64,
}

const NEVER: u64 = u64::MAX;

impl Lease {
    pub(crate) fn new(term: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            term: Term::new(term, clock),
            elapsed: AtomicU64::new(NEVER),
            wall_ms: AtomicI64::new(0),
        }
    }

    pub(crate) fn term(&self) -> Duration {
        self.term.length
    }

    pub(crate) fn now(&self) -> Instants {
        self.term.now()
    }

    /// Whether the entries may be used now. To be asked before their stamps are
    /// looked at.
    pub(crate) fn is_live(&self) -> bool {
        let now = self.now();
        let elapsed = self.elapsed.load(Ordering::SeqCst);
        if elapsed == NEVER {
            return false;
        }
        let sent = Instants {
            elapsed,
            // Of this mark or of a later one, which says no less.
            wall_ms: self.wall_ms.load(Ordering::SeqCst),
        };
        self.term.is_not_over(sent, now)
    }

    /// The mark that was sent then is back.
    pub(crate) fn give(&self, sent: Instants) {
        self.wall_ms.store(sent.wall_ms, Ordering::SeqCst);
        self.elapsed.store(sent.elapsed, Ordering::SeqCst);
    }

    /// Something may not have been heard.
    pub(crate) fn take(&self) {
        self.elapsed.store(NEVER, Ordering::SeqCst);
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("term", &self.term)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use revocable_core::ManualClock;

    use super::*;

    const TERM: Duration = Duration::from_secs(3);

    fn lease() -> (Arc<ManualClock>, Lease) {
        let clock = Arc::new(ManualClock::new(SystemTime::now()));
        (clock.clone(), Lease::new(TERM, clock))
    }

    #[test]
    fn a_lease_counts_from_the_sending_of_its_mark() {
        let (clock, lease) = lease();
        assert!(!lease.is_live());
        let sent = lease.now();
        clock.advance(Duration::from_secs(2));
        lease.give(sent);
        assert!(lease.is_live());
        clock.advance(Duration::from_millis(998));
        assert!(lease.is_live());
        clock.advance(Duration::from_millis(2));
        assert!(!lease.is_live());
        // Too late is never.
        lease.give(sent);
        assert!(!lease.is_live());
    }

    #[test]
    fn a_lease_that_was_taken_is_over_at_once() {
        let (_, lease) = lease();
        lease.give(lease.now());
        assert!(lease.is_live());
        lease.take();
        assert!(!lease.is_live());
    }

    #[test]
    fn either_clock_ends_a_lease() {
        let (clock, lease) = lease();
        let wall = clock.now();
        lease.give(lease.now());
        // Suspended: measured time stands still.
        clock.jump_to(wall + TERM);
        assert!(!lease.is_live());
        clock.jump_to(wall);
        assert!(lease.is_live());
        // The wall clock is set back, or stands still.
        clock.jump_to(wall - Duration::from_secs(1));
        assert!(!lease.is_live());
        clock.advance(TERM);
        clock.jump_to(wall);
        assert!(!lease.is_live());
    }

    #[test]
    fn without_a_term_there_is_no_lease() {
        let clock = Arc::new(ManualClock::new(SystemTime::now()));
        let lease = Lease::new(Duration::ZERO, clock);
        lease.give(lease.now());
        assert!(!lease.is_live());
    }
}
