//! What a cache adds to the contract: schedules at which others break.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod ageing;
mod announced;
mod bounds;
mod foreign;
mod fresh;
mod network;
mod plain_moka;
mod races;
mod schedules;
mod staged;
mod writes;
