//! Extractors and responses for axum.
//!
//! ```
//! # futures_executor::block_on(async {
//! use axum::{Router, response::Redirect, routing::{get, post}};
//! use http::Request;
//! use revocable_core::Sessions;
//! use revocable_http::{CookiePolicy, CsrfPolicy, WebSessions};
//! use revocable_tower::axum::{CurrentSession, Fresh, Session, SessionError};
//! use revocable_tower::{CsrfLayer, SessionLayer};
//! # use revocable_memory::MemoryStore;
//! # use tower::ServiceExt;
//!
//! async fn log_in(current: CurrentSession) -> Result<Redirect, SessionError> {
//!     current.log_in("alice").await?; // after her password was checked
//!     Ok(Redirect::to("/"))
//! }
//!
//! async fn home(session: Session) -> String {
//!     format!("Hello, {}", session.user())
//! }
//!
//! async fn welcome(session: Option<Session>) -> &'static str {
//!     if session.is_some() { "Welcome back" } else { "Welcome" }
//! }
//!
//! async fn change_password(session: Fresh<300>) -> &'static str {
//!     "She proved who she is within the last five minutes"
//! }
//!
//! async fn log_out(current: CurrentSession) -> Result<Redirect, SessionError> {
//!     current.log_out().await?;
//!     Ok(Redirect::to("/welcome"))
//! }
//!
//! async fn log_out_everywhere(current: CurrentSession) -> Result<Redirect, SessionError> {
//!     current.log_out_everywhere().await?;
//!     Ok(Redirect::to("/welcome"))
//! }
//!
//! let sessions = Sessions::builder(MemoryStore::new()).build()?;
//! let web = WebSessions::new(sessions, CookiePolicy::default());
//! let csrf = CsrfPolicy::builder().origin("https://example.com").build()?;
//! let app: Router = Router::new()
//!     .route("/", get(home))
//!     .route("/welcome", get(welcome))
//!     .route("/log-in", post(log_in))
//!     .route("/log-out", post(log_out))
//!     .route("/log-out-everywhere", post(log_out_everywhere))
//!     .route("/password", post(change_password))
//!     .layer(CsrfLayer::new(csrf))
//!     .layer(SessionLayer::new(web).log_in_at("/welcome")?); // last: around the others
//!
//! let request = Request::get("/").body(axum::body::Body::empty()).unwrap();
//! let response = app.oneshot(request).await.unwrap();
//! assert_eq!(response.status(), 303); // to /welcome
//! # Ok::<(), revocable_core::Error>(())
//! # }).unwrap();
//! ```
//!
//! A whole router is closed by `middleware::from_extractor::<Session>()`.
//!
//! # What is answered where there is no session
//!
//! | | unless told otherwise | [`SessionLayer`] can say |
//! | --- | --- | --- |
//! | no live session | 401 with `WWW-Authenticate: Cookie` | [`challenge`](crate::SessionLayer::challenge), [`log_in_at`](crate::SessionLayer::log_in_at) |
//! | authenticated too long ago | 403 | [`step_up_at`](crate::SessionLayer::step_up_at) |
//! | the store cannot answer | 503 | |
//! | no [`SessionLayer`] | 500 | |
//!
//! For one handler: take a `Result<Session, SessionRejection>`, and answer what
//! you like.
//!
//! [`SessionLayer`]: crate::SessionLayer

mod answers;
mod extract;
mod rejection;

pub(crate) use answers::Answers;
pub use extract::{CurrentSession, FormToken, Fresh, Session};
pub use rejection::{Answer, SessionError, SessionRejection};
