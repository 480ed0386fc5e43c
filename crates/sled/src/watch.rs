//! Notices when the writer hangs.
//!
//! The engine can wait for ever for a write that has failed, and a disk can
//! take minutes to answer. Who waits for what the writer is at is told after a
//! while that nobody knows the outcome, and the store answers nothing until the
//! writer is back. What it has not begun with is refused, and never begun.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::fault::{Fault, Result};
use crate::writer::{Queue, Waiting};

/// What the writer is at, as others see it.
pub(crate) struct Watch {
    limit: Duration,
    state: Mutex<State>,
    changed: Condvar,
    /// A copy of what is in the state, for readers. Written under its lock.
    hangs: AtomicBool,
}

#[derive(Default)]
struct State {
    /// When the writer should be done with what it is at.
    due: Option<Instant>,
    /// Who waits for that.
    waiting: Vec<Arc<dyn Waiting>>,
    hangs: bool,
    ended: bool,
    /// The watching thread waits for the writer to begin something.
    rests: bool,
}

impl Watch {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            state: Mutex::default(),
            changed: Condvar::new(),
            hangs: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the store may answer.
    pub(crate) fn check(&self) -> Result<()> {
        if self.hangs.load(Ordering::Acquire) {
            return Err(Fault::hangs());
        }
        Ok(())
    }

    /// The writer begins with something, for which these wait.
    pub(crate) fn begin(&self, waiting: Vec<Arc<dyn Waiting>>) {
        let mut state = self.lock();
        state.due = Some(Instant::now() + self.limit);
        state.waiting = waiting;
        if std::mem::take(&mut state.rests) {
            drop(state);
            self.changed.notify_all();
        }
    }

    /// The writer is done with it, maybe after it hung.
    pub(crate) fn done(&self, queue: &Queue) {
        let mut state = self.lock();
        state.due = None;
        let waited = std::mem::take(&mut state.waiting);
        let hung = std::mem::take(&mut state.hangs);
        if hung {
            queue.accept();
            self.hangs.store(false, Ordering::Release);
        }
        drop(state);
        // Who was not answered is woken by this.
        drop(waited);
        if hung {
            tracing::warn!("the writer is back");
            self.changed.notify_all();
        }
    }

    /// The writer has ended.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Waits until the writer has ended; `false` if it hangs.
    pub(crate) fn wait_for_end(&self) -> bool {
        let state = self.lock();
        let state = self
            .changed
            .wait_while(state, |state| !state.ended && !state.hangs);
        state.unwrap_or_else(PoisonError::into_inner).ended
    }

    /// Watches until the writer has ended. This wakes when a limit has passed
    /// since the writer began something, and not while it has nothing to do.
    pub(crate) fn run(&self, queue: &Queue) {
        let mut state = self.lock();
        while !state.ended {
            state = match state.due {
                Some(due) if !state.hangs => {
                    let left = due.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        self.tell(state, queue);
                        self.lock()
                    } else {
                        let waited = self.changed.wait_timeout(state, left);
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                }
                _ => {
                    state.rests = state.due.is_none();
                    let waited = self.changed.wait(state);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    fn tell(&self, mut state: MutexGuard<'_, State>, queue: &Queue) {
        // Before the writer can be done: all that is taken here either is
        // under way until then, or will never be.
        state.hangs = true;
        self.hangs.store(true, Ordering::Release);
        let under_way = std::mem::take(&mut state.waiting);
        let refused = queue.refuse();
        drop(state);
        tracing::error!("the writer hangs; until it is back the store answers nothing");
        self.changed.notify_all();
        let refused = refused
            .iter()
            .map(|request| (request.waiting(), Fault::hangs()));
        let under_way = under_way
            .into_iter()
            .map(|waiting| (waiting, Fault::hung()));
        for (waiting, fault) in refused.chain(under_way) {
            // Wakers are not our code; if one panics the others still get theirs.
            if catch_unwind(AssertUnwindSafe(|| waiting.tell(fault))).is_err() {
                tracing::error!("a waker panicked");
            }
        }
    }

    /// As if the writer had been at it for too long.
    #[cfg(test)]
    pub(crate) fn let_time_pass(&self) {
        let mut state = self.lock();
        state.due = state.due.map(|_| Instant::now());
        drop(state);
        self.changed.notify_all();
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
