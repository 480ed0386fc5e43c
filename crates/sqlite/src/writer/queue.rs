//! What waits for the writer.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use revocable_core::{Change, ChangeKind, ErrorKind, Liveness, SessionId};

use futures_channel::oneshot;

use super::task::Queued;
use crate::fault::{Fault, Result};

/// The most requests that share a commit. Beyond some hundred a commit costs
/// each of them next to nothing, and the last waits for the first.
const BATCH: usize = 512;

/// How long a change that may come soon waits for others of its kind.
const SOON: Duration = Duration::from_secs(1);

/// How many sessions may have such changes waiting; some 10 MiB.
const MAX_SOON: usize = 65_536;

/// How many changes may wait for one session.
const MAX_SOON_EACH: usize = 4;

/// What waits for the writer. Adding to it never blocks for longer than
/// another caller takes to add.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Only the writer waits.
    added: Condvar,
    bound: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Who wants to know how often others have written.
    counting: Vec<Asker>,
    requests: VecDeque<Box<dyn Queued>>,
    soon: HashMap<SessionId, Vec<Change>>,
    /// When the oldest of these has waited long enough.
    soon_due: Option<Instant>,
    /// These had their turn; requests are next.
    soon_served: bool,
    closed: bool,
}

/// Who waits for a count of the changes of others.
pub(super) type Asker = oneshot::Sender<Result<u64>>;

/// What the writer does next.
#[derive(Debug)]
pub(super) enum Work {
    Count(Vec<Asker>),
    Requests(Vec<Box<dyn Queued>>),
    Soon(Vec<(SessionId, Vec<Change>)>),
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

