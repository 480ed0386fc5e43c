//! What is kept, and what is not.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use futures_executor::block_on;
use revocable_cache::CachedStore;
use revocable_core::{EndReason, ErrorKind, ManualClock, SessionStore};

use crate::staged::*;

#[test]
fn a_hit_does_not_ask_the_store() {
    let (store, cached) = cached();
    let session = create_cached(&store, &cached, "alice");
    let loads = store.loads();
    for _ in 0..100 {
        assert_eq!(*lookup(&cached, session.id).unwrap(), session);
    }
    assert_eq!(store.loads(), loads);
}

#[test]
fn made_up_tokens_displace_nobody_and_are_not_kept() {
    let store = Arc::new(Staged::new());
    let cached = CachedStore::builder(Arc::clone(&store))
        .max_sessions(10)
        .build()
        .unwrap();
    let session = create_cached(&store, &cached, "alice");
    for _ in 0..10_000 {
        assert_eq!(lookup(&cached, record("mallory").id), None);
    }
    assert_eq!(cached.cached_sessions(), 1);
    let loads = store.loads();
    assert!(lookup(&cached, session.id).is_some());
    assert_eq!(store.loads(), loads, "displaced");
    // A session that is created later is found at once.
    let absent = record("bob");
    assert_eq!(lookup(&cached, absent.id), None);
    block_on(cached.create(request(absent.clone()))).unwrap();
    assert!(lookup(&cached, absent.id).is_some());
}

#[test]
fn no_more_is_kept_than_was_said_and_the_newest_stay() {
    let by_count = |builder: revocable_cache::CachedStoreBuilder<_>| builder.max_sessions(50);
    let by_bytes = |builder: revocable_cache::CachedStoreBuilder<_>| builder.max_bytes(50 * 520);
    let (one, other) = (Arc::new(Staged::new()), Arc::new(Staged::new()));
    for (store, builder) in [
        (&one, by_count(CachedStore::builder(Arc::clone(&one)))),
        (&other, by_bytes(CachedStore::builder(Arc::clone(&other)))),
    ] {
        let cached = builder.build().unwrap();
        // Much used, so that a cache that admits by use refuses the others.
        for n in 0..50 {
            let session = create(&cached, &format!("frequent {n}"));
            for _ in 0..20 {
                lookup(&cached, session.id);
            }
        }
        for n in 0..1_000 {
            create_cached(store, &cached, &format!("user {n}"));
        }
        let kept = cached.cached_sessions();
        assert!((40..=51).contains(&kept), "{kept} are kept");
        create_cached(store, &cached, "the newest");
    }
}

#[test]
fn errors_are_passed_on_and_not_kept() {
    let (store, cached) = cached();
    let session = create(&cached, "alice");
    Staged::set(&store.broken, true);
    let failed = |outcome: revocable_core::Result<()>| {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unavailable);
    };
    failed(block_on(cached.lookup(session.id)).map(drop));
    failed(block_on(cached.health()));
    failed(block_on(cached.epoch(&user("alice"))).map(drop));
    failed(block_on(cached.list_for_user(&user("alice"), None, 1.try_into().unwrap())).map(drop));
    Staged::set(&store.broken, false);
    assert!(lookup(&cached, session.id).is_some());
    // A revocation that fails takes the session out: nobody is let in by the
    // cache whom somebody wanted out.
    Staged::set(&store.broken, true);
    failed(block_on(cached.revoke(session.id, EndReason::LoggedOut)).map(drop));
    failed(block_on(cached.lookup(session.id)).map(drop));
}

#[test]
fn a_touch_that_comes_soon_shows_as_soon_as_the_store_shows_it() {
    let (store, cached) = cached();
    let session = create_cached(&store, &cached, "alice");
    assert!(cached.update_soon(session.id, &touch(9_000)));
    assert_eq!(lookup(&cached, session.id).unwrap().last_seen_ms, 9_000);
    let loads = store.loads();
    assert_eq!(lookup(&cached, session.id).unwrap().last_seen_ms, 9_000);
    assert_eq!(store.loads(), loads);
    // Touches that come in another order move nothing back.
    assert!(cached.update_soon(session.id, &touch(8_000)));
    assert_eq!(lookup(&cached, session.id).unwrap().last_seen_ms, 9_000);
    // Anything else has to be waited for.
    assert!(!cached.update_soon(session.id, &set_data(0, b"new")));
}

