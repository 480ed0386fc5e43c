//! What a request gets that has to have a session and has none.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse};
use revocable_core::{Error, ErrorKind, Result};

/// The answer to a request without the session that it has to have, as
/// `app_data` of an application, a scope or a resource; the innermost counts.
///
/// Unless told otherwise that is 401 with the challenge `Cookie`, and 403 where
/// the login is too long ago. Pages for people rather send them to where they can
/// do something about it:
///
/// ```
/// use actix_web::{App, web};
/// use revocable_actix::SessionConfig;
///
/// let pages = SessionConfig::new().log_in_at("/login")?.step_up_at("/confirm")?;
/// let app = App::new()
///     .service(web::scope("/api").app_data(SessionConfig::new()))
///     .service(web::scope("").app_data(pages));
/// # Ok::<(), revocable_core::Error>(())
/// ```
///
/// A failure of the store is neither of these: it is 503 for everybody.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    no_session: Answer,
    too_old: Answer,
}

/// How a request is turned away.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// 401 with this challenge.
    Challenge(HeaderValue),
    /// 303 to this place.
    SeeOther(HeaderValue),
    /// 403.
    Forbidden,
}

impl SessionConfig {
    /// 401 with a challenge, and 403.
    pub fn new() -> Self {
        Self {
            // RFC 9110, section 15.5.2: a 401 has a challenge. No scheme is
            // registered for cookies, and one that a browser knows would make
            // it ask for a password.
            no_session: Answer::Challenge(HeaderValue::from_static("Cookie")),
            too_old: Answer::Forbidden,
        }
    }

    /// 401 with this `WWW-Authenticate`.
    #[must_use]
    pub fn challenge(mut self, challenge: HeaderValue) -> Self {
        self.no_session = Answer::Challenge(challenge);
        self
    }

    /// Sends who has no session to this page, by 303: whatever the method was,
    /// the browser fetches it with `GET`.
    ///
    /// # Errors
    ///
    /// Those of [`location`](revocable_http::location).
    pub fn log_in_at(mut self, uri: &str) -> Result<Self> {
        self.no_session = Answer::SeeOther(page(uri)?);
        Ok(self)
    }

    /// Sends whose login is too long ago to this page, by 303, to prove again
    /// who they are.
    ///
    /// # Errors
    ///
    /// Those of [`location`](revocable_http::location).
    pub fn step_up_at(mut self, uri: &str) -> Result<Self> {
        self.too_old = Answer::SeeOther(page(uri)?);
        Ok(self)
    }

    pub(crate) fn of(request: &HttpRequest) -> Self {
        request.app_data::<Self>().cloned().unwrap_or_default()
    }

    pub(crate) fn no_session(&self) -> Answer {
        self.no_session.clone()
    }

    pub(crate) fn too_old(&self) -> Answer {
        self.too_old.clone()
    }
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Challenge(_) => StatusCode::UNAUTHORIZED,
            Self::SeeOther(_) => StatusCode::SEE_OTHER,
            Self::Forbidden => StatusCode::FORBIDDEN,
        }
    }

    pub(crate) fn write(&self, response: &mut HttpResponse) {
        let headers = response.headers_mut();
        match self {
            Self::Challenge(challenge) => {
                headers.insert(WWW_AUTHENTICATE, challenge.clone());
            }
            Self::SeeOther(place) => {
                headers.insert(LOCATION, place.clone());
            }
            Self::Forbidden => {}
        }
    }
}

/// A page to send browsers to, as the header of actix's version of `http`.
fn page(uri: &str) -> Result<HeaderValue> {
    revocable_http::location(uri)?;
    header_value(uri)
}

fn header_value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|error| {
        let message = "this cannot be the value of a header";
        Error::new(ErrorKind::Configuration, message).with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_header_can_have_is_refused() {
        for text in ["/login\r\nSet-Cookie: a=1", "/\0"] {
            let error = SessionConfig::new().log_in_at(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(SessionConfig::new().step_up_at(text).is_err());
        }
    }
}
