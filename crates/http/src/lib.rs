//! Sessions on the web.

pub mod caching;
mod cookies;
mod headers;
#[cfg(test)]
mod testing;

pub use cookies::{CookiePolicy, CookiePolicyBuilder, Presented, SameSite};
pub use headers::{Headers, HeadersMut};
