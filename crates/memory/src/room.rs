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
    use std::sync::atomic::AtomicBool;
    use std::thread;

    #[test]
    fn threads_that_race_for_the_last_place_never_both_get_it() {
        let (room, taken) = (Room::new(1), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..300_000 {
                        if room.reserve() {
                            assert!(!taken.swap(true, Ordering::SeqCst), "two have it");
                            taken.store(false, Ordering::SeqCst);
                            room.release(1);
                        }
                    }
                });
            }
        });
        assert_eq!(room.taken(), 0);
    }
}
