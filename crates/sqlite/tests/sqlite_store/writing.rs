//! The writer: batches, locks, a full queue, cancelled callers.

use std::fs;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_executor::block_on;
use revocable_core::{CreateOutcome, EndReason, ErrorKind, SessionStore, UpdateOutcome};
use revocable_sqlite::SqliteStore;

use crate::support::*;

/// The commits in a write-ahead log: frames that tell the size of the database
/// (<https://sqlite.org/fileformat2.html#walformat>).
fn commits(place: &Place) -> usize {
    let wal = fs::read(place.beside("-wal")).unwrap_or_default();
    let Some((header, frames)) = wal.split_at_checked(32) else {
        return 0;
    };
    frames
        .chunks_exact(24 + 4096)
        .filter(|frame| frame[8..16] == header[16..24] && frame[4..8] != [0; 4])
        .count()
}

#[test]
fn writes_that_wait_together_share_a_commit() {
    let place = Place::new();
    let store = place.open();
    create(&store, "alice");
    let lock = place.connect();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = commits(&place);
    let clients: u32 = 64;
    let records: Vec<_> = (0..clients).map(|_| record("alice")).collect();
    let mut creates: Vec<_> = records
        .iter()
        .map(|record| Box::pin(store.create(request(record.clone()))))
        .collect();
    // The first waits for the lock, and the others behind it.
    let mut context = Context::from_waker(std::task::Waker::noop());
    for create in &mut creates {
        assert!(create.as_mut().poll(&mut context).is_pending());
    }
    lock.execute_batch("ROLLBACK").unwrap();
    for create in creates {
        assert_eq!(
            block_on(create).unwrap(),
            CreateOutcome::Created { ended: vec![] }
        );
    }
    let taken = commits(&place) - before;
    assert!((1..=2).contains(&taken), "{taken} commits");
    for record in records {
        assert_eq!(lookup(&store, record.id), Some(record));
    }
}

#[test]
fn a_request_that_fails_takes_no_other_with_it() {
    let place = Place::new();
    let store = place.open();
    let [a, b] = [(); 2].map(|()| create(&store, "alice"));
    place
        .connect()
        .execute(
            "UPDATE sessions SET data = x'' WHERE id = ?1",
            [a.id.as_bytes()],
        )
        .unwrap();
    let lock = place.connect();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut waits = Box::pin(store.health());
    let mut fails = Box::pin(store.update(a.id, touch(2_000)));
    let mut succeeds = Box::pin(store.update(b.id, touch(2_000)));
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(waits.as_mut().poll(&mut context).is_pending());
    assert!(fails.as_mut().poll(&mut context).is_pending());
    assert!(succeeds.as_mut().poll(&mut context).is_pending());
    lock.execute_batch("ROLLBACK").unwrap();
    block_on(waits).unwrap();
    assert_eq!(block_on(fails).unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(matches!(
        block_on(succeeds).unwrap(),
        UpdateOutcome::Updated(_)
    ));
    assert_eq!(lookup(&store, b.id).unwrap().last_seen_ms, 2_000);
}

#[test]
fn a_lock_held_too_long_is_unavailable_and_passes() {
    let place = Place::new();
    let store = SqliteStore::builder(place.path())
        .busy_timeout(Duration::from_millis(10))
        .open()
        .unwrap();
    let alice = create(&store, "alice");
    let heard = Heard::of(&store);
    let lock = place.connect();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    for result in [
        block_on(store.revoke(alice.id, EndReason::LoggedOut)).map(|_| ()),
        block_on(store.health()),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("locked"), "{error}");
    }
    assert_eq!(heard.ids(), []);
    // Readers do not wait for writers.
    assert!(lookup(&store, alice.id).is_some());
    lock.execute_batch("ROLLBACK").unwrap();
    assert!(revoke(&store, alice.id).is_some());
    assert_eq!(heard.ids(), [alice.id]);
}

