//! Writes that fail, and writes whose callers go away.

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};

use futures_executor::block_on;
use revocable_cache::CachedStore;
use revocable_core::{EndReason, ErrorKind, SessionStore};

use crate::staged::*;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A cache whose left writes are in the test's hands.
fn cached_with_hands() -> (Arc<Staged>, Cached, Arc<Mutex<Vec<Work>>>) {
    let store = Arc::new(Staged::new());
    let left: Arc<Mutex<Vec<Work>>> = Arc::default();
    let hands = Arc::clone(&left);
    let cached = CachedStore::builder(Arc::clone(&store))
        .finish_with(move |work| hands.lock().unwrap().push(work))
        .build()
        .unwrap();
    (store, cached, left)
}

#[test]
fn a_revocation_whose_caller_went_away_is_carried_out_and_never_served() {
    let (store, cached, left) = cached_with_hands();
    let session = create_cached(&store, &cached, "alice");
    store.begun.close();
    let mut revoke = cached.revoke(session.id, EndReason::LoggedOut);
    assert!(poll(&mut revoke).is_pending());
    drop(revoke);
    // Readers between the drop and the commit are not served from the cache, nor with what
    // the store has before something that may still come. They wait.
    assert!(cached.lookup_now(session.id).is_none());
    let loads = store.loads();
    let mut reading = cached.lookup(session.id);
    assert!(poll(&mut reading).is_pending());
    let mut listing = cached.list_for_user(&session.user, None, NonZeroU32::MAX);
    assert!(poll(&mut listing).is_pending());
    assert_eq!(store.loads(), loads, "the store was asked");
    store.begun.open();
    let work = left.lock().unwrap().pop().unwrap();
    block_on(work);
    assert_eq!(block_on(reading).unwrap(), None);
    assert_eq!(block_on(listing).unwrap().records, []);
    assert_eq!(lookup(&cached, session.id), None);
    // And then the cache answers again for others.
    create_cached(&store, &cached, "alice");
}

#[test]
fn every_write_whose_caller_went_away_is_finished() {
    let (store, cached, left) = cached_with_hands();
    let session = create_cached(&store, &cached, "alice");
    let all = || -> Vec<Pin<Box<dyn Future<Output = ()> + Send + '_>>> {
        let cap = revocable_core::Cap {
            max: 1.try_into().unwrap(),
            at_cap: revocable_core::AtCap::EndOldest,
        };
        let mut capped = request(record("alice"));
        capped.cap = Some(cap);
        let sweep = revocable_core::SweepRequest {
            liveness: revocable_core::Liveness::at(0),
            forget_epochs_before_ms: i64::MIN,
            cursor: None,
            max_rows: 100.try_into().unwrap(),
        };
        vec![
            Box::pin(async { drop(cached.create(capped).await) }),
            Box::pin(async { drop(cached.update(session.id, touch(3_000)).await) }),
            Box::pin(async { drop(cached.revoke(session.id, EndReason::Cap).await) }),
            Box::pin(async { drop(cached.revoke_all_for_user(revoke_all("alice")).await) }),
            Box::pin(async { drop(cached.sweep_expired(sweep).await) }),
            Box::pin(async { drop(cached.revoke_everything(EndReason::Unknown).await) }),
        ]
    };
    let count = all().len();
    for gate in [&store.begun, &store.committed] {
        for n in 0..count {
            gate.close();
            let mut write = all().swap_remove(n);
            assert!(poll(&mut write).is_pending());
            drop(write);
            gate.open();
            let work = left.lock().unwrap().pop().unwrap();
            block_on(work);
            assert!(left.lock().unwrap().is_empty());
            create_cached(&store, &cached, "alice");
        }
    }
    // One that never began leaves nothing to do.
    for write in all() {
        drop(write);
    }
    assert!(left.lock().unwrap().is_empty());
}

