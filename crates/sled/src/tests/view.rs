//! What readers see while a transaction is on its way to the disk.

use std::num::NonZeroU32;
use std::sync::atomic::Ordering;

use futures_executor::block_on;
use revocable_core::{
    Change, ChangeKind, EndReason, Liveness, RevokeAllRequest, SessionStore, UserId,
};

use super::support::*;
use super::sync::{Write, is_ready, setup};
use crate::SledStore;

/// Else somebody could go by it, and a power cut undo it.
#[test]
fn readers_see_nothing_that_is_not_on_the_disk() {
    let setup = setup();
    let store = &setup.store;
    let user = UserId::new("alice").unwrap();
    let records: Vec<_> = (0..5).map(|_| record("alice")).collect();
    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|at| records[at].id);
    // What is looked up, and what is listed in pages of two, by the version.
    let seen = || {
        let found = records.iter().filter_map(|record| {
            let found = block_on(store.lookup(record.id)).unwrap()?;
            Some((record.id, found.version))
        });
        let (found, mut listed, mut after) = (found.collect::<Vec<_>>(), Vec::new(), None);
        loop {
            let limit = NonZeroU32::new(2).unwrap();
            let page = block_on(store.list_for_user(&user, after, limit)).unwrap();
            listed.extend(
                page.records
                    .iter()
                    .map(|record| (record.id, record.version)),
            );
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, listed);
        found
    };
    for record in [&records[0], &records[2], &records[4]] {
        block_on(store.create(request(record))).unwrap();
    }
    let change = Change {
        liveness: Liveness::at(2_000),
        kind: ChangeKind::SetData {
            expected_version: 0,
            data: b"other data".as_slice().into(),
        },
    };
    let reason = EndReason::LoggedOut;
    let others = RevokeAllRequest {
        keep: Some(d),
        ..revoke_all("alice")
    };
    let writes: Vec<(Write<'_>, Vec<_>)> = vec![
        (
            Box::pin(async { drop(store.create(request(&records[1])).await.unwrap()) }),
            vec![(a, 0), (b, 0), (c, 0), (e, 0)],
        ),
        (
            Box::pin(async { drop(store.update(c, change).await.unwrap()) }),
            vec![(a, 0), (b, 0), (c, 1), (e, 0)],
        ),
        (
            Box::pin(async { drop(store.revoke(e, reason).await.unwrap()) }),
            vec![(a, 0), (b, 0), (c, 1)],
        ),
        (
            Box::pin(async { drop(store.revoke(a, reason).await.unwrap()) }),
            vec![(b, 0), (c, 1)],
        ),
        (
            Box::pin(async { drop(store.create(request(&records[3])).await.unwrap()) }),
            vec![(b, 0), (c, 1), (d, 0)],
        ),
        (
            Box::pin(async { drop(store.revoke_all_for_user(others).await.unwrap()) }),
            vec![(d, 0)],
        ),
        (
            Box::pin(async { assert!(store.revoke_everything(reason).await.is_ok()) }),
            vec![],
        ),
    ];
    setup.halting.store(true, Ordering::SeqCst);
    let mut before = vec![(a, 0), (c, 0), (e, 0)];
    for (mut write, after) in writes {
        assert!(!is_ready(&mut write));
        setup.begun.recv().unwrap();
        assert_eq!(seen(), before);
        setup.go_on.send(()).unwrap();
        block_on(write);
        assert_eq!(seen(), after);
        before = after;
    }
    setup.halting.store(false, Ordering::SeqCst);
}

#[test]
fn a_touch_that_is_to_come_soon_is_written_before_the_store_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let alice = create(&store, "alice");
    let touch = Change {
        liveness: Liveness::at(5_000),
        kind: ChangeKind::Touch,
    };
    assert!(store.update_soon(alice.id, &touch));
    drop(store);
    let store = SledStore::open(folder.path()).unwrap();
    let found = block_on(store.lookup(alice.id)).unwrap().unwrap();
    assert_eq!(found.last_seen_ms, 5_000);
}
