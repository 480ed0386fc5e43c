//! Benchmarks of Revocable: every backend, beside the bare engine and beside
//! verifying a JWT.
//!
//! The binary `compare` measures everything side by side in one process and
//! prints ratios; times depend on the machine, ratios much less. The criterion
//! benchmarks in `benches/` are for watching one thing while working on it.
//!
//! Whatever is timed checks its own answers.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has nothing better to do than to stop"
)]

pub mod backend;
pub mod bare;
pub mod expired;
pub mod jwt;
pub mod measure;
pub mod options;
pub mod percentile;
pub mod plot;
pub mod report;
pub mod sizes;
pub mod workload;
pub mod zipf;
