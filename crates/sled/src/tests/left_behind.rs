//! What `revoke_everything` ended, and a crash left in the way.

use futures_executor::block_on;
use revocable_core::{CreateOutcome, EndReason, ErrorKind, SessionStore, UserId};

use super::support::*;
use crate::SledStore;
use crate::shared::{COUNT, GENERATION, Trees};

/// The names of the trees that hold something of sessions.
fn trees(store: &SledStore) -> Vec<String> {
    let names = store.shared().database.tree_names();
    let names = names.iter().map(|name| String::from_utf8_lossy(name));
    let mut names: Vec<_> = names
        .filter(|name| name.contains('-'))
        .map(String::from)
        .collect();
    names.sort();
    names
}

/// Waits until all that has ended is cleared away.
fn idle(store: &SledStore, generation: u64) {
    let left = ["by_user", "epochs", "sessions"].map(|name| format!("{name}-{generation}"));
    while trees(store) != left {
        std::thread::yield_now();
    }
}

#[test]
fn what_has_ended_is_cleared_away_while_nobody_waits() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    for _ in 0..3 {
        create(&store, "alice");
        assert_eq!(
            block_on(store.revoke_everything(EndReason::Unknown)).unwrap(),
            1
        );
    }
    let bob = create(&store, "bob");
    idle(&store, 3);
    assert!(is_there(&store, &bob));
}

#[test]
fn a_crash_before_or_after_the_generation_was_written_leaves_the_one_or_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let alice = create(&store, "alice");
    // The next generation was being made, and held something.
    let next = Trees::open(&store.shared().database, 1).unwrap();
    next.sessions.insert(b"left", b"behind").unwrap();
    drop((next, store));
    let store = SledStore::open(folder.path()).unwrap();
    assert!(is_there(&store, &alice));
    idle(&store, 0);
    // It was written, and the last was not yet cleared away.
    let meta = &store.shared().meta;
    for (name, number) in [(GENERATION, 1_u64), (COUNT, 0)] {
        meta.insert(name, &number.to_be_bytes()).unwrap();
    }
    drop(store);
    let store = SledStore::open(folder.path()).unwrap();
    assert!(!is_there(&store, &alice));
    idle(&store, 1);
    assert_eq!(
        block_on(store.revoke_everything(EndReason::Unknown)).unwrap(),
        0
    );
}

/// A store as a power cut leaves it that came between the next generation's
/// trees and the number that makes them current.
fn torn(folder: &std::path::Path) -> SledStore {
    let store = SledStore::open(folder).unwrap();
    let next = Trees::open(&store.shared().database, 1).unwrap();
    store.shared().database.flush().unwrap();
    drop((next, store));
    SledStore::open(folder).unwrap()
}

#[test]
fn what_comes_after_a_torn_revoke_everything_that_is_repeated_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let alice = UserId::new("alice").unwrap();
    for round in 0..5 {
        let path = folder.path().join(round.to_string());
        let store = torn(&path);
        // Before what was left behind is cleared away.
        block_on(store.revoke_everything(EndReason::Administrator)).unwrap();
        let bob = create(&store, "bob");
        let began = block_on(store.epoch(&alice)).unwrap();
        block_on(store.revoke_all_for_user(revoke_all("alice"))).unwrap();
        idle(&store, 2);
        assert!(is_there(&store, &bob));
        block_on(store.health()).unwrap();
        drop(store);
        let store = SledStore::open(&path).unwrap();
        assert!(is_there(&store, &bob));
        let mut late = request(&record("alice"));
        late.expected_epoch = Some(began);
        let late = block_on(store.create(late)).unwrap();
        assert_eq!(late, CreateOutcome::Superseded);
    }
}

#[test]
fn a_store_that_has_lost_a_tree_is_not_well() {
    for lost in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStore::open(folder.path()).unwrap();
        block_on(store.health()).unwrap();
        let name = store.shared().trees().all()[lost].name();
        store.shared().database.drop_tree(name).unwrap();
        let error = block_on(store.health()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}