#[test]
fn a_full_queue_refuses_at_once() {
    let place = Place::new();
    let store = SqliteStore::builder(place.path())
        .queue_bound(4)
        .open()
        .unwrap();
    let lock = place.connect();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut context = Context::from_waker(std::task::Waker::noop());
    let mut accepted = Vec::new();
    let mut refused = Vec::new();
    for _ in 0..12 {
        let mut health = Box::pin(store.health());
        match health.as_mut().poll(&mut context) {
            Poll::Ready(result) => refused.push(result.unwrap_err()),
            Poll::Pending => accepted.push(health),
        }
    }
    // The writer may have taken some before the lock stopped it.
    assert!((4..=8).contains(&accepted.len()), "{}", accepted.len());
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("waiting"), "{error}");
    }
    lock.execute_batch("ROLLBACK").unwrap();
    for health in accepted {
        block_on(health).unwrap();
    }
    block_on(store.health()).unwrap();
}

#[test]
fn a_write_whose_caller_went_away_is_carried_out() {
    let place = Place::new();
    let store = place.open();
    let alice = create(&store, "alice");
    let heard = Heard::of(&store);
    let lock = place.connect();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut context = Context::from_waker(std::task::Waker::noop());
    {
        let mut revoke = pin!(store.revoke(alice.id, EndReason::LoggedOut));
        assert!(revoke.as_mut().poll(&mut context).is_pending());
    }
    let bob = record("bob");
    {
        let mut create = pin!(store.create(request(bob.clone())));
        assert!(create.as_mut().poll(&mut context).is_pending());
    }
    assert!(lookup(&store, alice.id).is_some());
    drop(lock);
    drop(store);
    assert_eq!(heard.ids(), [alice.id]);
    assert!(!place.beside("-wal").exists());
    let store = place.open();
    assert_eq!(lookup(&store, alice.id), None);
    assert_eq!(lookup(&store, bob.id), Some(bob));
}

#[test]
fn a_sweep_judges_again_what_was_used_meanwhile() {
    let place = Place::new();
    let store = place.open();
    let alice = create(&store, "alice");
    let lock = place.connect();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut update = Box::pin(store.update(alice.id, touch(100_000)));
    let mut sweeps = Box::pin(store.sweep_expired(sweep(150_000)));
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(update.as_mut().poll(&mut context).is_pending());
    // It has seen the session as it was, and waits to remove it.
    assert!(sweeps.as_mut().poll(&mut context).is_pending());
    lock.execute_batch("ROLLBACK").unwrap();
    block_on(update).unwrap();
    assert_eq!(block_on(sweeps).unwrap().ended, []);
    assert!(lookup(&store, alice.id).is_some());
}

#[test]
fn health_writes_to_the_log_and_commits_nothing() {
    let place = Place::new();
    let store = place.open();
    create(&store, "alice");
    let log = || fs::metadata(place.beside("-wal")).unwrap().len();
    let (before, committed) = (log(), commits(&place));
    for _ in 0..2 {
        block_on(store.health()).unwrap();
        // A page and its header, written over the next time.
        assert_eq!(log(), before + 24 + 4096);
        assert_eq!(commits(&place), committed);
    }
    let bob = create(&store, "bob");
    assert_eq!(commits(&place), committed + 1);
    drop(store);
    assert_eq!(lookup(&place.open(), bob.id), Some(bob));
}

#[test]
fn health_that_shares_a_transaction_changes_nothing_of_it() {
    let place = Place::new();
    let store = place.open();
    create(&store, "alice");
    let epoch = block_on(store.epoch(&user("alice"))).unwrap();
    let lock = place.connect();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let bob = record("bob");
    let mut context = Context::from_waker(std::task::Waker::noop());
    let mut waits = Box::pin(store.health());
    let mut before = Box::pin(store.health());
    let mut creates = Box::pin(store.create(request(bob.clone())));
    let mut after = Box::pin(store.health());
    assert!(waits.as_mut().poll(&mut context).is_pending());
    assert!(before.as_mut().poll(&mut context).is_pending());
    assert!(creates.as_mut().poll(&mut context).is_pending());
    assert!(after.as_mut().poll(&mut context).is_pending());
    lock.execute_batch("ROLLBACK").unwrap();
    for health in [waits, before, after] {
        block_on(health).unwrap();
    }
    block_on(creates).unwrap();
    assert_eq!(lookup(&store, bob.id), Some(bob));
    assert_eq!(block_on(store.epoch(&user("alice"))).unwrap(), epoch);
}
