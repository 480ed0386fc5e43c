//! For [Revocable](https://docs.rs/revocable): [`CachedStore`], a cache in front of
//! any store that cannot serve a revoked session.
//!
//! ```text
//! CachedStore ── stamps    the protocol: what may be served, whatever overlaps
//!             ├─ entries   the records that were looked up, each with its stamp
//!             ├─ sweeps    what may be served while expired sessions are removed
//!             ├─ carry     writes go on when their callers go away
//!             ├─ foreign   what others wrote to a store that counts it
//!             ├─ lease     for how long what others announced is known
//!             └─ keeper    follows what they announce
//!                 └─ inquiries  how sessions ended of which nobody has heard
//! ```

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod abandoned;
mod builder;
mod cached;
mod capacity;
mod carry;
mod entries;
mod foreign;
mod inquiries;
mod keeper;
mod lease;
mod stamps;
mod sweeps;

pub use builder::CachedStoreBuilder;
pub use cached::CachedStore;
