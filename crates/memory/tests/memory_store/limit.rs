//! The limit is exact, and comes back with what ends.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use revocable_core::{
    Change, ChangeKind, CreateOutcome, CreateRequest, EndReason, ErrorKind, Liveness, SessionStore,
};
use revocable_memory::MemoryStore;

use crate::support::{
    Random, create, end_oldest, is_there, now, record, request, revoke_all, sweep, user,
};

fn full(limit: usize) -> MemoryStore {
    let store = MemoryStore::with_limit(limit);
    for number in 0..limit as u64 {
        create(&store, record(&user(number), number, 1_000)).unwrap();
    }
    store
}

fn is_refused(store: &MemoryStore) -> bool {
    match create(store, record(&user(999_999), 999_999, 1_000)) {
        Ok(id) => {
            now(store.revoke(id, EndReason::LoggedOut)).unwrap();
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Full);
            true
        }
    }
}

#[test]
fn the_limit_is_the_one_that_was_given() {
    assert_eq!(MemoryStore::with_limit(7).limit(), 7);
    assert_eq!(MemoryStore::new().limit(), usize::MAX);
}

#[test]
fn a_store_is_empty_when_it_has_no_sessions() {
    let store = MemoryStore::new();
    assert!(store.is_empty());
    create(&store, record(&user(1), 1, 1_000)).unwrap();
    assert!(!store.is_empty());
    assert!(format!("{store:?}").contains("len: 1"));
}

#[test]
fn a_touch_takes_effect_at_once() {
    let store = MemoryStore::new();
    let session = record(&user(1), 1, 1_000);
    let id = create(&store, session.clone()).unwrap();
    let touch = Change {
        liveness: Liveness::at(session.last_seen_ms + 1),
        kind: ChangeKind::Touch,
    };
    assert!(store.update_soon(id, &touch), "it says that it saw to it");
    let found = now(store.lookup(id)).unwrap().unwrap();
    assert_eq!(found.last_seen_ms, session.last_seen_ms + 1);
}

#[test]
fn concurrent_creates_fill_the_store_to_its_limit_and_not_beyond() {
    const THREADS: u64 = 8;
    const LIMIT: usize = 1_000;
    let store = MemoryStore::with_limit(LIMIT);
    let refused = AtomicUsize::new(0);
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for t in 0..THREADS {
            let (store, refused, start) = (&store, &refused, &start);
            scope.spawn(move || {
                start.wait();
                for number in (0..2_000).map(|i| i * THREADS + t) {
                    match create(store, record(&user(number), number, 1_000)) {
                        Ok(_) => assert!(store.len() <= LIMIT),
                        Err(error) => {
                            assert_eq!(error.kind(), ErrorKind::Full);
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    assert_eq!(store.len(), LIMIT);
    assert_eq!(refused.into_inner(), 2_000 * THREADS as usize - LIMIT);
}

#[test]
fn what_a_revoke_a_revoke_all_or_a_sweep_removed_leaves_room() {
    let store = full(10);
    assert!(is_refused(&store));
    let first = record(&user(0), 0, 1_000).id;
    now(store.revoke(first, EndReason::LoggedOut)).unwrap();
    assert!(!is_refused(&store));
    assert_eq!(store.len(), 9);

    let store = full(10);
    revoke_all(&store, &user(3), 0);
    assert!(!is_refused(&store));
    assert_eq!(store.len(), 9);

    let store = full(10);
    assert_eq!(sweep(&store, 1_000, 100), (10, 0));
    assert!(!is_refused(&store));
    assert_eq!(store.len(), 0);

    let store = full(10);
    assert_eq!(
        now(store.revoke_everything(EndReason::Administrator)).unwrap(),
        10
    );
    assert!(!is_refused(&store));
    assert_eq!(store.len(), 0);
}

#[test]
fn a_create_that_is_refused_takes_no_room() {
    let store = full(10);
    assert!(is_refused(&store) && is_refused(&store));
    revoke_all(&store, &user(3), 0);
    let again = record(&user(4), 4, 1_000);
    let exists = now(store.create(request(again))).unwrap();
    assert!(matches!(exists, CreateOutcome::Exists(_)), "{exists:?}");
    assert_eq!(store.len(), 9);
    assert!(!is_refused(&store));
}

#[test]
fn a_full_store_takes_a_login_that_ends_another_session_of_its_user() {
    let store = full(10);
    let new = record(&user(3), 1_003, 1_000);
    let id = new.id;
    let outcome = now(store.create(CreateRequest {
        cap: end_oldest(1),
        ..request(new)
    }));
    let Ok(CreateOutcome::Created { ended }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(ended.len(), 1);
    assert!(is_there(&store, id));
    assert_eq!(store.len(), 10);
    assert!(is_refused(&store));
}

#[test]
fn a_cap_that_ends_many_sessions_at_once_releases_the_rest() {
    let store = MemoryStore::with_limit(5);
    for number in 0..5 {
        create(&store, record(&user(0), number, 1_000)).unwrap();
    }
    let outcome = now(store.create(CreateRequest {
        cap: end_oldest(2),
        ..request(record(&user(0), 5, 1_000))
    }));
    assert!(matches!(outcome, Ok(CreateOutcome::Created { ended }) if ended.len() == 4));
    assert_eq!(store.len(), 2);
}

#[test]
fn the_count_agrees_with_the_sessions_after_a_storm_of_every_verb() {
    const LIMIT: usize = 100;
    let store = MemoryStore::with_limit(LIMIT);
    thread::scope(|scope| {
        for seed in 0..4 {
            let store = &store;
            scope.spawn(move || {
                let mut random = Random(seed);
                for _ in 0..5_000 {
                    let number = random.below(300);
                    // Ten sessions a user.
                    let user = user(number / 10);
                    let record = record(&user, number, 1 + random.below(100) as i64);
                    let id = record.id;
                    match random.below(20) {
                        0 => drop(sweep(store, random.below(100) as i64, 50)),
                        1 => drop(revoke_all(store, &user, 0)),
                        2 if random.below(20) == 0 => {
                            drop(now(store.revoke_everything(EndReason::Administrator)));
                        }
                        2..8 => drop(now(store.revoke(id, EndReason::LoggedOut)).unwrap()),
                        8..11 => drop(now(store.create(CreateRequest {
                            cap: end_oldest(3),
                            ..request(record)
                        }))),
                        _ => drop(now(store.create(request(record)))),
                    }
                    assert!(store.len() <= LIMIT);
                }
            });
        }
    });
    let there =
        (0..300).filter(|number| is_there(&store, record(&user(number / 10), *number, 0).id));
    assert_eq!(there.count(), store.len());
    let count = now(store.revoke_everything(EndReason::Administrator)).unwrap();
    assert_eq!(store.len(), 0);
    assert!(count <= LIMIT as u64);
}
