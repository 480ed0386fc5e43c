//! What waits for the writer.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use revocable_core::{Change, ErrorKind, Liveness, SessionId};

use super::request::Request;
use crate::fault::{Fault, Result};

#[cfg(test)]
mod tests;

/// The most requests that share a sync. Beyond some hundred it costs each of
/// them next to nothing, and the last waits for the first.
const BATCH: usize = 512;

/// How long a touch waits for others.
const SOON: Duration = Duration::from_secs(1);

/// How many sessions may have touches waiting; some 10 MiB.
const MAX_SOON: usize = 65_536;

/// How many changes may wait for one session.
const MAX_SOON_EACH: usize = 4;

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Only the writer waits.
    added: Condvar,
    bound: usize,
}

#[derive(Debug, Default)]
struct State {
    requests: VecDeque<Request>,
    soon: HashMap<SessionId, Vec<Change>>,
    /// When the oldest of these has waited long enough.
    soon_due: Option<Instant>,
    /// The writer hangs.
    refuses: bool,
    closed: bool,
}

/// What the writer does next.
#[derive(Debug)]
pub(super) enum Work {
    /// Requests, and touches whose time has come.
    Batch(Vec<Request>, Vec<(SessionId, Vec<Change>)>),
    /// Nobody waits.
    Idle,
    /// Nobody waits and nobody will.
    Closed,
}

impl Queue {
    pub(super) fn new(bound: usize) -> Self {
        Self {
            state: Mutex::default(),
            added: Condvar::new(),
            bound,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request. It will be carried out and answered, or
    /// [refused](Self::refuse).
    pub(super) fn add(&self, request: Request) -> Result<()> {
        let mut state = self.lock();
        if state.closed {
            return Err(Fault::new(ErrorKind::Unavailable, "the store is closed"));
        }
        if state.refuses {
            return Err(Fault::hangs());
        }
        if state.requests.len() >= self.bound {
            return Err(Fault::new(
                ErrorKind::Unavailable,
                "too many writes are waiting; try again later",
            ));
        }
        state.requests.push_back(request);
        drop(state);
        self.added.notify_one();
        Ok(())
    }

    /// Adds a change that nobody waits for. The same one twice is one, and what
    /// does not fit is dropped.
    pub(super) fn add_soon(&self, id: SessionId, change: &Change) {
        let mut state = self.lock();
        if state.soon.len() >= MAX_SOON && !state.soon.contains_key(&id) {
            drop(state);
            tracing::debug!(session = %id, "too many touches are waiting, this one is dropped");
            return;
        }
        let changes = state.soon.entry(id).or_default();
        let room = changes.len() < MAX_SOON_EACH;
        match changes.last_mut() {
            // A touch takes the later of two times, so the later touch will do.
            Some(last) if last.kind == change.kind => {
                last.liveness = later(last.liveness, change.liveness);
            }
            _ if room => changes.push(change.clone()),
            _ => {}
        }
        if state.soon_due.is_none() {
            state.soon_due = Some(Instant::now() + SOON);
            drop(state);
            // The writer now waits until then.
            self.added.notify_one();
        }
    }

    /// The changes that wait for a session, for a request that comes after
    /// them.
    pub(super) fn take_soon(&self, id: SessionId) -> Vec<Change> {
        self.lock().soon.remove(&id).unwrap_or_default()
    }

    /// Takes out what the writer has not begun with, to be refused, and adds
    /// no more requests. Who waits for these has to be told something now; what
    /// they are told holds only if they are not carried out later.
    pub(crate) fn refuse(&self) -> VecDeque<Request> {
        let mut state = self.lock();
        state.refuses = true;
        std::mem::take(&mut state.requests)
    }

    /// The writer is back.
    pub(crate) fn accept(&self) {
        self.lock().refuses = false;
    }

    /// No more will be added: what is there is carried out, then the writer
    /// ends.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.added.notify_one();
    }

    /// Waits for something to do. `idle` asks to be told at once if nobody
    /// waits.
    pub(super) fn next(&self, idle: bool) -> Work {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let due = state.soon_due.is_some_and(|due| due <= now)
                || (state.closed && !state.soon.is_empty());
            if due || !state.requests.is_empty() {
                let count = state.requests.len().min(BATCH);
                let requests = state.requests.drain(..count).collect();
                let soon = if due { state.take_due() } else { Vec::new() };
                return Work::Batch(requests, soon);
            }
            if state.closed {
                return Work::Closed;
            }
            if idle {
                return Work::Idle;
            }
            state = match state.soon_due {
                None => self
                    .added
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(due) => {
                    self.added
                        .wait_timeout(state, due.saturating_duration_since(now))
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }
}

fn later(one: Liveness, other: Liveness) -> Liveness {
    if one.now_ms < other.now_ms {
        other
    } else {
        one
    }
}

impl State {
    fn take_due(&mut self) -> Vec<(SessionId, Vec<Change>)> {
        let ids: Vec<SessionId> = self.soon.keys().take(BATCH).copied().collect();
        let due = ids
            .into_iter()
            .filter_map(|id| self.soon.remove_entry(&id))
            .collect();
        if self.soon.is_empty() {
            self.soon = HashMap::new();
            self.soon_due = None;
        }
        due
    }
}
