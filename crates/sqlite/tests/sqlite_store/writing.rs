//! The writer: batches, locks, room, cancelled callers, the end.

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc;
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fs, thread};

use futures_executor::block_on;
use revocable_core::{
    ChangeKind, CreateOutcome, CreateRequest, EndListener, EndReason, Ended, Error, ErrorKind,
    Liveness, Record, SessionStore, UpdateOutcome,
};
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

/// Fills the store to its limit.
fn fill(store: &SqliteStore) -> (Vec<Record>, Error) {
    let mut records = Vec::new();
    loop {
        let record = Record {
            data: vec![1; 10_000].into(),
            ..record("alice")
        };
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
fn the_listener_hears_after_the_commit_and_before_the_answer() {
    struct Looks(Place, Mutex<Vec<(usize, i64)>>);
    impl EndListener for Looks {
        fn ended(&self, ended: &[Ended]) {
            let left = self
                .0
                .connect()
                .query_row("SELECT count(*) FROM sessions", [], |row| row.get(0))
                .unwrap();
            self.1.lock().unwrap().push((ended.len(), left));
        }
        fn everything_ended(&self, _: u64, _: EndReason) {}
    }
    let place = Place::new();
    let store = place.open();
    let alice = create(&store, "alice");
    let looks = Arc::new(Looks(place, Mutex::default()));
    let listener: Arc<dyn EndListener> = looks.clone();
    store.subscribe(Arc::downgrade(&listener));
    revoke(&store, alice.id);
    assert_eq!(*looks.1.lock().unwrap(), [(1, 0)]);
}

#[test]
fn the_last_handle_may_go_in_a_listener() {
    struct Drops(
        Mutex<Option<SqliteStore>>,
        Mutex<mpsc::Sender<thread::ThreadId>>,
    );
    impl EndListener for Drops {
        fn ended(&self, _: &[Ended]) {
            drop(self.0.lock().unwrap().take());
            self.1.lock().unwrap().send(thread::current().id()).unwrap();
        }
        fn everything_ended(&self, _: u64, _: EndReason) {}
    }
    let place = Place::new();
    let store = place.open();
    let [a, b] = [(); 2].map(|()| create(&store, "alice"));
    let (sender, receiver) = mpsc::channel();
    let drops: Arc<dyn EndListener> =
        Arc::new(Drops(Mutex::new(Some(store.clone())), Mutex::new(sender)));
    store.subscribe(Arc::downgrade(&drops));
    let lock = place.connect();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut context = Context::from_waker(std::task::Waker::noop());
    for id in [a.id, b.id] {
        let mut revoke = pin!(store.revoke(id, EndReason::LoggedOut));
        assert!(revoke.as_mut().poll(&mut context).is_pending());
    }
    drop(store);
    lock.execute_batch("ROLLBACK").unwrap();
    drop(lock);
    assert_ne!(receiver.recv().unwrap(), thread::current().id());
    receiver.recv().unwrap();
    let store = place.open();
    assert_eq!((lookup(&store, a.id), lookup(&store, b.id)), (None, None));
}

#[test]
fn a_panicking_listener_or_waker_does_not_stop_the_writer() {
    struct Panics;
    impl EndListener for Panics {
        fn ended(&self, _: &[Ended]) {
            panic!("a listener with a defect");
        }
        fn everything_ended(&self, _: u64, _: EndReason) {}
    }
    impl std::task::Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker with a defect");
        }
    }
    let place = Place::new();
    let store = place.open();
    let alice = create(&store, "alice");
    let listener: Arc<dyn EndListener> = Arc::new(Panics);
    store.subscribe(Arc::downgrade(&listener));
    {
        let waker = Arc::new(Panics).into();
        let mut revoke = pin!(store.revoke(alice.id, EndReason::LoggedOut));
        let _ = revoke.as_mut().poll(&mut Context::from_waker(&waker));
    }
    create(&store, "alice");
    assert_eq!(lookup(&store, alice.id), None);
}

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
fn the_log_stays_bounded_when_writing_never_stops() {
    let place = Place::new();
    let store = place.open();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let longest = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let alice = create(&store, "alice");
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    assert!(lookup(&store, alice.id).is_some());
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
            revoke(&store, record.id);
            longest = longest.max(fs::metadata(place.beside("-wal")).unwrap().len());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        longest
    });
    assert!(longest > 1 << 20, "{longest}: the test writes too little");
    assert!(longest < 48 << 20, "{longest}");
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
        assert!(create.as_mut().poll(&mut context).is_pending());
        waiting.push(create);
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
