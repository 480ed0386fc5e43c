//! Changes that nobody waits for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use futures_util::stream;
use revocable_core::{Change, SessionId};

use crate::local::Remote;

/// Beyond that a touch is forgotten: the session is touched again soon.
const MOST: usize = 65_536;

/// Sent to the server at a time.
const TOGETHER: usize = 64;

/// What waits to be written, the last of each session: touches move the time of
/// the last use forward, so the others are in it.
#[derive(Debug, Default)]
pub struct Touches(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    touches: HashMap<SessionId, Change>,
    /// Somebody writes them.
    is_written: bool,
}

impl Touches {
    /// Takes what waits for a session, for who changes it anyway.
    pub fn take(&self, id: SessionId) -> Option<Change> {
        self.lock().touches.remove(&id)
    }

    /// Whether something waits for this session.
    pub fn waits_for(&self, id: SessionId) -> bool {
        self.lock().touches.contains_key(&id)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a touch. Whether somebody has to be found who writes it.
    fn add(&self, id: SessionId, change: &Change) -> bool {
        let mut waiting = self.lock();
        let room = waiting.touches.len() < MOST;
        match waiting.touches.get_mut(&id) {
            Some(there) if there.liveness.now_ms >= change.liveness.now_ms => {}
            Some(there) => *there = change.clone(),
            None if room => {
                waiting.touches.insert(id, change.clone());
            }
            None => {}
        }
        let nobody = !waiting.is_written && !waiting.touches.is_empty();
        waiting.is_written |= nobody;
        nobody
    }

    /// Some that wait; with none, nobody writes from now on.
    fn some(&self) -> Vec<SessionId> {
        let mut waiting = self.lock();
        let some: Vec<_> = waiting.touches.keys().take(TOGETHER).copied().collect();
        waiting.is_written = !some.is_empty();
        some
    }
}

/// Notes a touch and has it written: nobody is waited for, and no task is there
/// when nothing waits.
pub fn touch_soon<S: Remote>(server: &Arc<S>, id: SessionId, change: &Change) {
    if server.local().touches.add(id, change) {
        let writing = Arc::clone(server);
        server.local().runtime.spawn(async move {
            loop {
                let some = writing.local().touches.some();
                if some.is_empty() {
                    return;
                }
                stream::iter(some)
                    .for_each_concurrent(None, |id| write_touch(&*writing, id))
                    .await;
            }
        });
    }
}

/// Writes what waits for a session now.
pub async fn write_touch<S: Remote>(server: &S, id: SessionId) {
    if let Some(touch) = server.local().touches.take(id)
        && let Err(error) = server.touch(id, touch).await
    {
        // It may be lost, and comes again with the next use.
        tracing::debug!(%error, session = %id, "a touch was not written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use revocable_core::{Bucket, ChangeKind, Liveness, UserId};

    fn id(number: u64) -> SessionId {
        let bucket = Bucket::of(&UserId::new("alice").unwrap());
        SessionId::new(0, bucket, number.to_be_bytes())
    }

    fn touch(now_ms: i64) -> Change {
        Change {
            liveness: Liveness::at(now_ms),
            kind: ChangeKind::Touch,
        }
    }

    #[test]
    fn the_latest_touch_of_a_session_counts_and_one_writes() {
        let touches = Touches::default();
        assert!(touches.add(id(1), &touch(5)));
        assert!(!touches.add(id(1), &touch(7)));
        assert!(!touches.add(id(1), &touch(6)));
        assert_eq!(touches.some(), [id(1)]);
        assert_eq!(touches.take(id(1)), Some(touch(7)));
        assert!(touches.some().is_empty());
        assert!(touches.add(id(2), &touch(1)), "nobody writes any more");
    }

    #[test]
    fn touches_that_wait_are_bounded() {
        let touches = Touches::default();
        for number in 0..MOST as u64 + 10 {
            touches.add(id(number), &touch(1));
        }
        assert_eq!(touches.lock().touches.len(), MOST);
        touches.add(id(3), &touch(2));
        assert_eq!(touches.take(id(3)), Some(touch(2)));
    }
}
