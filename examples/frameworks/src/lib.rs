//! Revocable in web frameworks without an adapter of their own.
//!
//! One file a framework: copy the one that is nearest to yours. They all answer
//! the same requests, for which `tests/requests.rs` asks them.
//!
//! | | |
//! | --- | --- |
//! | `POST /login/{user}` | logs in; imagine that the password was checked |
//! | `GET /private` | the user's name, or 401 |
//! | `POST /logout` | ends the session |
//! | `POST /logout-everywhere` | ends all sessions of the user |
//!
//! A request that another site may have forged is 403, a failure of the store
//! 503.

pub mod on_hyper;
pub mod on_poem;
pub mod on_rocket;
pub mod on_tiny_http;
mod server;

use revocable::Sessions;
use revocable::http::{CookiePolicy, CsrfPolicy, CsrfRequest, Headers, WebSessions};

pub use server::Server;

/// What an application makes once and gives to every request.
#[derive(Clone)]
pub struct Site {
    web: WebSessions,
    csrf: CsrfPolicy,
}

impl Site {
    pub fn new(sessions: Sessions) -> revocable::Result<Self> {
        Ok(Self {
            web: WebSessions::new(sessions, CookiePolicy::default()),
            csrf: CsrfPolicy::builder()
                .origin("https://example.com")
                .build()?,
        })
    }

    /// Whether a request may act on the session. The policy has no key, so that
    /// no token can change the verdict.
    fn allows(&self, method: &str, headers: &impl Headers) -> bool {
        let verdict = self.csrf.verdict(&CsrfRequest::new(method, headers));
        verdict.trace();
        verdict.is_allowed()
    }
}
