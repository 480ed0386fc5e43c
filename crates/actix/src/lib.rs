//! For [Revocable](https://docs.rs/revocable): sessions in actix-web 4.
//!
//! - [`SessionMiddleware`] reads the cookie and sets it, [`CsrfMiddleware`] keeps
//!   forged requests away.
//! - [`Session`], [`MaybeSession`] and [`Fresh`] are arguments of handlers;
//!   [`CurrentSession`] logs in and out; [`SessionConfig`] says where people
//!   without a session go.
//! - [`Error`] is what all of it answers if it cannot do as asked.
//!
//! What it is made of is [`revocable_http`], where the policies are and why they
//! are as they are.
//!
//! ```text
//! request    SessionMiddleware    reads the cookie, asks no store
//!            └─ CsrfMiddleware    403, unless the request comes from the application
//!               └─ arguments      401, 403, 503; ask the store, once
//!                  └─ handler
//! response   SessionMiddleware    Set-Cookie, Cache-Control, Vary; on errors too
//! ```

mod client;
mod config;
mod csrf;
mod current;
mod error;
mod events;
mod extract;
mod fields;
mod form;
mod middleware;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use client::client;
pub use config::SessionConfig;
pub use csrf::{CsrfMiddleware, CsrfService, FormToken};
pub use current::CurrentSession;
pub use error::{Error, Result};
pub use events::UntilEnded;
pub use extract::{Fresh, MaybeSession, Session};
pub use middleware::{SessionMiddleware, SessionService};
