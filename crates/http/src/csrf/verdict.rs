//! The verdict about a request.

use std::fmt;

use super::origin::{Origin, is_of_host};
use super::{CsrfPolicy, CsrfRequest};
use crate::headers::{Headers, Only, list};

/// Whether a request may act on the session, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a request that is not allowed is to be answered with 403"]
pub struct CsrfVerdict {
    outcome: Result<CsrfPass, CsrfRefusal>,
    report_only: bool,
    /// Whether the policy has keys to check a token with.
    checks_tokens: bool,
}

/// Why a request passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CsrfPass {
    /// The method changes nothing.
    SafeMethod,
    /// The browser says that the request comes from the application itself.
    SameOrigin,
    /// The browser says that the user caused it, not a page.
    UserInitiated,
    /// The request comes from an allowed origin.
    AllowedOrigin,
    /// The request has the session's token.
    Token,
}

/// Why a request was refused. For logs and metrics; to the client all refusals
/// are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CsrfRefusal {
    /// It comes from another site.
    CrossSite,
    /// It comes from another origin of the same site.
    SameSite,
    /// Its `Origin` is not an allowed one.
    OriginNotAllowed,
    /// Its `Origin` is `null`: from a sandbox, a file, or after a redirection by
    /// another site.
    OpaqueOrigin,
    /// `Sec-Fetch-Site`, `Origin` or, where it counts, `Host` is there more than
    /// once.
    RepeatedField,
    /// It has a token, which is not that of the session.
    WrongToken,
    /// Nothing says where it comes from.
    NoEvidence,
}

impl CsrfVerdict {
    /// Whether to go on with the request: it passed, or refusals are only
    /// reported. If not, answer with 403.
    pub fn is_allowed(&self) -> bool {
        self.outcome.is_ok() || self.report_only
    }

    /// Why the request passed.
    pub fn passed(&self) -> Option<CsrfPass> {
        self.outcome.ok()
    }

    /// Why the request was refused, or would have been.
    pub fn refusal(&self) -> Option<CsrfRefusal> {
        self.outcome.err()
    }

    /// Whether a token would let the request pass, and none has been seen: time
    /// to look the session up, to read the form, and to ask again.
    pub fn wants_token(&self) -> bool {
        self.checks_tokens && self.outcome == Err(CsrfRefusal::NoEvidence)
    }

    /// Tells of a refusal by a `tracing` event with the target `revocable`: to
    /// be called once for a request, when nothing can change the verdict any
    /// more.
    pub fn trace(&self) {
        if let Some(refusal) = self.refusal() {
            let report_only = self.report_only;
            tracing::warn!(target: "revocable", %refusal, report_only, "request from elsewhere refused");
        }
    }
}

impl CsrfRefusal {
    /// A short name in `snake_case`, for logs and metrics. Never changes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CrossSite => "cross_site",
            Self::SameSite => "same_site",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::OpaqueOrigin => "opaque_origin",
            Self::RepeatedField => "repeated_field",
            Self::WrongToken => "wrong_token",
            Self::NoEvidence => "no_evidence",
        }
    }
}

impl fmt::Display for CsrfRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl CsrfPolicy {
    /// Judges a request; [`CsrfPolicy`] says how.
    pub fn verdict<H: Headers>(&self, request: &CsrfRequest<'_, H>) -> CsrfVerdict {
        CsrfVerdict {
            outcome: self.outcome(request),
            report_only: self.is_report_only(),
            checks_tokens: self.keys().next().is_some(),
        }
    }

    fn outcome<H: Headers>(&self, request: &CsrfRequest<'_, H>) -> Result<CsrfPass, CsrfRefusal> {
        if is_safe(request) {
            return Ok(CsrfPass::SafeMethod);
        }
        let site = only(request.headers, "sec-fetch-site")?;
        let origin = only(request.headers, "origin")?;
        match site {
            Some(b"same-origin") => return Ok(CsrfPass::SameOrigin),
            Some(b"none") => return Ok(CsrfPass::UserInitiated),
            Some(b"same-site") => return self.allowed(origin, CsrfRefusal::SameSite),
            Some(b"cross-site") => return self.allowed(origin, CsrfRefusal::CrossSite),
            // Values from the future are to be ignored: Fetch Metadata Request
            // Headers, section 2.4.
            Some(_) | None => {}
        }
        match origin {
            Some(b"null") => Err(CsrfRefusal::OpaqueOrigin),
            Some(field) if self.0.compare_with_host && is_of_host(field, host(request)?) => {
                Ok(CsrfPass::AllowedOrigin)
            }
            Some(_) => self.allowed(origin, CsrfRefusal::OriginNotAllowed),
            None => self.token_outcome(request),
        }
    }

    fn allowed(
        &self,
        origin: Option<&[u8]>,
        refusal: CsrfRefusal,
    ) -> Result<CsrfPass, CsrfRefusal> {
        let is_allowed = |field| {
            self.0
                .origins
                .iter()
                .any(|origin: &Origin| origin.is(field))
        };
        match origin {
            Some(field) if is_allowed(field) => Ok(CsrfPass::AllowedOrigin),
            _ => Err(refusal),
        }
    }

    fn token_outcome<H: Headers>(
        &self,
        request: &CsrfRequest<'_, H>,
    ) -> Result<CsrfPass, CsrfRefusal> {
        let token = match Only::of(request.headers, Self::HEADER) {
            Only::One(token) => Some(token),
            Only::None => request.form_token,
            Only::Many => return Err(CsrfRefusal::WrongToken),
        };
        match (token, request.session) {
            (Some(token), Some(session)) if self.verify(session, token) => Ok(CsrfPass::Token),
            (Some(_), Some(_)) => Err(CsrfRefusal::WrongToken),
            (None, _) | (_, None) => Err(CsrfRefusal::NoEvidence),
        }
    }
}

/// Methods that change nothing: RFC 9110, section 9.2.1, without `TRACE`, which
/// no browser sends. The handshake of a WebSocket is a `GET` (RFC 6455, section
/// 4.1) that opens a connection in the name of the user.
fn is_safe<H: Headers>(request: &CsrfRequest<'_, H>) -> bool {
    let upgrades_to_websocket = || {
        let mut protocols = request.headers.fields("upgrade").flat_map(list);
        protocols.any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
    };
    match request.method {
        "GET" => !upgrades_to_websocket(),
        "HEAD" | "OPTIONS" => true,
        _ => false,
    }
}

fn host<'a, H: Headers>(request: &CsrfRequest<'a, H>) -> Result<&'a [u8], CsrfRefusal> {
    match request.host {
        Some(authority) => Ok(authority.as_bytes()),
        None => only(request.headers, "host").map(Option::unwrap_or_default),
    }
}

fn only<'a>(
    headers: &'a impl Headers,
    name: &'static str,
) -> Result<Option<&'a [u8]>, CsrfRefusal> {
    match Only::of(headers, name) {
        Only::None => Ok(None),
        Only::One(value) => Ok(Some(value)),
        Only::Many => Err(CsrfRefusal::RepeatedField),
    }
}
