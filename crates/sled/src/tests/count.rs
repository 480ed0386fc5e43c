//! How many sessions `revoke_everything` ended, without counting them then.

use std::num::NonZeroU32;

use futures_executor::block_on;
use revocable_core::{
    AtCap, Cap, Change, ChangeKind, EndReason, Liveness, SessionStore, SweepRequest,
};

use super::support::*;
use crate::SledStore;
use crate::shared::COUNT;

fn end_everything(store: &SledStore) -> u64 {
    block_on(store.revoke_everything(EndReason::Administrator)).unwrap()
}

#[test]
fn sessions_are_counted_as_they_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SledStore::open(folder.path()).unwrap();
    for is_opened_again in [false, true] {
        let [alice, ..] = [(); 3].map(|()| create(&store, "alice"));
        let [bob, _] = [(); 2].map(|()| create(&store, "bob"));
        // One that is there, one that is changed, one that is not there.
        block_on(store.create(request(&alice))).unwrap();
        let change = Change {
            liveness: Liveness::at(5_000),
            kind: ChangeKind::Touch,
        };
        block_on(store.update(alice.id, change)).unwrap();
        block_on(store.revoke(bob.id, EndReason::LoggedOut)).unwrap();
        block_on(store.revoke(bob.id, EndReason::LoggedOut)).unwrap();
        // One comes, and both that are there go.
        let mut capped = request(&record("alice"));
        let max = NonZeroU32::new(2).unwrap();
        capped.cap = Some(Cap {
            max,
            at_cap: AtCap::EndOldest,
        });
        block_on(store.create(capped)).unwrap();
        if is_opened_again {
            drop(store);
            store = SledStore::open(folder.path()).unwrap();
        }
        assert_eq!(end_everything(&store), 3);
        assert_eq!(end_everything(&store), 0);
    }
    create(&store, "alice");
    block_on(store.revoke_all_for_user(revoke_all("alice"))).unwrap();
    create(&store, "bob");
    let sweep = SweepRequest {
        liveness: Liveness::at(i64::MAX),
        forget_epochs_before_ms: 0,
        cursor: None,
        max_rows: NonZeroU32::MAX,
    };
    block_on(store.sweep_expired(sweep)).unwrap();
    assert_eq!(end_everything(&store), 0);
}

/// The writer, and all who wait for it, would wait for that.
#[test]
fn the_sessions_are_not_gone_through_when_everything_is_revoked_or_the_store_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    create(&store, "alice");
    // Seen by whoever counts.
    let sessions = store.shared().trees().sessions.clone();
    sessions.insert(b"no session", b"").unwrap();
    drop((sessions, store));
    let store = SledStore::open(folder.path()).unwrap();
    assert_eq!(end_everything(&store), 1);
}

#[test]
fn a_number_that_is_missing_or_damaged_is_counted_when_the_store_is_opened() {
    for damaged in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStore::open(folder.path()).unwrap();
        let [_, bob] = ["alice", "bob"].map(|name| create(&store, name));
        if damaged {
            store.shared().meta.insert(COUNT, b"damaged").unwrap();
        } else {
            store.shared().meta.remove(COUNT).unwrap();
        }
        drop(store);
        let store = SledStore::open(folder.path()).unwrap();
        block_on(store.revoke(bob.id, EndReason::LoggedOut)).unwrap();
        assert_eq!(end_everything(&store), 1);
    }
}
