//! Sessions with so much in them that a part is kept outside their rows.

use std::fs;

use futures_executor::block_on;
use revocable_core::{
    Bucket, Change, ChangeKind, Client, Digest, ErrorKind, Liveness, Previous, Record, Salt,
    SessionId, SessionStore, Successor, UpdateOutcome,
};
use revocable_sqlite::SqliteStore;

use crate::support::*;

/// A session of alice with so many bytes of data, all the same.
fn with_data(len: usize, byte: u8) -> Record {
    Record {
        data: vec![byte; len].into(),
        ..record("alice")
    }
}

fn put(store: &SqliteStore, record: &Record) {
    block_on(store.create(request(record.clone()))).unwrap();
}

fn count(place: &Place, sql: &str) -> i64 {
    place
        .connect()
        .query_row(sql, [], |row| row.get(0))
        .unwrap()
}

/// How many sessions have a part outside their rows.
fn large(place: &Place) -> i64 {
    let marked = count(place, "SELECT count(*) FROM sessions WHERE is_large");
    assert_eq!(count(place, "SELECT count(*) FROM large"), marked);
    marked
}

#[test]
fn every_row_fits_into_its_page() {
    let place = Place::new();
    let store = place.open();
    let longest = Client::new()
        .with_user_agent("u".repeat(Client::MAX_USER_AGENT_LEN))
        .with_ip([u16::MAX; 8].into())
        .with_label("l".repeat(Client::MAX_LABEL_LEN))
        .unwrap();
    let name = "n".repeat(255);
    let mut in_row = 0;
    for (user, client) in [("a", Client::new()), (&*name, longest)] {
        for len in (0..1_100).step_by(4).chain([16_384, 1 << 20]) {
            let record = Record {
                data: vec![7; len].into(),
                client: client.clone(),
                previous: Some(Box::new(Previous {
                    digest: Digest::from_bytes([1; 32]),
                    replaced_ms: i64::MIN,
                    successor: Successor::Unconfirmed {
                        salt: Salt::from_bytes([2; 32]),
                    },
                })),
                created_ms: i64::MIN + 1,
                authenticated_ms: i64::MIN + 2,
                expires_ms: i64::MAX,
                idle_timeout_ms: i64::MAX - 1,
                version: u64::MAX >> 1,
                ..record(user)
            };
            let record = Record {
                id: SessionId::new(
                    1_000,
                    Bucket::of(&record.user),
                    *record.id.as_bytes().last_chunk().unwrap(),
                ),
                ..record
            };
            put(&store, &record);
            assert_eq!(lookup(&store, record.id).as_ref(), Some(&record), "{len}");
            in_row += i64::from(len < 700);
        }
    }
    let overflowing = "SELECT count(*) FROM dbstat WHERE pagetype = 'overflow' AND name = ";
    assert_eq!(count(&place, &format!("{overflowing}'sessions'")), 0);
    assert!(count(&place, &format!("{overflowing}'large'")) > 500);
    // A session of the usual size is in one place.
    let all = count(&place, "SELECT count(*) FROM sessions");
    assert!(large(&place) < all && large(&place) > all - in_row);
}

