//! What this store has beyond the contract that all stores share: a file.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod damage;
mod disk;
mod files;
mod large;
mod listening;
mod pages;
mod paths;
mod room;
mod sharing;
mod support;
mod sweeps;
mod touches;
mod verbs;
mod writing;
