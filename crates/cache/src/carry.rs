//! Writes that are carried to their end, whoever waits.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use futures_executor::ThreadPool;

use crate::abandoned::Abandoned;
use crate::stamps::Reach;

/// Work that nobody waits for.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

type Spawn = dyn Fn(Work) + Send + Sync;

/// Finishes what callers have left.
#[derive(Clone)]
pub(crate) struct Finisher(Arc<Kind>);

enum Kind {
    /// A thread, started when it is needed first.
    Own(OnceLock<Option<ThreadPool>>),
    /// The application's runtime.
    Runtime(Box<Spawn>),
}

impl Finisher {
    pub(crate) fn own_thread() -> Self {
        Self(Arc::new(Kind::Own(OnceLock::new())))
    }

    pub(crate) fn runtime(spawn: impl Fn(Work) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Kind::Runtime(Box::new(spawn))))
    }

    fn finish(&self, work: Work) {
        let work = Box::pin(unless_it_panics(work));
        match &*self.0 {
            Kind::Runtime(spawn) => {
                if catch_unwind(AssertUnwindSafe(|| spawn(work))).is_err() {
                    tracing::error!("the runtime does not finish writes that callers have left");
                }
            }
            Kind::Own(pool) => match pool.get_or_init(start) {
                Some(pool) => pool.spawn_ok(work),
                // Its part of the cache stays switched off.
                None => tracing::error!("a write that its caller has left cannot be finished"),
            },
        }
    }
}

impl fmt::Debug for Finisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self.0 {
            Kind::Own(_) => "OwnThread",
            Kind::Runtime(_) => "Runtime",
        })
    }
}

fn start() -> Option<ThreadPool> {
    let pool = ThreadPool::builder()
        .pool_size(1)
        .name_prefix("revocable-cache-")
        .create();
    pool.inspect_err(|error| tracing::error!(%error, "cannot start a thread"))
        .ok()
}

/// A panic in one write must not end the thread that finishes the others.
async fn unless_it_panics(mut work: Work) {
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        polled.unwrap_or_else(|_| {
            tracing::error!("a write panicked");
            Poll::Ready(())
        })
    })
    .await;
}

/// A write that comes to its end: if it is dropped before, somebody else goes on
/// with it. Made where it is awaited, so that there is none that has not begun.
pub(crate) struct Carried<T: Send + 'static> {
    write: Option<Pin<Box<dyn Future<Output = T> + Send + 'static>>>,
    finisher: Finisher,
    /// Who is told if it is dropped, and what the write may change.
    abandoned: Option<(Arc<Abandoned>, Reach)>,
}

impl<T: Send + 'static> Carried<T> {
    pub(crate) fn new(
        finisher: &Finisher,
        write: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        Self {
            write: Some(Box::pin(write)),
            finisher: finisher.clone(),
            abandoned: None,
        }
    }

    /// If it is dropped, whoever asks the store about what it reaches waits for it.
    pub(crate) fn noted(mut self, abandoned: &Arc<Abandoned>, reach: Reach) -> Self {
        self.abandoned = Some((Arc::clone(abandoned), reach));
        self
    }
}

impl<T: Send + 'static> Carried<T> {
    /// What comes of it, if that takes no waiting; otherwise somebody else goes
    /// on with it.
    pub(crate) fn if_ready(mut self) -> Option<T> {
        match Pin::new(&mut self).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }
}

impl<T: Send + 'static> Future for Carried<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        // Out of its place while it runs: if it panics it is not polled again.
        let mut write = this.write.take().expect("polled after it was ready");
        let polled = write.as_mut().poll(context);
        if polled.is_pending() {
            this.write = Some(write);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Carried<T> {
    fn drop(&mut self) {
        if let Some(write) = self.write.take() {
            let abandoned = self.abandoned.take();
            let finishing = abandoned.map(|(abandoned, reach)| abandoned.add(reach));
            self.finisher.finish(Box::pin(async {
                write.await;
                drop(finishing);
            }));
        }
    }
}
