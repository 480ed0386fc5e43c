//! Sessions that can be taken back.
//!
//! Revocable is an embeddable session store. A web application hands the
//! browser an opaque random token and keeps the session itself, so that a
//! session can be ended at any moment: one session, all of a user's, or
//! everybody's. What was revoked is never found again, whatever else was under
//! way; and when the store cannot answer, nobody gets in.
//!
//! ```
//! # #[cfg(feature = "memory")]
//! # fn main() -> revocable::Result<()> {
//! # futures_executor::block_on(async {
//! use revocable::{MemoryStore, Sessions};
//!
//! let sessions = Sessions::builder(MemoryStore::new()).build()?;
//!
//! // After the password was checked:
//! let (token, session) = sessions.create("alice").await?;
//! let cookie = token.expose(); // 64 characters, for Set-Cookie
//!
//! // On each request:
//! let found = sessions.lookup(&*cookie).await?;
//! assert_eq!(found.map(|session| session.user().to_string()), Some("alice".to_owned()));
//!
//! // Log out, here or everywhere:
//! sessions.revoke(session.id()).await?;
//! sessions.revoke_all_for_user("alice").await?;
//! assert!(sessions.lookup(&*cookie).await?.is_none());
//! # Ok(())
//! # })
//! # }
//! # #[cfg(not(feature = "memory"))]
//! # fn main() {}
//! ```
//!
//! # Where to go on
//!
//! - [`Sessions`] has everything that an application calls.
//! - [`Policy`] says how long sessions live and how many a user may have, with
//!   presets for NIST SP 800-63B-4 and OWASP ASVS 5.0.
//! - [`Error`] says what to do when something fails. An error is never "logged
//!   out" and never "let in".
//! - [`guide`] has the long texts: [behind a web framework](guide::web), [which
//!   store](guide::choosing), [what every store keeps](guide::contract), [what
//!   survives](guide::durability), [how far it goes](guide::scaling), [what an
//!   attacker may have](guide::threats),
//!   [how it was attacked](guide::proof), and [a store of your
//!   own](guide::writing_a_store).
//!
//! # Features
//!
//! A feature only makes something available. Code chooses it.
//!
//! | feature | gives |
//! | --- | --- |
//! | `memory` (default) | `MemoryStore`: exact, gone with the process |
//! | `sqlite` | `SqliteStore`: durable; links the system's SQLite, 3.51.3 or newer |
//! | `sqlite-bundled` | `sqlite` with the SQLite that is compiled in |
//! | `sled` | `SledStore`: durable, in Rust alone |
//! | `postgres` | `PostgresStore`: for several machines, on PostgreSQL; `postgres-tls` for TLS |
//! | `redis` | `RedisStore`: for several machines, on Redis or Valkey; `redis-tls` for TLS |
//! | `moka` | `MokaStore`: bounded, in memory |
//! | `cache` | `CachedStore`: a cache in front of any store |
//! | `http` | `http`: the cookie, protection from CSRF, the client's address, for any web framework |
//! | `tower` | `tower`: sessions and protection from CSRF as middleware, for axum, hyper, tonic |
//! | `axum` | `tower::axum`, and `tower`: extractors for axum 0.8 |
//! | `actix` | `actix`, and `http`: middleware and arguments of handlers for actix-web 4 |
//!
//! No async runtime is needed or started, but for the stores on PostgreSQL and Redis, which need
//! tokio. There is no unsafe code.

pub mod guide;

#[cfg(feature = "actix")]
pub use revocable_actix as actix;
#[cfg(feature = "cache")]
pub use revocable_cache::{self as cache, CachedStore};
#[cfg(feature = "http")]
pub use revocable_http as http;
#[cfg(feature = "memory")]
pub use revocable_memory::{self as memory, MemoryStore};
#[cfg(feature = "moka")]
pub use revocable_moka::{self as moka, MokaStore};
#[cfg(feature = "postgres")]
pub use revocable_postgres::{self as postgres, PostgresStore};
#[cfg(feature = "redis")]
pub use revocable_redis::{self as redis, RedisStore};
#[cfg(feature = "sled")]
pub use revocable_sled::{self as sled, SledStore};
#[cfg(feature = "sqlite")]
pub use revocable_sqlite::{self as sqlite, SqliteStore};
#[cfg(feature = "tower")]
pub use revocable_tower as tower;

#[doc(inline)]
pub use revocable_core::*;
