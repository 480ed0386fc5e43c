//! Each operation, on each store, among more and more sessions.
//!
//! An ID reads `operation/store (what its writes survive)/live sessions`, and
//! `cargo bench -p revocable-benches -- lookup` runs those that it fits.
//! `REVOCABLE_BENCH_SESSIONS=1000,1000000` says among how many.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has nothing better to do than to stop"
)]

mod fixture;
mod lookups;
mod sweeps;
mod timed;
mod users;
mod writes;

use std::time::Duration;

use criterion::Criterion;

use crate::fixture::Fixtures;

fn main() {
    // Short, because there are some two hundred: for a closer look at one, filter
    // and say `--measurement-time 5 --sample-size 50`.
    let mut criterion = Criterion::default()
        .sample_size(10)
        .nresamples(5_000)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
        .configure_from_args();
    let fixtures = Fixtures::new();
    lookups::bench(&mut criterion, &fixtures);
    writes::bench(&mut criterion, &fixtures);
    users::bench(&mut criterion, &fixtures);
    sweeps::bench(&mut criterion, &fixtures);
    criterion.final_summary();
}
