//! Damaged records.

use futures_executor::block_on;
use revocable_core::{
    AtCap, Cap, CreateOutcome, CreateRequest, EndReason, Ended, ErrorKind, SessionId, SessionStore,
};

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
fn a_list_shows_nobody_a_session_of_somebody_else() {
    let place = Place::new();
    let store = place.open();
    let alices = create(&store, "alice");
    let bobs = create(&store, "bob");
    place
        .connect()
        .execute(
            "INSERT INTO by_user (user, id) VALUES ('alice', ?1)",
            [bobs.id.as_bytes()],
        )
        .unwrap();
    let page = block_on(store.list_for_user(&user("alice"), None, rows(9))).unwrap();
    assert_eq!(page.damaged, [bobs.id]);
    assert_eq!(page.records.len(), 1);
    assert_eq!(page.records[0].id, alices.id);
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
