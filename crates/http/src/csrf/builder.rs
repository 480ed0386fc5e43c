//! Putting a policy against forged requests together.

use std::fmt;
use std::sync::Arc;

use rand_core::TryCryptoRng;
use revocable_core::{Error, ErrorKind, Result};

use super::origin::Origin;
use super::token::CsrfKey;
use super::{CsrfPolicy, Inner};
use crate::entropy::Entropy;

/// A [`CsrfPolicy`] in the making.
///
/// It has to be told what the application's own origin is, by
/// [`origin`](Self::origin) or [`compare_with_host`](Self::compare_with_host).
/// Unless told otherwise it refuses forged requests, has no key for tokens, and
/// takes entropy from the operating system.
#[must_use = "a policy is made by `build`"]
pub struct CsrfPolicyBuilder {
    origins: Vec<String>,
    compare_with_host: bool,
    report_only: bool,
    key: Option<CsrfKey>,
    previous_keys: Vec<CsrfKey>,
    entropy: Entropy,
}

impl CsrfPolicyBuilder {
    pub(super) fn new() -> Self {
        Self {
            origins: Vec::new(),
            compare_with_host: false,
            report_only: false,
            key: None,
            previous_keys: Vec::new(),
            entropy: Entropy::System,
        }
    }

    /// Allows an origin: the application's own, and others that may act on its
    /// sessions; may be called more than once. Scheme, host, and port unless it
    /// is the scheme's: `https://example.com`, `http://localhost:3000`.
    ///
    /// The scheme is part of it. Who allows `http://` next to `https://` lets in
    /// everybody who can change an unprotected connection.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Takes an `Origin` for the application's own if its host and port are
    /// those that the request was sent to, for an application that does not know
    /// its names. Counts where there is no `Sec-Fetch-Site`.
    ///
    /// The scheme of the request is not known behind a proxy, so only `https`
    /// is taken, and `http` for `localhost` and loopback addresses. A proxy has
    /// to hand on the `Host` of the request; if it does not, requests are refused
    /// that should pass, and none passes that should not. `X-Forwarded-Host` is
    /// never read.
    pub fn compare_with_host(mut self) -> Self {
        self.compare_with_host = true;
        self
    }

    /// The key for tokens, the same at every process that serves the application.
    pub fn key(mut self, key: CsrfKey) -> Self {
        self.key = Some(key);
        self
    }

    /// A key that was in use before: makes no tokens, but those that it made
    /// are good still.
    pub fn previous_key(mut self, key: CsrfKey) -> Self {
        self.previous_keys.push(key);
        self
    }

    /// Lets every request pass, and says in the verdict, and by a `tracing`
    /// event, which it would have refused: for applications that are to adopt
    /// the check.
    pub fn report_only(mut self) -> Self {
        self.report_only = true;
        self
    }

    /// Where masks of tokens come from, for tests. The generator must be
    /// cryptographically secure and must never repeat itself.
    pub fn rng(mut self, rng: impl TryCryptoRng + Send + 'static) -> Self {
        self.entropy = Entropy::injected(rng);
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) if an origin is none, is
    /// `null` or has a path or a wildcard, or if nothing says what the
    /// application's own origin is.
    pub fn build(self) -> Result<CsrfPolicy> {
        if self.origins.is_empty() && !self.compare_with_host {
            return Err(Error::new(
                ErrorKind::Configuration,
                "a policy against forged requests needs the application's origin",
            ));
        }
        let origins = self.origins.iter().map(|text| Origin::parse(text));
        Ok(CsrfPolicy(Arc::new(Inner {
            origins: origins.collect::<Result<_>>()?,
            compare_with_host: self.compare_with_host,
            report_only: self.report_only,
            key: self.key,
            previous_keys: self.previous_keys,
            entropy: self.entropy,
        })))
    }
}

impl fmt::Debug for CsrfPolicyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsrfPolicyBuilder")
            .field("origins", &self.origins)
            .field("compare_with_host", &self.compare_with_host)
            .field("report_only", &self.report_only)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_knows_no_origin_does_not_build() {
        let error = CsrfPolicy::builder().report_only().build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(CsrfPolicy::builder().compare_with_host().build().is_ok());
    }

    #[test]
    fn a_bad_origin_does_not_build() {
        let builder = CsrfPolicy::builder().origin("https://example.com");
        assert!(builder.origin("https://*.example.com").build().is_err());
    }

    #[test]
    fn debug_shows_no_key() {
        let builder = CsrfPolicy::builder()
            .compare_with_host()
            .key(CsrfKey::from_bytes([65; 32]));
        let shown = format!("{builder:?}") + &format!("{:?}", builder.build());
        assert!(!shown.contains("65") && !shown.contains("AAAA"), "{shown}");
    }
}
