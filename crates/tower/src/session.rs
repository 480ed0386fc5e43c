//! The middleware that gives each request its session.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use revocable_http::{RequestSession, WebSessions};
use tower_layer::Layer;
use tower_service::Service;

/// Gives each request its session, as a [`RequestSession`] in the request's
/// extensions, and puts into the response what became of it.
///
/// The store is asked when a handler asks for the session, and once; not at all
/// if none does. A token that is due is then renewed, and the new one is set on
/// whatever response there is, errors included.
///
/// # What has to be inside
///
/// Whatever asks for the session: handlers, [`CsrfLayer`](crate::CsrfLayer), and
/// middleware that checks rights. Also what makes responses of errors and
/// timeouts: an error of the inner service passes through as it is, so there is no
/// response that a new token could be set on, and nothing is renewed.
///
/// # When a request is given up
///
/// A future that is dropped leaves nothing half done. A token that was renewed
/// and did not reach the browser is good until its successor arrives, as after a
/// response that was lost on the way.
#[derive(Debug, Clone)]
pub struct SessionLayer {
    web: WebSessions,
    #[cfg(feature = "axum")]
    answers: std::sync::Arc<crate::axum::Answers>,
}

impl SessionLayer {
    /// The layer for these sessions in their cookie.
    pub fn new(web: WebSessions) -> Self {
        Self {
            web,
            #[cfg(feature = "axum")]
            answers: std::sync::Arc::default(),
        }
    }

    /// How the extractors answer.
    #[cfg(feature = "axum")]
    pub(crate) fn answers_mut(&mut self) -> &mut crate::axum::Answers {
        std::sync::Arc::make_mut(&mut self.answers)
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        SessionService {
            layer: self.clone(),
            inner,
        }
    }
}

/// What [`SessionLayer`] makes of a service.
#[derive(Debug, Clone)]
pub struct SessionService<S> {
    layer: SessionLayer,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for SessionService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = SessionFuture<S::Future, R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let session = self.layer.web.begin(request.headers());
        let extensions = request.extensions_mut();
        extensions.insert(session.clone());
        #[cfg(feature = "axum")]
        extensions.insert(self.layer.answers.clone());
        SessionFuture {
            session,
            // At once, so it is the service that was polled for readiness.
            state: State::Handling {
                inner: self.inner.call(request),
            },
        }
    }
}

pin_project! {
    /// The response of a [`SessionService`].
    pub struct SessionFuture<F, R> {
        session: RequestSession,
        #[pin]
        state: State<F, R>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, R> {
        Handling { #[pin] inner: F },
        Renewing {
            renewal: Pin<Box<dyn Future<Output = ()> + Send>>,
            // Until it is returned.
            response: Option<Response<R>>,
        },
    }
}

impl<F, R, E> Future for SessionFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let mut response = loop {
            match this.state.as_mut().project() {
                StateProjection::Handling { inner } => {
                    let response = ready!(inner.poll(context))?;
                    if !this.session.is_renewal_due() {
                        break response;
                    }
                    let session = this.session.clone();
                    this.state.set(State::Renewing {
                        renewal: Box::pin(async move { session.renew_if_due().await }),
                        response: Some(response),
                    });
                }
                StateProjection::Renewing { renewal, response } => {
                    ready!(renewal.as_mut().poll(context));
                    break response
                        .take()
                        .expect("a future is not polled after it is ready");
                }
            }
        };
        this.session.apply(response.headers_mut());
        Poll::Ready(Ok(response))
    }
}

impl<F, R> fmt::Debug for SessionFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionFuture").finish_non_exhaustive()
    }
}
