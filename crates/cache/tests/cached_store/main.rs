//! What a cache adds to the contract: schedules at which others break.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod bounds;
mod foreign;
mod fresh;
mod plain_moka;
mod races;
mod staged;
mod writes;
