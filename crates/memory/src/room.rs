//! How many sessions there are, and may be.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts sessions against a limit.
///
/// A place is reserved before a session is inserted and released after one was
/// removed, both under the lock of its shard. So `taken` is never less than the
/// number of sessions, never more than the limit, and exact while all locks
/// are held.
///
/// The atomic orders nothing but itself: each step is one read-modify-write,
/// which always sees the latest count, and the sessions are behind locks.
#[derive(Debug)]
pub(crate) struct Room {
    taken: AtomicUsize,
    limit: usize,
}

impl Room {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            taken: AtomicUsize::new(0),
            limit,
        }
    }

    /// Takes a place; false if there is none.
    #[must_use]
    pub(crate) fn reserve(&self) -> bool {
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                (taken < self.limit).then(|| taken + 1)
            })
            .is_ok()
    }

    pub(crate) fn release(&self, count: usize) {
        if count > 0 {
            self.taken.fetch_sub(count, Ordering::Relaxed);
        }
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn threads_that_race_for_the_last_place_never_both_get_it() {
        let (room, holders) = (Room::new(1), AtomicUsize::new(0));
        let most = AtomicUsize::new(0);
        let wait = |turns| {
            for turn in 0..turns {
                std::hint::black_box(turn);
            }
        };
        let win = |times| {
            let mut won = 0;
            while won < times {
                if room.reserve() {
                    won += 1;
                    most.fetch_max(holders.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // So long that the others are at the door, and then all
                    // distances between who comes and who comes again.
                    wait(500);
                    holders.fetch_sub(1, Ordering::SeqCst);
                    room.release(1);
                    wait(won % 256);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| win(20_000));
            }
        });
        assert_eq!(most.into_inner(), 1, "so many had the only place");
        assert_eq!(room.taken(), 0);
    }
}
