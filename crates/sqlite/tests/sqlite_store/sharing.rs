//! Others at the same file: kept out, or counted.

use futures_executor::block_on;
use revocable_core::{ErrorKind, SessionStore, Sharing};
use revocable_sqlite::SqliteStore;

use crate::support::*;

fn exclusively(place: &Place) -> revocable_core::Result<SqliteStore> {
    SqliteStore::builder(place.path()).exclusive(true).open()
}

fn count(store: &SqliteStore) -> u64 {
    block_on(store.foreign_changes()).unwrap()
}

#[test]
fn a_file_that_is_taken_cannot_be_opened_by_another_store() {
    let place = Place::new();
    let first = exclusively(&place).unwrap();
    assert_eq!(first.sharing(), Sharing::Sole);
    for refused in [SqliteStore::open(place.path()), exclusively(&place)] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.is_transient());
    }
    // A clone is the same store.
    let clone = first.clone();
    drop(first);
    assert!(SqliteStore::open(place.path()).is_err());
    drop(clone);
    SqliteStore::open(place.path()).unwrap();
}

#[test]
fn a_file_that_others_have_open_cannot_be_taken() {
    let place = Place::new();
    let first = place.open();
    assert_eq!(first.sharing(), Sharing::Counted);
    let second = place.open();
    assert!(exclusively(&place).is_err());
    drop(first);
    assert!(exclusively(&place).is_err());
    drop(second);
    exclusively(&place).unwrap();
}

#[test]
fn the_changes_of_others_are_counted_and_own_ones_are_not() {
    let place = Place::new();
    let (here, there) = (place.open(), place.open());
    let before = count(&here);
    let alice = create(&here, "alice");
    let bob = create(&here, "bob");
    revoke(&here, bob.id);
    lookup(&there, alice.id);
    assert_eq!(count(&here), before, "after own writes");

    let mut last = before;
    let mut changed = |what: &str| {
        let now = count(&here);
        assert_ne!(now, last, "{what}");
        assert_eq!(count(&here), now, "{what}, asked again");
        last = now;
    };
    create(&there, "carol");
    changed("a create");
    // Own writes in between do not hide it.
    revoke(&there, alice.id);
    create(&here, "dave");
    changed("a revocation");
    place.connect().execute("DELETE FROM sessions", []).unwrap();
    changed("a write of another program");
}
