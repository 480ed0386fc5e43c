//! For [Revocable](https://docs.rs/revocable): sessions as middleware, for
//! everything that is made of [tower](https://docs.rs/tower-service) services
//! (axum, hyper, tonic), with extractors for axum by the feature `axum`.
//!
//! ```text
//! SessionLayer            the request's session: looked up once, if asked for
//!   └─ CsrfLayer          was the request forged by another site?
//!        └─ your service  asks for the session, logs in, logs out, renews
//! ```
//!
//! ```
//! # futures_executor::block_on(async {
//! use std::convert::Infallible;
//!
//! use http::{Request, Response, header};
//! use http_body_util::Empty;
//! use revocable_core::Sessions;
//! use revocable_http::{CookiePolicy, CsrfPolicy, RequestSession, WebSessions, status};
//! use revocable_tower::{CsrfBody, CsrfLayer, SessionLayer};
//! use tower::{Layer, ServiceExt, service_fn};
//! # use revocable_memory::MemoryStore;
//!
//! type Body = Empty<&'static [u8]>;
//!
//! async fn log_in(request: Request<CsrfBody<Body>>) -> Result<Response<Body>, Infallible> {
//!     let mut response = Response::new(Body::new());
//!     let session = request.extensions().get::<RequestSession>();
//!     // After the password was checked:
//!     if let Err(error) = session.expect("there is a SessionLayer").log_in("alice").await {
//!         *response.status_mut() = status(&error);
//!     }
//!     Ok(response)
//! }
//!
//! let sessions = Sessions::builder(MemoryStore::new()).build()?;
//! let web = WebSessions::new(sessions, CookiePolicy::default());
//! let csrf = CsrfPolicy::builder().origin("https://example.com").build()?;
//!
//! let service = SessionLayer::new(web).layer(CsrfLayer::new(csrf).layer(service_fn(log_in)));
//!
//! let request = Request::post("/log-in").header("sec-fetch-site", "same-origin");
//! let response = service.oneshot(request.body(Body::new()).unwrap()).await.unwrap();
//! assert!(response.headers().contains_key(header::SET_COOKIE));
//! # Ok::<(), revocable_core::Error>(())
//! # }).unwrap();
//! ```
//!
//! - A store that cannot answer lets nobody in and logs nobody out: 503, and the
//!   cookie stays.
//! - Streams, bodies and WebSockets end with their session: [`UntilEnded`].
//! - No async runtime is needed, and there is no unsafe code.

#[cfg(feature = "axum")]
pub mod axum;
mod csrf;
mod ended;
mod session;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use csrf::{CsrfBody, CsrfFuture, CsrfLayer, CsrfService};
pub use ended::UntilEnded;
pub use session::{SessionFuture, SessionLayer, SessionService};
