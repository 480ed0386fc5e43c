//! Renewal, its overlap, lost responses, reuse, and step-up.

#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

mod common;

use common::{HOUR, MINUTE, SECOND, Setup, block_on, policy, setup, setup_with};
use revocable_core::{ErrorKind, Rejection, Token};

fn create(setup: &Setup) -> Token {
    block_on(setup.sessions.create("alice")).unwrap().0
}

/// The successor that a renewal hands out.
fn renew(setup: &Setup, token: &Token) -> Option<Token> {
    block_on(setup.sessions.renew(token))
        .unwrap()
        .expect("a live session")
        .token
}

fn same(a: &Token, b: &Token) -> bool {
    *a.expose() == *b.expose()
}

#[test]
fn a_renewal_is_due_after_the_interval_and_keeps_the_id() {
    let setup = setup();
    let token = create(&setup);
    let due = |token| {
        block_on(setup.sessions.lookup(token))
            .unwrap()
            .unwrap()
            .renewal_due()
    };
    setup.clock.advance(10 * MINUTE - SECOND);
    assert!(!due(&token));
    setup.clock.advance(SECOND);
    assert!(due(&token));
    let successor = renew(&setup, &token).unwrap();
    assert_eq!(successor.id(), token.id());
    assert!(!same(&successor, &token));
    assert!(!due(&successor));
    setup.clock.advance(10 * MINUTE);
    assert!(due(&successor));
}

#[test]
fn a_lost_response_logs_nobody_out() {
    let setup = setup();
    let token = create(&setup);
    let lost = renew(&setup, &token).unwrap();
    // Much later the client comes back with what it has.
    setup.clock.advance(50 * MINUTE);
    let session = block_on(setup.sessions.lookup(&token)).unwrap().unwrap();
    assert!(session.renewal_due());
    let again = renew(&setup, &token).unwrap();
    assert!(same(&lost, &again));
    assert!(setup.live(&again));
}

#[test]
fn parallel_requests_all_get_the_same_successor() {
    let setup = setup();
    let token = create(&setup);
    let first = renew(&setup, &token).unwrap();
    let second = renew(&setup, &token).unwrap();
    assert!(same(&first, &second));

    // The same, but the other request is faster by a hair.
    let setup = common::setup();
    let token = create(&setup);
    let (sessions, racing) = (setup.sessions.clone(), token.clone());
    let theirs = std::sync::Arc::new(std::sync::Mutex::new(None));
    let found = theirs.clone();
    *setup.store.before_update.lock().unwrap() = Some(Box::new(move || {
        *found.lock().unwrap() = block_on(sessions.renew(&racing)).unwrap().unwrap().token;
    }));
    let ours = renew(&setup, &token).unwrap();
    assert!(same(&ours, theirs.lock().unwrap().as_ref().unwrap()));
}

#[test]
fn the_old_token_is_good_for_the_overlap_after_its_successor_arrived() {
    let setup = setup();
    let token = create(&setup);
    let successor = renew(&setup, &token).unwrap();
    setup.clock.advance(30 * MINUTE);
    assert!(setup.live(&successor));
    setup
        .clock
        .advance(10 * SECOND - std::time::Duration::from_millis(1));
    let session = block_on(setup.sessions.lookup(&token)).unwrap().unwrap();
    assert!(!session.renewal_due());
    assert!(renew(&setup, &token).is_none());
    setup.clock.advance(std::time::Duration::from_millis(1));
    assert_eq!(setup.rejection(&token), Some(Rejection::Reused));
}

#[test]
fn reuse_revokes_the_session_and_is_reported() {
    let setup = setup();
    let token = create(&setup);
    let successor = renew(&setup, &token).unwrap();
    assert!(setup.live(&successor));
    setup.clock.advance(MINUTE);
    setup.take_events();
    assert_eq!(setup.rejection(&token), Some(Rejection::Reused));
    assert_eq!(
        setup.take_events(),
        ["rejected reused", "ended alice reuse"]
    );
    assert_eq!(setup.rejection(&successor), Some(Rejection::Unknown));
}

