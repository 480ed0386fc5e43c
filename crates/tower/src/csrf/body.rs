//! A body from which something may have been read ahead.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::form::Reading;

pin_project! {
    /// The body of a request that [`CsrfLayer`](crate::CsrfLayer) let pass: as it
    /// came, whether or not a token was looked for in it.
    pub struct CsrfBody<B>
    where
        B: Body,
    {
        // What was read ahead and is handed out first; few, whatever the chunks
        // were that it came in.
        read_ahead: VecDeque<Result<Frame<Bytes>, B::Error>>,
        #[pin]
        rest: Rest<B>,
    }
}

pin_project! {
    #[project = RestProjection]
    enum Rest<B> {
        Untouched { #[pin] body: B },
        // Pinned for good, because it has been polled.
        Begun { body: Pin<Box<B>> },
        Ended,
    }
}

impl<B: Body> CsrfBody<B> {
    pub(super) fn untouched(body: B) -> Self {
        Self::new(Rest::Untouched { body })
    }

    pub(super) fn to_be_read(body: B) -> Self {
        let body = Box::pin(body);
        Self::new(Rest::Begun { body })
    }

    fn new(rest: Rest<B>) -> Self {
        Self {
            read_ahead: VecDeque::new(),
            rest,
        }
    }

    /// Reads as much as is wanted, and puts it back.
    pub(super) fn poll_read_ahead(
        &mut self,
        context: &mut Context<'_>,
        reading: &mut Reading,
    ) -> Poll<()> {
        let Rest::Begun { body } = &mut self.rest else {
            return Poll::Ready(());
        };
        loop {
            let Some(frame) = ready!(body.as_mut().poll_frame(context)) else {
                self.rest = Rest::Ended;
                break;
            };
            match frame.map(|frame| frame.map_data(to_bytes).into_data()) {
                Ok(Ok(data)) => {
                    if let Some(left) = reading.add(data) {
                        self.read_ahead.push_back(Ok(Frame::data(left)));
                        break;
                    }
                }
                // Trailers: there is no more data.
                Ok(Err(trailers)) => {
                    self.read_ahead.push_back(Ok(trailers));
                    break;
                }
                Err(error) => {
                    reading.fail();
                    self.read_ahead.push_back(Err(error));
                    break;
                }
            }
        }
        let read = Bytes::copy_from_slice(reading.read());
        if !read.is_empty() {
            self.read_ahead.push_front(Ok(Frame::data(read)));
        }
        Poll::Ready(())
    }
}

impl<B: Body> Body for CsrfBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if let Some(frame) = this.read_ahead.pop_front() {
            return Poll::Ready(Some(frame));
        }
        let frame = match this.rest.project() {
            RestProjection::Untouched { body } => ready!(body.poll_frame(context)),
            RestProjection::Begun { body } => ready!(body.as_mut().poll_frame(context)),
            RestProjection::Ended => None,
        };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(to_bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.read_ahead.is_empty()
            && match &self.rest {
                Rest::Untouched { body } => body.is_end_stream(),
                Rest::Begun { body } => body.is_end_stream(),
                Rest::Ended => true,
            }
    }

    fn size_hint(&self) -> SizeHint {
        let rest = match &self.rest {
            Rest::Untouched { body } => body.size_hint(),
            Rest::Begun { body } => body.size_hint(),
            Rest::Ended => SizeHint::with_exact(0),
        };
        let data = |frame: &Result<Frame<Bytes>, _>| {
            let data = frame.as_ref().ok().and_then(Frame::data_ref);
            data.map_or(0, |data| data.len() as u64)
        };
        let read: u64 = self.read_ahead.iter().map(data).sum();
        let mut hint = SizeHint::new();
        // The upper bound first: it may not be below the lower one.
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(read));
        }
        hint.set_lower(rest.lower().saturating_add(read));
        hint
    }
}

/// Copies nothing if these are `Bytes`, as nearly everywhere.
fn to_bytes(mut data: impl Buf) -> Bytes {
    data.copy_to_bytes(data.remaining())
}

impl<B: Body> fmt::Debug for CsrfBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing of what was read: forms hold passwords.
        f.debug_struct("CsrfBody").finish_non_exhaustive()
    }
}
