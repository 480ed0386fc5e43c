//! Room: a limit that is reached, a log that grows, pages that are given back.

use std::future::Future;
use std::pin::pin;
use std::task::Context;
use std::time::Duration;
use std::{fs, thread};

use futures_executor::block_on;
use revocable_core::{
    EndReason, Error, ErrorKind, Record, RevokeAllRequest, SessionStore, SweepRequest,
};
use revocable_sqlite::SqliteStore;

use crate::support::*;

fn large() -> Record {
    Record {
        data: vec![1; 10_000].into(),
        ..record("alice")
    }
}

/// Fills the store to its limit.
fn fill(store: &SqliteStore) -> (Vec<Record>, Error) {
    let mut records = Vec::new();
    loop {
        let record = large();
        match block_on(store.create(request(record.clone()))) {
            Ok(_) => records.push(record),
            Err(error) => return (records, error),
        }
    }
}

#[test]
fn a_full_store_refuses_to_create_but_not_to_revoke() {
    let place = Place::new();
    let store = SqliteStore::builder(place.path())
        .max_file_size(1 << 20)
        .open()
        .unwrap();
    let (records, error) = fill(&store);
    assert_eq!(error.kind(), ErrorKind::Full);
    assert!(error.to_string().contains("raise the limit"), "{error}");
    assert!(records.len() > 50);
    // Users without a session take the most room: an epoch each.
    for n in 0..500 {
        block_on(store.revoke_all_for_user(revoke_all(&format!("{n:0>250}")))).unwrap();
    }
    // That went beyond the limit, which holds again.
    for _ in 0..3 {
        let error = block_on(store.create(request(large()))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full);
    }
    for record in &records {
        assert_eq!(lookup(&store, record.id).as_ref(), Some(record));
        assert!(revoke(&store, record.id).is_some());
    }
    create(&store, "alice");
}

#[test]
fn a_large_session_without_room_takes_no_revocation_down() {
    let place = Place::new();
    let store = SqliteStore::builder(place.path())
        .max_file_size(1 << 20)
        .open()
        .unwrap();
    let victim = create(&store, "bob");
    let (_, error) = fill(&store);
    assert_eq!(error.kind(), ErrorKind::Full);
    let lock = place.connect();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let large = Record {
        data: vec![1; 1 << 20].into(),
        ..record("alice")
    };
    let mut waits = Box::pin(store.health());
    let mut revokes = Box::pin(store.revoke(victim.id, EndReason::LoggedOut));
    let mut fails = Box::pin(store.create(request(large)));
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(waits.as_mut().poll(&mut context).is_pending());
    assert!(revokes.as_mut().poll(&mut context).is_pending());
    assert!(fails.as_mut().poll(&mut context).is_pending());
    lock.execute_batch("ROLLBACK").unwrap();
    assert_eq!(block_on(fails).unwrap_err().kind(), ErrorKind::Full);
    assert!(block_on(revokes).unwrap().is_some());
    assert_eq!(lookup(&store, victim.id), None);
}

/// Starts a write and does not wait for it.
fn start<T>(write: impl Future<Output = T>) {
    let mut context = Context::from_waker(std::task::Waker::noop());
    let _ = pin!(write).poll(&mut context);
}

/// Sweeps a file that may not grow, to the end; how many sessions and epochs
/// have gone.
fn sweep_without_room(place: &Place) -> (usize, u64) {
    let store = SqliteStore::builder(place.path())
        .max_file_size(1)
        .open()
        .unwrap();
    let mut step = SweepRequest {
        forget_epochs_before_ms: 5_000,
        max_rows: rows(10),
        ..sweep(5_000)
    };
    let (mut ended, mut forgotten) = (0, 0);
    loop {
        let outcome = block_on(store.sweep_expired(step.clone())).unwrap();
        ended += outcome.ended.len();
        forgotten += outcome.epochs_forgotten;
        step.cursor = outcome.cursor;
        if step.cursor.is_none() {
            return (ended, forgotten);
        }
    }
}

/// To remove a row may take a page: one further up in the tree is replaced by
/// the row before it, which may be longer.
#[test]
fn a_full_store_refuses_no_sweep_of_sessions() {
    let place = Place::new();
    let store = place.open();
    for n in 0..600_u32 {
        let record = Record {
            data: vec![1; if n.is_multiple_of(5) { 900 } else { 0 }].into(),
            expires_ms: if n % 5 == 1 { 5_000 } else { 1_000_000 },
            ..record("alice")
        };
        start(store.create(request(record)));
    }
    drop(store);
    assert_eq!(sweep_without_room(&place), (120, 0));
}

