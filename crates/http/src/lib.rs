//! Sessions on the web.

pub mod caching;
mod client;
mod cookies;
mod csrf;
mod entropy;
mod headers;
#[cfg(test)]
mod testing;

pub use client::{ForwardedBy, TrustedProxies, client, client_address, user_agent};
pub use cookies::{CookiePolicy, CookiePolicyBuilder, Presented, SameSite};
pub use csrf::{
    CsrfKey, CsrfPass, CsrfPolicy, CsrfPolicyBuilder, CsrfRefusal, CsrfRequest, CsrfToken,
    CsrfVerdict,
};
pub use headers::{Headers, HeadersMut};
