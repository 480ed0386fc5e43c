//! Logins in masses do not make the process grow.

use std::alloc::System;

use futures_executor::block_on;
use revocable_core::{EndReason, Liveness, SessionStore, SweepRequest};
use revocable_moka::MokaStore;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use crate::support::*;

/// Counts for the other tests as well, so what is asserted has room for them.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const LOGINS: u64 = 150_000;

fn allocated() -> i64 {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

#[test]
fn memory_stays_flat_in_a_flood_of_logins() {
    let _memory = memory_to_oneself();
    let stores = [
        MokaStore::with_capacity(1_000),
        MokaStore::with_weight(1_000 * 800),
    ];
    for store in stores {
        // The least of many samples is that with the fewest other tests in it.
        let (mut early, mut late) = (i64::MAX, i64::MAX);
        for n in 0..LOGINS {
            let session = create(&store, &format!("user {n}"));
            if n % 7 == 0 {
                block_on(store.update(session.id, set_data(0, 20))).unwrap();
            }
            if n % 11 == 0 {
                block_on(store.revoke(session.id, EndReason::LoggedOut)).unwrap();
            }
            if (2_000..LOGINS / 10).contains(&n) {
                early = early.min(allocated());
            } else if n >= LOGINS - LOGINS / 10 {
                late = late.min(allocated());
            }
        }
        // What only an index entry takes would be 20 MB.
        assert!(late - early < 8_000_000, "{} bytes more", late - early);
        assert!(store.len() <= 1_040);
        assert!(store.evicted() > LOGINS / 2);
    }
}

#[test]
fn epochs_are_forgotten_by_the_sweep() {
    let store = MokaStore::with_capacity(1);
    for n in 0..1_000 {
        block_on(store.revoke_all_for_user(revoke_all(&format!("user {n}")))).unwrap();
    }
    let began = block_on(store.epoch(&user("user 0"))).unwrap();
    let mut request = SweepRequest {
        liveness: Liveness::at(2_000),
        forget_epochs_before_ms: 2_001,
        cursor: None,
        max_rows: 7.try_into().unwrap(),
    };
    let (mut forgotten, mut steps) = (0, 0);
    loop {
        let outcome = block_on(store.sweep_expired(request.clone())).unwrap();
        assert!(outcome.epochs_forgotten <= 7);
        forgotten += outcome.epochs_forgotten;
        steps += 1;
        request.cursor = outcome.cursor;
        if request.cursor.is_none() {
            break;
        }
    }
    assert_eq!(forgotten, 1_000);
    assert!(steps >= 1_000 / 7);
    // A login that began after them all is let in, forgotten or not.
    let mut login = crate::support::request(&record("user 0"));
    login.expected_epoch = Some(began);
    let outcome = block_on(store.create(login)).unwrap();
    assert!(matches!(
        outcome,
        revocable_core::CreateOutcome::Created { .. }
    ));
}