#[test]
fn a_full_store_refuses_no_sweep_of_epochs() {
    let place = Place::new();
    let store = place.open();
    let revoke_all_at = |n: u32, now_ms| {
        let len = if n.is_multiple_of(5) { 255 } else { 60 };
        start(store.revoke_all_for_user(RevokeAllRequest {
            now_ms,
            ..revoke_all(&format!("{:_<len$}", format!("{n:0>5}")))
        }));
    };
    let (old, new): (Vec<_>, Vec<_>) = (0..4_000).partition(|n| n % 5 == 1);
    for n in &old {
        revoke_all_at(*n, 2_000);
    }
    for n in new {
        revoke_all_at(n, 9_000);
    }
    drop(store);
    assert_eq!(sweep_without_room(&place), (0, old.len() as u64));
}

#[test]
fn the_log_stays_bounded_when_writing_never_stops() {
    let place = Place::new();
    let store = place.open();
    stays_bounded(&place, &store);
}

#[test]
fn the_log_stays_bounded_although_alone_on_the_file_readers_keep_their_views() {
    let place = Place::new();
    let builder = SqliteStore::builder(place.path());
    let store = builder.exclusive(true).reader_connections(8);
    let store = store.open().unwrap();
    let alice = create(&store, "alice");
    thread::scope(|scope| {
        let (looked_up, other) = std::sync::mpsc::channel();
        let (over, waiting) = std::sync::mpsc::channel::<()>();
        let (store, id) = (&store, alice.id);
        // Reads once and never again.
        scope.spawn(move || {
            looked_up.send(lookup(store, id)).unwrap();
            let _ = waiting.recv();
        });
        assert!(other.recv().unwrap().is_some());
        stays_bounded(&place, store);
        drop(over);
    });
}

fn stays_bounded(place: &Place, store: &SqliteStore) {
    let stop = std::sync::atomic::AtomicBool::new(false);
    let longest = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let alice = create(store, "alice");
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    assert!(lookup(store, alice.id).is_some());
                }
            });
        }
        let mut longest = 0;
        for _ in 0..400 {
            let record = Record {
                data: vec![2; 200_000].into(),
                ..record("bob")
            };
            block_on(store.create(request(record.clone()))).unwrap();
            revoke(store, record.id);
            longest = longest.max(fs::metadata(place.beside("-wal")).unwrap().len());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        longest
    });
    assert!(longest > 1 << 20, "{longest}: the test writes too little");
    assert!(longest < 48 << 20, "{longest}");
}

#[test]
fn the_log_is_copied_when_nobody_waits() {
    let place = Place::new();
    let store = place.open();
    for _ in 0..5 {
        let record = Record {
            data: vec![5; Record::MAX_DATA_LEN].into(),
            ..record("alice")
        };
        block_on(store.create(request(record))).unwrap();
    }
    // It may be copied before the last of them.
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while fs::metadata(place.path()).unwrap().len() < 4 << 20 {
        assert!(std::time::Instant::now() < deadline);
        thread::yield_now();
    }
}

#[test]
fn a_file_shrinks_after_a_great_sweep() {
    let place = Place::new();
    let store = place.open();
    let mut waiting = Vec::new();
    let mut context = Context::from_waker(std::task::Waker::noop());
    for _ in 0..1_500 {
        let record = Record {
            data: vec![3; 3_000].into(),
            ..record("alice")
        };
        let mut create = Box::pin(store.create(request(record)));
        if create.as_mut().poll(&mut context).is_pending() {
            waiting.push(create);
        }
    }
    for create in waiting {
        block_on(create).unwrap();
    }
    let pages = || -> i64 {
        place
            .connect()
            .query_row("PRAGMA page_count", [], |row| row.get(0))
            .unwrap()
    };
    let before = pages();
    let outcome = block_on(store.sweep_expired(sweep(2_000_000))).unwrap();
    assert_eq!(outcome.ended.len(), 1_500);
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while pages() > before / 2 {
        assert!(std::time::Instant::now() < deadline, "{before} {}", pages());
        thread::yield_now();
    }
}
