//! Writes whose callers went away: whoever asks the store afterwards waits for them, so
//! that no answer ignores what may still come.
//!
//! The store behind the cache cannot tell: its own future goes on, in other hands.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_channel::oneshot;
use futures_util::future::{FutureExt, Shared};

use crate::stamps::Reach;

/// Those that are under way.
#[derive(Debug, Default)]
pub(crate) struct Abandoned {
    /// How many there are, for those who ask when there are none.
    count: AtomicUsize,
    writes: Mutex<Vec<Write>>,
}

/// One of them.
#[derive(Debug, Clone)]
struct Write {
    reach: Reach,
    /// Its sender is dropped when the write has ended.
    end: Shared<oneshot::Receiver<()>>,
}

/// Held by who finishes the write.
pub(crate) struct Finishing {
    abandoned: Arc<Abandoned>,
    end: Option<oneshot::Sender<()>>,
}

impl Abandoned {
    fn lock(&self) -> MutexGuard<'_, Vec<Write>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn are_none(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0
    }

    /// Notes a write, until what is returned is dropped.
    pub(crate) fn add(self: &Arc<Self>, reach: Reach) -> Finishing {
        let (end, ended) = oneshot::channel();
        let mut writes = self.lock();
        writes.push(Write {
            reach,
            end: ended.shared(),
        });
        self.count.store(writes.len(), Ordering::SeqCst);
        Finishing {
            abandoned: Arc::clone(self),
            end: Some(end),
        }
    }

    /// Waits for those that may change what this reaches. Not for those that are
    /// abandoned meanwhile.
    pub(crate) async fn settled(&self, reach: Reach) {
        if self.are_none() {
            return;
        }
        let concerns = |write: &&Write| {
            matches!((write.reach, reach), (Reach::All, _) | (_, Reach::All))
                || write.reach == reach
        };
        let writes: Vec<Write> = self.lock().iter().filter(concerns).cloned().collect();
        for write in writes {
            // An error: nothing is ever sent.
            let _ = write.end.await;
        }
    }
}

impl Drop for Finishing {
    fn drop(&mut self) {
        self.end.take();
        let mut writes = self.abandoned.lock();
        writes.retain(|write| {
            write.end.peek().is_none() && write.end.clone().now_or_never().is_none()
        });
        self.abandoned.count.store(writes.len(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use revocable_core::{Bucket, UserId};

    #[test]
    fn who_asks_waits_for_what_was_abandoned_in_the_bucket() {
        let bucket = |name| Reach::Bucket(Bucket::of(&UserId::new(name).unwrap()));
        let abandoned = Arc::new(Abandoned::default());
        let is_settled = |reach| abandoned.settled(reach).now_or_never().is_some();
        assert!(abandoned.are_none() && is_settled(Reach::All));
        let (first, second) = (
            abandoned.add(bucket("alice")),
            abandoned.add(bucket("alice")),
        );
        assert!(!is_settled(bucket("alice")) && !is_settled(Reach::All));
        assert!(is_settled(bucket("bob")));
        let mut waiting = Box::pin(abandoned.settled(bucket("alice")));
        assert!((&mut waiting).now_or_never().is_none());
        drop(second);
        assert!((&mut waiting).now_or_never().is_none() && !abandoned.are_none());
        drop(first);
        assert!((&mut waiting).now_or_never().is_some() && abandoned.are_none());
        let everything = abandoned.add(Reach::All);
        assert!(!is_settled(bucket("bob")));
        drop(everything);
        assert!(is_settled(bucket("bob")));
    }
}
