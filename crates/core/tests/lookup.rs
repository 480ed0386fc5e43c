//! Looking up, and refusing.

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{HOUR, MINUTE, SECOND, block_on, policy, rejection, setup, setup_with};
use revocable_core::{
    ChangeKind, ErrorKind, Expired, NewSession, Policy, Rejection, SessionStore, Sessions, UserId,
};

#[test]
fn a_token_is_found_by_its_text_and_by_itself() {
    let setup = setup();
    block_on(async {
        let (token, session) = setup.sessions.create("alice").await.unwrap();
        let text = token.expose();
        for found in [
            setup.sessions.lookup(&token).await,
            setup.sessions.lookup(&text).await,
            setup.sessions.lookup(text.as_str()).await,
            setup.sessions.lookup(text.as_bytes()).await,
        ] {
            assert_eq!(found.unwrap().unwrap().id(), session.id());
        }
    });
}

#[test]
fn a_malformed_token_asks_no_store() {
    let setup = setup();
    for text in ["", "x", "é", &"A".repeat(64), &"-".repeat(1 << 20)] {
        assert_eq!(setup.rejection(text), Some(Rejection::Malformed));
    }
    assert_eq!(setup.store.lookups.load(Ordering::Relaxed), 0);
}

#[test]
fn a_known_id_with_another_secret_is_refused() {
    let setup = setup();
    let (token, _) = block_on(setup.sessions.create("alice")).unwrap();
    let (other, _) = block_on(setup.sessions.create("alice")).unwrap();
    // The 16 bytes of the ID end within the 22nd character.
    let forged = format!("{}{}", &token.expose()[..22], &other.expose()[22..]);
    assert_eq!(setup.rejection(&forged), Some(Rejection::WrongSecret));
    assert_eq!(setup.rejection(&token.expose()), None);
}

#[test]
fn every_bit_of_the_secret_counts() {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let setup = setup();
    let (token, _) = block_on(setup.sessions.create("alice")).unwrap();
    let text = token.expose();
    for at in 0..text.len() {
        for bit in 0..6 {
            let mut forged = text.as_bytes().to_vec();
            let value = ALPHABET.iter().position(|c| *c == forged[at]).unwrap();
            forged[at] = ALPHABET[value ^ (1 << bit)];
            let found = block_on(setup.sessions.lookup(&forged[..])).unwrap();
            assert!(found.is_none(), "character {at}, bit {bit}");
        }
    }
}

#[test]
fn a_lookup_never_creates() {
    let elsewhere = setup();
    let (token, session) = block_on(elsewhere.sessions.create("alice")).unwrap();
    let setup = setup();
    let text = token.expose();
    assert_eq!(setup.rejection(&text), Some(Rejection::Unknown));
    assert!(setup.record(session.id()).is_none());
    assert_eq!(setup.store.writes.load(Ordering::Relaxed), 0);
}

#[test]
fn expired_is_expired_at_the_instant_without_a_sweep() {
    let setup = setup();
    let (token, _) = block_on(setup.sessions.create("alice")).unwrap();
    let text = token.expose();
    setup.clock.advance(HOUR);
    assert_eq!(
        setup.rejection(&text),
        Some(Rejection::Expired(Expired::Idle))
    );
    // Not revived by having been asked for.
    setup
        .clock
        .jump_to(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_003_599));
    assert_eq!(setup.rejection(&text), None);
}

#[test]
fn use_moves_the_idle_timeout_and_not_the_absolute_one() {
    let setup = setup();
    let (token, _) = block_on(setup.sessions.create("alice")).unwrap();
    let text = token.expose();
    for _ in 0..47 {
        setup.clock.advance(30 * MINUTE);
        assert_eq!(setup.rejection(&text), None);
    }
    setup.clock.advance(30 * MINUTE);
    assert_eq!(
        setup.rejection(&text),
        Some(Rejection::Expired(Expired::Absolute))
    );
}

#[test]
fn touches_are_written_once_an_interval() {
    let setup = setup();
    let (token, session) = block_on(setup.sessions.create("alice")).unwrap();
    let writes = || setup.store.writes.load(Ordering::Relaxed);
    let before = writes();
    for _ in 0..59 {
        setup.clock.advance(SECOND);
        block_on(setup.sessions.lookup(&token)).unwrap().unwrap();
    }
    assert_eq!(writes(), before);
    setup.clock.advance(SECOND);
    block_on(setup.sessions.lookup(&token)).unwrap().unwrap();
    block_on(setup.sessions.lookup(&token)).unwrap().unwrap();
    assert_eq!(writes(), before + 1);
    let record = setup.record(session.id()).unwrap();
    assert_eq!(record.last_seen_ms, record.created_ms + 60_000);
}

