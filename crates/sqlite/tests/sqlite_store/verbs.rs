//! Every verb once, and what of them is particular to SQL.

use std::num::NonZeroU32;

use futures_executor::block_on;
use revocable_core::{
    AtCap, Cap, ChangeKind, Client, CreateOutcome, Digest, EndReason, Liveness, Previous, Record,
    Renewal, Salt, SessionStore, Successor, UpdateOutcome,
};

use crate::support::*;

#[test]
fn every_column_comes_back_as_it_was() {
    let place = Place::new();
    let store = place.open();
    let successors = [
        None,
        Some(Successor::Unconfirmed {
            salt: Salt::from_bytes([9; 32]),
        }),
        Some(Successor::Presented { at_ms: i64::MIN }),
        Some(Successor::Immediate),
    ];
    let clients = [
        Client::new(),
        Client::new().with_ip([0u16; 8].into()),
        Client::new()
            .with_user_agent("ä".repeat(300))
            .with_label("a".repeat(128))
            .unwrap()
            .with_ip([1, 2, 3, 4].into()),
    ];
    for successor in successors {
        for client in &clients {
            for len in [0, 1, 5_000, Record::MAX_DATA_LEN] {
                let record = Record {
                    previous: successor.map(|successor| {
                        Box::new(Previous {
                            digest: Digest::from_bytes([8; 32]),
                            replaced_ms: -5,
                            successor,
                        })
                    }),
                    client: client.clone(),
                    created_ms: i64::MIN,
                    expires_ms: i64::MAX,
                    version: u64::MAX,
                    data: vec![0xa5; len].into(),
                    ..record(&"ü".repeat(127))
                };
                block_on(store.create(request(record.clone()))).unwrap();
                assert_eq!(lookup(&store, record.id), Some(record));
            }
        }
    }
}

#[test]
fn each_change_writes_its_columns_and_no_others() {
    let place = Place::new();
    let store = place.open();
    let mut expected = create(&store, "alice");
    let digest = |n| Digest::from_bytes([n; 32]);
    let kinds = [
        ChangeKind::Touch,
        ChangeKind::Renew {
            expected: expected.digest,
            digest: digest(1),
            renewal: Renewal::Periodic {
                salt: Salt::from_bytes([2; 32]),
            },
        },
        ChangeKind::ConfirmSuccessor { digest: digest(1) },
        ChangeKind::SetData {
            expected_version: 0,
            data: vec![3; 10_000].into(),
        },
        ChangeKind::Renew {
            expected: digest(1),
            digest: digest(4),
            renewal: Renewal::Reauthentication,
        },
    ];
    for (n, kind) in kinds.into_iter().enumerate() {
        let change = revocable_core::Change {
            liveness: Liveness::at(3_000 + n as i64),
            kind,
        };
        let revocable_core::Applied::Changed(new) = change.apply(&expected) else {
            panic!("nothing to write");
        };
        expected = Record::clone(&new);
        let updated = block_on(store.update(expected.id, change.clone())).unwrap();
        assert_eq!(updated, UpdateOutcome::Updated(new));
        assert_eq!(lookup(&store, expected.id), Some(expected.clone()));
    }
}

#[test]
fn a_duplicate_is_reported_and_left_alone() {
    let place = Place::new();
    let store = place.open();
    let first = create(&store, "alice");
    let second = Record {
        data: b"other".as_slice().into(),
        ..first.clone()
    };
    let outcome = block_on(store.create(request(second))).unwrap();
    assert_eq!(outcome, CreateOutcome::Exists(first.clone().into()));
    assert_eq!(lookup(&store, first.id), Some(first));
}

#[test]
fn a_cap_ends_the_oldest_live_sessions_only() {
    let place = Place::new();
    let store = place.open();
    let expired = Record {
        expires_ms: 1_500,
        ..record("alice")
    };
    block_on(store.create(request(expired.clone()))).unwrap();
    let (a, b) = (create(&store, "alice"), create(&store, "alice"));
    let bobs = create(&store, "bob");
    let heard = Heard::of(&store);
    let capped = |at_cap| revocable_core::CreateRequest {
        cap: Some(Cap {
            max: NonZeroU32::new(2).unwrap(),
            at_cap,
        }),
        ..request(record("alice"))
    };
    let refused = block_on(store.create(capped(AtCap::Refuse))).unwrap();
    assert_eq!(refused, CreateOutcome::CapReached);
    let created = block_on(store.create(capped(AtCap::EndOldest))).unwrap();
    let CreateOutcome::Created { ended } = created else {
        panic!("{created:?}");
    };
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].id, ended[0].reason), (a.id, EndReason::Cap));
    assert_eq!(heard.ids(), [a.id]);
    assert_eq!(lookup(&store, a.id), None);
    for spared in [expired.id, b.id, bobs.id] {
        assert!(lookup(&store, spared).is_some());
    }
}

