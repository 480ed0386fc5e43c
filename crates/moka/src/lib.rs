//! On moka, for [Revocable](https://docs.rs/revocable): a cache that cannot
//! serve a revoked session, [`CachedStore`], and a bounded store in memory,
//! [`MokaStore`].

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod bounded;
mod cached;
mod weight;

pub use bounded::MokaStore;
pub use cached::{CachedStore, CachedStoreBuilder};