#[test]
fn a_store_without_deferred_writes_is_awaited_and_its_failure_harms_no_lookup() {
    let setup = setup();
    setup.store.plain.store(true, Ordering::Relaxed);
    let (token, session) = block_on(setup.sessions.create("alice")).unwrap();
    setup.clock.advance(2 * MINUTE);
    let found = block_on(setup.sessions.lookup(&token)).unwrap().unwrap();
    assert_eq!(found.last_seen_at(), session.created_at() + 2 * MINUTE);

    // Fails in the update, after the lookup succeeded.
    setup.clock.advance(2 * MINUTE);
    let store = setup.store.clone();
    *setup.store.before_update.lock().unwrap() =
        Some(Box::new(move || store.fail(ErrorKind::Full, false)));
    block_on(setup.sessions.lookup(&token)).unwrap().unwrap();
    let record = setup.record(session.id()).unwrap();
    assert_eq!(record.last_seen_ms, record.created_ms + 120_000);
}

#[test]
fn a_session_in_use_outlives_an_idle_timeout_shorter_than_the_touch_interval() {
    let setup = setup();
    let user = UserId::new("alice").unwrap();
    let new = NewSession::for_user(user).idle_timeout(30 * SECOND);
    let (token, _) = block_on(setup.sessions.create(new)).unwrap();
    for _ in 0..20 {
        setup.clock.advance(14 * SECOND);
        assert!(setup.live(&token));
    }
    setup.clock.advance(30 * SECOND);
    assert!(!setup.live(&token));
}

/// Deferred, it could look expired to others before the touch is written, and
/// live again after.
#[test]
fn a_touch_close_to_the_idle_timeout_does_not_wait() {
    let setup = setup();
    let (token, session) = block_on(setup.sessions.create("alice")).unwrap();
    for (minutes, seconds, waits) in [(59, 30, true), (59, 31, false)] {
        setup.clock.advance(minutes * MINUTE + seconds * SECOND);
        let updates = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = updates.clone();
        *setup.store.before_update.lock().unwrap() =
            Some(Box::new(move || seen.store(true, Ordering::Relaxed)));
        block_on(setup.sessions.lookup(&token)).unwrap().unwrap();
        assert_eq!(updates.load(Ordering::Relaxed), !waits, "{seconds}");
    }
    assert!(setup.record(session.id()).is_some());
}

#[test]
fn a_session_revoked_between_lookup_and_touch_is_not_served() {
    let setup = setup();
    setup.store.plain.store(true, Ordering::Relaxed);
    let (token, session) = block_on(setup.sessions.create("alice")).unwrap();
    setup.clock.advance(2 * MINUTE);
    let sessions = setup.sessions.clone();
    let id = session.id();
    *setup.store.before_update.lock().unwrap() = Some(Box::new(move || {
        assert!(block_on(sessions.revoke(id)).unwrap());
    }));
    assert!(block_on(setup.sessions.lookup(&token)).unwrap().is_none());
    assert!(setup.record(id).is_none());
}

#[test]
fn a_store_that_fails_lets_nobody_in_and_logs_nobody_out() {
    let setup = setup();
    let (token, _) = block_on(setup.sessions.create("alice")).unwrap();
    for kind in [ErrorKind::Unavailable, ErrorKind::Corrupt] {
        setup.store.fail(kind, false);
        let error = block_on(setup.sessions.lookup(&token)).unwrap_err();
        assert_eq!(error.kind(), kind);
    }
    assert!(block_on(setup.sessions.lookup(&token)).unwrap().is_some());
}

#[test]
fn a_clock_that_moves_back_does_not_move_last_seen_back() {
    let setup = setup();
    let (token, session) = block_on(setup.sessions.create("alice")).unwrap();
    setup.clock.advance(30 * MINUTE);
    block_on(setup.sessions.lookup(&token)).unwrap().unwrap();
    let seen = setup.record(session.id()).unwrap().last_seen_ms;
    for back in [1, 1_000, 1_000_000_000] {
        setup
            .clock
            .jump_to(session.created_at() - Duration::from_secs(back));
        let found = block_on(setup.sessions.lookup(&token)).unwrap().unwrap();
        assert_eq!(found.expires_at(), session.expires_at());
        assert_eq!(setup.record(session.id()).unwrap().last_seen_ms, seen);
    }
}

#[test]
fn a_tightened_policy_holds_for_sessions_that_exist() {
    let setup = setup();
    let (token, _) = block_on(setup.sessions.create("alice")).unwrap();
    setup.clock.advance(30 * MINUTE);
    let tightened = |policy| {
        Sessions::builder(setup.store.clone())
            .clock(setup.clock.clone())
            .policy(policy)
            .build()
            .unwrap()
    };
    let text = token.expose();
    let idle = tightened(Policy::builder(24 * HOUR).idle_timeout(30 * MINUTE));
    assert_eq!(
        rejection(&idle, &text),
        Some(Rejection::Expired(Expired::Idle))
    );
    let absolute = tightened(
        Policy::builder(30 * MINUTE)
            .idle_timeout(10 * MINUTE)
            .no_renewal(),
    );
    assert_eq!(
        rejection(&absolute, &text),
        Some(Rejection::Expired(Expired::Absolute))
    );
    let relaxed = tightened(Policy::builder(99 * HOUR).idle_timeout(50 * HOUR));
    setup.clock.advance(31 * MINUTE);
    assert_eq!(
        rejection(&relaxed, &text),
        Some(Rejection::Expired(Expired::Idle))
    );
}

