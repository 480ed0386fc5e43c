//! Tests of the whole. The tests are beside this file; here is what is only
//! compiled, the code in the README at the top of the repository, and what
//! several tests share.

pub mod demo;
pub mod durability;

/// The README's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
