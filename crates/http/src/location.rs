//! Where a response sends a browser.

use http::header::HeaderValue;
use http::uri::Uri;
use revocable_core::{Error, ErrorKind, Result};

/// The value of `Location` (RFC 9110, section 10.2.2) for a page that browsers are
/// sent to, such as that of a login.
///
/// # Errors
///
/// [`Configuration`](ErrorKind::Configuration) if it is neither a path that begins
/// with one `/` nor a URI with `http` or `https`. A path without the `/` would
/// depend on the page that the browser was on, and of `//host` another site is
/// meant.
pub fn location(uri: &str) -> Result<HeaderValue> {
    let refuse = || {
        Error::new(
            ErrorKind::Configuration,
            "a page to send browsers to is a path that begins with / or a whole URI",
        )
    };
    let parsed: Uri = uri.parse().map_err(|error| refuse().with_source(error))?;
    let whole = matches!(parsed.scheme_str(), Some("http" | "https"));
    if !whole && (!uri.starts_with('/') || uri.starts_with("//")) {
        return Err(refuse());
    }
    uri.parse().map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_path_from_the_root_or_a_whole_uri() {
        for page in [
            "/",
            "/log-in",
            "/log-in?next=/a",
            "https://example.com/log-in",
        ] {
            assert_eq!(location(page).unwrap(), page);
        }
        for other in [
            "",
            "log-in",
            "example.com",
            "//example.com/a",
            "ftp://a/b",
            "/a\nb",
            "*",
        ] {
            let refused = location(other).map_err(|error| error.kind());
            assert_eq!(refused, Err(ErrorKind::Configuration), "{other}");
        }
    }
}
