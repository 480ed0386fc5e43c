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

use std::sync::Arc;
use std::thread::JoinHandle;

use futures_channel::oneshot;
use revocable_core::{Change, ErrorKind, SessionId};
use sled::Tree;

pub(crate) use request::{Answer, Request};

use self::queue::Queue;
use self::thread::Thread;
use crate::fault::{Fault, Result};
use crate::folder::Sync;
use crate::shared::Shared;

/// The handle of the writer thread.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. It owns nothing that owns this handle.
    pub(crate) fn start(
        shared: Arc<Shared>,
        disk: Box<dyn Sync>,
        floor: u64,
        garbage: Vec<Tree>,
        bound: usize,
    ) -> Result<Self> {
        let queue = Arc::new(Queue::new(bound));
        let thread = Thread::new(shared, Arc::clone(&queue), disk, floor, garbage);
        let thread = std::thread::Builder::new()
            .name("revocable-sled-writer".into())
            .spawn(move || thread.run())
            .map_err(|error| Fault::io("start a thread", &error))?;
        Ok(Self {
            queue,
            thread: Some(thread),
        })
    }

    /// Has a request carried out and waits for its outcome. Once this was
    /// polled it is carried out whether or not anybody goes on waiting.
    pub(crate) async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T> {
        let (answer, answered) = oneshot::channel();
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
    /// Lets the thread carry out what waits and waits for it to end, unless it
    /// is that thread that drops the store's last handle: in a listener, or in
    /// a waker.
    pub(crate) fn stop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}
