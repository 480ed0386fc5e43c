//! What may be served while a sweep is under way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use revocable_core::{Liveness, Record};

/// The sweeps that are under way, by what they take for live.
///
/// A sweep removes what is not live, and nobody knows which sessions before it
/// is done. But it spares what is live, and an entry is never younger than its
/// row: what the sweep would spare as it is in the cache, it spares in the store.
#[derive(Debug, Default)]
pub(crate) struct Sweeps {
    /// So that a hit need not take the lock when there are none.
    count: AtomicU64,
    under_way: Mutex<Vec<Liveness>>,
}

impl Sweeps {
    /// Before it is handed to the store.
    pub(crate) fn begin(&self, liveness: Liveness) {
        self.lock().push(liveness);
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    /// When its outcome is known, and what it ended is no longer served.
    pub(crate) fn end(&self, liveness: Liveness) {
        self.count.fetch_sub(1, Ordering::SeqCst);
        let mut under_way = self.lock();
        if let Some(at) = under_way.iter().position(|other| *other == liveness) {
            under_way.swap_remove(at);
        }
    }

    /// Whether each of them spares this. To be asked before the stamps are
    /// looked at: a sweep that begins later commits later, and one that has
    /// ended has advanced them.
    pub(crate) fn spare(&self, record: &Record) -> bool {
        self.count.load(Ordering::SeqCst) == 0
            || self.lock().iter().all(|sweep| sweep.is_live(record))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Liveness>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
