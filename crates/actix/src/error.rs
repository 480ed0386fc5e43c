//! Why a request was not answered as it wished.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use revocable_core::{AuthenticationTooOld, ErrorKind};
use revocable_http::CsrfRefusal;

use crate::config::Answer;

/// The result of what a handler does with its session.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request was not answered as it wished, and the answer that it gets:
///
/// | | status |
/// | --- | --- |
/// | there is no session | 401 with `WWW-Authenticate`, or a redirection |
/// | the login is too long ago | 403, or a redirection |
/// | another site may have forged the request | 403 |
/// | the store failed | that of [`revocable_http::status`]: 503, and the cookie stays |
/// | a middleware is missing | 500 |
///
/// The body is the name of the status and says no more; a `tracing` event says
/// what failed. Every error of `revocable_core` turns into this by `?`.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] Kind);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Kind {
    #[error("the request has no session")]
    NoSession(Answer),
    #[error("the request's session is not fresh enough")]
    TooOld(Answer, #[source] AuthenticationTooOld),
    #[error("the request may come from another site")]
    Forged(CsrfRefusal),
    #[error(transparent)]
    Failed(revocable_core::Error),
    #[error("the request did not come through {0}")]
    NotWrapped(&'static str),
}

impl Error {
    /// What failed, if something did: neither a refusal nor a missing
    /// middleware.
    pub fn failure(&self) -> Option<&revocable_core::Error> {
        match &self.0 {
            Kind::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Why the request is taken for forged, if it is: for logs and metrics.
    pub fn refusal(&self) -> Option<CsrfRefusal> {
        match self.0 {
            Kind::Forged(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Tells the operator what the client is not told.
    fn trace(&self) {
        match &self.0 {
            Kind::Failed(error) => match error.kind() {
                // The client's or the user's doing.
                ErrorKind::InvalidInput | ErrorKind::Superseded | ErrorKind::TooManySessions => {
                    tracing::debug!(target: "revocable", %error, "request failed");
                }
                _ => {
                    let cause = error.cause().map(tracing::field::display);
                    tracing::error!(target: "revocable", %error, cause, "request failed");
                }
            },
            Kind::NotWrapped(_) => {
                tracing::error!(target: "revocable", error = %self, "request failed");
            }
            // The verdict has been told already.
            Kind::NoSession(_) | Kind::TooOld(..) | Kind::Forged(_) => {}
        }
    }
}

impl From<revocable_core::Error> for Error {
    fn from(error: revocable_core::Error) -> Self {
        Self(Kind::Failed(error))
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match &self.0 {
            Kind::NoSession(answer) | Kind::TooOld(answer, _) => answer.status(),
            Kind::Forged(_) => StatusCode::FORBIDDEN,
            // actix-web has the type of another version of `http`.
            Kind::Failed(error) => StatusCode::from_u16(revocable_http::status(error).as_u16())
                .unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            Kind::NotWrapped(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        self.trace();
        let status = self.status_code();
        // Not the message: what stands behind an application is not told to
        // its clients.
        let text = status.canonical_reason().unwrap_or_default();
        let mut response = HttpResponse::with_body(status, text).map_into_boxed_body();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, plain);
        if let Kind::NoSession(answer) | Kind::TooOld(answer, _) = &self.0 {
            answer.write(&mut response);
        }
        response
    }
}
