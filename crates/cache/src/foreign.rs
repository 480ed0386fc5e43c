//! Changes that others made, asked for at most so often.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use revocable_core::{Clock, SessionStore};

use crate::entries::Entries;

/// When the entries were last known to agree with the store.
pub(crate) struct Foreign {
    max_staleness: Duration,
    clock: Arc<dyn Clock>,
    /// By the clock's measured time, in nanoseconds, when the last question
    /// was asked that was answered; [`NEVER`].
    asked_at: AtomicU64,
    /// The answer.
    count: AtomicU64,
    /// Somebody is asking.
    asking: AtomicBool,
}

const NEVER: u64 = u64::MAX;

impl Foreign {
    pub(crate) fn new(max_staleness: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            max_staleness,
            clock,
            asked_at: AtomicU64::new(NEVER),
            count: AtomicU64::new(0),
            asking: AtomicBool::new(false),
        }
    }

    /// Whether the entries may be used, by what is known already.
    pub(crate) fn is_known(&self) -> bool {
        self.is_fresh(self.now())
    }

    /// The right to ask; `None` while somebody is asking.
    pub(crate) fn turn(self: &Arc<Self>) -> Option<Turn> {
        let taken = self.asking.swap(true, Ordering::SeqCst);
        (!taken).then(|| Turn(Arc::clone(self)))
    }

    /// Asks the store; whether the entries may be used.
    ///
    /// If the store cannot answer they may not: then the lookup asks it, and
    /// says what is wrong.
    async fn ask(&self, store: &impl SessionStore, entries: &Entries) -> bool {
        // Somebody else may have asked before this turn.
        let now = self.now();
        if self.is_fresh(now) {
            return true;
        }
        match store.foreign_changes().await {
            Err(error) => {
                tracing::debug!(%error, "the changes of others cannot be counted");
                false
            }
            Ok(count) => {
                let first = self.asked_at.load(Ordering::SeqCst) == NEVER;
                if self.count.swap(count, Ordering::SeqCst) != count || first {
                    entries.forget_everything();
                }
                // From before the question: what was committed later may not
                // be counted.
                self.asked_at.store(now, Ordering::SeqCst);
                true
            }
        }
    }

    fn is_fresh(&self, now: u64) -> bool {
        let asked_at = self.asked_at.load(Ordering::SeqCst);
        // Another thread may have asked after this one looked at the clock.
        asked_at != NEVER
            && u128::from(now.saturating_sub(asked_at)) < self.max_staleness.as_nanos()
    }

    fn now(&self) -> u64 {
        // 584 years.
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(NEVER - 1)
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Foreign")
            .field("max_staleness", &self.max_staleness)
            .finish_non_exhaustive()
    }
}

/// Only one at a time; also if its future is dropped.
pub(crate) struct Turn(Arc<Foreign>);

impl Turn {
    pub(crate) async fn ask(self, store: &impl SessionStore, entries: &Entries) -> bool {
        self.0.ask(store, entries).await
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.asking.store(false, Ordering::SeqCst);
    }
}
