//! One session more than there is room for.

use futures_executor::block_on;
use revocable_core::{
    AtCap, Cap, CreateOutcome, EndReason, ErrorKind, SessionStore, UpdateOutcome,
};
use revocable_moka::MokaStore;

use crate::support::*;

#[test]
fn the_newest_login_is_always_there_and_the_bound_holds_at_once() {
    for capacity in [1, 2, 3, 100] {
        let store = MokaStore::with_capacity(capacity);
        let told = Told::of(&store);
        for n in 0..500_usize {
            let session = create(&store, "alice");
            assert!(is_there(&store, &session), "capacity {capacity}, login {n}");
            assert_eq!(store.len(), (n + 1).min(capacity as usize));
            assert_eq!(listed(&store, "alice").len(), store.len());
            assert_eq!(told.evicted().len(), n + 1 - store.len());
            assert_eq!(store.evicted(), told.evicted().len() as u64);
        }
    }
}

#[test]
fn much_used_sessions_do_not_keep_a_login_out() {
    let store = MokaStore::with_capacity(10);
    let old: Vec<_> = (0..10).map(|_| create(&store, "old")).collect();
    for _ in 0..1_000 {
        assert!(old.iter().all(|session| is_there(&store, session)));
    }
    let new = create(&store, "new");
    assert!(is_there(&store, &new));
}

#[test]
fn who_was_not_used_for_longest_goes_first() {
    let store = MokaStore::with_capacity(3);
    let told = Told::of(&store);
    let [a, b, c] = ["a", "b", "c"].map(|name| create(&store, name));
    assert!(is_there(&store, &a));
    block_on(store.update(b.id, touch(3_000))).unwrap();
    create(&store, "d");
    assert_eq!(told.evicted(), [c.id]);
    create(&store, "e");
    assert_eq!(told.evicted(), [c.id, a.id]);
    assert!(is_there(&store, &b));
    let told = told.0.lock().unwrap();
    assert_eq!(told[0].user, Some(user("c")));
    assert_eq!(told[0].reason, EndReason::Evicted);
}

#[test]
fn an_evicted_session_is_gone_from_everything() {
    let store = MokaStore::with_capacity(1);
    let gone = create(&store, "alice");
    let stays = create(&store, "bob");
    assert!(!is_there(&store, &gone));
    assert_eq!(listed(&store, "alice"), []);
    for change in [touch(3_000), set_data(0, 3)] {
        assert!(store.update_soon(gone.id, &change));
        let outcome = block_on(store.update(gone.id, change)).unwrap();
        assert_eq!(outcome, UpdateOutcome::Absent);
    }
    assert_eq!(
        block_on(store.revoke(gone.id, EndReason::LoggedOut)).unwrap(),
        None
    );
    let all = block_on(store.revoke_all_for_user(revoke_all("alice"))).unwrap();
    assert_eq!(all.ended, []);
    assert!(!is_there(&store, &gone));
    assert_eq!(
        block_on(store.revoke_everything(EndReason::LoggedOut)).unwrap(),
        1
    );
    assert!(!is_there(&store, &stays));
    assert!(store.is_empty());
}

#[test]
fn a_cap_ends_the_users_own_and_nobody_elses() {
    let store = MokaStore::with_capacity(3);
    let told = Told::of(&store);
    let bob = create(&store, "bob");
    let old = create(&store, "alice");
    let newer = create(&store, "alice");
    let new = record("alice");
    let mut capped = request(&new);
    capped.cap = Some(Cap {
        max: 2.try_into().unwrap(),
        at_cap: AtCap::EndOldest,
    });
    let outcome = block_on(store.create(capped)).unwrap();
    let CreateOutcome::Created { ended } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(ended[0].id, old.id);
    assert!(
        [&bob, &newer, &new]
            .iter()
            .all(|session| is_there(&store, session))
    );
    assert_eq!(told.evicted(), []);
}

#[test]
fn revocations_make_room_at_once() {
    let store = MokaStore::with_capacity(4);
    for _ in 0..10 {
        let one = create(&store, "alice");
        for _ in 0..3 {
            create(&store, "bob");
        }
        block_on(store.revoke(one.id, EndReason::LoggedOut)).unwrap();
        create(&store, "carol");
        block_on(store.revoke_all_for_user(revoke_all("bob"))).unwrap();
        block_on(store.revoke_all_for_user(revoke_all("carol"))).unwrap();
        assert!(store.is_empty());
    }
    for _ in 0..4 {
        create(&store, "dave");
    }
    block_on(store.revoke_everything(EndReason::Administrator)).unwrap();
    for _ in 0..4 {
        create(&store, "dave");
    }
    assert_eq!(store.evicted(), 0);
}

#[test]
fn by_weight_data_that_grows_pushes_others_out_and_never_itself() {
    let store = MokaStore::with_weight(10_000);
    let told = Told::of(&store);
    let sessions: Vec<_> = (0..10).map(|_| create(&store, "alice")).collect();
    assert_eq!(store.evicted(), 0);
    // The oldest, but now the one that was used last.
    let outcome = block_on(store.update(sessions[0].id, set_data(0, 5_000))).unwrap();
    assert!(matches!(outcome, UpdateOutcome::Updated(_)));
    assert!(is_there(&store, &sessions[0]));
    let evicted = told.evicted();
    assert!((3..=6).contains(&evicted.len()), "{}", evicted.len());
    let oldest: Vec<_> = sessions[1..].iter().map(|session| session.id).collect();
    assert_eq!(evicted, oldest[..evicted.len()]);
    // More than everything is refused, and harms nobody.
    let before = store.len();
    let error = block_on(store.update(sessions[0].id, set_data(1, 20_000))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    let mut huge = record("bob");
    huge.data = vec![1; 20_000].into();
    let error = block_on(store.create(request(&huge))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    assert_eq!(store.len(), before);
    assert!(is_there(&store, &sessions[0]));
}

#[test]
fn a_flood_of_logins_leaves_nothing_behind() {
    let store = MokaStore::with_capacity(100);
    for n in 0..20_000 {
        let name = format!("user {n}");
        create(&store, &name);
        if n % 3 == 0 {
            block_on(store.revoke_all_for_user(revoke_all(&name))).unwrap();
        }
    }
    assert!(store.len() <= 100);
    let sweep = revocable_core::SweepRequest {
        liveness: revocable_core::Liveness::at(2_000_000),
        forget_epochs_before_ms: 3_000,
        cursor: None,
        max_rows: 1_000_000.try_into().unwrap(),
    };
    let swept = block_on(store.sweep_expired(sweep)).unwrap();
    assert_eq!(swept.examined, swept.ended.len() as u64);
    assert_eq!(swept.epochs_forgotten, 6_667);
    assert!(store.is_empty());
}
