//! The middleware that refuses requests which another site has forged.

mod body;
mod check;
mod form;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use pin_project_lite::pin_project;
use revocable_http::{CsrfPolicy, CsrfRefusal, CsrfRequest, RequestSession, status};
use tower_layer::Layer;
use tower_service::Service;

pub use body::CsrfBody;
use check::{Check, Conclusion};

/// Refuses requests that another site has forged, by a [`CsrfPolicy`], with 403
/// and an empty body. Why, a [`CsrfRefusal`], is in the response's extensions
/// for middleware around it, and in a `tracing` event; the client is not told.
///
/// It has to be inside of [`SessionLayer`](crate::SessionLayer), whose session
/// tokens are bound to. Where that is missing or the order is wrong, every
/// request is answered with 500, from the first one on, and a `tracing` event
/// says what to change.
///
/// # Tokens
///
/// Only where neither `Sec-Fetch-Site` nor `Origin` has decided, and the policy
/// has a key, a token is looked for:
///
/// 1. in the field [`X-CSRF-Token`](CsrfPolicy::HEADER);
/// 2. without that, in the body, if that is a form of the type
///    `application/x-www-form-urlencoded`: the form's field
///    [`csrf_token`](CsrfPolicy::FORM_FIELD), which has to be within the first
///    64 KiB ([`form_limit`](Self::form_limit)), so put it first. What was read is
///    put back: the inner service gets the body as it came, in a [`CsrfBody`].
///
/// Forms of the type `multipart/form-data`, such as those that upload files, send
/// the token in the header field.
///
/// This is done here and not by an extractor, because an extractor can be
/// forgotten: the handler without one would be open. Here everything is closed
/// that does not bring a token.
///
/// The store is asked only if there is a token. If it cannot answer, the answer is
/// 503.
#[derive(Debug, Clone)]
pub struct CsrfLayer {
    policy: CsrfPolicy,
    form_limit: usize,
}

impl CsrfLayer {
    /// In how much of a form the token is looked for, in bytes, unless told
    /// otherwise.
    pub const FORM_LIMIT: usize = 64 * 1024;

    /// The layer for this policy.
    pub fn new(policy: CsrfPolicy) -> Self {
        Self {
            policy,
            form_limit: Self::FORM_LIMIT,
        }
    }

    /// In how much of a form the token is looked for, in bytes. As much is held in
    /// memory, and one chunk of the body more. Zero: no body is read.
    #[must_use]
    pub fn form_limit(mut self, bytes: usize) -> Self {
        self.form_limit = bytes;
        self
    }
}

impl<S> Layer<S> for CsrfLayer {
    type Service = CsrfService<S>;

    fn layer(&self, inner: S) -> CsrfService<S> {
        CsrfService {
            layer: self.clone(),
            inner,
        }
    }
}

/// What [`CsrfLayer`] makes of a service.
#[derive(Debug, Clone)]
pub struct CsrfService<S> {
    layer: CsrfLayer,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for CsrfService<S>
where
    S: Service<Request<CsrfBody<B>>, Response = Response<R>> + Clone,
    B: Body,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = CsrfFuture<S, B, R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Some(session) = request.extensions().get::<RequestSession>().cloned() else {
            return CsrfFuture::answered(no_session_layer());
        };
        request.extensions_mut().insert(self.layer.policy.clone());
        let verdict = self.layer.policy.verdict(&described(
            request.method(),
            request.uri(),
            request.headers(),
        ));
        if verdict.wants_token()
            && let Some(place) = check::Place::of(&request, self.layer.form_limit)
        {
            // The service that was polled for readiness is the one that is called
            // later; its place takes one that will be polled.
            let next = self.inner.clone();
            let ready = std::mem::replace(&mut self.inner, next);
            let check = Check::new(self.layer.clone(), session, request, place);
            return CsrfFuture {
                state: State::Checking {
                    checking: Some(Box::new((check, ready))),
                },
            };
        }
        verdict.trace();
        match verdict.refusal() {
            Some(refusal) if !verdict.is_allowed() => CsrfFuture::answered(refused(refusal)),
            _ => CsrfFuture {
                state: State::Handling {
                    inner: self.inner.call(request.map(CsrfBody::untouched)),
                },
            },
        }
    }
}

/// What the policy looks at.
fn described<'a>(
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
) -> CsrfRequest<'a, HeaderMap> {
    let authority = uri.authority().map(|authority| authority.as_str());
    CsrfRequest::new(method.as_str(), headers).authority(authority)
}

fn refused<R: Default>(refusal: CsrfRefusal) -> Response<R> {
    let mut response = answer(StatusCode::FORBIDDEN);
    response.extensions_mut().insert(refusal);
    response
}

fn no_session_layer<R: Default>() -> Response<R> {
    tracing::error!(
        target: "revocable",
        "CsrfLayer is not inside of SessionLayer: with `Router::layer` and the like, add \
         SessionLayer after it; in a `ServiceBuilder`, before it"
    );
    answer(StatusCode::INTERNAL_SERVER_ERROR)
}

fn answer<R: Default>(status: StatusCode) -> Response<R> {
    let mut response = Response::new(R::default());
    *response.status_mut() = status;
    response
}

pin_project! {
    /// The response of a [`CsrfService`].
    pub struct CsrfFuture<S, B, R>
    where
        S: Service<Request<CsrfBody<B>>>,
        B: Body,
    {
        #[pin]
        state: State<S, B, R>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, R>
    where
        S: Service<Request<CsrfBody<B>>>,
        B: Body,
    {
        Answered { response: Option<Response<R>> },
        Checking { checking: Option<Box<(Check<B>, S)>> },
        Handling { #[pin] inner: S::Future },
    }
}

impl<S: Service<Request<CsrfBody<B>>>, B: Body, R> CsrfFuture<S, B, R> {
    fn answered(response: Response<R>) -> Self {
        Self {
            state: State::Answered {
                response: Some(response),
            },
        }
    }
}

/// A future is not polled after it is ready.
const POLLED_AGAIN: &str = "a future is not polled after it is ready";

impl<S, B, R> Future for CsrfFuture<S, B, R>
where
    S: Service<Request<CsrfBody<B>>, Response = Response<R>>,
    B: Body,
    R: Default,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Answered { response } => {
                    return Poll::Ready(Ok(response.take().expect(POLLED_AGAIN)));
                }
                StateProjection::Handling { inner } => return inner.poll(context),
                StateProjection::Checking { checking } => {
                    let (check, _) = &mut **checking.as_mut().expect(POLLED_AGAIN);
                    let conclusion = ready!(check.poll(context));
                    let (check, mut service) = *checking.take().expect(POLLED_AGAIN);
                    match conclusion {
                        Conclusion::Allowed => {
                            let inner = service.call(check.into_request());
                            this.state.set(State::Handling { inner });
                        }
                        Conclusion::Refused(refusal) => {
                            return Poll::Ready(Ok(refused(refusal)));
                        }
                        Conclusion::Failed(error) => {
                            return Poll::Ready(Ok(answer(status(&error))));
                        }
                    }
                }
            }
        }
    }
}

impl<S: Service<Request<CsrfBody<B>>>, B: Body, R> fmt::Debug for CsrfFuture<S, B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsrfFuture").finish_non_exhaustive()
    }
}
