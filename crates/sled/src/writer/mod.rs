//! The one thread that writes.
//!
//! ```text
//! callers ── requests ──► queue ──► thread: carry out each, on what is there and what
//!         ── touches ───►                   the ones before it have staged
//!                                           one transaction over all trees
//!                                           flush, fdatasync         one for all
//!                                           tell the listeners
//!         ◄──────── answers ───────────────  answer
//!                                           clear away what revoke_everything ended
//! ```

mod batch;
mod queue;
mod request;
mod thread;
mod writes;

use std::sync::Arc;
use std::thread::JoinHandle;

use revocable_core::{Change, ErrorKind, SessionId};
use sled::Tree;

pub(crate) use queue::Queue;
pub(crate) use request::{Answer, Request, Waiting};
pub(crate) use writes::Written;

use self::thread::Thread;
use crate::disk::Sync;
use crate::fault::{Fault, Result};
use crate::shared::Shared;
use crate::watch::Watch;

/// The handle of the writer thread.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
    watch: Arc<Watch>,
}

impl Writer {
    /// Starts the thread. It owns nothing that owns this handle.
    pub(crate) fn start(
        shared: Arc<Shared>,
        disk: Box<dyn Sync>,
        written: Written,
        garbage: Vec<Tree>,
        bound: usize,
    ) -> Result<Self> {
        let queue = Arc::new(Queue::new(bound));
        let watch = Arc::clone(&shared.watch);
        let thread = Thread::new(shared, Arc::clone(&queue), disk, written, garbage);
        let thread = spawn("revocable-sled-writer", move || thread.run())?;
        let writer = Self {
            queue: Arc::clone(&queue),
            thread: Some(thread),
            watch: Arc::clone(&watch),
        };
        // It ends by itself, after the writer.
        spawn("revocable-sled-watch", move || watch.run(&queue))?;
        Ok(writer)
    }

    /// Has a request carried out and waits for its outcome. Once this was
    /// polled it is carried out whether or not anybody goes on waiting, unless
    /// the writer hangs before it has begun with it.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(Answer<T>) -> Request,
    ) -> Result<T> {
        let (answer, answered) = Answer::new();
        self.queue.add(request(answer))?;
        answered.await.unwrap_or_else(|_| {
            Err(Fault::new(
                ErrorKind::UnknownOutcome,
                "the writer gave no answer: repeat the call",
            ))
        })
    }

    /// Has a change applied within about a second, if nothing goes wrong.
    pub(crate) fn write_soon(&self, id: SessionId, change: &Change) {
        self.queue.add_soon(id, change);
    }
}

impl Writer {
    /// Lets the thread carry out what waits and close the database, and waits
    /// for that, unless it is that thread that drops the store's last handle: in
    /// a listener, or in a waker. A thread that hangs is left to itself.
    pub(crate) fn stop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            if self.watch.wait_for_end() {
                let _ = thread.join();
            } else {
                tracing::error!("the database stays open until the process ends");
            }
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .map_err(|error| Fault::io("start a thread", &error))
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}
