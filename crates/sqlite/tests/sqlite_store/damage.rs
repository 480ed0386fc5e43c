//! Damaged records, damaged pages.

use std::fs;

use futures_executor::block_on;
use revocable_core::{
    AtCap, Cap, CreateOutcome, CreateRequest, EndReason, Ended, ErrorKind, Record, SessionId,
    SessionStore,
};
use revocable_sqlite::SqliteStore;

use crate::support::*;

/// Writes around the store, as no correct program does.
fn damage(place: &Place, id: SessionId, set: &str) {
    let changed = place
        .connect()
        .execute(
            &format!("UPDATE sessions SET {set} WHERE id = ?1"),
            [id.as_bytes()],
        )
        .unwrap();
    assert_eq!(changed, 1, "{set}");
}

#[test]
fn damage_in_any_column_is_seen() {
    let place = Place::new();
    let store = place.open();
    let damages = [
        "created_ms = created_ms + 1",
        "last_seen_ms = last_seen_ms + 1",
        "expires_ms = expires_ms | (1 << 40)",
        "idle_timeout_ms = idle_timeout_ms * 2",
        "authenticated_ms = 0",
        "version = version + 1",
        "checksum = checksum + 1",
        "checksum = -1",
        "digest = zeroblob(32)",
        "user = 'mallory'",
        "user = ''",
        "previous_digest = zeroblob(32), previous_replaced_ms = 0",
        "previous_replaced_ms = 1",
        "successor_salt = zeroblob(32)",
        "successor_presented_ms = 0",
        "client_ip = NULL",
        "client_ip = zeroblob(5)",
        "client_user_agent = 'another browser'",
        "client_user_agent = NULL",
        "client_label = 'phone'",
        "client_label = ''",
        "data = CAST(data || x'00' AS BLOB)",
        "data = x''",
    ];
    let spared = create(&store, "alice");
    for set in damages {
        let alice = create(&store, "alice");
        damage(&place, alice.id, set);
        let error = block_on(store.lookup(alice.id)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{set}");
        let error = block_on(store.update(alice.id, touch(2_000))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{set}");
        let expected = Ended {
            id: alice.id,
            user: None,
            reason: EndReason::LoggedOut,
        };
        assert_eq!(revoke(&store, alice.id), Some(expected), "{set}");
        assert_eq!(lookup(&store, alice.id), None);
    }
    assert_eq!(lookup(&store, spared.id), Some(spared));
}

#[test]
fn a_damaged_session_is_named_and_counts_for_nothing() {
    let place = Place::new();
    let store = place.open();
    let [a, b, c] = [(); 3].map(|()| create(&store, "alice"));
    damage(&place, b.id, "user = 'mallory'");

    let page = block_on(store.list_for_user(&user("alice"), None, rows(3))).unwrap();
    assert_eq!(page.damaged, [b.id]);
    assert_eq!(
        page.records
            .iter()
            .map(|record| record.id)
            .collect::<Vec<_>>(),
        [a.id, c.id]
    );
    let mallorys = block_on(store.list_for_user(&user("mallory"), None, rows(3))).unwrap();
    assert_eq!(mallorys, revocable_core::Page::default());

    let capped = CreateRequest {
        cap: Some(Cap {
            max: rows(3),
            at_cap: AtCap::Refuse,
        }),
        ..request(record("alice"))
    };
    let outcome = block_on(store.create(capped)).unwrap();
    assert_eq!(outcome, CreateOutcome::Created { ended: vec![] });
}

#[test]
fn revoke_all_takes_damaged_sessions_with_it() {
    let place = Place::new();
    let store = place.open();
    let [a, b] = [(); 2].map(|()| create(&store, "alice"));
    damage(&place, b.id, "user = 'mallory', data = x''");
    let outcome = block_on(store.revoke_all_for_user(revoke_all("alice"))).unwrap();
    assert_eq!(outcome.ended, [a.id, b.id]);
    assert_eq!(lookup(&store, b.id), None);
    block_on(store.health()).unwrap();
}

#[test]
fn a_sweep_passes_over_damage() {
    let place = Place::new();
    let store = place.open();
    let [a, b, c] = [(); 3].map(|()| create(&store, "alice"));
    damage(&place, b.id, "expires_ms = 0");
    let outcome = block_on(store.sweep_expired(sweep(2_000_000))).unwrap();
    let swept: Vec<_> = outcome.ended.iter().map(|ended| ended.id).collect();
    assert_eq!(swept, [a.id, c.id]);
    assert_eq!((outcome.examined, outcome.cursor), (3, None));
    let error = block_on(store.lookup(b.id)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

/// Changes the file's bytes while nobody has it open.
fn edit(place: &Place, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(place.path()).unwrap();
    edit(&mut bytes);
    fs::write(place.path(), bytes).unwrap();
}

fn find(bytes: &[u8], needle: &[u8]) -> Vec<usize> {
    bytes
        .windows(needle.len())
        .enumerate()
        .filter_map(|(at, window)| (window == needle).then_some(at))
        .collect()
}

#[test]
fn a_flipped_bit_of_the_file_harms_one_session_and_stops_no_revocation() {
    // The user, in the row but not in the list of users; the header of the
    // row, which the engine itself cannot make sense of any more; a time.
    type Flip = fn(&mut [u8], usize);
    let flips: [(&str, Flip); 3] = [
        ("user", |row, id| {
            let user = find(&row[id..], b"alice")[0];
            row[id + user] ^= 1;
        }),
        ("header", |row, id| row[id - 2] ^= 0x40),
        ("time", |row, id| row[id + 17] ^= 0x40),
    ];
    for (what, flip) in flips {
        for verb in 0..3 {
            let place = Place::new();
            let store = place.open();
            let [a, b, c] = [(); 3].map(|()| create(&store, "alice"));
            drop(store);
            edit(&place, |bytes| {
                // The row, not the entry in the list of users, is followed by
                // the digest.
                let id = find(bytes, b.id.as_bytes())
                    .into_iter()
                    .find(|at| !find(&bytes[*at..*at + 120], b.digest.as_bytes()).is_empty())
                    .unwrap();
                flip(bytes, id);
            });
            let store = place.open();
            let error = block_on(store.lookup(b.id)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}");
            assert_eq!(lookup(&store, a.id).as_ref(), Some(&a), "{what}");
            assert_eq!(lookup(&store, c.id).as_ref(), Some(&c), "{what}");
            let page = block_on(store.list_for_user(&b.user, None, rows(9))).unwrap();
            assert_eq!(
                (page.records.len(), &page.damaged[..]),
                (2, &[b.id][..]),
                "{what}"
            );
            match verb {
                0 => {
                    assert!(revoke(&store, b.id).is_some(), "{what}");
                    assert_eq!(lookup(&store, a.id), Some(a));
                }
                1 => {
                    let outcome = block_on(store.revoke_all_for_user(revoke_all("alice")));
                    assert_eq!(outcome.unwrap().ended, [a.id, b.id, c.id], "{what}");
                }
                _ => {
                    let outcome = block_on(store.sweep_expired(sweep(2_000_000))).unwrap();
                    let ids: Vec<_> = outcome.ended.iter().map(|ended| ended.id).collect();
                    assert_eq!(ids, [a.id, c.id], "{what}");
                }
            }
            create(&store, "alice");
        }
    }
}

/// A store with many sessions, the last twenty of which end early, and one page
/// of which is destroyed; and a session on that page.
fn with_a_destroyed_page() -> (Place, Vec<Record>, Record) {
    let place = Place::new();
    let store = place.open();
    let records: Vec<_> = (0..200)
        .map(|n| Record {
            expires_ms: if n < 180 { 1_000_000 } else { 5_000 },
            ..record("alice")
        })
        .collect();
    for record in &records {
        block_on(store.create(request(record.clone()))).unwrap();
    }
    let victim = records[100].clone();
    drop(store);
    edit(&place, |bytes| {
        let at = find(bytes, victim.digest.as_bytes())[0];
        let page = at / 4096 * 4096;
        bytes[page..page + 4096].fill(0xff);
    });
    (place, records, victim)
}

#[test]
fn a_destroyed_page_is_an_error_for_its_sessions_only() {
    let (place, records, victim) = with_a_destroyed_page();
    let store = place.open();
    let error = block_on(store.lookup(victim.id)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let readable = |store: &SqliteStore| {
        let whole = |r: &&Record| matches!(block_on(store.lookup(r.id)), Ok(Some(_)));
        records.iter().filter(whole).count()
    };
    assert!(readable(&store) > 150);

    let page = block_on(store.list_for_user(&victim.user, None, rows(1_000))).unwrap();
    assert_eq!(page.records.len(), readable(&store));
    assert!(page.damaged.contains(&victim.id));

    // A sweep goes on behind it.
    let outcome = block_on(store.sweep_expired(sweep(5_000))).unwrap();
    assert_eq!(outcome.cursor, None);
    let swept: Vec<_> = outcome.ended.iter().map(|ended| ended.id).collect();
    let expected: Vec<_> = records[180..].iter().map(|record| record.id).collect();
    assert_eq!(swept, expected);
    block_on(store.health()).unwrap();
}

#[test]
fn writing_stops_where_it_could_make_damage_worse() {
    let (place, records, victim) = with_a_destroyed_page();
    let store = place.open();
    let error = block_on(store.revoke(victim.id, EndReason::LoggedOut)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    for error in [
        block_on(store.create(request(record("alice")))).unwrap_err(),
        block_on(store.health()).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("restore the file"), "{error}");
    }
    assert_eq!(lookup(&store, records[0].id).as_ref(), Some(&records[0]));
}

#[test]
fn lost_epochs_are_damage() {
    let place = Place::new();
    let store = place.open();
    place.connect().execute("DELETE FROM meta", []).unwrap();
    let kind = |error: revocable_core::Error| error.kind();
    let alice = user("alice");
    assert_eq!(
        block_on(store.epoch(&alice)).map_err(kind),
        Err(ErrorKind::Corrupt)
    );
    let login = CreateRequest {
        expected_epoch: Some(revocable_core::Epoch::ZERO),
        ..request(record("alice"))
    };
    assert_eq!(
        block_on(store.create(login)).map_err(kind),
        Err(ErrorKind::Corrupt)
    );
}
