//! Guides: what a method's documentation has no room for.
//!
//! | guide | for |
//! | --- | --- |
//! | [`choosing`] | which store to take |
//! | [`contract`] | what every store keeps, clause by clause |
//! | [`durability`] | what an acknowledged write survives, store by store |
//! | [`proof`] | how the stores were attacked, and what is not covered |
//! | [`scaling`] | what a hundred million users take, and what breaks first |
//! | [`threats`] | what an attacker may have, and what holds |
//! | [`web`] | cookies, forged requests, forms and single pages, and who meets which requirement of ASVS |
//! | [`writing_a_store`] | a store of your own, checked against the contract |
//!
//! The modules hold text only.

#[doc = include_str!("choosing.md")]
pub mod choosing {}

#[doc = include_str!("contract.md")]
pub mod contract {}

#[doc = include_str!("durability.md")]
pub mod durability {}

#[doc = include_str!("proof.md")]
pub mod proof {}

#[doc = include_str!("scaling.md")]
pub mod scaling {}

#[doc = include_str!("threats.md")]
pub mod threats {}

#[doc = include_str!("web.md")]
pub mod web {}

#[doc = include_str!("writing_a_store.md")]
pub mod writing_a_store {}
