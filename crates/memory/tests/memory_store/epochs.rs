//! Epochs do their work for as long as needed, and then are forgotten.

use revocable_core::{CreateOutcome, EndReason, Epoch, SessionStore, UserId};
use revocable_memory::MemoryStore;

use crate::support::{log_in, now, record, revoke_all, sweep, user};

fn epoch(store: &MemoryStore, user: &UserId) -> Epoch {
    now(store.epoch(user)).unwrap()
}

fn is_superseded(store: &MemoryStore, user: &UserId, began: Epoch) -> bool {
    let new = record(user, 1, 1_000);
    let id = new.id;
    match log_in(store, new, began) {
        CreateOutcome::Superseded => true,
        CreateOutcome::Created { .. } => {
            now(store.revoke(id, EndReason::LoggedOut)).unwrap();
            false
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_forgotten_epoch_still_refuses_a_login_that_began_before_it() {
    let store = MemoryStore::new();
    let before = epoch(&store, &user(1));
    revoke_all(&store, &user(1), 100);
    assert_eq!(
        sweep(&store, 100, 10),
        (0, 0),
        "taken at that time, not before"
    );
    assert!(is_superseded(&store, &user(1), before));
    assert_eq!(sweep(&store, 101, 10), (0, 1));
    assert_eq!(sweep(&store, 101, 10), (0, 0));
    assert!(is_superseded(&store, &user(1), before));
    assert!(!is_superseded(&store, &user(1), epoch(&store, &user(1))));
}

#[test]
fn forgetting_harms_no_login_that_began_after_the_revocation() {
    let store = MemoryStore::new();
    // So many users that each shard has several.
    for number in 0..1_000 {
        revoke_all(&store, &user(number), 100);
    }
    let began: Vec<_> = (0..1_000).map(|n| epoch(&store, &user(n))).collect();
    assert_eq!(sweep(&store, 200, 7), (0, 1_000));
    for (number, began) in (0..).zip(began) {
        assert!(!is_superseded(&store, &user(number), began));
    }
}

#[test]
fn revoking_everything_refuses_every_login_that_began_before() {
    let store = MemoryStore::new();
    revoke_all(&store, &user(1), 100);
    let began: Vec<_> = (0..1_000).map(|n| epoch(&store, &user(n))).collect();
    now(store.revoke_everything(EndReason::Administrator)).unwrap();
    for (number, began) in (0..).zip(began) {
        assert!(is_superseded(&store, &user(number), began));
        let now = epoch(&store, &user(number));
        assert!(!is_superseded(&store, &user(number), now));
    }
}

#[test]
fn a_users_repeated_revocations_count_as_one_epoch_and_keep_their_last_position() {
    let store = MemoryStore::new();
    let mut last = Epoch::ZERO;
    for now_ms in 0..50 {
        let began = epoch(&store, &user(1));
        let next = revoke_all(&store, &user(1), now_ms);
        assert!(next > last);
        last = next;
        assert!(is_superseded(&store, &user(1), began));
    }
    assert_eq!(sweep(&store, 49, 10), (0, 0), "the last one is recent");
    assert_eq!(sweep(&store, 50, 10), (0, 1));
}
