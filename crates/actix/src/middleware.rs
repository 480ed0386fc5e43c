//! The middleware that gives a request its session and a response its cookie.

use std::cell::Cell;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::{Error, HttpMessage, HttpResponse};
use revocable_core::ErrorKind;
use revocable_http::WebSessions;

use crate::current::Begun;
use crate::fields::{Fields, FieldsMut};

/// The future of a middleware: actix-web's stay on their thread.
pub(crate) type Answering<B> =
    Pin<Box<dyn Future<Output = Result<ServiceResponse<EitherBody<B>>, Error>>>>;

/// Gives requests their session, and puts what becomes of it into the response:
/// the cookie, and what caches are told. Also into an error, whether it is a
/// response already or one that is still on its way.
///
/// It asks no store; what a handler asks for in its arguments does. Every worker
/// has one, of clones of the same [`WebSessions`].
///
/// ```
/// use actix_web::App;
/// use revocable_actix::{CsrfMiddleware, SessionMiddleware};
/// use revocable_http::{CookiePolicy, CsrfPolicy, WebSessions};
/// # use revocable_core::Sessions;
/// # use revocable_memory::MemoryStore;
///
/// let sessions = Sessions::builder(MemoryStore::new()).build()?;
/// let web = WebSessions::new(sessions, CookiePolicy::default());
/// let csrf = CsrfPolicy::builder().origin("https://example.com").build()?;
///
/// let app = App::new()
///     .wrap(CsrfMiddleware::new(csrf))
///     .wrap(SessionMiddleware::new(web)); // what is wrapped last comes first
/// # Ok::<(), revocable_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SessionMiddleware {
    web: WebSessions,
}

impl SessionMiddleware {
    /// The middleware for these sessions.
    pub fn new(web: WebSessions) -> Self {
        Self { web }
    }
}

impl<S, B> Transform<S, ServiceRequest> for SessionMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = SessionService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(SessionService {
            web: self.web.clone(),
            service,
        }))
    }
}

/// The service that [`SessionMiddleware`] makes.
#[derive(Debug)]
pub struct SessionService<S> {
    web: WebSessions,
    service: S,
}

impl<S, B> Service<ServiceRequest> for SessionService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Answering<B>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let begun = Begun {
            request: self.web.begin(&Fields(request.headers())),
            unknown: Rc::new(Cell::new(false)),
        };
        request.extensions_mut().insert(begun.clone());
        let answer = self.service.call(request);
        Box::pin(async move {
            let answer = answer.await;
            begun.request.renew_if_due().await;
            match answer {
                Ok(response) => {
                    let mut response = begun.checked(response);
                    begun.request.apply(&mut FieldsMut(response.headers_mut()));
                    Ok(response)
                }
                Err(error) => Err(begun.told_with(error)),
            }
        })
    }
}

impl Begun {
    /// The response, unless it was made without knowing whether there is a
    /// session, as if there were none.
    fn checked<B>(&self, response: ServiceResponse<B>) -> ServiceResponse<EitherBody<B>> {
        match self.unknown_behind(response.status()) {
            None => response.map_into_left_body(),
            Some(unknown) => response
                .into_response(HttpResponse::from_error(unknown))
                .map_into_right_body(),
        }
    }

    /// The error, under the same condition, whose response will have what
    /// belongs to the session.
    fn told_with(self, error: Error) -> Error {
        let status = error.as_response_error().status_code();
        let mut error = self.unknown_behind(status).unwrap_or(error);
        let mut nothing = HeaderMap::new();
        self.request.apply(&mut FieldsMut(&mut nothing));
        if !nothing.is_empty() {
            error.add_response_mapper(move |mut response| {
                self.request.apply(&mut FieldsMut(response.headers_mut()));
                response
            });
        }
        error
    }

    /// What has to be answered instead of this status, if an argument failed
    /// and somebody has made "no session" of it.
    fn unknown_behind(&self, status: StatusCode) -> Option<Error> {
        (self.unknown.get() && !status.is_server_error()).then(|| {
            let unknown = revocable_core::Error::new(
                ErrorKind::Unavailable,
                "nobody knows whether the request has a session",
            );
            crate::Error::from(unknown).into()
        })
    }
}
