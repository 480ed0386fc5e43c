//! The runtime that the connections live in, whoever asks.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use revocable_core::{Error, ErrorKind, Result};
use tokio::runtime::Handle;

/// Runs on the runtime until it is done, also if nobody waits any more: a write
/// that was begun is never left half-way.
///
/// # Errors
///
/// As the work, and [`UnknownOutcome`](ErrorKind::UnknownOutcome) if the runtime ends
/// meanwhile.
pub async fn carried_on<T: Send + 'static>(
    runtime: &Handle,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    runtime.spawn(work).await.unwrap_or_else(|error| {
        let message = "the runtime of the connection has ended, the outcome is not known";
        Err(Error::new(ErrorKind::UnknownOutcome, message).with_source(error))
    })
}

/// Runs wherever it is polled, with this runtime's timers.
pub fn within<F: Future>(runtime: &Handle, work: F) -> Within<F> {
    Within {
        runtime: runtime.clone(),
        work,
    }
}

pin_project! {
    /// As [`within`].
    #[derive(Debug)]
    pub struct Within<F> {
        runtime: Handle,
        #[pin]
        work: F,
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.runtime.enter();
        this.work.poll(context)
    }
}
