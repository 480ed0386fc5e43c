//! Who goes: exactly whom a list in the order of last use names.

use futures_executor::block_on;
use revocable_core::{SessionId, SessionStore};
use revocable_moka::MokaStore;

use crate::support::*;

#[test]
fn sessions_in_use_stay_and_the_others_go_in_order() {
    let store = MokaStore::with_capacity(100);
    assert_eq!(store.capacity(), 100);
    assert_eq!(MokaStore::with_weight(5_000).capacity(), 5_000);
    let told = Told::of(&store);
    let all: Vec<_> = (0..100).map(|_| create(&store, "old")).collect();
    let (used, unused): (Vec<_>, Vec<_>) = all.iter().enumerate().partition(|(n, _)| n % 2 == 0);
    for round in 0..50 {
        for (_, session) in &used {
            assert!(is_there(&store, session), "round {round}");
        }
        create(&store, "new");
    }
    let unused: Vec<_> = unused.iter().map(|(_, session)| session.id).collect();
    assert_eq!(told.evicted(), unused);
}

/// To be in a list or in a sweep is not to be used.
#[test]
fn lists_and_sweeps_keep_nobody_in() {
    let store = MokaStore::with_capacity(2);
    let told = Told::of(&store);
    let old = create(&store, "alice");
    create(&store, "bob");
    assert_eq!(listed(&store, "alice"), [old.id]);
    let sweep = revocable_core::SweepRequest {
        liveness: revocable_core::Liveness::at(2_000),
        forget_epochs_before_ms: 0,
        cursor: None,
        max_rows: 1.try_into().unwrap(),
    };
    block_on(store.sweep_expired(sweep)).unwrap();
    create(&store, "carol");
    assert_eq!(told.evicted(), [old.id]);
}

/// Any sequence of the verbs against a list that is as simple as can be.
#[test]
fn it_does_as_a_list_in_the_order_of_last_use() {
    for capacity in [1, 2, 5, 30] {
        for seed in 0..20 {
            follow(capacity, seed);
        }
    }
}

fn follow(capacity: usize, seed: u64) {
    let store = MokaStore::with_capacity(capacity as u64);
    let told = Told::of(&store);
    // The one that was used last comes last.
    let mut model: Vec<SessionId> = Vec::new();
    let mut evicted = Vec::new();
    let mut known: Vec<SessionId> = Vec::new();
    let mut state = seed << 1 | 1;
    let mut below = |n: usize| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(seed);
        (state >> 33) as usize % n
    };
    for step in 0..400 {
        let verb = below(10);
        if verb < 3 || known.is_empty() {
            let session = create(&store, ["alice", "bob", "carol"][below(3)]);
            known.push(session.id);
            if model.len() == capacity {
                evicted.push(model.remove(0));
            }
            model.push(session.id);
        } else {
            let recent = known.len().min(2 * capacity);
            let id = known[known.len() - 1 - below(recent)];
            let there = model.iter().position(|own| *own == id);
            let found = match verb {
                3 => {
                    let reason = revocable_core::EndReason::LoggedOut;
                    if let Some(there) = there {
                        model.remove(there);
                    }
                    block_on(store.revoke(id, reason)).unwrap().is_some()
                }
                verb => {
                    if let Some(there) = there {
                        let id = model.remove(there);
                        model.push(id);
                    }
                    if verb == 4 {
                        store.update_soon(id, &touch(3_000 + step));
                    }
                    block_on(store.lookup(id)).unwrap().is_some()
                }
            };
            assert_eq!(found, there.is_some(), "capacity {capacity}, seed {seed}");
        }
        assert_eq!(store.len(), model.len());
        assert_eq!(told.evicted(), evicted);
    }
    let mut listed: Vec<_> = ["alice", "bob", "carol"]
        .into_iter()
        .flat_map(|name| listed(&store, name))
        .collect();
    listed.sort_unstable();
    model.sort_unstable();
    assert_eq!(listed, model);
}
