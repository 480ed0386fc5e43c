//! The race as it is with a cache that loads by itself, and the same schedule
//! with `CachedStore`.

use std::sync::{Arc, mpsc};
use std::thread;

use futures_executor::block_on;
use moka::sync::Cache;
use revocable_core::{EndReason, Record, SessionId, SessionStore};

use crate::staged::*;

#[test]
fn a_loader_of_moka_serves_a_revoked_session_to_who_comes_later() {
    let store = Arc::new(revocable_memory::MemoryStore::new());
    let session = create(&*store, "alice");
    let cache: Cache<SessionId, Option<Arc<Record>>> = Cache::new(100);
    let (loaded, has_loaded) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let reader = thread::spawn({
        let (cache, store, id) = (cache.clone(), Arc::clone(&store), session.id);
        move || {
            cache.get_with(id, || {
                let row = lookup(&*store, id);
                loaded.send(()).unwrap();
                may_go_on.recv().unwrap();
                row
            })
        }
    });
    has_loaded.recv().unwrap();
    // Acknowledged, and the entry invalidated as one does.
    block_on(store.revoke(session.id, EndReason::LoggedOut)).unwrap();
    cache.invalidate(&session.id);
    go_on.send(()).unwrap();
    reader.join().unwrap();

    let later = cache.get_with(session.id, || lookup(&*store, session.id));
    assert!(later.is_some(), "moka has become better than it was");
}

#[test]
fn the_same_schedule_serves_nothing_through_the_cached_store() {
    let (store, cached) = cached();
    let session = create(&cached, "alice");
    let cached = Arc::new(cached);
    store.loaded.close();
    let reader = thread::spawn({
        let (cached, id) = (Arc::clone(&cached), session.id);
        move || lookup(&*cached, id)
    });
    while store.loads() == 0 {
        thread::yield_now();
    }
    block_on(cached.revoke(session.id, EndReason::LoggedOut)).unwrap();
    store.loaded.open();
    reader.join().unwrap();

    assert_eq!(lookup(&*cached, session.id), None);
}
