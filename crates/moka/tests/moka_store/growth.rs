//! Data that grows until somebody has to go.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use futures_executor::block_on;
use revocable_core::{EndReason, SessionId, SessionStore, UpdateOutcome};
use revocable_moka::MokaStore;

use crate::support::*;

/// The one session that could go instead is being used all the time, so that
/// moka sometimes takes the changed one for the one to go. That must not show.
#[test]
fn a_session_whose_data_grows_is_there_throughout() {
    // Room for two small sessions, or for a large one alone.
    let store = MokaStore::with_weight(2_000);
    let told = Told::of(&store);
    let grows = create(&store, "alice");
    let other = Mutex::new(create(&store, "bob").id);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // Apart, because who looks for the one that grows waits while it does.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let other = *other.lock().unwrap();
                for _ in 0..20 {
                    block_on(store.lookup(other)).unwrap();
                }
            }
        });
        scope.spawn(|| {
            let _over = Over(&done);
            while !done.load(Ordering::Relaxed) {
                assert!(is_there(&store, &grows), "live, and not found");
            }
        });
        let _over = Over(&done);
        for n in 0..20_000 {
            if done.load(Ordering::Relaxed) {
                break;
            }
            for (version, len) in [(2 * n, 1_000), (2 * n + 1, 4)] {
                let outcome = block_on(store.update(grows.id, set_data(version, len))).unwrap();
                assert!(matches!(outcome, UpdateOutcome::Updated(_)), "{outcome:?}");
            }
            *other.lock().unwrap() = create(&store, "bob").id;
        }
    });
    assert_eq!(store.evicted(), 20_000);
    assert!(!told.evicted().contains(&grows.id));
}

#[test]
fn data_that_shrinks_makes_room() {
    let store = MokaStore::with_weight(3_000);
    let large = create(&store, "alice");
    block_on(store.update(large.id, set_data(0, 2_000))).unwrap();
    block_on(store.update(large.id, set_data(1, 0))).unwrap();
    let others = [create(&store, "bob"), create(&store, "carol")];
    assert!(others.iter().all(|session| is_there(&store, session)));
    assert!(is_there(&store, &large));
    assert_eq!(store.evicted(), 0);
}

/// Threads that log in and let each other's data grow and shrink.
#[test]
fn by_weight_each_session_stays_or_ends_exactly_once() {
    const BYTES: u64 = 20_000;
    let store = MokaStore::with_weight(BYTES);
    let told = Told::of(&store);
    let all = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for number in 0..3 {
            let (store, all) = (&store, &all);
            scope.spawn(move || {
                for n in 0..600_usize {
                    let name = format!("user {}", (n + number) % 5);
                    let session = create(store, &name);
                    all.lock().unwrap().push(session.id);
                    let other: SessionId = {
                        let all = all.lock().unwrap();
                        all[all.len() - 1 - (n * 7 + number) % all.len().min(20)]
                    };
                    if let Some(found) = block_on(store.lookup(other)).unwrap() {
                        let change = set_data(found.version, n * 97 % 9_000);
                        block_on(store.update(other, change)).unwrap();
                    }
                    match n % 11 {
                        0 => drop(block_on(store.revoke(other, EndReason::LoggedOut))),
                        1 => drop(block_on(store.revoke_all_for_user(revoke_all(&name)))),
                        _ => {}
                    }
                    assert!(store.len() as u64 * 768 <= BYTES);
                }
            });
        }
    });
    let told = told.0.lock().unwrap();
    let ended: HashSet<_> = told.iter().map(|ended| ended.id).collect();
    assert_eq!(ended.len(), told.len(), "told twice");
    let mut bytes = 0;
    for id in all.into_inner().unwrap() {
        let found = block_on(store.lookup(id)).unwrap();
        assert_ne!(found.is_some(), ended.contains(&id), "both, or neither");
        bytes += found.map_or(0, |found| 768 + found.data.len() as u64);
    }
    assert!(bytes <= BYTES, "{bytes}");
    assert!(store.evicted() > 100, "so the edge was reached");
}
