//! What `MemoryStore` promises beyond the contract of every store.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod epochs;
mod limit;
mod listeners;
mod support;
mod sweep;