#[test]
fn until_a_touch_shows_in_the_store_the_session_is_not_kept() {
    let store = Arc::new(Staged {
        touches_late: true,
        ..Staged::new()
    });
    let cached = Cached::new(Arc::clone(&store)).unwrap();
    let session = create_cached(&store, &cached, "alice");
    assert!(cached.update_soon(session.id, &touch(9_000)));
    // What the store says now must not be kept: it will say something else.
    let loads = store.loads();
    for _ in 0..3 {
        assert_eq!(lookup(&cached, session.id).unwrap().last_seen_ms, 1_000);
    }
    assert_eq!(store.loads(), loads + 3);
    assert!(store.memory.update_soon(session.id, &touch(9_000)));
    for _ in 0..3 {
        assert_eq!(lookup(&cached, session.id).unwrap().last_seen_ms, 9_000);
    }
    assert_eq!(store.loads(), loads + 4);
    // A load that the touch overtook is not kept either.
    let session = create(&cached, "bob");
    store.loaded.close();
    let mut reader = cached.lookup(session.id);
    assert!(poll(&mut reader).is_pending());
    assert!(cached.update_soon(session.id, &touch(9_000)));
    store.loaded.open();
    assert!(poll(&mut reader).is_ready());
    assert!(store.memory.update_soon(session.id, &touch(9_000)));
    assert_eq!(lookup(&cached, session.id).unwrap().last_seen_ms, 9_000);
}

#[test]
fn a_session_that_looks_expired_is_read_again() {
    let clock = Arc::new(ManualClock::new(UNIX_EPOCH + Duration::from_secs(2)));
    let store = Arc::new(Staged::new());
    let cached = CachedStore::builder(Arc::clone(&store))
        .clock(Arc::clone(&clock))
        .build()
        .unwrap();
    let mut session = record("alice");
    session.idle_timeout_ms = 10_000;
    block_on(cached.create(request(session.clone()))).unwrap();
    lookup(&cached, session.id);
    // Touched past the cache.
    block_on(store.memory.update(session.id, touch(10_000))).unwrap();
    clock.advance(Duration::from_secs(8));
    assert_eq!(lookup(&cached, session.id).unwrap().last_seen_ms, 1_000);
    clock.advance(Duration::from_secs(3));
    assert_eq!(lookup(&cached, session.id).unwrap().last_seen_ms, 10_000);
    // One that has expired is not kept: a sweep of others may remove it.
    clock.advance(Duration::from_secs(100));
    let loads = store.loads();
    lookup(&cached, session.id);
    lookup(&cached, session.id);
    assert_eq!(store.loads(), loads + 2);
    block_on(cached.revoke(session.id, EndReason::Expired)).unwrap();
    session = record("alice");
    session.idle_timeout_ms = 1;
    block_on(cached.create(request(session.clone()))).unwrap();
    assert!(lookup(&cached, session.id).is_some());
    assert_eq!(cached.cached_sessions(), 0);
}

#[test]
fn what_ends_past_the_cache_is_heard_of() {
    let store = Arc::new(Staged {
        tells: true,
        ..Staged::new()
    });
    let cached = Cached::new(Arc::clone(&store)).unwrap();
    let session = create_cached(&store, &cached, "alice");
    block_on(store.memory.revoke(session.id, EndReason::LoggedOut)).unwrap();
    assert_eq!(lookup(&cached, session.id), None);
    let session = create_cached(&store, &cached, "alice");
    block_on(store.memory.revoke_everything(EndReason::LoggedOut)).unwrap();
    assert_eq!(lookup(&cached, session.id), None);
}

#[test]
fn debug_shows_no_session() {
    let (store, cached) = cached();
    create_cached(&store, &cached, "alice");
    let shown = format!("{cached:?} {:?}", CachedStore::builder(store));
    assert!(
        shown.contains("CachedStore") && !shown.contains("alice"),
        "{shown}"
    );
}
