//! Threads that read, for callers that must not touch the disk.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use futures_channel::oneshot;
use revocable_core::ErrorKind;

use crate::fault::{Fault, Result};

/// As many threads as there are reader connections, and what they have to do.
#[derive(Debug)]
pub(crate) struct Offload {
    jobs: Arc<Jobs>,
    threads: Vec<JoinHandle<()>>,
}

type Job = Box<dyn FnOnce() + Send>;

struct Jobs {
    state: Mutex<State>,
    added: Condvar,
    bound: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Offload {
    pub(crate) fn start(count: usize, bound: usize) -> Result<Self> {
        let jobs = Arc::new(Jobs {
            state: Mutex::default(),
            added: Condvar::new(),
            bound,
        });
        let mut offload = Self {
            jobs,
            threads: Vec::with_capacity(count),
        };
        for _ in 0..count.max(1) {
            let jobs = Arc::clone(&offload.jobs);
            let thread = thread::Builder::new()
                .name("revocable-sqlite-reader".into())
                .spawn(move || jobs.work())
                .map_err(|error| {
                    Fault::new(
                        ErrorKind::Unavailable,
                        format!("cannot start a thread: {error}"),
                    )
                })?;
            offload.threads.push(thread);
        }
        Ok(offload)
    }

    /// Reads on one of the threads. Never blocks.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        self.jobs.add(Box::new(move || {
            // Nobody may be waiting any more.
            if !answer.is_canceled() {
                let _ = answer.send(read());
            }
        }))?;
        answered.await.unwrap_or_else(|_| {
            Err(Fault::new(
                ErrorKind::Unavailable,
                "the read was given up: the store was closed or has a defect",
            ))
        })
    }
}

impl Drop for Offload {
    /// Ends the threads and waits for them, unless it is one of them that
    /// drops the store's last handle.
    fn drop(&mut self) {
        self.jobs.close();
        for thread in self.threads.drain(..) {
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, job: Job) -> Result<()> {
        let mut state = self.lock();
        if state.jobs.len() >= self.bound {
            return Err(Fault::new(
                ErrorKind::Unavailable,
                "too many reads are waiting; try again later",
            ));
        }
        state.jobs.push_back(job);
        drop(state);
        self.added.notify_one();
        Ok(())
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        // Whoever waited is gone: a future borrows the store.
        let given_up = std::mem::take(&mut state.jobs);
        drop(state);
        drop(given_up);
        self.added.notify_all();
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a read panicked");
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state = self
                .added
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Jobs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_have_ended_when_it_is_dropped() {
        let offload = Offload::start(3, 1).unwrap();
        let jobs = Arc::clone(&offload.jobs);
        assert_eq!(Arc::strong_count(&jobs), 5);
        drop(offload);
        assert_eq!(Arc::strong_count(&jobs), 1);
    }
}
