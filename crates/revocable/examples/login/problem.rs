//! What is said when something fails.

use std::error::Error;

use axum::body::HttpBody;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::html;

const TITLE: &str = "That did not work";
const UNREACHABLE: &str = "The sessions cannot be reached. Please try again in a moment.";

/// A response in the place of the one that could not be made.
pub(crate) struct Problem(Response);

impl Problem {
    pub(crate) fn new(status: StatusCode, text: &str) -> Self {
        Self(html::message(status, TITLE, text))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.0
    }
}

/// Never "logged out", and the cookie stays as it is.
impl From<revocable::Error> for Problem {
    fn from(error: revocable::Error) -> Self {
        let status = revocable::http::status(&error);
        if status.is_server_error() {
            report(&error);
        }
        Self::new(
            status,
            match status {
                StatusCode::CONFLICT => {
                    "You were logged out everywhere meanwhile. Please log in again."
                }
                StatusCode::BAD_REQUEST => "The request makes no sense.",
                _ => UNREACHABLE,
            },
        )
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        report(&error);
        let text = "The users cannot be reached. Please try again in a moment.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
    }
}

/// The response, with a page if it has a status only: those of the layers, of the
/// extractors and of axum.
pub(crate) fn explained(response: Response) -> Response {
    let text = match response.status() {
        StatusCode::FORBIDDEN => "The request did not come from a page of this application.",
        StatusCode::NOT_FOUND => "There is no such page.",
        StatusCode::SERVICE_UNAVAILABLE => UNREACHABLE,
        status if status.is_client_error() => "The request makes no sense.",
        status if status.is_server_error() => "Something is wrong here.",
        _ => return response,
    };
    if response.body().size_hint().exact() != Some(0) {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let page = html::message(parts.status, TITLE, text);
    let content_type = page.headers().get(header::CONTENT_TYPE).cloned();
    parts
        .headers
        .extend(content_type.map(|value| (header::CONTENT_TYPE, value)));
    Response::from_parts(parts, page.into_body())
}

/// For who runs the application. None of these errors holds a secret.
pub(crate) fn report(error: &(dyn Error + 'static)) {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  caused by: {error}");
        cause = error.source();
    }
}
