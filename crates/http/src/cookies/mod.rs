//! The cookie that carries a session's token.

mod builder;
mod read;
mod write;

use std::sync::Arc;

pub use builder::CookiePolicyBuilder;
pub use read::Presented;

/// Whether a cross-site request carries the cookie (RFC 6265bis, section
/// 5.6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SameSite {
    /// No request that another site caused carries it, a link that was followed
    /// included.
    Strict,
    /// Of what another site causes, only navigation by a safe method carries it.
    Lax,
    /// Every request carries it. Nothing but the check of the request's
    /// [origin](crate::CsrfPolicy) is left between the session and other sites.
    None,
}

/// How the cookie is called and to whom a browser gives it.
///
/// A policy that exists is free of contradictions and fits into the limits of
/// browsers: [`CookiePolicyBuilder::build`] refuses any other. Cheap to clone.
///
/// ```
/// use revocable_http::CookiePolicy;
///
/// let policy = CookiePolicy::default();
/// assert_eq!(policy.name(), "__Host-session");
///
/// let policy = CookiePolicy::builder().name("__Host-id").persistent().build()?;
/// // `__Host-` promises that there is no `Domain` (RFC 6265bis, section 4.1.3.2).
/// assert!(CookiePolicy::builder().name("__Host-id").domain("example.com").build().is_err());
/// # Ok::<(), revocable_core::Error>(())
/// ```
///
/// The cookie is always `HttpOnly`: no script has a use for it, save one that
/// steals it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookiePolicy(Arc<Attributes>);

#[derive(Debug, PartialEq, Eq)]
struct Attributes {
    name: String,
    domain: Option<String>,
    path: String,
    secure: bool,
    same_site: SameSite,
    persistent: bool,
}

impl CookiePolicy {
    /// Begins a policy; [`CookiePolicyBuilder`] lists what holds unless it is
    /// told otherwise.
    pub fn builder() -> CookiePolicyBuilder {
        CookiePolicyBuilder::new()
    }

    /// The cookie's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The domain to whose every host the cookie goes; `None` for the host that
    /// sets it and no other.
    pub fn domain(&self) -> Option<&str> {
        self.0.domain.as_deref()
    }

    /// Below which path the cookie goes along.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Whether the cookie travels over TLS only.
    pub fn is_secure(&self) -> bool {
        self.0.secure
    }

    /// Which requests of other sites carry the cookie.
    pub fn same_site(&self) -> SameSite {
        self.0.same_site
    }

    /// Whether the cookie outlives the browser's session.
    pub fn is_persistent(&self) -> bool {
        self.0.persistent
    }
}

impl Default for CookiePolicy {
    /// `__Host-session`, `Secure`, `HttpOnly`, `SameSite=Lax`, `Path=/`, no
    /// `Domain`, until the browser is closed.
    fn default() -> Self {
        Self::builder()
            .build()
            .expect("the defaults have no contradiction")
    }
}
