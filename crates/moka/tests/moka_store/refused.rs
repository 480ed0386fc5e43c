//! What changes nothing ends nobody, and what ended counts for nothing.

use futures_executor::block_on;
use revocable_core::{
    AtCap, Cap, CreateOutcome, CreateRequest, EndReason, RevokeAllRequest, SessionStore,
};
use revocable_moka::MokaStore;

use crate::support::*;

fn capped(name: &str, max: u32, at_cap: AtCap) -> CreateRequest {
    CreateRequest {
        cap: Some(Cap {
            max: max.try_into().unwrap(),
            at_cap,
        }),
        ..request(&record(name))
    }
}

#[test]
fn a_login_that_is_refused_ends_nobody() {
    let store = MokaStore::with_capacity(3);
    let told = Told::of(&store);
    let began = block_on(store.epoch(&user("alice"))).unwrap();
    block_on(store.revoke_all_for_user(revoke_all("alice"))).unwrap();
    let there = ["alice", "alice", "bob"].map(|name| create(&store, name));
    let superseded = CreateRequest {
        expected_epoch: Some(began),
        ..request(&record("alice"))
    };
    let outcome = block_on(store.create(superseded)).unwrap();
    assert_eq!(outcome, CreateOutcome::Superseded);
    let outcome = block_on(store.create(capped("alice", 2, AtCap::Refuse))).unwrap();
    assert_eq!(outcome, CreateOutcome::CapReached);
    let outcome = block_on(store.create(request(&there[0]))).unwrap();
    assert!(matches!(outcome, CreateOutcome::Exists(_)), "{outcome:?}");
    assert!(there.iter().all(|session| is_there(&store, session)));
    assert_eq!(store.evicted(), 0);
    assert!(told.0.lock().unwrap().is_empty());
}

#[test]
fn a_cap_does_not_count_the_evicted() {
    let store = MokaStore::with_capacity(2);
    for name in ["alice", "alice", "bob", "carol"] {
        create(&store, name);
    }
    for _ in 0..2 {
        let outcome = block_on(store.create(capped("alice", 2, AtCap::Refuse))).unwrap();
        assert_eq!(outcome, CreateOutcome::Created { ended: vec![] });
    }
    let outcome = block_on(store.create(capped("alice", 2, AtCap::Refuse))).unwrap();
    assert_eq!(outcome, CreateOutcome::CapReached);
    assert_eq!(store.evicted(), 4);
}

#[test]
fn a_revoke_all_ends_what_is_left_and_refuses_a_login_under_way() {
    let store = MokaStore::with_capacity(4);
    let told = Told::of(&store);
    let began = block_on(store.epoch(&user("alice"))).unwrap();
    let own: Vec<_> = (0..5).map(|_| create(&store, "alice")).collect();
    let bob = create(&store, "bob");
    let keep = own[4].id;
    let outcome = block_on(store.revoke_all_for_user(RevokeAllRequest {
        keep: Some(keep),
        ..revoke_all("alice")
    }))
    .unwrap();
    assert_eq!(outcome.ended, [own[2].id, own[3].id]);
    assert_eq!(listed(&store, "alice"), [keep]);
    assert_eq!(told.evicted(), [own[0].id, own[1].id]);
    assert_eq!(told.0.lock().unwrap().len(), 4);
    assert!(is_there(&store, &bob));
    let late = CreateRequest {
        expected_epoch: Some(began),
        ..request(&record("alice"))
    };
    let outcome = block_on(store.create(late)).unwrap();
    assert_eq!(outcome, CreateOutcome::Superseded);
}

/// An eviction is no revocation: the user may log in with what they began.
#[test]
fn an_eviction_refuses_no_login_under_way() {
    let store = MokaStore::with_capacity(1);
    let began = block_on(store.epoch(&user("alice"))).unwrap();
    create(&store, "alice");
    create(&store, "bob");
    let login = CreateRequest {
        expected_epoch: Some(began),
        ..request(&record("alice"))
    };
    let outcome = block_on(store.create(login)).unwrap();
    assert_eq!(outcome, CreateOutcome::Created { ended: vec![] });
    let keep = revoke_all("alice");
    assert_eq!(
        block_on(store.revoke_all_for_user(keep))
            .unwrap()
            .ended
            .len(),
        1
    );
    assert_eq!(
        block_on(store.revoke_everything(EndReason::Administrator)).unwrap(),
        0
    );
}
