//! Others at the same file: kept out, seen at once, or counted.

use std::sync::Barrier;
use std::thread;

use futures_executor::block_on;
use revocable_core::{CreateOutcome, CreateRequest, ErrorKind, SessionStore, Sharing};
use revocable_sqlite::SqliteStore;

use crate::support::*;

fn count(store: &SqliteStore) -> u64 {
    block_on(store.foreign_changes()).unwrap()
}

#[test]
fn a_file_that_is_taken_cannot_be_opened_by_another_store() {
    let place = Place::new();
    let first = exclusively(&place).unwrap();
    assert_eq!(first.sharing(), Sharing::Sole);
    for refused in [SqliteStore::open(place.path()), exclusively(&place)] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.is_transient());
    }
    // A clone is the same store.
    let clone = first.clone();
    drop(first);
    assert!(SqliteStore::open(place.path()).is_err());
    drop(clone);
    SqliteStore::open(place.path()).unwrap();
}

#[test]
fn a_file_that_others_have_open_cannot_be_taken() {
    let place = Place::new();
    let first = place.open();
    assert_eq!(first.sharing(), Sharing::Counted);
    let second = place.open();
    assert!(exclusively(&place).is_err());
    drop(first);
    assert!(exclusively(&place).is_err());
    drop(second);
    exclusively(&place).unwrap();
}

#[test]
fn a_file_that_cannot_be_locked_is_not_opened() {
    let place = Place::new();
    std::fs::create_dir(place.beside("-lock")).unwrap();
    for refused in [SqliteStore::open(place.path()), exclusively(&place)] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("cannot lock"), "{error}");
    }
}

#[test]
fn alone_on_its_file_every_thread_sees_each_acknowledged_write() {
    let place = Place::new();
    let store = &exclusively(&place).unwrap();
    let turn = &Barrier::new(4);
    let session = &std::sync::Mutex::new(None);
    let wrong = &std::sync::Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(move || {
                for round in 0..300 {
                    turn.wait();
                    let record: revocable_core::Record = session.lock().unwrap().clone().unwrap();
                    let live = round % 3 != 2;
                    if lookup(store, record.id) != live.then_some(record) {
                        wrong.lock().unwrap().push(round);
                    }
                    turn.wait();
                }
            });
        }
        for round in 0..300 {
            let mut record = session.lock().unwrap();
            *record = match record.take() {
                // Not touched, to be found as it is again.
                Some(same) if round % 3 == 1 => Some(same),
                Some(ended) if round % 3 == 2 => {
                    revoke(store, ended.id).unwrap();
                    Some(ended)
                }
                _ => Some(create(store, "alice")),
            };
            drop(record);
            turn.wait();
            turn.wait();
        }
    });
    assert_eq!(*wrong.lock().unwrap(), [0; 0]);
}

#[test]
fn the_changes_of_others_are_counted_and_own_ones_are_not() {
    let place = Place::new();
    let (here, there) = (place.open(), place.open());
    let before = count(&here);
    let alice = create(&here, "alice");
    let bob = create(&here, "bob");
    revoke(&here, bob.id);
    lookup(&there, alice.id);
    assert_eq!(count(&here), before, "after own writes");

    let mut last = before;
    let mut changed = |what: &str| {
        let now = count(&here);
        assert_ne!(now, last, "{what}");
        assert_eq!(count(&here), now, "{what}, asked again");
        last = now;
    };
    create(&there, "carol");
    changed("a create");
    // Own writes in between do not hide it.
    revoke(&there, alice.id);
    create(&here, "dave");
    changed("a revocation");
    place.connect().execute("DELETE FROM sessions", []).unwrap();
    changed("a write of another program");
}

#[test]
fn two_stores_of_a_file_see_each_other_at_once() {
    let place = Place::new();
    let (one, two) = (place.open(), place.open());
    for n in 0..50 {
        let (here, there) = if n % 2 == 0 {
            (&one, &two)
        } else {
            (&two, &one)
        };
        let alice = create(here, "alice");
        assert_eq!(lookup(there, alice.id).as_ref(), Some(&alice));
        assert!(revoke(there, alice.id).is_some());
        assert_eq!(lookup(here, alice.id), None);
        create(here, "alice");
        let ended = block_on(there.revoke_all_for_user(revoke_all("alice"))).unwrap();
        assert_eq!(ended.ended.len(), 1);
    }
}

#[test]
fn a_login_races_a_revoke_all_of_another_process() {
    let place = Place::new();
    let (one, two) = (place.open(), place.open());
    for round in 0..100 {
        let alice = record("alice");
        let epoch = block_on(one.epoch(&alice.user)).unwrap();
        let login = CreateRequest {
            expected_epoch: Some(epoch),
            ..request(alice.clone())
        };
        let barrier = Barrier::new(2);
        let (created, revoked) = thread::scope(|scope| {
            let create = scope.spawn(|| {
                barrier.wait();
                block_on(one.create(login)).unwrap()
            });
            barrier.wait();
            let revoked = block_on(two.revoke_all_for_user(revoke_all("alice"))).unwrap();
            (create.join().unwrap(), revoked)
        });
        match created {
            CreateOutcome::Superseded => assert_eq!(revoked.ended, []),
            CreateOutcome::Created { .. } => assert_eq!(revoked.ended, [alice.id]),
            outcome => panic!("{outcome:?}"),
        }
        assert_eq!(lookup(&one, alice.id), None, "round {round}");
    }
}

#[test]
fn to_ask_for_the_health_of_a_store_is_no_change_to_others() {
    let place = Place::new();
    let (here, there) = (place.open(), place.open());
    create(&here, "alice");
    create(&there, "alice");
    let before = (count(&here), count(&there));
    for _ in 0..3 {
        block_on(here.health()).unwrap();
        block_on(there.health()).unwrap();
        assert_eq!((count(&here), count(&there)), before);
    }
}
