//! What this store has beyond the contract that all stores share: a file.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod damage;
mod files;
mod sharing;
mod support;
mod verbs;
mod writing;
