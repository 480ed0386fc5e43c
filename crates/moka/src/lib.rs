//! On moka, for [Revocable](https://docs.rs/revocable): a bounded store in memory,
//! [`MokaStore`].

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod bounded;
mod weight;

pub use bounded::MokaStore;
