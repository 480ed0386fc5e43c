//! When the disk is waited for, and what happens if it fails.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};

use futures_executor::block_on;
use revocable_core::{EndReason, ErrorKind, SessionStore};
use tempfile::TempDir;

use super::support::*;
use crate::disk::Sync;
use crate::{SledStore, SledStoreBuilder};

/// A disk that a test can halt and break.
struct Slow {
    disk: Box<dyn Sync>,
    begun: mpsc::Sender<()>,
    go_on: mpsc::Receiver<()>,
    halting: Arc<AtomicBool>,
    failing: Arc<AtomicBool>,
    count: Arc<AtomicU32>,
}

impl Sync for Slow {
    fn sync(&mut self) -> io::Result<()> {
        self.count.fetch_add(1, Ordering::SeqCst);
        if self.halting.load(Ordering::SeqCst) {
            self.begun.send(()).unwrap();
            self.go_on.recv().unwrap();
        }
        if self.failing.load(Ordering::SeqCst) {
            return Err(io::Error::other("as the test wants it"));
        }
        self.disk.sync()
    }
}

pub(super) struct Setup {
    pub(super) folder: TempDir,
    pub(super) store: SledStore,
    pub(super) begun: mpsc::Receiver<()>,
    pub(super) go_on: mpsc::Sender<()>,
    pub(super) halting: Arc<AtomicBool>,
    failing: Arc<AtomicBool>,
    count: Arc<AtomicU32>,
}

pub(super) fn setup() -> Setup {
    let folder = tempfile::tempdir().unwrap();
    let builder = SledStoreBuilder::new(folder.path());
    open(folder, builder)
}

pub(super) fn open(folder: TempDir, builder: SledStoreBuilder) -> Setup {
    let (begin, begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let [halting, failing] = [(), ()].map(|()| Arc::new(AtomicBool::new(false)));
    let count = Arc::<AtomicU32>::default();
    let slow = |disk| -> Box<dyn Sync> {
        Box::new(Slow {
            disk: Box::new(disk),
            begun: begin,
            go_on: may_go_on,
            halting: Arc::clone(&halting),
            failing: Arc::clone(&failing),
            count: Arc::clone(&count),
        })
    };
    let store = builder.try_open(slow).unwrap();
    Setup {
        folder,
        store,
        begun,
        go_on,
        halting,
        failing,
        count,
    }
}

pub(super) type Write<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

pub(super) fn is_ready(write: &mut Write<'_>) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    write.as_mut().poll(&mut context).is_ready()
}

#[test]
fn no_write_is_answered_before_it_is_on_the_disk() {
    let setup = setup();
    let store = &setup.store;
    let (alice, bob) = (create(store, "alice"), create(store, "bob"));
    let new = record("carol");
    let writes: Vec<Write<'_>> = vec![
        Box::pin(async { drop(store.create(request(&new)).await.unwrap()) }),
        Box::pin(async { drop(store.revoke(alice.id, EndReason::LoggedOut).await.unwrap()) }),
        Box::pin(async { drop(store.revoke_all_for_user(revoke_all("bob")).await.unwrap()) }),
        Box::pin(async { assert!(store.revoke_everything(EndReason::Unknown).await.is_ok()) }),
        Box::pin(async { store.health().await.unwrap() }),
    ];
    setup.halting.store(true, Ordering::SeqCst);
    for mut write in writes {
        assert!(!is_ready(&mut write));
        setup.begun.recv().unwrap();
        assert!(!is_ready(&mut write), "answered before the disk had it");
        // Readers do not wait for the disk.
        block_on(store.lookup(bob.id)).unwrap();
        setup.go_on.send(()).unwrap();
        block_on(write);
    }
    setup.halting.store(false, Ordering::SeqCst);
}

/// After a power cut the position of a revocation that was lost is taken again,
/// and a login that had begun there would not be refused.
#[test]
fn no_login_begins_at_a_revocation_that_is_not_on_the_disk() {
    let setup = setup();
    let store = &setup.store;
    let alice = create(store, "alice").user;
    let epoch = || block_on(store.epoch(&alice)).unwrap();
    let writes: Vec<Write<'_>> = vec![
        Box::pin(async {
            drop(
                store
                    .revoke_all_for_user(revoke_all("alice"))
                    .await
                    .unwrap(),
            )
        }),
        Box::pin(async { assert!(store.revoke_everything(EndReason::Unknown).await.is_ok()) }),
    ];
    setup.halting.store(true, Ordering::SeqCst);
    for mut write in writes {
        let before = epoch();
        assert!(!is_ready(&mut write));
        setup.begun.recv().unwrap();
        assert_eq!(epoch(), before);
        setup.go_on.send(()).unwrap();
        block_on(write);
        assert!(epoch() > before);
    }
    setup.halting.store(false, Ordering::SeqCst);
}

