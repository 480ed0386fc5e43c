//! What ends when a session does.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use revocable_core::{EndReason, Watch};

pin_project! {
    /// A stream, or the body of a response, that ends when a session does.
    ///
    /// The watch is looked at first, so nothing is handed out after the end, not
    /// even of a stream that always has something. Whatever the session ends by
    /// wakes it: see [`Sessions::watch`](revocable_core::Sessions::watch) for what
    /// shows at once, and what when
    /// [`refresh_watches`](revocable_core::Sessions::refresh_watches) is called.
    /// No runtime is needed.
    ///
    /// ```
    /// # futures_executor::block_on(async {
    /// use revocable_core::Sessions;
    /// use revocable_memory::MemoryStore;
    /// use revocable_tower::UntilEnded;
    /// # struct Ticks;
    /// # impl futures_core::Stream for Ticks {
    /// #     type Item = u32;
    /// #     fn poll_next(
    /// #         self: std::pin::Pin<&mut Self>,
    /// #         _: &mut std::task::Context<'_>,
    /// #     ) -> std::task::Poll<Option<u32>> {
    /// #         std::task::Poll::Ready(Some(1))
    /// #     }
    /// # }
    ///
    /// let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// let (_token, session) = sessions.create("alice").await?;
    ///
    /// let watch = sessions.watch(session.id()).await?;
    /// let live = UntilEnded::new(Ticks, watch);
    /// # drop(live);
    /// # Ok::<(), revocable_core::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # WebSockets
    ///
    /// A [`Watch`] is a future of its own: wait for it and for the next message,
    /// whichever comes first, and close the socket when it is the watch.
    ///
    /// ```text
    /// loop {
    ///     tokio::select! {
    ///         reason = &mut watch => {
    ///             tracing::info!(%reason, "closed");
    ///             break socket.close().await; // 1008: policy violation
    ///         }
    ///         message = socket.recv() => { /* ... */ }
    ///     }
    /// }
    /// ```
    pub struct UntilEnded<S> {
        #[pin]
        inner: S,
        watch: Watch,
        ended: Option<EndReason>,
    }
}

impl<S> UntilEnded<S> {
    /// The stream or body, until the session ends that is watched.
    pub fn new(inner: S, watch: Watch) -> Self {
        Self {
            inner,
            watch,
            ended: None,
        }
    }

    /// Why it has ended, if it was the session's end.
    pub fn ended(&self) -> Option<EndReason> {
        self.ended
    }
}

impl<S: Stream> Stream for UntilEnded<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        if has_ended(this.watch, this.ended, context) {
            return Poll::Ready(None);
        }
        this.inner.poll_next(context)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.inner.size_hint().1)
    }
}

impl<B: Body> Body for UntilEnded<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        if has_ended(this.watch, this.ended, context) {
            return Poll::Ready(None);
        }
        this.inner.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.ended.is_some() || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // No lower bound: it may end at once.
        let mut hint = SizeHint::new();
        if let Some(upper) = self.inner.size_hint().upper() {
            hint.set_upper(upper);
        }
        hint
    }
}

fn has_ended(watch: &mut Watch, ended: &mut Option<EndReason>, context: &mut Context<'_>) -> bool {
    if let Poll::Ready(reason) = Pin::new(watch).poll(context) {
        ended.get_or_insert(reason);
    }
    ended.is_some()
}

impl<S> fmt::Debug for UntilEnded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilEnded")
            .field("watch", &self.watch)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