fn set_data(store: &SqliteStore, id: SessionId, expected_version: u64, data: Vec<u8>) -> Record {
    let change = Change {
        liveness: Liveness::at(2_000),
        kind: ChangeKind::SetData {
            expected_version,
            data: data.into(),
        },
    };
    match block_on(store.update(id, change)).unwrap() {
        UpdateOutcome::Updated(record) => Record::clone(&record),
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn data_that_grows_and_shrinks_moves() {
    let place = Place::new();
    let store = place.open();
    let id = create(&store, "alice").id;
    let lens = [100, 5_000, 9_000, 1 << 20, 0, 700, 5_000];
    for (version, len) in lens.into_iter().enumerate() {
        let record = set_data(&store, id, version as u64, vec![version as u8; len]);
        assert_eq!(record.data.len(), len);
        assert_eq!(lookup(&store, id).as_ref(), Some(&record));
        assert_eq!(large(&place), i64::from(len > 800));
        // What leaves the data alone leaves it where it is.
        let touched = block_on(store.update(id, touch(3_000 + version as i64))).unwrap();
        assert!(matches!(touched, UpdateOutcome::Updated(_)));
        assert_eq!(lookup(&store, id).unwrap().data, record.data);
    }
}

#[test]
fn nothing_of_a_session_that_ended_is_left() {
    type End = fn(&SqliteStore, &Record);
    let ends: [End; 4] = [
        |store, record| assert!(revoke(store, record.id).is_some()),
        |store, _| {
            block_on(store.revoke_all_for_user(revoke_all("alice"))).unwrap();
        },
        |store, _| {
            block_on(store.sweep_expired(sweep(2_000_000))).unwrap();
        },
        |store, _| {
            let reason = revocable_core::EndReason::Administrator;
            block_on(store.revoke_everything(reason)).unwrap();
        },
    ];
    for (at, end) in ends.into_iter().enumerate() {
        let place = Place::new();
        let store = place.open();
        let record = with_data(5_000, 7);
        put(&store, &record);
        assert_eq!(large(&place), 1);
        end(&store, &record);
        assert_eq!(lookup(&store, record.id), None);
        assert_eq!(count(&place, "SELECT count(*) FROM large"), 0, "{at}");
    }
}

#[test]
fn a_kept_session_keeps_its_data() {
    let place = Place::new();
    let store = place.open();
    let [kept, other] = [7, 8].map(|byte| with_data(5_000, byte));
    put(&store, &kept);
    put(&store, &other);
    let request = revocable_core::RevokeAllRequest {
        keep: Some(kept.id),
        ..revoke_all("alice")
    };
    block_on(store.revoke_all_for_user(request)).unwrap();
    assert_eq!(lookup(&store, kept.id), Some(kept));
    assert_eq!(large(&place), 1);
}

/// Which of the pages that hold nothing but one session's data.
#[derive(Debug, Clone, Copy)]
enum Destroyed {
    /// One that the engine need not read to free it and the next: that lies
    /// behind it in the file.
    First,
    /// One that says where the next is.
    BeforeALeap,
}

/// Neighbours in the order of IDs, one of which has lost a page of its data.
fn with_destroyed_data(place: &Place, which: Destroyed) -> (Vec<Record>, Record) {
    let store = place.open();
    // Their pages are taken again one by one, not in the order of the file.
    let before = [(); 10].map(|()| with_data(5_000, 200));
    for record in &before {
        put(&store, record);
    }
    let mut records: Vec<_> = (0..40)
        .map(|n| with_data(if n % 2 == 0 { 20 } else { 20_000 }, n))
        .collect();
    for record in &records[..20] {
        put(&store, record);
    }
    for record in &before {
        revoke(&store, record.id);
    }
    records[21].data = vec![21; 60_000].into();
    for record in records[20..].iter() {
        put(&store, record);
    }
    drop(store);
    let victim = records[21].clone();
    let mut bytes = fs::read(place.path()).unwrap();
    let (_, page) = (1..)
        .zip(bytes.chunks_exact_mut(4_096))
        .find(|(number, page)| {
            let next = u32::from_be_bytes(*page.first_chunk().unwrap());
            let leaps = next != number + 1;
            page[4..] == [21; 4_092] && leaps == matches!(which, Destroyed::BeforeALeap)
        })
        .unwrap();
    page.fill(0xff);
    fs::write(place.path(), bytes).unwrap();
    (records, victim)
}

#[test]
fn destroyed_data_is_an_error_for_its_session_only() {
    for which in [Destroyed::First, Destroyed::BeforeALeap] {
        let place = Place::new();
        let (records, victim) = with_destroyed_data(&place, which);
        ensure_unharmed_but_for(&victim, &records, &place.open());
    }
}

fn ensure_unharmed_but_for(victim: &Record, records: &[Record], store: &SqliteStore) {
    for record in records {
        if record.id == victim.id {
            let error = block_on(store.lookup(record.id)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        } else {
            assert_eq!(lookup(store, record.id).as_ref(), Some(record));
        }
    }
    let page = block_on(store.list_for_user(&victim.user, None, rows(99))).unwrap();
    assert_eq!((page.records.len(), &*page.damaged), (39, &[victim.id][..]));
    // Its neighbours are written as ever.
    for record in records {
        if record.id != victim.id {
            block_on(store.update(record.id, touch(3_000))).unwrap();
        }
    }
    put(store, &with_data(20_000, 99));
}

#[test]
fn a_session_with_destroyed_data_is_revoked_like_any_other() {
    let cases = [0, 1, 2].into_iter();
    for (verb, which) in
        cases.flat_map(|verb| [Destroyed::First, Destroyed::BeforeALeap].map(|which| (verb, which)))
    {
        let place = Place::new();
        let (records, victim) = with_destroyed_data(&place, which);
        let store = place.open();
        match verb {
            0 => assert!(revoke(&store, victim.id).is_some()),
            1 => {
                let outcome = block_on(store.revoke_all_for_user(revoke_all("alice"))).unwrap();
                assert_eq!(outcome.ended.len(), records.len());
            }
            // Not by a sweep: what is damaged may be live in truth.
            _ => {
                let outcome = block_on(store.sweep_expired(sweep(2_000_000))).unwrap();
                assert_eq!(outcome.ended.len(), records.len() - 1);
                assert!(revoke(&store, victim.id).is_some());
            }
        }
        assert_eq!(lookup(&store, victim.id), None, "{verb} {which:?}");
        // And writing goes on.
        let record = with_data(20_000, 5);
        put(&store, &record);
        assert_eq!(lookup(&store, record.id), Some(record));
        block_on(store.health()).unwrap();
    }
}
