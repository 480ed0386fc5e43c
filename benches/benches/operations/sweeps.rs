//! Removing what has expired.

use std::time::{Duration, Instant};

use criterion::Criterion;
use futures_executor::block_on;
use revocable::SweepBudget;
use revocable_benches::expired;

use crate::fixture::{Fixture, Fixtures};
use crate::timed::timed;

/// How many sessions a sweep finds expired, among all that it looks at.
const EXPIRED: usize = 1_000;

pub(crate) fn bench(criterion: &mut Criterion, fixtures: &Fixtures) {
    let operation = format!("sweep of {EXPIRED}");
    fixtures.bench(criterion, &operation, |fixture, calls| {
        timed(calls, 1, |_| sweep(fixture))
    });
}

fn sweep(fixture: &Fixture) -> Duration {
    let store = fixture.sessions.store();
    expired::fill(&**store, EXPIRED, &mut fixture.random()).unwrap();
    let budget = SweepBudget {
        max_rows: u64::MAX,
        max_duration: Duration::MAX,
    };
    let start = Instant::now();
    let report = block_on(fixture.sessions.sweep(budget)).unwrap();
    let time = start.elapsed();
    assert!(report.complete, "a sweep without bounds stopped");
    assert_eq!(report.ended, EXPIRED as u64, "too many or too few ended");
    time
}
