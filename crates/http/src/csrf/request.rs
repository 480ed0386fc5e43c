//! What is looked at of a request.

use std::fmt;

use revocable_core::SessionId;

use crate::headers::Headers;

/// What [`CsrfPolicy::verdict`](crate::CsrfPolicy::verdict) looks at: the method
/// and the header fields, and what else is known.
///
/// The session and a form's token are looked at only where nothing else has
/// decided. So an adapter asks for a verdict without them first, and only if
/// that [wants a token](crate::CsrfVerdict::wants_token) looks the session up,
/// reads the form, and asks again.
pub struct CsrfRequest<'a, H> {
    pub(super) method: &'a str,
    pub(super) headers: &'a H,
    pub(super) host: Option<&'a str>,
    pub(super) session: Option<SessionId>,
    pub(super) form_token: Option<&'a [u8]>,
}

impl<'a, H: Headers> CsrfRequest<'a, H> {
    /// A request with this method, in upper case as it was sent.
    pub fn new(method: &'a str, headers: &'a H) -> Self {
        Self {
            method,
            headers,
            host: None,
            session: None,
            form_token: None,
        }
    }

    /// The `:authority` of HTTP/2 and HTTP/3, or that of the request's target,
    /// which takes the place of `Host` (RFC 9112, section 3.2.2; RFC 9113,
    /// section 8.3.1).
    #[must_use]
    pub fn authority(mut self, authority: Option<&'a str>) -> Self {
        self.host = authority;
        self
    }

    /// The live session that came with the request, if any.
    #[must_use]
    pub fn session(mut self, session: Option<SessionId>) -> Self {
        self.session = session;
        self
    }

    /// The token in the request's form, if any. One in the field
    /// [`X-CSRF-Token`](crate::CsrfPolicy::HEADER) is found by itself, and comes
    /// first.
    #[must_use]
    pub fn form_token(mut self, token: Option<&'a [u8]>) -> Self {
        self.form_token = token;
        self
    }
}

impl<H> Clone for CsrfRequest<'_, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H> Copy for CsrfRequest<'_, H> {}

impl<H> fmt::Debug for CsrfRequest<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsrfRequest")
            .field("method", &self.method)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
