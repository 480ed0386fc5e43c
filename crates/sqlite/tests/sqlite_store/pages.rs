//! Damaged pages, which the engine itself cannot make sense of.

use std::fs;

use futures_executor::block_on;
use revocable_core::{
    AtCap, Cap, CreateOutcome, CreateRequest, EndReason, Ended, ErrorKind, Record, SessionStore,
};
use revocable_sqlite::SqliteStore;

use crate::support::*;

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
    // Far from both ends, so that there may be written without this page.
    let victim = records[80].clone();
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

/// Whoever makes up a token can ask for such a revocation, and nobody's logout
/// may fail for it.
#[test]
fn what_cannot_be_revoked_stops_no_other_write() {
    let (place, records, victim) = with_a_destroyed_page();
    let store = place.open();
    for _ in 0..2 {
        let error = block_on(store.revoke(victim.id, EndReason::LoggedOut)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
    let error = block_on(store.revoke_all_for_user(revoke_all("alice"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    block_on(store.health()).unwrap();
    assert!(revoke(&store, records[0].id).is_some());
    create(&store, "bob");
}

#[test]
fn writing_stops_where_it_could_make_damage_worse() {
    let (place, records, _) = with_a_destroyed_page();
    let store = place.open();
    // The page of those beside it becomes so empty that the engine puts the
    // two together.
    let readable = records.iter().filter(|record| is_readable(&store, record));
    let readable: Vec<_> = readable.map(|record| record.id).collect();
    let error = readable[1..]
        .iter()
        .find_map(|id| block_on(store.revoke(*id, EndReason::LoggedOut)).err());
    assert_eq!(error.unwrap().kind(), ErrorKind::Corrupt);
    for error in [
        block_on(store.create(request(record("alice")))).unwrap_err(),
        block_on(store.health()).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("restore the file"), "{error}");
    }
    assert_eq!(lookup(&store, records[0].id).as_ref(), Some(&records[0]));
}

fn is_readable(store: &SqliteStore, record: &Record) -> bool {
    matches!(block_on(store.lookup(record.id)), Ok(Some(_)))
}

#[test]
fn a_destroyed_page_does_not_lift_the_cap() {
    for at_cap in [AtCap::Refuse, AtCap::EndOldest, AtCap::EndLeastRecentlyUsed] {
        let (place, records, victim) = with_a_destroyed_page();
        let store = place.open();
        let readable = records.iter().filter(|r| is_readable(&store, r)).count();
        let capped = |max: usize| CreateRequest {
            cap: Some(Cap {
                max: rows(max as u32),
                at_cap,
            }),
            ..request(record("alice"))
        };
        let login = capped(readable);
        let id = login.record.id;
        let outcome = block_on(store.create(login)).unwrap();
        if at_cap == AtCap::Refuse {
            assert_eq!(outcome, CreateOutcome::CapReached);
            assert_eq!(lookup(&store, id), None);
        } else {
            let oldest = Ended {
                id: records[0].id,
                user: Some(victim.user.clone()),
                reason: EndReason::Cap,
            };
            let ended = vec![oldest];
            assert_eq!(outcome, CreateOutcome::Created { ended }, "{at_cap:?}");
            assert!(lookup(&store, id).is_some());
        }
        // One that cannot be read counts for nothing, as any that is damaged.
        let outcome = block_on(store.create(capped(readable + 1))).unwrap();
        assert_eq!(
            outcome,
            CreateOutcome::Created { ended: vec![] },
            "{at_cap:?}"
        );
    }
}

#[test]
fn a_destroyed_page_never_leaves_more_than_the_cap() {
    for at_cap in [AtCap::Refuse, AtCap::EndOldest] {
        let (place, records, _) = with_a_destroyed_page();
        let store = place.open();
        let login = CreateRequest {
            cap: Some(Cap {
                max: rows(1),
                at_cap,
            }),
            ..request(record("alice"))
        };
        let before = records.iter().filter(|r| is_readable(&store, r)).count();
        let outcome = block_on(store.create(login.clone()));
        let live = records.iter().filter(|r| is_readable(&store, r)).count();
        match outcome {
            Ok(CreateOutcome::CapReached) => assert_eq!(at_cap, AtCap::Refuse),
            Ok(CreateOutcome::Created { .. }) => assert_eq!(live, 0),
            Ok(outcome) => panic!("{outcome:?}"),
            // To end what is beside the destroyed page may need that page.
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt);
                assert_eq!((live, at_cap), (before, AtCap::EndOldest));
                assert!(!is_readable(&store, &login.record));
            }
        }
    }
}

#[test]
fn a_touch_of_a_session_that_cannot_be_read_takes_no_other_with_it() {
    let (place, records, victim) = with_a_destroyed_page();
    let store = place.open();
    for id in [records[0].id, victim.id, records[199].id] {
        store.update_soon(id, &touch(3_000));
    }
    drop(store);
    let store = place.open();
    for at in [0, 199] {
        assert_eq!(lookup(&store, records[at].id).unwrap().last_seen_ms, 3_000);
    }
    block_on(store.health()).unwrap();
}
