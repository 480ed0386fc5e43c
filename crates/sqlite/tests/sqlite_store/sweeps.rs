//! Sweeps: sessions that are over, and epochs that may be forgotten.

use futures_executor::block_on;
use revocable_core::{
    CreateOutcome, CreateRequest, EndReason, ErrorKind, Record, RevokeAllRequest, SessionStore,
    SweepCursor, SweepRequest,
};

use crate::support::*;

#[test]
fn a_sweep_removes_what_is_over_in_bounded_steps() {
    let place = Place::new();
    let store = place.open();
    let mut expected = Vec::new();
    for n in 0..20 {
        let over = n % 3 == 0;
        let record = Record {
            expires_ms: if over { 1_500 } else { 1_000_000 },
            ..record("alice")
        };
        block_on(store.create(request(record.clone()))).unwrap();
        expected.extend(over.then_some(record.id));
    }
    let heard = Heard::of(&store);
    let mut step = SweepRequest {
        max_rows: rows(3),
        ..sweep(1_500)
    };
    let mut steps = 0;
    loop {
        let outcome = block_on(store.sweep_expired(step.clone())).unwrap();
        assert!(outcome.examined <= 3);
        steps += 1;
        step.cursor = outcome.cursor;
        if step.cursor.is_none() {
            break;
        }
    }
    assert_eq!(steps, 7);
    assert_eq!(heard.ids(), expected);
    let reasons: Vec<_> = heard
        .ended
        .lock()
        .unwrap()
        .iter()
        .map(|e| e.reason)
        .collect();
    assert_eq!(reasons, vec![EndReason::Expired; expected.len()]);
}

#[test]
fn a_foreign_cursor_is_refused() {
    let place = Place::new();
    let store = place.open();
    let request = SweepRequest {
        cursor: Some(SweepCursor::new(*b"?")),
        ..sweep(0)
    };
    let error = block_on(store.sweep_expired(request)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_forgotten_epoch_still_refuses_older_logins() {
    let place = Place::new();
    let store = place.open();
    let before = block_on(store.epoch(&user("alice"))).unwrap();
    block_on(store.revoke_all_for_user(revoke_all("alice"))).unwrap();
    block_on(store.revoke_all_for_user(revoke_all("bob"))).unwrap();
    let forget = |before_ms| SweepRequest {
        forget_epochs_before_ms: before_ms,
        ..sweep(2_000)
    };
    assert_eq!(
        block_on(store.sweep_expired(forget(2_000)))
            .unwrap()
            .epochs_forgotten,
        0
    );
    assert_eq!(
        block_on(store.sweep_expired(forget(2_001)))
            .unwrap()
            .epochs_forgotten,
        2
    );
    let login = |name, epoch| revocable_core::CreateRequest {
        expected_epoch: Some(epoch),
        ..request(record(name))
    };
    let outcome = |request| block_on(store.create(request)).unwrap();
    assert_eq!(outcome(login("alice", before)), CreateOutcome::Superseded);
    assert_eq!(
        outcome(login("carol", before.next())),
        CreateOutcome::Superseded
    );
    assert!(matches!(
        outcome(login("alice", before.next().next())),
        CreateOutcome::Created { .. }
    ));
    // One that began in another file, which was removed since.
    let ahead = login("alice", before.next().next().next());
    assert_eq!(outcome(ahead), CreateOutcome::Superseded);
}

#[test]
fn epochs_behind_those_of_a_clock_that_was_ahead_are_forgotten() {
    const AHEAD_MS: i64 = 1 << 50;
    let place = Place::new();
    let store = place.open();
    let revoke_all_at = |name: &str, now_ms| {
        let request = RevokeAllRequest {
            now_ms,
            ..revoke_all(name)
        };
        block_on(store.revoke_all_for_user(request)).unwrap().epoch
    };
    let before = block_on(store.epoch(&user("alice"))).unwrap();
    // More at a time than a step looks at.
    for name in ["alice", "bob", "carol"] {
        revoke_all_at(name, AHEAD_MS);
    }
    revoke_all_at("dave", 2_000);
    let last = revoke_all_at("erin", 2_000);
    let kept = revoke_all_at("frank", AHEAD_MS);

    let mut step = SweepRequest {
        forget_epochs_before_ms: 10_000,
        max_rows: rows(2),
        ..sweep(10_000)
    };
    let mut forgotten = 0;
    for _ in 0..10 {
        let outcome = block_on(store.sweep_expired(step.clone())).unwrap();
        assert!(outcome.epochs_forgotten <= 2);
        forgotten += outcome.epochs_forgotten;
        step.cursor = outcome.cursor;
        if step.cursor.is_none() {
            break;
        }
    }
    assert_eq!((forgotten, step.cursor), (5, None));

    let login = |name, epoch| {
        let request = CreateRequest {
            expected_epoch: Some(epoch),
            ..request(record(name))
        };
        block_on(store.create(request)).unwrap()
    };
    assert_eq!(login("alice", before), CreateOutcome::Superseded);
    assert_eq!(login("frank", last), CreateOutcome::Superseded);
    let created = CreateOutcome::Created { ended: vec![] };
    assert_eq!(login("alice", last), created);
    assert_eq!(login("frank", kept), created);
}

#[test]
fn a_sweep_is_over_when_sessions_and_epochs_are() {
    for (sessions, epochs, steps) in [(1, 5, 3), (5, 1, 3), (4, 4, 3), (0, 0, 1), (2, 0, 2)] {
        let place = Place::new();
        let store = place.open();
        for n in 0..sessions {
            create(&store, &format!("user {n}"));
        }
        for n in 0..epochs {
            let name = format!("somebody else {n}");
            block_on(store.revoke_all_for_user(revoke_all(&name))).unwrap();
        }
        let mut step = SweepRequest {
            forget_epochs_before_ms: 2_001,
            max_rows: rows(2),
            ..sweep(2_000_000)
        };
        let mut taken = 0;
        let (mut ended, mut forgotten) = (0, 0);
        loop {
            let outcome = block_on(store.sweep_expired(step.clone())).unwrap();
            taken += 1;
            ended += outcome.ended.len();
            forgotten += outcome.epochs_forgotten;
            step.cursor = outcome.cursor;
            if step.cursor.is_none() {
                break;
            }
        }
        let expected = (sessions, epochs, steps);
        assert_eq!((ended, forgotten, taken), expected);
    }
}