#[test]
fn a_login_from_before_a_revocation_is_superseded() {
    let place = Place::new();
    let store = place.open();
    let begun = |store: &revocable_sqlite::SqliteStore, name| {
        let epoch = block_on(store.epoch(&user(name))).unwrap();
        revocable_core::CreateRequest {
            expected_epoch: Some(epoch),
            ..request(record(name))
        }
    };
    let (alice, bob) = (begun(&store, "alice"), begun(&store, "bob"));
    let before = block_on(store.epoch(&user("alice"))).unwrap();
    let revoked = block_on(store.revoke_all_for_user(revoke_all("alice"))).unwrap();
    assert_eq!(revoked.epoch, before.next());
    let outcome = |request| block_on(store.create(request)).unwrap();
    assert_eq!(outcome(alice), CreateOutcome::Superseded);
    assert!(matches!(outcome(bob), CreateOutcome::Created { .. }));

    let (alice, bob) = (begun(&store, "alice"), begun(&store, "bob"));
    assert!(matches!(outcome(alice), CreateOutcome::Created { .. }));
    let count = block_on(store.revoke_everything(EndReason::Administrator)).unwrap();
    assert_eq!(count, 2);
    assert_eq!(outcome(bob), CreateOutcome::Superseded);
}

#[test]
fn revoke_all_spares_one_and_other_users_and_tells_once() {
    let place = Place::new();
    let store = place.open();
    let [a, b, c] = [(); 3].map(|()| create(&store, "alice"));
    let bobs = create(&store, "bob");
    let heard = Heard::of(&store);
    let request = revocable_core::RevokeAllRequest {
        keep: Some(b.id),
        ..revoke_all("alice")
    };
    let outcome = block_on(store.revoke_all_for_user(request)).unwrap();
    assert_eq!(outcome.ended, [a.id, c.id]);
    assert_eq!(heard.ids(), [a.id, c.id]);
    assert_eq!(lookup(&store, a.id), None);
    assert!(lookup(&store, b.id).is_some());
    assert!(lookup(&store, bobs.id).is_some());
    assert_eq!(revoke(&store, a.id), None);
    assert_eq!(heard.ids().len(), 2);
}

#[test]
fn revoke_everything_is_told_with_its_count() {
    let place = Place::new();
    let store = place.open();
    for name in ["alice", "bob", "carol"] {
        create(&store, name);
    }
    let heard = Heard::of(&store);
    assert_eq!(
        block_on(store.revoke_everything(EndReason::Administrator)).unwrap(),
        3
    );
    assert_eq!(
        *heard.everything.lock().unwrap(),
        [(3, EndReason::Administrator)]
    );
    let page = block_on(store.list_for_user(&user("alice"), None, rows(10))).unwrap();
    assert_eq!(page, revocable_core::Page::default());
}

#[test]
fn a_listing_goes_on_where_it_stopped() {
    let place = Place::new();
    let store = place.open();
    let ids: Vec<_> = (0..5).map(|_| create(&store, "alice").id).collect();
    create(&store, "bob");
    let mut after = None;
    let mut listed = Vec::new();
    loop {
        let page = block_on(store.list_for_user(&user("alice"), after, rows(2))).unwrap();
        assert!(page.records.len() <= 2);
        listed.extend(page.records.iter().map(|record| record.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed, ids);
    // A page that holds just what there is says so.
    let page = block_on(store.list_for_user(&user("alice"), None, rows(5))).unwrap();
    assert_eq!((page.records.len(), page.next), (5, None));
}

#[test]
fn health_says_that_all_is_well() {
    let place = Place::new();
    block_on(place.open().health()).unwrap();
}

#[test]
fn reads_can_be_offloaded() {
    let place = Place::new();
    let store = revocable_sqlite::SqliteStore::builder(place.path())
        .offload_reads(true)
        .reader_connections(2)
        .open()
        .unwrap();
    let alice = create(&store, "alice");
    assert_eq!(lookup(&store, alice.id), Some(alice.clone()));
    let page = block_on(store.list_for_user(&alice.user, None, rows(1))).unwrap();
    assert_eq!(*page.records[0], alice);
    revoke(&store, alice.id);
    assert_eq!(lookup(&store, alice.id), None);
}

#[test]
fn the_list_of_users_never_drifts_from_the_sessions() {
    let place = Place::new();
    let store = place.open();
    let in_step = |sessions: i64| {
        let count = |sql| -> i64 {
            place
                .connect()
                .query_row(sql, [], |row| row.get(0))
                .unwrap()
        };
        assert_eq!(count("SELECT count(*) FROM sessions"), sessions);
        assert_eq!(count("SELECT count(*) FROM by_user"), sessions);
        let both = "SELECT count(*) FROM sessions JOIN by_user USING (user, id)";
        assert_eq!(count(both), sessions);
    };
    let [a, b] = [(); 2].map(|()| create(&store, "alice"));
    create(&store, "bob");
    in_step(3);
    revoke(&store, a.id);
    in_step(2);
    let capped = revocable_core::CreateRequest {
        cap: Some(Cap {
            max: NonZeroU32::MIN,
            at_cap: AtCap::EndLeastRecentlyUsed,
        }),
        ..request(record("alice"))
    };
    block_on(store.create(capped)).unwrap();
    assert_eq!(lookup(&store, b.id), None);
    in_step(2);
    block_on(store.revoke_all_for_user(revoke_all("alice"))).unwrap();
    in_step(1);
    block_on(store.sweep_expired(sweep(2_000_000))).unwrap();
    in_step(0);
    create(&store, "alice");
    block_on(store.revoke_everything(EndReason::Administrator)).unwrap();
    in_step(0);
}
