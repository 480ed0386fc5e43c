//! The middleware that keeps forged requests away from handlers.

use std::future::{Ready, ready};
use std::ops::Deref;
use std::rc::Rc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest};
use revocable_core::SessionId;
use revocable_http::{CsrfPolicy, CsrfRequest, CsrfVerdict};

use crate::current::CurrentSession;
use crate::error::Kind;
use crate::extract::Extracting;
use crate::fields::Fields;
use crate::form::FormField;
use crate::middleware::Answering;

/// Answers with 403 what another site may have forged, as [`CsrfPolicy`] says.
///
/// It has to be inside of [`SessionMiddleware`](crate::SessionMiddleware), which
/// is wrapped after it: otherwise every request is answered with 500. Why a
/// request was refused is the [`refusal`](crate::Error::refusal) of the response's
/// error, and in a `tracing` event; the client is not told.
///
/// # Tokens in forms
///
/// A token comes in the field `X-CSRF-Token` or in the form. Forms are read, and
/// handed on to the handler, under conditions that keep it cheap for whoever
/// sends nothing but bytes:
///
/// - neither `Sec-Fetch-Site` nor `Origin` has decided: no browser of today;
/// - there is a live session, for without one no token is good;
/// - the form is `application/x-www-form-urlencoded` and says by
///   `Content-Length` that it is no longer than
///   [`form_limit`](Self::form_limit), 64 KiB unless told otherwise.
///
/// Files are not read: a form with `multipart/form-data` sends its token by a
/// script, in the field of the request. A form with two tokens has none.
///
/// This is done here and not by an argument of handlers, because an argument can
/// be forgotten: that handler would be open.
///
/// ```
/// use revocable_actix::CsrfMiddleware;
/// use revocable_http::{CsrfKey, CsrfPolicy};
///
/// let policy = CsrfPolicy::builder().origin("https://example.com").key(CsrfKey::random()?).build()?;
/// let middleware = CsrfMiddleware::new(policy);
/// # Ok::<(), revocable_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct CsrfMiddleware {
    policy: CsrfPolicy,
    form: FormField,
}

impl CsrfMiddleware {
    /// The middleware for this policy.
    pub fn new(policy: CsrfPolicy) -> Self {
        Self {
            policy,
            form: FormField::default(),
        }
    }

    /// The name of the form's field with the token;
    /// [`CsrfPolicy::FORM_FIELD`] unless told otherwise.
    #[must_use]
    pub fn form_field(mut self, name: impl Into<String>) -> Self {
        self.form.name = name.into();
        self
    }

    /// The longest form that is read for its token, in bytes; as much is held in
    /// memory. Zero: no form is read.
    #[must_use]
    pub fn form_limit(mut self, bytes: usize) -> Self {
        self.form.max_len = bytes;
        self
    }
}

impl<S, B> Transform<S, ServiceRequest> for CsrfMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = CsrfService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(CsrfService {
            csrf: Rc::new(self.clone()),
            service: Rc::new(service),
        }))
    }
}

/// The service that [`CsrfMiddleware`] makes.
#[derive(Debug)]
pub struct CsrfService<S> {
    csrf: Rc<CsrfMiddleware>,
    service: Rc<S>,
}

impl<S, B> Service<ServiceRequest> for CsrfService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Answering<B>;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let (csrf, service) = (self.csrf.clone(), self.service.clone());
        request.extensions_mut().insert(csrf.policy.clone());
        Box::pin(async move {
            match csrf.check(&mut request).await {
                Ok(()) => Ok(service.call(request).await?.map_into_left_body()),
                Err(error) => Ok(request.error_response(error).map_into_right_body()),
            }
        })
    }
}

impl CsrfMiddleware {
    async fn check(&self, request: &mut ServiceRequest) -> Result<(), Error> {
        // First, so that the wrong order shows from the first request on.
        let current = CurrentSession::of(request.request())?;
        let mut verdict = self.verdict(request, None, None);
        if verdict.wants_token() {
            verdict = match self.verdict_with_token(&current, request).await {
                Ok(verdict) => verdict,
                // Every request passes, so also one of which nothing can be
                // said. What needs the session fails by itself.
                Err(_) if self.policy.is_report_only() => verdict,
                Err(error) => return Err(error),
            };
        }
        verdict.trace();
        match verdict.refusal() {
            Some(refusal) if !verdict.is_allowed() => {
                Err(crate::Error::from(Kind::Forged(refusal)).into())
            }
            _ => Ok(()),
        }
    }

    /// The verdict where nothing but a token can decide.
    async fn verdict_with_token(
        &self,
        current: &CurrentSession,
        request: &mut ServiceRequest,
    ) -> Result<CsrfVerdict, Error> {
        let session = current.session().await?;
        let session = session.map(|session| session.id());
        let verdict = self.verdict(request, session, None);
        if session.is_none() || !verdict.wants_token() {
            return Ok(verdict);
        }
        let token = self.form.read(request).await?;
        Ok(self.verdict(request, session, token.as_deref()))
    }

    fn verdict(
        &self,
        request: &ServiceRequest,
        session: Option<SessionId>,
        form_token: Option<&[u8]>,
    ) -> CsrfVerdict {
        let fields = Fields(request.headers());
        let authority = request.uri().authority();
        let asked = CsrfRequest::new(request.method().as_str(), &fields)
            .authority(authority.map(|authority| authority.as_str()))
            .session(session)
            .form_token(form_token);
        self.policy.verdict(&asked)
    }
}

/// A token for the forms and scripts of the page that a handler makes, bound to
/// the session that the request has to have.
///
/// ```
/// use actix_web::get;
/// use actix_web::web::Html;
/// use revocable_actix::FormToken;
///
/// #[get("/settings")]
/// async fn settings(token: FormToken) -> Html {
///     Html::new(format!(
///         r#"<form method="post"><input type="hidden" name="csrf_token" value="{}">...</form>"#,
///         token.expose(),
///     ))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct FormToken(pub revocable_http::CsrfToken);

impl FromRequest for FormToken {
    type Error = crate::Error;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let policy = request.extensions().get::<CsrfPolicy>().cloned();
        let request = CurrentSession::of(request);
        Box::pin(async move {
            let (request, policy) = (request?, policy.ok_or(Kind::NotWrapped("CsrfMiddleware"))?);
            let session = request.noting(request.required().await)?;
            Ok(Self(policy.token(session.id())?))
        })
    }
}

impl Deref for FormToken {
    type Target = revocable_http::CsrfToken;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