    /// Adds a request. It will be carried out and answered.
    pub(super) fn add(&self, request: Box<dyn Queued>) -> Result<()> {
        let mut state = self.lock();
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

    /// Has the changes of others counted, before any request: it takes some
    /// microseconds, and a cache cannot answer meanwhile.
    pub(super) fn count_foreign_changes(&self) -> oneshot::Receiver<Result<u64>> {
        let (asker, counted) = oneshot::channel();
        self.lock().counting.push(asker);
        self.added.notify_one();
        counted
    }

    /// Adds a change that nobody waits for. Of touches of a session only the
    /// last is kept; what does not fit is dropped.
    pub(super) fn add_soon(&self, id: SessionId, change: &Change) {
        let mut state = self.lock();
        if state.soon.len() >= MAX_SOON && !state.soon.contains_key(&id) {
            drop(state);
            tracing::debug!(session = %id, "too many touches are waiting, this one is dropped");
            return;
        }
        let changes = state.soon.entry(id).or_default();
        let room = changes.len() < MAX_SOON_EACH;
        let is_touch = |change: &Change| matches!(change.kind, ChangeKind::Touch);
        match changes.last_mut() {
            Some(last) if is_touch(last) && is_touch(change) => {
                last.liveness = later(last.liveness, change.liveness);
            }
            Some(last) if last == change => {}
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

    /// The changes that wait for a session, for a request that comes before
    /// them in time but after them in order.
    pub(super) fn take_soon(&self, id: SessionId) -> Vec<Change> {
        self.lock().soon.remove(&id).unwrap_or_default()
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
            if !state.counting.is_empty() {
                return Work::Count(std::mem::take(&mut state.counting));
            }
            let now = Instant::now();
            let due = state.soon_due.is_some_and(|due| due <= now)
                || (state.closed && !state.soon.is_empty());
            let has_its_turn = !state.soon_served || state.requests.is_empty();
            if due && has_its_turn {
                state.soon_served = true;
                let chunk = state.take_chunk_of_soon();
                if !chunk.is_empty() {
                    return Work::Soon(chunk);
                }
                continue;
            }
            if !state.requests.is_empty() {
                state.soon_served = false;
                let count = state.requests.len().min(BATCH);
                return Work::Requests(state.requests.drain(..count).collect());
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
    fn take_chunk_of_soon(&mut self) -> Vec<(SessionId, Vec<Change>)> {
        let ids: Vec<SessionId> = self.soon.keys().take(BATCH).copied().collect();
        let chunk = ids
            .into_iter()
            .filter_map(|id| self.soon.remove_entry(&id))
            .collect();
        if self.soon.is_empty() {
            self.soon = HashMap::new();
            self.soon_due = None;
        }
        chunk
    }
}

#[cfg(test)]
mod tests {
    use revocable_core::{Bucket, Digest, UserId};

    use super::super::session::Soon;
    use super::super::task::Task;
    use super::*;

    fn id(n: u64) -> SessionId {
        let user = UserId::new("alice").unwrap();
        SessionId::new(0, Bucket::of(&user), n.to_be_bytes())
    }

    fn touch(now_ms: i64) -> Change {
        Change {
            liveness: Liveness::at(now_ms),
            kind: ChangeKind::Touch,
        }
    }

    #[test]
    fn only_the_latest_touch_is_kept_and_replaces_nothing_else() {
        let queue = Queue::new(1);
        let confirm = Change {
            liveness: Liveness::at(2),
            kind: ChangeKind::ConfirmSuccessor {
                digest: Digest::from_bytes([1; 32]),
            },
        };
        for change in [
            &touch(1),
            &touch(3),
            &touch(2),
            &confirm,
            &confirm,
            &touch(4),
        ] {
            queue.add_soon(id(1), change);
        }
        assert_eq!(queue.take_soon(id(1)), [touch(3), confirm, touch(4)]);
        assert_eq!(queue.take_soon(id(1)), []);
    }

    #[test]
    fn what_may_come_soon_is_bounded() {
        let queue = Queue::new(1);
        for n in 0..MAX_SOON as u64 + 10 {
            queue.add_soon(id(n), &touch(1));
        }
        assert_eq!(queue.lock().soon.len(), MAX_SOON);
        queue.add_soon(id(0), &touch(2));
        assert_eq!(queue.take_soon(id(0)), [touch(2)]);
    }

    #[test]
    fn a_closed_queue_is_emptied_before_the_writer_ends() {
        let queue = Queue::new(1);
        queue.add_soon(id(1), &touch(1));
        queue.close();
        assert!(matches!(queue.next(true), Work::Soon(chunk) if chunk.len() == 1));
        assert!(matches!(queue.next(true), Work::Closed));
    }

    fn confirm(n: u8) -> Change {
        Change {
            liveness: Liveness::at(1),
            kind: ChangeKind::ConfirmSuccessor {
                digest: Digest::from_bytes([n; 32]),
            },
        }
    }

    #[test]
    fn what_waits_for_one_session_is_bounded() {
        let queue = Queue::new(1);
        for n in 0..=MAX_SOON_EACH as u8 {
            queue.add_soon(id(1), &confirm(n));
        }
        let kept: Vec<_> = (0..MAX_SOON_EACH as u8).map(confirm).collect();
        assert_eq!(queue.take_soon(id(1)), kept);
    }

    #[test]
    fn a_change_waits_for_others_of_its_kind() {
        let queue = Queue::new(1);
        let before = Instant::now();
        queue.add_soon(id(1), &touch(1));
        let due = queue.lock().soon_due.unwrap();
        assert!(due >= before + SOON && due <= Instant::now() + SOON);
        // The next one does not put it off.
        queue.add_soon(id(2), &touch(1));
        assert_eq!(queue.lock().soon_due, Some(due));
        assert!(matches!(queue.next(true), Work::Idle));
        queue.lock().soon_due = Some(before);
        assert!(matches!(queue.next(true), Work::Soon(chunk) if chunk.len() == 2));
        assert_eq!(queue.lock().soon_due, None);
        assert!(matches!(queue.next(true), Work::Idle));
    }

    #[test]
    fn changes_that_are_due_and_requests_take_turns() {
        let add_request = |queue: &Queue| {
            let request = Box::new(Task::new(Soon(Vec::new())).0);
            queue.add(request).unwrap();
        };
        let queue = Queue::new(2);
        for n in 0..2 * BATCH as u64 + 1 {
            queue.add_soon(id(n), &touch(1));
        }
        queue.lock().soon_due = Some(Instant::now());
        add_request(&queue);
        assert!(matches!(queue.next(true), Work::Soon(chunk) if chunk.len() == BATCH));
        assert!(matches!(queue.next(true), Work::Requests(requests) if requests.len() == 1));
        add_request(&queue);
        assert!(matches!(queue.next(true), Work::Soon(chunk) if chunk.len() == BATCH));
        assert!(matches!(queue.next(true), Work::Requests(_)));
        assert!(matches!(queue.next(true), Work::Soon(chunk) if chunk.len() == 1));
        assert!(matches!(queue.next(true), Work::Idle));
    }
}
