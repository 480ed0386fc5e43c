//! What a handler asks for in its arguments.

use std::ops::Deref;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::current::CurrentSession;
use crate::error::{Error, Result};

/// The future of an extractor.
pub(crate) type Extracting<T> = Pin<Box<dyn Future<Output = Result<T>>>>;

/// The live session that the request has to have: without one the handler does
/// not run.
///
/// As an argument `Option<Session>` is read by actix-web, which makes `None` of
/// an error of the store too. So that nobody is logged out by such an error, the
/// request is then answered with 503, whatever the handler made of it; better
/// take [`MaybeSession`], with which the handler does not run. The same holds for
/// `Result<Session, _>`; whoever has something to say without the store takes
/// [`CurrentSession`].
///
/// ```
/// use actix_web::get;
/// use revocable_actix::Session;
///
/// #[get("/account")]
/// async fn account(session: Session) -> String {
///     format!("this is the account of {}", session.user())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Session(pub revocable_core::Session);

/// The live session that the request has, if it has one. A failure of the
/// store is an error, not `None`.
///
/// ```
/// use actix_web::get;
/// use revocable_actix::MaybeSession;
///
/// #[get("/")]
/// async fn front(MaybeSession(session): MaybeSession) -> String {
///     match session {
///         Some(session) => format!("welcome back, {}", session.user()),
///         None => "welcome".to_owned(),
///     }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct MaybeSession(pub Option<revocable_core::Session>);

/// As [`Session`], of a user who proved within so many seconds who they are:
/// for a step-up before something sensitive. [`CurrentSession::fresh`] takes a
/// duration that is known later.
///
/// ```
/// use actix_web::{HttpResponse, post};
/// use revocable_actix::Fresh;
///
/// #[post("/password")]
/// async fn change_password(session: Fresh<300>) -> HttpResponse {
///     HttpResponse::NoContent().finish()
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Fresh<const SECONDS: u64>(pub revocable_core::Session);

impl FromRequest for Session {
    type Error = Error;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = CurrentSession::of(request);
        Box::pin(async move {
            let request = request?;
            request.noting(request.required().await).map(Self)
        })
    }
}

impl FromRequest for MaybeSession {
    type Error = Error;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = CurrentSession::of(request);
        Box::pin(async move {
            let request = request?;
            request.noting(request.session().await).map(Self)
        })
    }
}

impl<const SECONDS: u64> FromRequest for Fresh<SECONDS> {
    type Error = Error;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = CurrentSession::of(request);
        Box::pin(async move {
            let request = request?;
            let session = request.fresh(Duration::from_secs(SECONDS)).await;
            request.noting(session).map(Self)
        })
    }
}

impl Deref for Session {
    type Target = revocable_core::Session;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<const SECONDS: u64> Deref for Fresh<SECONDS> {
    type Target = revocable_core::Session;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
