//! Notices when the writer hangs.
//!
//! The engine can wait for ever for a write that has failed, and a disk can
//! take minutes to answer. Who waits for the writer is told after a while that
//! nobody knows the outcome, and the store answers nothing until the writer is
//! back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use event_listener::{Event, EventListener};

use crate::fault::{Fault, Result};

/// What the writer is at, as others see it.
#[derive(Debug)]
pub(crate) struct Watch {
    limit: Duration,
    state: Mutex<State>,
    changed: Condvar,
    /// A copy of what is in the state, for readers. Written under its lock.
    hangs: AtomicBool,
    /// Tells who waits for answers.
    hung: Event,
}

#[derive(Debug, Default)]
struct State {
    /// When the writer began what it is at.
    busy_since: Option<Instant>,
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
            hung: Event::new(),
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

    /// Resolves when the writer hangs. To be taken before the check.
    pub(crate) fn listen(&self) -> EventListener {
        self.hung.listen()
    }

    /// The writer begins with something.
    pub(crate) fn begin(&self) {
        let mut state = self.lock();
        state.busy_since = Some(Instant::now());
        if std::mem::take(&mut state.rests) {
            drop(state);
            self.changed.notify_all();
        }
    }

    /// The writer is done with it, maybe after it hung.
    pub(crate) fn done(&self) {
        let mut state = self.lock();
        state.busy_since = None;
        if std::mem::take(&mut state.hangs) {
            self.hangs.store(false, Ordering::Release);
            drop(state);
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
    pub(crate) fn run(&self) {
        let mut state = self.lock();
        while !state.ended {
            let due = state.busy_since.map(|since| since + self.limit);
            state = match due {
                Some(due) if !state.hangs => {
                    let left = due.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        self.tell(state);
                        self.lock()
                    } else {
                        let waited = self.changed.wait_timeout(state, left);
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                }
                _ => {
                    state.rests = due.is_none();
                    let waited = self.changed.wait(state);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    fn tell(&self, mut state: MutexGuard<'_, State>) {
        state.hangs = true;
        self.hangs.store(true, Ordering::Release);
        drop(state);
        tracing::error!("the writer hangs; until it is back the store answers nothing");
        self.changed.notify_all();
        // Wakers are not our code; if one panics the others still get theirs.
        let tell = || self.hung.notify(usize::MAX);
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(tell));
    }
}
