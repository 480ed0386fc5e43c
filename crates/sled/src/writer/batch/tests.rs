//! Verbs that fail half-way: what was read before is in the batch or in memory,
//! and then a tree cannot be read.

use revocable_core::{Liveness, Record};
use sled::{Db, Tree};

use super::super::writes::Writes;
use super::*;
use crate::tests::support::{record, request, revoke_all};

fn database() -> (Db, Trees) {
    let database = sled::Config::new().temporary(true).open().unwrap();
    let trees = Trees::open(&database, 0).unwrap();
    (database, trees)
}

fn insert(trees: &Trees, record: &Record) {
    trees
        .sessions
        .insert(record.id.as_bytes(), record.encode())
        .unwrap();
    let key = keys::by_user(&record.user, record.id);
    trees.by_user.insert(key, &[]).unwrap();
}

fn make_unreadable(database: &Db, tree: &Tree) {
    assert!(database.drop_tree(tree.name()).unwrap());
}

#[test]
fn a_revoke_all_that_cannot_read_the_epoch_stages_nothing() {
    let (database, trees) = database();
    let alice = record("alice");
    insert(&trees, &alice);
    make_unreadable(&database, &trees.epochs);
    let mut batch = Batch::new(&trees, 5, 3);
    assert!(batch.revoke_all(&revoke_all("alice")).is_err());
    assert!(Writes::of(&batch, 5, 3).is_empty());
}

#[test]
fn a_revoke_all_that_cannot_read_a_session_stages_nothing() {
    let (database, trees) = database();
    let [first, second] = ["alice", "alice"].map(record);
    let mut batch = Batch::new(&trees, 5, 3);
    batch.create(request(&first)).unwrap();
    insert(&trees, &second);
    make_unreadable(&database, &trees.sessions);
    assert!(batch.revoke_all(&revoke_all("alice")).is_err());
    assert!(batch.sessions[&first.id].is_some());
    assert!(batch.by_user[&keys::by_user(&first.user, first.id)]);
    assert_eq!(batch.position, 5);
}

#[test]
fn a_sweep_that_cannot_read_a_session_stages_nothing() {
    let (database, trees) = database();
    let [first, second] = ["alice", "alice"].map(record);
    let mut batch = Batch::new(&trees, 5, 3);
    batch.create(request(&first)).unwrap();
    insert(&trees, &second);
    make_unreadable(&database, &trees.sessions);
    assert!(
        batch
            .expire(&[first.id, second.id], Liveness::at(i64::MAX))
            .is_err()
    );
    assert!(batch.sessions[&first.id].is_some());
}

#[test]
fn epochs_of_which_one_cannot_be_read_are_all_kept() {
    let (database, trees) = database();
    let mut batch = Batch::new(&trees, 5, 3);
    batch.revoke_all(&revoke_all("alice")).unwrap();
    let keys = ["alice", "bob"].map(|name| keys::of_user(&UserId::new(name).unwrap()));
    make_unreadable(&database, &trees.epochs);
    assert!(batch.forget(&keys, i64::MAX).is_err());
    assert!(batch.epochs[&keys[0]].is_some());
    assert_eq!(batch.floor, 3);
}

#[test]
fn an_epoch_is_forgotten_if_it_is_older_than_that_and_no_younger() {
    let (_database, trees) = database();
    let mut batch = Batch::new(&trees, 5, 3);
    let request = revoke_all("alice");
    batch.revoke_all(&request).unwrap();
    let keys = [keys::of_user(&request.user)];
    assert_eq!(batch.forget(&keys, request.now_ms).unwrap(), 0);
    assert_eq!((batch.epochs[&keys[0]].is_some(), batch.floor), (true, 3));
    assert_eq!(batch.forget(&keys, request.now_ms + 1).unwrap(), 1);
    assert_eq!((batch.epochs[&keys[0]].is_some(), batch.floor), (false, 6));
    assert_eq!(batch.forget(&keys, i64::MAX).unwrap(), 0);
}
