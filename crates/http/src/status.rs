//! What an error is to the client.

use http::StatusCode;
use revocable_core::{Error, ErrorKind};

/// The status with which to answer when something failed. Never one that says
/// "logged out", and the cookie stays as it is: that the store cannot answer
/// says nothing about the session.
///
/// | kind | status |
/// | --- | --- |
/// | `Unavailable`, `UnknownOutcome`, `Conflict`, `Full`, `Corrupt` | 503 |
/// | `Superseded`, `TooManySessions`: the user may do something about it | 409 |
/// | `InvalidInput` | 400 |
/// | `Configuration` | 500 |
///
/// Kinds that come later are 503.
pub fn status(error: &Error) -> StatusCode {
    match error.kind() {
        ErrorKind::Superseded | ErrorKind::TooManySessions => StatusCode::CONFLICT,
        ErrorKind::InvalidInput => StatusCode::BAD_REQUEST,
        ErrorKind::Configuration => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_of_a_store_says_logged_out() {
        let of = |kind| status(&Error::new(kind, "")).as_u16();
        for kind in [
            ErrorKind::Unavailable,
            ErrorKind::UnknownOutcome,
            ErrorKind::Conflict,
            ErrorKind::Full,
            ErrorKind::Corrupt,
        ] {
            assert_eq!(of(kind), 503);
        }
        assert_eq!(of(ErrorKind::Superseded), 409);
        assert_eq!(of(ErrorKind::TooManySessions), 409);
        assert_eq!(of(ErrorKind::InvalidInput), 400);
        assert_eq!(of(ErrorKind::Configuration), 500);
    }
}