#[test]
fn the_caches_own_thread_finishes_what_callers_left() {
    struct Told(mpsc::Sender<()>);
    impl revocable_core::EndListener for Told {
        fn ended(&self, _: &[revocable_core::Ended]) {
            self.0.send(()).unwrap();
        }
        fn everything_ended(&self, _: u64, _: EndReason) {}
    }
    let store = Arc::new(Staged {
        tells: true,
        ..Staged::new()
    });
    let cached = Cached::new(Arc::clone(&store)).unwrap();
    let (tell, told) = mpsc::channel();
    let listener: Arc<dyn revocable_core::EndListener> = Arc::new(Told(tell));
    assert!(cached.subscribe(Arc::downgrade(&listener)));
    for _ in 0..3 {
        let session = create_cached(&store, &cached, "alice");
        store.begun.close();
        let mut revoke = cached.revoke(session.id, EndReason::LoggedOut);
        assert!(poll(&mut revoke).is_pending());
        drop(revoke);
        store.begun.open();
        // The cache heard of it before any other listener did.
        told.recv().unwrap();
        assert_eq!(lookup(&cached, session.id), None);
        // The thread has released the bucket, or is about to.
        let next = create(&cached, "alice");
        loop {
            let loads = store.loads();
            assert!(lookup(&cached, next.id).is_some());
            if store.loads() == loads {
                break;
            }
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_write_that_does_not_know_its_outcome_is_not_contradicted_by_the_cache() {
    let (store, cached) = cached();
    Staged::set(&store.forgetful, true);
    let kind = |outcome: revocable_core::Result<()>| outcome.unwrap_err().kind();

    let alice = record("alice");
    block_on(store.memory.create(request(alice.clone()))).unwrap();
    assert!(lookup(&cached, alice.id).is_some());
    let revoked = block_on(cached.revoke(alice.id, EndReason::LoggedOut));
    assert_eq!(kind(revoked.map(drop)), ErrorKind::UnknownOutcome);
    assert_eq!(lookup(&cached, alice.id), None);

    let alice = record("alice");
    block_on(store.memory.create(request(alice.clone()))).unwrap();
    assert!(lookup(&cached, alice.id).is_some());
    let mut capped = request(record("alice"));
    capped.cap = Some(revocable_core::Cap {
        max: 1.try_into().unwrap(),
        at_cap: revocable_core::AtCap::EndOldest,
    });
    let created = block_on(cached.create(capped));
    assert_eq!(kind(created.map(drop)), ErrorKind::UnknownOutcome);
    assert_eq!(lookup(&cached, alice.id), None);

    let alice = record("alice");
    block_on(store.memory.create(request(alice.clone()))).unwrap();
    assert!(lookup(&cached, alice.id).is_some());
    let updated = block_on(cached.update(alice.id, set_data(0, b"new")));
    assert_eq!(kind(updated.map(drop)), ErrorKind::UnknownOutcome);
    assert_eq!(&*lookup(&cached, alice.id).unwrap().data, b"new");
    let revoked = block_on(cached.revoke_all_for_user(revoke_all("alice")));
    assert_eq!(kind(revoked.map(drop)), ErrorKind::UnknownOutcome);
    assert_eq!(lookup(&cached, alice.id), None);
}

#[test]
fn after_a_panic_of_the_store_the_cache_does_not_answer_for_that_user() {
    let (store, cached) = cached();
    let session = create_cached(&store, &cached, "alice");
    Staged::set(&store.panics, true);
    let mut revoke = cached.revoke(session.id, EndReason::LoggedOut);
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(&mut revoke)));
    assert!(polled.is_err());
    drop(revoke);
    Staged::set(&store.panics, false);
    // It may yet take effect, for all that anybody knows.
    let loads = store.loads();
    assert!(lookup(&cached, session.id).is_some());
    assert!(lookup(&cached, session.id).is_some());
    assert_eq!(store.loads(), loads + 2);
    create_cached(&store, &cached, "somebody of another bucket");
}