/// Another process may have used the session since a cache read it.
#[test]
fn a_session_that_looks_idle_is_read_past_any_cache_before_anyone_is_told() {
    let setup = setup();
    let fresh = || setup.store.fresh.swap(0, Ordering::Relaxed);
    block_on(async {
        let (token, session) = setup.sessions.create("alice").await.unwrap();
        let id = session.id();
        let mut watch = setup.sessions.watch(id).await.unwrap();
        let cached = setup.record(id);
        setup.clock.advance(30 * MINUTE);
        setup.sessions.lookup(&token).await.unwrap().unwrap();
        *setup.store.cached.lock().unwrap() = cached;
        assert_eq!(fresh(), 0);

        setup.clock.advance(30 * MINUTE);
        assert_eq!(setup.rejection(&token), None);
        assert_eq!(fresh(), 1);
        let modified = setup.sessions.modify(id, |n: &mut u32| *n += 1).await;
        assert!(modified.unwrap().is_some());
        assert_eq!(fresh(), 1);
        assert_eq!(setup.sessions.refresh_watches().await.unwrap(), 0);
        assert_eq!(fresh(), 1);
        assert!(common::poll_once(&mut watch).is_pending());

        // What cannot be read again is not over.
        setup.store.fail_after_lookup(ErrorKind::Unavailable);
        let error = setup.sessions.lookup(&token).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(common::poll_once(&mut watch).is_pending());

        setup.clock.advance(HOUR);
        let idle = Some(Rejection::Expired(Expired::Idle));
        assert_eq!(setup.rejection(&token), idle);
        assert!(common::poll_once(&mut watch).is_ready());
        setup.sessions.revoke(id).await.unwrap();
        assert_eq!(setup.rejection(&token), Some(Rejection::Unknown));
    });
}

#[test]
fn a_lookup_that_says_anything_else_reads_once() {
    let setup = setup();
    let (token, _) = block_on(setup.sessions.create("alice")).unwrap();
    let (other, _) = block_on(setup.sessions.create("alice")).unwrap();
    let forged = format!("{}{}", &token.expose()[..22], &other.expose()[22..]);
    let unknown = block_on(common::setup().sessions.create("alice"))
        .unwrap()
        .0;
    assert_eq!(setup.rejection(&token), None);
    assert_eq!(setup.rejection("malformed"), Some(Rejection::Malformed));
    assert_eq!(setup.rejection(&unknown), Some(Rejection::Unknown));
    setup.clock.advance(24 * HOUR);
    let absolute = Some(Rejection::Expired(Expired::Absolute));
    assert_eq!(setup.rejection(&token), absolute);
    assert_eq!(setup.store.fresh.load(Ordering::Relaxed), 0);
    assert_eq!(setup.store.lookups.load(Ordering::Relaxed), 3);
    // Idle as well, which a forgery does not learn. Another process might have
    // made this token, so here it is two.
    assert_eq!(setup.rejection(&forged), Some(Rejection::WrongSecret));
    assert_eq!(setup.store.fresh.load(Ordering::Relaxed), 1);
    assert_eq!(setup.store.lookups.load(Ordering::Relaxed), 5);
}

#[test]
fn a_pointer_to_a_store_asks_past_its_cache() {
    let setup = setup();
    let (_, session) = block_on(setup.sessions.create("alice")).unwrap();
    let boxed: Box<dyn SessionStore> = Box::new(setup.store.clone());
    assert!(
        block_on(boxed.lookup_fresh(session.id()))
            .unwrap()
            .is_some()
    );
    assert_eq!(setup.store.fresh.load(Ordering::Relaxed), 1);
}

#[test]
fn nothing_printed_holds_a_secret() {
    let setup = setup_with(|b| b.policy(policy()));
    block_on(async {
        let user = UserId::new("alice").unwrap();
        let new = NewSession::for_user(user).data(*b"hunter2");
        let change = ChangeKind::SetData {
            expected_version: 0,
            data: b"hunter2"[..].into(),
        };
        let (token, session) = setup.sessions.create(new.clone()).await.unwrap();
        let renewed = setup.sessions.renew(&token).await.unwrap().unwrap();
        let record = setup.record(session.id()).unwrap();
        let shown = format!(
            "{token:?} {session:?} {renewed:?} {record:?} {new:?} {change:?} {:?} {:?}",
            setup.sessions,
            setup.sessions.inspect(&token).await.unwrap()
        );
        assert!(!shown.contains(&format!("{:?}", b"hunter2")), "{shown}");
        let text = token.expose();
        // The secret begins within the 22nd character.
        assert!(!shown.contains(&text[22..40]), "{shown}");
        for digest in [record.digest, token.digest()] {
            assert!(!shown.contains(&format!("{:?}", digest.as_bytes())));
        }
    });
}
