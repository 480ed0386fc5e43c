//! Touches that nobody waits for.

use std::thread;
use std::time::Duration;

use futures_executor::block_on;
use revocable_core::{ChangeKind, Liveness, SessionStore, UpdateOutcome};

use crate::support::*;

#[test]
fn a_touch_is_written_by_the_end_at_the_latest() {
    let place = Place::new();
    let store = place.open();
    let alice = create(&store, "alice");
    assert!(store.update_soon(alice.id, &touch(5_000)));
    assert!(store.update_soon(alice.id, &touch(4_000)));
    drop(store);
    let store = place.open();
    assert_eq!(lookup(&store, alice.id).unwrap().last_seen_ms, 5_000);
}

#[test]
fn a_touch_is_written_without_being_asked_for() {
    let place = Place::new();
    let store = place.open();
    let alice = create(&store, "alice");
    store.update_soon(alice.id, &touch(5_000));
    // Takes about a second; a deadline rather than a hang if it never comes.
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while lookup(&store, alice.id).unwrap().last_seen_ms != 5_000 {
        assert!(std::time::Instant::now() < deadline);
        thread::yield_now();
    }
}

#[test]
fn a_touch_that_waits_brings_nothing_back() {
    let place = Place::new();
    let store = place.open();
    let [a, b] = [(); 2].map(|()| create(&store, "alice"));
    store.update_soon(a.id, &touch(5_000));
    store.update_soon(b.id, &touch(5_000));
    assert!(revoke(&store, a.id).is_some());
    block_on(store.revoke_all_for_user(revoke_all("alice"))).unwrap();
    drop(store);
    let store = place.open();
    assert_eq!((lookup(&store, a.id), lookup(&store, b.id)), (None, None));
}

#[test]
fn a_touch_that_waits_counts_for_a_sweep_and_for_a_change() {
    let place = Place::new();
    let store = place.open();
    // Idle since 1,000, for 100,000 at most.
    let [a, b, c] = [(); 3].map(|()| create(&store, "alice"));
    store.update_soon(a.id, &touch(100_000));
    store.update_soon(b.id, &touch(100_000));
    let late = revocable_core::Change {
        liveness: Liveness::at(150_000),
        kind: ChangeKind::SetData {
            expected_version: 0,
            data: b"new".as_slice().into(),
        },
    };
    let updated = block_on(store.update(b.id, late.clone())).unwrap();
    assert!(matches!(updated, UpdateOutcome::Updated(record) if record.last_seen_ms == 100_000));
    assert_eq!(
        block_on(store.update(c.id, late)).unwrap(),
        UpdateOutcome::Absent
    );
    let outcome = block_on(store.sweep_expired(sweep(150_000))).unwrap();
    let swept: Vec<_> = outcome.ended.iter().map(|ended| ended.id).collect();
    assert_eq!(swept, [c.id]);
    assert_eq!(lookup(&store, a.id).unwrap().last_seen_ms, 100_000);
}
