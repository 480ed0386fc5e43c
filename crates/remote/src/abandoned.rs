//! Writes whose callers went away: whoever asks afterwards waits for them, so that no
//! answer ignores what may still come.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use revocable_core::{Bucket, Result};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::runtime::carried_on;

/// The abandoned writes that are still under way.
#[derive(Debug, Default)]
pub(crate) struct Abandoned {
    /// How many there are, for those who ask when there are none.
    count: AtomicUsize,
    writes: Mutex<Vec<Write>>,
}

/// One of them.
#[derive(Debug, Clone)]
struct Write {
    /// What it may change; `None` for everything.
    bucket: Option<Bucket>,
    is_done: watch::Receiver<bool>,
}

impl Abandoned {
    fn lock(&self) -> MutexGuard<'_, Vec<Write>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for those that may change this bucket, or any if none is named. Not
    /// for those that are abandoned meanwhile.
    pub(crate) async fn settled(&self, bucket: Option<Bucket>) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let concerns =
            |write: &&Write| bucket.is_none() || write.bucket.is_none() || write.bucket == bucket;
        let writes: Vec<Write> = self.lock().iter().filter(concerns).cloned().collect();
        for mut write in writes {
            // An error says that its sender is gone, and so is the write.
            let _ = write.is_done.wait_for(|done| *done).await;
        }
    }

    fn add(&self, write: Write) {
        let mut writes = self.lock();
        // Those that have ended meanwhile.
        writes.retain(|write| write.is_done.has_changed().is_ok());
        writes.push(write);
        self.count.store(writes.len(), Ordering::SeqCst);
    }

    /// Leaves out those that have ended.
    fn tidy(&self) {
        if self.count.load(Ordering::SeqCst) > 0 {
            let mut writes = self.lock();
            writes.retain(|write| write.is_done.has_changed().is_ok());
            self.count.store(writes.len(), Ordering::SeqCst);
        }
    }
}

/// Notes a write as abandoned unless it is told that it has ended.
struct Caller<'a> {
    abandoned: &'a Abandoned,
    write: Option<Write>,
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        if let Some(write) = self.write.take() {
            self.abandoned.add(write);
        }
    }
}

/// Carries a write to its end, after all that were abandoned before it.
pub(crate) async fn write<T: Send + 'static>(
    runtime: &Handle,
    abandoned: &Arc<Abandoned>,
    bucket: Option<Bucket>,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    abandoned.settled(bucket).await;
    let (done, is_done) = watch::channel(false);
    let mut caller = Caller {
        abandoned,
        write: Some(Write { bucket, is_done }),
    };
    let at_end = Arc::clone(abandoned);
    let outcome = carried_on(runtime, async move {
        let outcome = work.await;
        // Whoever waits goes on; also if the work has panicked.
        drop(done);
        at_end.tidy();
        outcome
    })
    .await;
    caller.write = None;
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use revocable_core::UserId;
    use tokio::sync::oneshot;

    #[test]
    fn who_asks_waits_for_what_was_abandoned_in_the_bucket() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let bucket = |name| Some(Bucket::of(&UserId::new(name).unwrap()));
        let abandoned = Arc::new(Abandoned::default());
        let (go_on, wait) = oneshot::channel::<()>();
        runtime.block_on(async {
            let work = async {
                let _ = wait.await;
                Ok(())
            };
            let mut writing = Box::pin(write(runtime.handle(), &abandoned, bucket("alice"), work));
            assert!((&mut writing).now_or_never().is_none());
            // Under way and not abandoned: whoever asks may be answered either way.
            assert!(abandoned.settled(bucket("alice")).now_or_never().is_some());
            drop(writing);
            assert!(abandoned.settled(bucket("alice")).now_or_never().is_none());
            assert!(abandoned.settled(None).now_or_never().is_none());
            assert!(abandoned.settled(bucket("bob")).now_or_never().is_some());
            go_on.send(()).unwrap();
            abandoned.settled(bucket("alice")).await;
            assert!(abandoned.settled(None).now_or_never().is_some());
        });
    }
}