#[test]
fn writes_that_wait_together_share_a_sync() {
    let setup = setup();
    setup.halting.store(true, Ordering::SeqCst);
    let records: Vec<_> = (0..100).map(|_| record("alice")).collect();
    let mut writes: Vec<_> = records
        .iter()
        .map(|record| setup.store.create(request(record)))
        .collect();
    let mut context = Context::from_waker(Waker::noop());
    assert!(writes[0].as_mut().poll(&mut context).is_pending());
    setup.begun.recv().unwrap();
    for write in &mut writes[1..] {
        assert!(write.as_mut().poll(&mut context).is_pending());
    }
    setup.halting.store(false, Ordering::SeqCst);
    setup.go_on.send(()).unwrap();
    for write in writes {
        block_on(write).unwrap();
    }
    assert_eq!(setup.count.load(Ordering::SeqCst), 2);
    assert!(records.iter().all(|record| is_there(&setup.store, record)));
}

#[test]
fn a_store_that_was_dropped_has_written_what_waited_and_ended_its_writer() {
    let setup = setup();
    let alice = record("alice");
    let mut write = setup.store.create(request(&alice));
    let mut context = Context::from_waker(Waker::noop());
    let _ = write.as_mut().poll(&mut context);
    drop(write);
    let Setup {
        folder,
        store,
        count,
        ..
    } = setup;
    drop(store);
    // The writer's disk has gone with it.
    assert_eq!(Arc::strong_count(&count), 1);
    assert!(is_there(&SledStore::open(folder.path()).unwrap(), &alice));
}

#[test]
fn what_changes_nothing_needs_no_disk() {
    let setup = setup();
    let alice = create(&setup.store, "alice");
    let count = setup.count.load(Ordering::SeqCst);
    block_on(setup.store.create(request(&alice))).unwrap();
    let absent = record("bob").id;
    block_on(setup.store.revoke(absent, EndReason::LoggedOut)).unwrap();
    assert_eq!(setup.count.load(Ordering::SeqCst), count);
}

#[test]
fn after_a_failed_sync_nothing_is_answered_until_the_store_is_opened_again() {
    #[derive(Default)]
    struct Told(Mutex<u32>);
    impl revocable_core::EndListener for Told {
        fn ended(&self, _: &[revocable_core::Ended]) {
            *self.0.lock().unwrap() += 1;
        }
        fn everything_ended(&self, _: u64, _: EndReason) {
            *self.0.lock().unwrap() += 1;
        }
    }
    for everything in [false, true] {
        let setup = setup();
        let store = &setup.store;
        let told = Arc::new(Told::default());
        let listener: Arc<dyn revocable_core::EndListener> = told.clone();
        store.subscribe(Arc::downgrade(&listener));
        let (alice, bob) = (create(store, "alice"), create(store, "bob"));
        setup.failing.store(true, Ordering::SeqCst);
        let failed = if everything {
            block_on(store.revoke_everything(EndReason::LoggedOut)).map(drop)
        } else {
            block_on(store.revoke(alice.id, EndReason::LoggedOut)).map(drop)
        };
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::UnknownOutcome);
        assert_eq!(*told.0.lock().unwrap(), 0, "nobody knows that it ended");
        setup.failing.store(false, Ordering::SeqCst);
        let kind = |result: revocable_core::Result<()>| result.unwrap_err().kind();
        for result in [
            block_on(store.lookup(bob.id)).map(drop),
            block_on(store.lookup(alice.id)).map(drop),
            block_on(store.create(request(&record("carol")))).map(drop),
            block_on(store.revoke(bob.id, EndReason::LoggedOut)).map(drop),
            block_on(store.epoch(&bob.user)).map(drop),
            block_on(store.list_for_user(&bob.user, None, 1.try_into().unwrap())).map(drop),
            block_on(store.health()),
        ] {
            assert_eq!(kind(result), ErrorKind::Unavailable);
        }
        let Setup { folder, store, .. } = setup;
        drop(store);
        let store = SledStore::open(folder.path()).unwrap();
        // The same call may be repeated.
        if everything {
            block_on(store.revoke_everything(EndReason::LoggedOut)).unwrap();
        } else {
            block_on(store.revoke(alice.id, EndReason::LoggedOut)).unwrap();
        }
        assert!(!is_there(&store, &alice));
        assert_eq!(is_there(&store, &bob), !everything);
    }
}
