//! What the extractors answer instead of a session.

use axum_core::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use revocable_core::{Error, ErrorKind};
use revocable_http::status;

/// Why an extractor has no session, and what it answers.
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionRejection {
    /// There is no live session.
    NotLoggedIn(Answer),
    /// The user has to prove again who they are.
    AuthenticationTooOld(Answer),
    /// The store cannot answer: nobody knows, so nobody gets in.
    Failed(SessionError),
    /// There is no [`SessionLayer`](crate::SessionLayer) around the handler, or for
    /// [`FormToken`](super::FormToken) no [`CsrfLayer`](crate::CsrfLayer).
    LayerMissing,
}

/// An answer that [`SessionLayer`](crate::SessionLayer) was told to give.
#[derive(Debug, Clone)]
pub struct Answer {
    status: StatusCode,
    field: Option<(HeaderName, HeaderValue)>,
}

impl Answer {
    pub(super) fn challenge(challenge: HeaderValue) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            field: Some((header::WWW_AUTHENTICATE, challenge)),
        }
    }

    pub(super) fn redirect(location: HeaderValue) -> Self {
        Self {
            status: StatusCode::SEE_OTHER,
            field: Some((header::LOCATION, location)),
        }
    }

    pub(super) fn forbidden() -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            field: None,
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some((name, value)) = self.field {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl IntoResponse for SessionRejection {
    fn into_response(self) -> Response {
        match self {
            Self::NotLoggedIn(answer) | Self::AuthenticationTooOld(answer) => {
                answer.into_response()
            }
            Self::Failed(error) => error.into_response(),
            Self::LayerMissing => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

impl From<Error> for SessionRejection {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

/// An [`Error`] as a response, so that handlers can use `?`: its
/// [status](revocable_http::status()) and an empty body; what went wrong goes to a
/// `tracing` event. Never "logged out", and the cookie stays as it is.
#[derive(Debug)]
pub struct SessionError(pub Error);

impl From<Error> for SessionError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for SessionError {
    fn into_response(self) -> Response {
        let Self(error) = self;
        match error.kind() {
            // The client's or the user's doing.
            ErrorKind::InvalidInput | ErrorKind::Superseded | ErrorKind::TooManySessions => {
                tracing::debug!(target: "revocable", %error, "request failed");
            }
            _ => {
                let cause = error.cause().map(tracing::field::display);
                tracing::error!(target: "revocable", %error, cause, "request failed");
            }
        }
        status(&error).into_response()
    }
}
