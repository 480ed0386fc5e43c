//! Streams that last as long as a session.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use revocable_core::Watch;

/// A stream that ends when a session does; made by
/// [`CurrentSession::until_ended`](crate::CurrentSession::until_ended).
#[must_use = "a stream does nothing unless it is polled"]
pub struct UntilEnded<S> {
    watch: Watch,
    /// Dropped as soon as the session has ended.
    stream: Option<Pin<Box<S>>>,
}

impl<S> UntilEnded<S> {
    pub(crate) fn new(watch: Watch, stream: S) -> Self {
        Self {
            watch,
            stream: Some(Box::pin(stream)),
        }
    }
}

impl<S: Stream> Stream for UntilEnded<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.get_mut();
        // First: nothing is sent any more once the session has ended, however
        // much there is to be sent.
        if Pin::new(&mut this.watch).poll(context).is_ready() {
            this.stream = None;
        }
        let Some(stream) = &mut this.stream else {
            return Poll::Ready(None);
        };
        let polled = stream.as_mut().poll_next(context);
        if matches!(polled, Poll::Ready(None)) {
            this.stream = None;
        }
        polled
    }
}

impl<S> fmt::Debug for UntilEnded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilEnded")
            .field("watch", &self.watch)
            .finish_non_exhaustive()
    }
}
