//! A disk that does not answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_executor::block_on;
use revocable_core::{EndListener, EndReason, Ended, ErrorKind, Record, Result, SessionStore};

use super::support::*;
use super::sync::{Setup, open};
use crate::{SledStore, SledStoreBuilder};

/// A store with a disk that can be halted, and its first session.
fn setup() -> (Setup, Record) {
    let folder = tempfile::tempdir().unwrap();
    let builder = SledStoreBuilder::new(folder.path()).write_timeout(Duration::MAX);
    let setup = open(folder, builder);
    let alice = create(&setup.store, "alice");
    (setup, alice)
}

/// A write that hangs: nobody knows its outcome.
fn hang<T: std::fmt::Debug>(setup: &Setup, mut write: Write<'_, T>) {
    setup.halting.store(true, Ordering::SeqCst);
    assert!(poll(&mut write).is_pending());
    setup.begun.recv().unwrap();
    setup.store.shared().watch.let_time_pass();
    let error = block_on(write).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownOutcome);
    setup.halting.store(false, Ordering::SeqCst);
}

type Write<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

fn poll<T>(write: &mut Write<'_, T>) -> Poll<Result<T>> {
    write.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Until the writer is back.
fn until_it_works<T>(mut run: impl FnMut() -> Result<T>) -> T {
    loop {
        match run() {
            Ok(done) => return done,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn who_waits_for_a_disk_that_hangs_is_told_and_served_again_when_it_is_back() {
    #[derive(Default)]
    struct Told(AtomicU32);
    impl EndListener for Told {
        fn ended(&self, ended: &[Ended]) {
            let count = u32::try_from(ended.len()).unwrap();
            self.0.fetch_add(count, Ordering::SeqCst);
        }
        fn everything_ended(&self, _: u64, _: EndReason) {}
    }
    let (setup, alice) = setup();
    let store = &setup.store;
    let told = Arc::new(Told::default());
    let listener: Arc<dyn EndListener> = told.clone();
    store.subscribe(Arc::downgrade(&listener));
    let mut victim = alice;
    for round in 0..3 {
        hang(&setup, store.revoke(victim.id, EndReason::LoggedOut));
        let bob = record("bob");
        for refused in [
            block_on(store.lookup(victim.id)).map(drop),
            block_on(store.create(request(&bob))).map(drop),
            block_on(store.revoke(victim.id, EndReason::LoggedOut)).map(drop),
            block_on(store.epoch(&bob.user)).map(drop),
            block_on(store.list_for_user(&bob.user, None, 1.try_into().unwrap())).map(drop),
            block_on(store.health()),
        ] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unavailable);
        }
        assert_eq!(told.0.load(Ordering::SeqCst), round, "nobody knows yet");
        setup.go_on.send(()).unwrap();
        let found = until_it_works(|| block_on(store.lookup(victim.id)));
        assert_eq!(found, None, "the write took effect in the end");
        assert_eq!(told.0.load(Ordering::SeqCst), round + 1);
        until_it_works(|| block_on(store.create(request(&bob))));
        victim = bob;
    }
}

/// Who is told is free to go on, and a cache to answer. If the write came all
/// the same, it would come past them.
#[test]
fn a_write_that_waits_behind_one_that_hangs_is_refused_and_never_comes() {
    let (setup, alice) = setup();
    let store = &setup.store;
    setup.halting.store(true, Ordering::SeqCst);
    let (bob, carol) = (record("bob"), record("carol"));
    let mut hanging = store.create(request(&bob));
    assert!(poll(&mut hanging).is_pending());
    setup.begun.recv().unwrap();
    let mut created = store.create(request(&carol));
    let mut revoked = store.revoke(alice.id, EndReason::LoggedOut);
    let mut all_revoked = store.revoke_all_for_user(revoke_all("alice"));
    let mut everything_revoked = store.revoke_everything(EndReason::Unknown);
    let mut healthy = store.health();
    assert!(poll(&mut created).is_pending() && poll(&mut revoked).is_pending());
    assert!(poll(&mut all_revoked).is_pending() && poll(&mut everything_revoked).is_pending());
    assert!(poll(&mut healthy).is_pending());
    store.shared().watch.let_time_pass();
    let error = block_on(hanging).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownOutcome);
    for error in [
        block_on(created).unwrap_err(),
        block_on(revoked).unwrap_err(),
        block_on(all_revoked).unwrap_err(),
        block_on(everything_revoked).unwrap_err(),
        block_on(healthy).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    setup.halting.store(false, Ordering::SeqCst);
    setup.go_on.send(()).unwrap();
    // Whatever was in the queue would be carried out before this.
    until_it_works(|| block_on(store.health()));
    assert!(is_there(store, &alice) && is_there(store, &bob));
    assert!(!is_there(store, &carol));
}

#[test]
fn a_store_whose_disk_hangs_can_be_dropped() {
    let (setup, alice) = setup();
    hang(&setup, setup.store.revoke(alice.id, EndReason::LoggedOut));
    let Setup {
        folder,
        store,
        go_on,
        ..
    } = setup;
    drop(store);
    // Nothing is half open: the folder stays taken until the disk is back.
    let open = || SledStore::open(folder.path());
    assert_eq!(open().unwrap_err().kind(), ErrorKind::Unavailable);
    go_on.send(()).unwrap();
    let store = until_it_works(open);
    assert!(!is_there(&store, &alice));
}

#[test]
fn a_reader_does_not_wait_for_ever_for_a_transaction() {
    let (setup, alice) = setup();
    let (locked, is_locked) = mpsc::channel();
    let (let_go, may_let_go) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let shared = setup.store.shared();
        scope.spawn(move || {
            let guard = shared.write();
            locked.send(()).unwrap();
            may_let_go.recv().unwrap();
            drop(guard);
        });
        is_locked.recv().unwrap();
        let refused = block_on(setup.store.lookup(alice.id)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
        let_go.send(()).unwrap();
    });
    assert!(is_there(&setup.store, &alice));
}
