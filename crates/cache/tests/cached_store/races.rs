//! A load that a write overtakes.

use std::pin::Pin;
use std::task::Poll;

use futures_executor::block_on;
use revocable_core::{EndReason, SessionStore, UpdateOutcome};

use crate::staged::*;

/// A reader has loaded the row; then the session ends in this way; then the
/// reader goes on.
fn a_load_is_overtaken_by(end: impl Fn(&Cached, &revocable_core::Record)) {
    let (store, cached) = cached();
    let session = create(&cached, "alice");
    store.loaded.close();
    let mut reader = cached.lookup(session.id);
    assert!(poll(&mut reader).is_pending());
    end(&cached, &session);
    store.loaded.open();
    // It began before the end, so either answer would do.
    assert!(poll(&mut reader).is_ready());
    assert_eq!(lookup(&cached, session.id), None);
}

#[test]
fn a_load_that_a_revocation_overtook_leaves_nothing_to_serve() {
    a_load_is_overtaken_by(|cached, session| {
        let ended = block_on(cached.revoke(session.id, EndReason::LoggedOut)).unwrap();
        assert_eq!(ended.unwrap().id, session.id);
    });
}

#[test]
fn a_load_that_a_revoke_all_overtook_leaves_nothing_to_serve() {
    a_load_is_overtaken_by(|cached, session| {
        let outcome = block_on(cached.revoke_all_for_user(revoke_all("alice"))).unwrap();
        assert_eq!(outcome.ended, [session.id]);
    });
}

#[test]
fn a_load_that_a_revocation_of_everything_overtook_leaves_nothing_to_serve() {
    a_load_is_overtaken_by(|cached, _| {
        let ended = block_on(cached.revoke_everything(EndReason::Administrator)).unwrap();
        assert_eq!(ended, 1);
    });
}

#[test]
fn a_load_that_a_cap_overtook_leaves_nothing_to_serve() {
    a_load_is_overtaken_by(|cached, session| {
        let mut request = request(record("alice"));
        request.cap = Some(revocable_core::Cap {
            max: 1.try_into().unwrap(),
            at_cap: revocable_core::AtCap::EndOldest,
        });
        let outcome = block_on(cached.create(request)).unwrap();
        let revocable_core::CreateOutcome::Created { ended } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(ended[0].id, session.id);
    });
}

#[test]
fn a_load_that_a_sweep_overtook_leaves_nothing_to_serve() {
    a_load_is_overtaken_by(|cached, session| {
        let outcome = block_on(cached.sweep_expired(revocable_core::SweepRequest {
            liveness: revocable_core::Liveness::at(2 * NEVER_MS),
            forget_epochs_before_ms: i64::MIN,
            cursor: None,
            max_rows: 100.try_into().unwrap(),
        }));
        assert_eq!(outcome.unwrap().ended[0].id, session.id);
    });
}

#[test]
fn a_load_that_an_update_overtook_does_not_hide_it() {
    let (store, cached) = cached();
    let session = create(&cached, "alice");
    store.loaded.close();
    let mut reader = cached.lookup(session.id);
    assert!(poll(&mut reader).is_pending());
    let outcome = block_on(cached.update(session.id, set_data(0, b"new"))).unwrap();
    assert!(matches!(outcome, UpdateOutcome::Updated(_)));
    store.loaded.open();
    assert!(poll(&mut reader).is_ready());
    assert_eq!(&*lookup(&cached, session.id).unwrap().data, b"new");
}

#[test]
fn between_commit_and_acknowledgement_nobody_is_served_what_the_store_no_longer_has() {
    let (store, cached) = cached();
    let sweep = revocable_core::SweepRequest {
        liveness: revocable_core::Liveness::at(2 * NEVER_MS),
        forget_epochs_before_ms: i64::MIN,
        cursor: None,
        max_rows: 100.try_into().unwrap(),
    };
    for verb in 0..4 {
        store.committed.open();
        let session = create_cached(&store, &cached, "alice");
        let end = async {
            match verb {
                0 => drop(cached.revoke(session.id, EndReason::LoggedOut).await),
                1 => drop(cached.revoke_all_for_user(revoke_all("alice")).await),
                2 => drop(cached.revoke_everything(EndReason::Administrator).await),
                _ => drop(cached.sweep_expired(sweep.clone()).await),
            }
        };
        store.committed.close();
        let mut end: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(end);
        assert!(poll(&mut end).is_pending());
        assert_eq!(lookup(&cached, session.id), None, "verb {verb}");
        store.committed.open();
        assert_eq!(poll(&mut end), Poll::Ready(()));
        assert_eq!(lookup(&cached, session.id), None, "verb {verb}");
    }
}

#[test]
fn what_a_sweep_spares_is_served_while_it_is_under_way() {
    let (store, cached) = cached();
    let session = create_cached(&store, &cached, "alice");
    let sweep = |now_ms| revocable_core::SweepRequest {
        liveness: revocable_core::Liveness::at(now_ms),
        forget_epochs_before_ms: i64::MIN,
        cursor: None,
        max_rows: 100.try_into().unwrap(),
    };
    let loads = store.loads();
    store.begun.close();
    let mut harmless = cached.sweep_expired(sweep(2_000));
    assert!(poll(&mut harmless).is_pending());
    assert!(lookup(&cached, session.id).is_some());
    assert_eq!(store.loads(), loads, "the store was asked");
    // Another that would end it: then the store knows.
    let mut deadly = cached.sweep_expired(sweep(2 * NEVER_MS));
    assert!(poll(&mut deadly).is_pending());
    assert!(lookup(&cached, session.id).is_some());
    assert_eq!(store.loads(), loads + 1, "the store was not asked");
    store.begun.open();
    assert!(poll(&mut harmless).is_ready());
    assert!(poll(&mut deadly).is_ready());
    assert_eq!(lookup(&cached, session.id), None);
    let session = create_cached(&store, &cached, "alice");
    let loads = store.loads();
    assert!(lookup(&cached, session.id).is_some());
    assert_eq!(store.loads(), loads, "no sweep is under way any more");
}

#[test]
fn a_load_during_a_write_leaves_nothing_to_serve_after_it() {
    let (store, cached) = cached();
    let session = create_cached(&store, &cached, "alice");
    store.begun.close();
    let mut revoke = cached.revoke(session.id, EndReason::LoggedOut);
    assert!(poll(&mut revoke).is_pending());
    // Not revoked yet: the store says so, the cache is not asked.
    let loads = store.loads();
    assert!(lookup(&cached, session.id).is_some());
    assert_eq!(store.loads(), loads + 1);
    store.begun.open();
    assert!(poll(&mut revoke).is_ready());
    assert_eq!(lookup(&cached, session.id), None);
}

#[test]
fn a_touch_that_a_revocation_overtook_brings_nothing_back() {
    let (store, cached) = cached();
    let session = create_cached(&store, &cached, "alice");
    block_on(cached.revoke(session.id, EndReason::LoggedOut)).unwrap();
    assert!(cached.update_soon(session.id, &touch(5_000)));
    assert_eq!(lookup(&cached, session.id), None);
}