#[test]
fn reuse_can_be_reported_without_revoking() {
    let setup = setup_with(|b| b.policy(policy().revoke_on_reuse(false)));
    let token = create(&setup);
    let successor = renew(&setup, &token).unwrap();
    assert!(setup.live(&successor));
    setup.clock.advance(MINUTE);
    assert_eq!(setup.rejection(&token), Some(Rejection::Reused));
    assert!(block_on(setup.sessions.renew(&token)).unwrap().is_none());
    assert!(setup.live(&successor));
}

#[test]
fn reuse_that_cannot_be_revoked_is_an_error() {
    let setup = setup();
    let token = create(&setup);
    let successor = renew(&setup, &token).unwrap();
    assert!(setup.live(&successor));
    setup.clock.advance(MINUTE);
    setup.store.fail_after_lookup(ErrorKind::Unavailable);
    let error = block_on(setup.sessions.inspect(&token)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[test]
fn a_clock_that_moves_back_does_not_stretch_the_overlap() {
    let setup = setup();
    let token = create(&setup);
    let successor = renew(&setup, &token).unwrap();
    assert!(setup.live(&successor));
    let now = block_on(setup.sessions.lookup(&successor))
        .unwrap()
        .unwrap()
        .last_seen_at();
    setup.clock.jump_to(now - HOUR);
    // Refused, and nobody is logged out for what the clock did.
    assert_eq!(setup.rejection(&token), Some(Rejection::Replaced));
    assert!(setup.live(&successor));
}

#[test]
fn a_read_that_took_long_raises_no_false_alarm() {
    let setup = setup();
    let token = create(&setup);
    // While the store reads, time passes, and the client renews and goes on.
    let (sessions, clock, old) = (setup.sessions.clone(), setup.clock.clone(), token.clone());
    let successor = std::sync::Arc::new(std::sync::Mutex::new(None));
    let made = successor.clone();
    *setup.store.after_lookup.lock().unwrap() = Some(Box::new(move || {
        clock.advance(MINUTE);
        let new = block_on(sessions.renew(&old)).unwrap().unwrap().token;
        let new = new.unwrap();
        block_on(sessions.lookup(&new)).unwrap().unwrap();
        *made.lock().unwrap() = Some(new);
    }));
    assert!(setup.live(&token));
    assert!(setup.live(successor.lock().unwrap().as_ref().unwrap()));
}

#[test]
fn a_successor_whose_arrival_cannot_be_written_lets_nobody_in() {
    let setup = setup();
    let token = create(&setup);
    let successor = renew(&setup, &token).unwrap();
    setup.store.fail_after_lookup(ErrorKind::Full);
    let error = block_on(setup.sessions.lookup(&successor)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    assert!(setup.live(&successor));
}

#[test]
fn a_renewal_for_security_leaves_no_overlap_and_raises_no_alarm() {
    let setup = setup();
    let token = create(&setup);
    let (successor, _) = block_on(setup.sessions.renew_now(&token)).unwrap().unwrap();
    assert_eq!(setup.rejection(&token), Some(Rejection::Replaced));
    assert!(setup.live(&successor));
    // Nor later: the response may have been lost, and the old token gave nobody
    // anything since.
    setup.clock.advance(30 * MINUTE);
    assert_eq!(setup.rejection(&token), Some(Rejection::Replaced));
    assert!(setup.live(&successor));
}

#[test]
fn a_renewal_for_security_kills_the_successor_of_a_periodic_one_too() {
    let setup = setup();
    let token = create(&setup);
    let unconfirmed = renew(&setup, &token).unwrap();
    let (secure, _) = block_on(setup.sessions.renew_now(&token)).unwrap().unwrap();
    assert!(!setup.live(&token));
    assert!(!setup.live(&unconfirmed));
    assert!(setup.live(&secure));
}

/// The browser's other requests carry the old token still. If they were answered
/// as a forgery is, the application would clear the cookie that this renewal sets.
#[test]
fn a_renewal_for_security_by_a_token_that_awaits_its_successor_leaves_it_replaced() {
    for step_up in [false, true] {
        let setup = setup();
        let token = create(&setup);
        let lost = renew(&setup, &token).unwrap();
        let renewed = if step_up {
            block_on(setup.sessions.reauthenticated(&token))
        } else {
            block_on(setup.sessions.renew_now(&token))
        };
        let (secure, _) = renewed.unwrap().unwrap();
        assert_eq!(setup.rejection(&token), Some(Rejection::Replaced));
        assert_eq!(setup.rejection(&lost), Some(Rejection::WrongSecret));
        assert!(setup.live(&secure));
        // Nor does the other way round leave the successor a forgery.
        let setup = common::setup();
        let token = create(&setup);
        let successor = renew(&setup, &token).unwrap();
        block_on(setup.sessions.renew_now(&successor)).unwrap();
        assert_eq!(setup.rejection(&successor), Some(Rejection::Replaced));
    }
}

/// Once the client has the successor, its other requests carry that.
#[test]
fn a_renewal_for_security_in_the_overlap_leaves_the_successor_replaced() {
    let setup = setup();
    let token = create(&setup);
    let successor = renew(&setup, &token).unwrap();
    assert!(setup.live(&successor));
    assert!(
        block_on(setup.sessions.renew_now(&token))
            .unwrap()
            .is_some()
    );
    assert_eq!(setup.rejection(&successor), Some(Rejection::Replaced));
    assert_eq!(setup.rejection(&token), Some(Rejection::WrongSecret));
}

/// The other tab's request is faster by a hair.
#[test]
fn a_renewal_for_security_whose_successor_arrives_meanwhile_starts_over() {
    let setup = setup();
    let token = create(&setup);
    let successor = renew(&setup, &token).unwrap();
    let (sessions, arriving) = (setup.sessions.clone(), successor.clone());
    *setup.store.before_update.lock().unwrap() = Some(Box::new(move || {
        assert!(block_on(sessions.lookup(&arriving)).unwrap().is_some());
    }));
    let (secure, _) = block_on(setup.sessions.renew_now(&token)).unwrap().unwrap();
    assert_eq!(setup.rejection(&successor), Some(Rejection::Replaced));
    assert!(setup.live(&secure));
}

#[test]
fn step_up_makes_fresh_and_changes_the_secret_and_not_the_deadline() {
    let setup = setup();
    let token = create(&setup);
    setup.clock.advance(20 * MINUTE);
    let before = block_on(setup.sessions.lookup(&token)).unwrap().unwrap();
    assert!(before.require_fresh(20 * MINUTE).is_ok());
    assert!(before.require_fresh(20 * MINUTE - SECOND).is_err());
    let (fresh, after) = block_on(setup.sessions.reauthenticated(&token))
        .unwrap()
        .unwrap();
    assert!(after.require_fresh(SECOND).is_ok());
    assert_eq!(after.expires_at(), before.expires_at());
    assert_eq!(after.created_at(), before.created_at());
    assert!(!setup.live(&token));
    assert!(setup.live(&fresh));
    // A periodic renewal proves nothing about the user.
    setup.clock.advance(20 * MINUTE);
    let renewed = block_on(setup.sessions.renew(&fresh)).unwrap().unwrap();
    assert!(renewed.session.require_fresh(MINUTE).is_err());
}

#[test]
fn a_clock_that_moved_far_back_makes_nothing_fresh() {
    let setup = setup();
    let token = create(&setup);
    let created = block_on(setup.sessions.lookup(&token))
        .unwrap()
        .unwrap()
        .created_at();
    setup.clock.jump_to(created - HOUR);
    let session = block_on(setup.sessions.lookup(&token)).unwrap().unwrap();
    assert!(session.require_fresh(MINUTE).is_err());
}

#[test]
fn a_renewal_never_revives() {
    let setup = setup();
    let token = create(&setup);
    let (sessions, id) = (setup.sessions.clone(), token.id());
    *setup.store.before_update.lock().unwrap() = Some(Box::new(move || {
        block_on(sessions.revoke(id)).unwrap();
    }));
    assert!(block_on(setup.sessions.renew(&token)).unwrap().is_none());
    assert!(setup.record(id).is_none());
    let malformed = block_on(setup.sessions.renew("malformed")).unwrap();
    assert!(malformed.is_none());
}

#[test]
fn a_renewal_of_unknown_outcome_is_settled() {
    for happened in [true, false] {
        let setup = setup();
        let token = create(&setup);
        setup
            .store
            .fail_after_lookup_with(ErrorKind::UnknownOutcome, happened);
        let successor = renew(&setup, &token).unwrap();
        assert!(setup.live(&successor));

        setup
            .store
            .fail_after_lookup_with(ErrorKind::UnknownOutcome, happened);
        let (secure, _) = block_on(setup.sessions.renew_now(&successor))
            .unwrap()
            .unwrap();
        assert!(setup.live(&secure));
    }
}

/// A token whose successor was presented at another process, past this one's
/// cache.
fn presented_elsewhere(setup: &Setup) -> Token {
    let token = create(setup);
    let successor = renew(setup, &token).unwrap();
    *setup.store.cached.lock().unwrap() = setup.record(token.id());
    let elsewhere = block_on(setup.elsewhere().lookup(&successor));
    assert!(elsewhere.unwrap().is_some());
    token
}

#[test]
fn a_renewal_hands_out_no_successor_that_was_presented_elsewhere() {
    let setup = setup();
    let token = presented_elsewhere(&setup);
    assert!(renew(&setup, &token).is_none());
    setup.clock.advance(10 * SECOND);
    assert!(block_on(setup.sessions.renew(&token)).unwrap().is_none());
    assert_eq!(setup.record(token.id()), None, "reused");
}

#[test]
fn a_renewal_for_security_sees_reuse_that_a_cache_hides() {
    let setup = setup();
    let token = presented_elsewhere(&setup);
    setup.clock.advance(10 * SECOND);
    let renewed = block_on(setup.sessions.renew_now(&token)).unwrap();
    assert!(renewed.is_none());
    assert_eq!(setup.record(token.id()), None, "reused");
}

/// The first attempt may have taken effect, whatever the second comes to: an
/// answer that nothing was changed has the client keep a token that is dead.
#[test]
fn a_renewal_of_unknown_outcome_stays_so_when_its_repetition_fails() {
    for second in [ErrorKind::Unavailable, ErrorKind::Full, ErrorKind::Corrupt] {
        let setup = setup();
        let fail = || {
            setup
                .store
                .fail_after_lookup_with(ErrorKind::UnknownOutcome, true);
            setup.store.fail(second, false);
        };
        let token = create(&setup);
        fail();
        let error = block_on(setup.sessions.renew(&token)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownOutcome);

        // It happened; so did the successor's arrival.
        let successor = renew(&setup, &token).unwrap();
        fail();
        let error = block_on(setup.sessions.lookup(&successor)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownOutcome);
        assert!(setup.live(&successor));

        fail();
        let error = block_on(setup.sessions.renew_now(&successor)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownOutcome);
        assert_eq!(setup.rejection(&successor), Some(Rejection::Replaced));

        let token = create(&setup);
        fail();
        let error = block_on(setup.sessions.reauthenticated(&token)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownOutcome);
        assert_eq!(setup.rejection(&token), Some(Rejection::Replaced));
    }
}

/// Whatever the order in which old and new tokens come, the one that the client
/// was last seen with leads to a live session.
#[test]
fn a_second_renewal_needs_the_first_successor() {
    let setup = setup();
    let first = create(&setup);
    let second = renew(&setup, &first).unwrap();
    // Renewing with the successor presents it.
    let third = renew(&setup, &second).unwrap();
    assert!(setup.live(&second));
    assert!(setup.live(&third));
    assert_eq!(setup.rejection(&first), Some(Rejection::WrongSecret));
    assert!(setup.live(&third));
}
