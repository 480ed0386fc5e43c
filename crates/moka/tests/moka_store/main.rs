//! The bounded store: the contract, and the edge of its capacity.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod atomic;
mod conformance;
mod edge;
mod flood;
mod growth;
mod order;
mod refused;
mod support;
mod together;
mod watches;
