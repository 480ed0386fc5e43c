//! A disk that does not answer.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures_executor::block_on;
use revocable_core::{EndListener, EndReason, Ended, ErrorKind, Result, SessionStore};

use super::support::*;
use super::sync::{Setup, open};
use crate::{SledStore, SledStoreBuilder};

/// A store with a disk that can be halted and so little patience that it is
/// out of service as soon as that is done, and its first session.
fn impatient() -> (Setup, revocable_core::Record) {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let alice = create(&store, "alice");
    drop(store);
    let builder = SledStoreBuilder::new(folder.path()).write_timeout(Duration::ZERO);
    (open(folder, builder), alice)
}

/// Until it works. So little patience can run out without reason.
fn until_it_works<T>(mut run: impl FnMut() -> Result<T>) -> T {
    loop {
        match run() {
            Ok(done) => return done,
            Err(error) => assert!(
                matches!(
                    error.kind(),
                    ErrorKind::Unavailable | ErrorKind::UnknownOutcome
                ),
                "{error}"
            ),
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
    let (setup, alice) = impatient();
    let store = &setup.store;
    let told = Arc::new(Told::default());
    let listener: Arc<dyn EndListener> = told.clone();
    store.subscribe(Arc::downgrade(&listener));
    let mut victim = alice;
    for round in 0..3 {
        setup.halting.store(true, Ordering::SeqCst);
        let revoked = block_on(store.revoke(victim.id, EndReason::LoggedOut));
        assert_eq!(revoked.unwrap_err().kind(), ErrorKind::UnknownOutcome);
        setup.begun.recv().unwrap();
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
        setup.halting.store(false, Ordering::SeqCst);
        setup.go_on.send(()).unwrap();
        let found = until_it_works(|| block_on(store.lookup(victim.id)));
        assert_eq!(found, None, "the write took effect in the end");
        assert_eq!(told.0.load(Ordering::SeqCst), round + 1);
        until_it_works(|| block_on(store.create(request(&bob))));
        victim = bob;
    }
}

#[test]
fn a_store_whose_disk_hangs_can_be_dropped() {
    let (setup, alice) = impatient();
    setup.halting.store(true, Ordering::SeqCst);
    let revoked = block_on(setup.store.revoke(alice.id, EndReason::LoggedOut));
    assert_eq!(revoked.unwrap_err().kind(), ErrorKind::UnknownOutcome);
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
    let (setup, alice) = impatient();
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
