//! Which requests may act on a session: protection from cross-site request
//! forgery.

mod builder;
#[cfg(test)]
mod matrix;
mod origin;
mod request;
mod token;
mod verdict;

use std::fmt;
use std::sync::Arc;

use revocable_core::{Result, SessionId};

pub use builder::CsrfPolicyBuilder;
pub use request::CsrfRequest;
pub use token::{CsrfKey, CsrfToken};
pub use verdict::{CsrfPass, CsrfRefusal, CsrfVerdict};

use crate::entropy::Entropy;
use origin::Origin;

/// Which requests may act on a session, and which were forged by another site.
///
/// A browser adds the cookie to what other sites let it send. So a request that
/// changes something has to show that it does not come from one, and what shows
/// it is looked at in this order (OWASP Cross-Site Request Forgery Prevention
/// Cheat Sheet, "Fetch Metadata headers"):
///
/// | | passes | is refused |
/// | --- | --- | --- |
/// | 1. the method | `GET`, `HEAD` and `OPTIONS`, but for the handshake of a WebSocket | |
/// | 2. `Sec-Fetch-Site` | `same-origin`, `none` (the user typed it) | `same-site` and `cross-site`, unless the `Origin` is allowed |
/// | 3. `Origin` | an allowed one | any other, and `null` |
/// | 4. the token | that of the session | any other |
/// | 5. nothing of all that | | always |
///
/// Who is decided by one row does not get to the next: a token does not redeem
/// an origin. Two fields where there should be one are refused before all that.
///
/// Row 2 decides for every browser since 2023, over TLS and on `localhost`; row 3
/// for older ones, which send `Origin` with every `POST`. Tokens are for what
/// sends neither, and for applications that have to have them.
///
/// # What it rests on
///
/// - **Safe methods change nothing** (RFC 9110, section 9.2.1), and nothing
///   turns one method into another before the check, such as a field
///   `X-HTTP-Method-Override`. There are no exceptions by path: who has some
///   leaves the check out there and knows it.
/// - **Logging in** happens without a session, and so without a token. Rows 2
///   and 3 protect it: without them another site could log the user in to an
///   account of its own. That no token from before a login is good after it
///   comes by itself, for the login makes a session with another ID.
/// - **Clients that are no browsers** send none of it and are refused if they
///   come by a route that is checked. What takes its credential from a field
///   such as `Authorization`, never from a cookie, needs no check.
///
/// ```
/// use revocable_http::{CsrfPass, CsrfPolicy, CsrfRefusal, CsrfRequest};
/// use http::HeaderMap;
///
/// let policy = CsrfPolicy::builder().origin("https://example.com").build()?;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("sec-fetch-site", "same-origin".parse().unwrap());
/// let verdict = policy.verdict(&CsrfRequest::new("POST", &headers));
/// assert_eq!(verdict.passed(), Some(CsrfPass::SameOrigin));
///
/// headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
/// headers.insert("origin", "https://evil.example".parse().unwrap());
/// let verdict = policy.verdict(&CsrfRequest::new("POST", &headers));
/// assert!(!verdict.is_allowed());
/// assert_eq!(verdict.refusal(), Some(CsrfRefusal::CrossSite));
/// # Ok::<(), revocable_core::Error>(())
/// ```
#[derive(Clone)]
pub struct CsrfPolicy(Arc<Inner>);

struct Inner {
    origins: Vec<Origin>,
    compare_with_host: bool,
    report_only: bool,
    key: Option<CsrfKey>,
    /// Make no tokens, but are good for checking.
    previous_keys: Vec<CsrfKey>,
    entropy: Entropy,
}

impl CsrfPolicy {
    /// The field of a request in which scripts send the token.
    pub const HEADER: &str = "x-csrf-token";
    /// The usual name of the field of a form that holds the token.
    pub const FORM_FIELD: &str = "csrf_token";

    /// Begins a policy; [`CsrfPolicyBuilder`] lists what has to be told.
    pub fn builder() -> CsrfPolicyBuilder {
        CsrfPolicyBuilder::new()
    }

    /// Whether refusals are only reported.
    pub fn is_report_only(&self) -> bool {
        self.0.report_only
    }

    /// A token for the forms and scripts of this session's pages, different
    /// each time; all of a session's tokens are good until it ends.
    ///
    /// # Errors
    ///
    /// [`Configuration`](revocable_core::ErrorKind::Configuration) if the policy
    /// has no key; [`Unavailable`](revocable_core::ErrorKind::Unavailable) if the
    /// entropy source fails.
    pub fn token(&self, session: SessionId) -> Result<CsrfToken> {
        token::make(self.0.key.as_ref(), session, &self.0.entropy)
    }

    /// Whether a token was made for this session, by one of the policy's keys.
    /// Takes a time that does not depend on how much of it is right.
    pub fn verify(&self, session: SessionId, token: &[u8]) -> bool {
        token::verify(self.keys(), session, token)
    }

    fn keys(&self) -> impl Iterator<Item = &CsrfKey> {
        self.0.key.iter().chain(&self.0.previous_keys)
    }
}

impl fmt::Debug for CsrfPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsrfPolicy")
            .field("origins", &self.0.origins)
            .field("compare_with_host", &self.0.compare_with_host)
            .field("report_only", &self.0.report_only)
            .field("key", &self.0.key)
            .finish_non_exhaustive()
    }
}
