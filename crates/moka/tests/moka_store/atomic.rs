//! Nobody sees half of a revocation of many.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use futures_executor::block_on;
use revocable_core::{EndReason, SessionStore};
use revocable_moka::MokaStore;

use crate::support::*;

/// Once the first session was seen gone, no other is found.
fn is_seen_whole(revoke: impl Fn(&MokaStore)) {
    for round in 0..300 {
        let store = MokaStore::with_capacity(300);
        let all: Vec<_> = (0..200).map(|_| create(&store, "alice")).collect();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while is_there(&store, &all[0]) {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                }
                let found = all.iter().rev().any(|session| is_there(&store, session));
                assert!(!found, "round {round}");
            });
            let _over = Over(&done);
            revoke(&store);
        });
    }
}

#[test]
fn of_a_user() {
    is_seen_whole(|store| {
        let outcome = block_on(store.revoke_all_for_user(revoke_all("alice"))).unwrap();
        assert_eq!(outcome.ended.len(), 200);
    });
}

#[test]
fn of_everybody() {
    is_seen_whole(|store| {
        let count = block_on(store.revoke_everything(EndReason::Administrator)).unwrap();
        assert_eq!(count, 200);
    });
}
