//! The one thread that writes.
//!
//! ```text
//! callers ── requests ──► queue ──► thread: BEGIN IMMEDIATE
//!         ── touches ───►                   a SAVEPOINT a request
//!                                           COMMIT                  one sync for all
//!                                           tell the listeners
//!         ◄──────── answers ───────────────  answer
//!                                           copy the log into the file, if it has grown
//! ```

mod batch;
mod checkpoints;
mod queue;
mod session;
mod sweep;
mod task;
mod thread;
mod unsettled;
mod user;

use std::sync::Arc;
use std::thread::JoinHandle;

use revocable_core::{Change, ErrorKind, SessionId};

pub(crate) use batch::Batches;
pub(crate) use session::{Create, Revoke, Update};
pub(crate) use sweep::{Expire, ForgetEpochs};
pub(crate) use user::{Health, RevokeAll, RevokeEverything, current_epoch, session_ids};

use self::queue::Queue;
use self::task::{Task, Verb};
use self::thread::Thread;
use crate::claim::Claim;
use crate::fault::{Fault, Result};
use crate::open::Location;

/// The handle of the writer thread.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. It owns nothing that owns this handle.
    pub(crate) fn start(
        batches: Batches,
        location: Location,
        bound: usize,
        claim: Claim,
    ) -> Result<Self> {
        let queue = Arc::new(Queue::new(bound));
        let thread = Thread::new(batches, location, Arc::clone(&queue), claim);
        let thread = std::thread::Builder::new()
            .name("revocable-sqlite-writer".into())
            .spawn(move || thread.run())
            .map_err(|error| {
                Fault::new(
                    ErrorKind::Unavailable,
                    format!("cannot start a thread: {error}"),
                )
            })?;
        Ok(Self {
            queue,
            thread: Some(thread),
        })
    }

    /// Has a verb carried out and waits for its outcome. Once this was polled
    /// the verb is carried out whether or not anybody goes on waiting.
    pub(crate) async fn write<V: Verb>(&self, verb: V) -> Result<V::Output> {
        let (task, answered) = Task::new(verb);
        self.queue.add(Box::new(task))?;
        answered.await.unwrap_or_else(|_| {
            Err(Fault::new(
                ErrorKind::UnknownOutcome,
                "the writer gave no answer: repeat the call",
            ))
        })
    }

    /// How often others have written to the file.
    pub(crate) async fn foreign_changes(&self) -> Result<u64> {
        let counted = self.queue.count_foreign_changes();
        counted.await.unwrap_or_else(|_| {
            Err(Fault::new(
                ErrorKind::Unavailable,
                "the writer gave no answer",
            ))
        })
    }

    /// Has a change applied within about a second, if nothing goes wrong.
    pub(crate) fn write_soon(&self, id: SessionId, change: &Change) {
        self.queue.add_soon(id, change);
    }

    /// Takes back the changes that wait for a session.
    pub(crate) fn take_soon(&self, id: SessionId) -> Vec<Change> {
        self.queue.take_soon(id)
    }
}

impl Drop for Writer {
    /// Lets the thread carry out what waits and waits for it to end, unless it
    /// is that thread that drops the store's last handle: in a listener, or in
    /// a waker.
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}
