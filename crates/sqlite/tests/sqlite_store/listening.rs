//! Listeners and wakers, which run on the writer.

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::Context;
use std::thread;

use revocable_core::{EndListener, EndReason, Ended, ErrorKind, SessionStore};
use revocable_sqlite::SqliteStore;

use crate::support::*;

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
fn a_file_stays_taken_while_the_writer_carries_out_what_waits() {
    type Refused = Option<ErrorKind>;
    /// Drops the last handle on the writer's thread and opens the file again.
    struct DropsAndOpens(
        Place,
        Mutex<Option<SqliteStore>>,
        Mutex<mpsc::Sender<Refused>>,
    );
    impl EndListener for DropsAndOpens {
        fn ended(&self, _: &[Ended]) {
            drop(self.1.lock().unwrap().take());
            let refused = exclusively(&self.0).err().map(|error| error.kind());
            self.2.lock().unwrap().send(refused).unwrap();
        }
        fn everything_ended(&self, _: u64, _: EndReason) {}
    }
    let place = Place::new();
    let store = exclusively(&place).unwrap();
    let [a, b] = [(); 2].map(|()| create(&store, "alice"));
    let (sender, receiver) = mpsc::channel();
    let drops = Arc::new(DropsAndOpens(
        place,
        Mutex::new(Some(store.clone())),
        Mutex::new(sender),
    ));
    let listener: Arc<dyn EndListener> = drops.clone();
    store.subscribe(Arc::downgrade(&listener));
    let lock = drops.0.connect();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut context = Context::from_waker(std::task::Waker::noop());
    for id in [a.id, b.id] {
        let mut revoke = pin!(store.revoke(id, EndReason::LoggedOut));
        assert!(revoke.as_mut().poll(&mut context).is_pending());
    }
    drop(store);
    lock.execute_batch("ROLLBACK").unwrap();
    drop(lock);
    // The second revocation may still wait when the first is told.
    for _ in [a, b] {
        assert_eq!(receiver.recv().unwrap(), Some(ErrorKind::Unavailable));
    }
    // Then the writer ends. A deadline rather than a hang if it never does.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while exclusively(&drops.0).is_err() {
        assert!(std::time::Instant::now() < deadline);
        thread::yield_now();
    }
}
