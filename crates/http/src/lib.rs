//! For [Revocable](https://docs.rs/revocable): sessions on the web, for any
//! framework.
//!
//! The adapters for tower (axum, hyper, tonic) and actix-web are made of this, and
//! so can be one for anything else that has header fields.
//!
//! ```text
//! request    WebSessions ── CookiePolicy     reads the token: one, or none
//!            │              CsrfPolicy       did another site forge it?
//!            │              client           user agent, address behind proxies
//!            └─ RequestSession               the session, looked up once; log in, log out, renew
//! response      └─ apply                     Set-Cookie, Cache-Control, Vary
//! ```
//!
//! A request from its beginning to its end, as an adapter does it:
//!
//! ```
//! # futures_executor::block_on(async {
//! use http::{HeaderMap, StatusCode, header};
//! use revocable_core::{NewSession, Sessions};
//! use revocable_http::{
//!     CookiePolicy, CsrfPolicy, CsrfRequest, ForwardedBy, TrustedProxies, WebSessions, client, status,
//! };
//! # use revocable_memory::MemoryStore;
//!
//! // Once.
//! let sessions = Sessions::builder(MemoryStore::new()).build()?;
//! let web = WebSessions::new(sessions, CookiePolicy::builder().persistent().build()?);
//! let csrf = CsrfPolicy::builder().origin("https://example.com").build()?;
//! let proxies = TrustedProxies::networks(ForwardedBy::XForwardedFor, ["10.0.0.0/8"])?;
//!
//! // A request: its method, its header fields, and who is connected.
//! let (method, peer) = ("POST", "10.0.0.7".parse().unwrap());
//! let mut headers = HeaderMap::new();
//! headers.insert("origin", "https://example.com".parse().unwrap());
//! headers.insert("x-forwarded-for", "198.51.100.1".parse().unwrap());
//!
//! let request = web.begin(&headers);
//! let mut asked = CsrfRequest::new(method, &headers);
//! let mut verdict = csrf.verdict(&asked);
//! if verdict.wants_token() {
//!     let session = request.session().await?;
//!     asked = asked.session(session.map(|session| session.id())); // and the form's token, if any
//!     verdict = csrf.verdict(&asked);
//! }
//! verdict.trace();
//!
//! let answer = if !verdict.is_allowed() {
//!     StatusCode::FORBIDDEN
//! } else {
//!     // The handler: here it logs somebody in whose password it has checked.
//!     let client = client(&headers, peer, &proxies);
//!     match request.log_in(NewSession::for_user(42_u64).client(client)).await {
//!         Ok(_) => StatusCode::NO_CONTENT,
//!         Err(error) => status(&error), // never "logged out"
//!     }
//! };
//!
//! let mut response = HeaderMap::new();
//! request.renew_if_due().await;
//! request.apply(&mut response);
//! assert_eq!(answer, StatusCode::NO_CONTENT);
//! assert_eq!(response[header::VARY], "Cookie");
//! assert!(response.contains_key(header::SET_COOKIE));
//! # Ok::<(), revocable_core::Error>(())
//! # }).unwrap();
//! ```
//!
//! # Frameworks with another header map
//!
//! Everything here reads [`Headers`] and writes [`HeadersMut`], which
//! [`http::HeaderMap`] of version 1 implements. Who has another one implements
//! them for a wrapper around it:
//!
//! ```
//! use revocable_http::{CookiePolicy, Headers, Presented};
//!
//! struct Lines<'a>(Vec<(&'a str, &'a [u8])>);
//!
//! impl Headers for Lines<'_> {
//!     fn fields<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
//!         self.0
//!             .iter()
//!             .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
//!             .map(|(_, value)| *value)
//!     }
//! }
//!
//! let request = Lines(vec![("Cookie", b"__Host-session=planted; __Host-session=own")]);
//! let presented = CookiePolicy::default().read(&request);
//! assert!(matches!(presented, Presented::Duplicate));
//! ```

pub mod caching;
mod client;
mod cookies;
mod csrf;
mod entropy;
mod headers;
mod location;
mod request;
mod status;
#[cfg(test)]
mod testing;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use client::{ForwardedBy, TrustedProxies, client, client_address, user_agent};
pub use cookies::{CookiePolicy, CookiePolicyBuilder, Presented, SameSite};
pub use csrf::{
    CsrfKey, CsrfPass, CsrfPolicy, CsrfPolicyBuilder, CsrfRefusal, CsrfRequest, CsrfToken,
    CsrfVerdict,
};
pub use headers::{Headers, HeadersMut};
pub use location::location;
pub use request::{RequestSession, WebSessions};
pub use status::status;
