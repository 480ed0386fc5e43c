//! Logging in.

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{HOUR, MINUTE, SECOND, block_on, policy, setup, setup_with};
use rand_core::{TryCryptoRng, TryRng};
use revocable_core::{
    AtCap, Client, ErrorKind, LoginAttempt, NewSession, SessionStore, Sessions, UserId,
};

#[test]
fn a_new_session_shows_what_it_was_made_of() {
    let setup = setup();
    block_on(async {
        let client = Client::new().with_user_agent("agent");
        let new = NewSession::for_user(UserId::new("alice").unwrap())
            .client(client.clone())
            .data(*b"data");
        let (token, session) = setup.sessions.create(new).await.unwrap();
        assert_eq!(session.user().as_str(), "alice");
        assert_eq!(session.client(), &client);
        assert_eq!(session.data(), b"data");
        assert_eq!(session.expires_at(), session.created_at() + 24 * HOUR);
        assert_eq!(session.idle_expires_at(), session.created_at() + HOUR);
        assert_eq!(session.authenticated_at(), session.created_at());
        assert_eq!(session.read_at(), session.created_at());
        assert_eq!(token.id(), session.id());
        assert_eq!(setup.take_events(), ["created alice"]);
    });
}

#[test]
fn futures_can_be_spawned() {
    fn is_send<T: Send + 'static>(_: T) {}
    let sessions = setup().sessions;
    is_send(async move {
        let attempt = sessions.begin_login("alice").await?;
        let (token, session) = sessions.create(attempt).await?;
        sessions.lookup(&token).await?;
        sessions.renew(&token).await?;
        sessions.reauthenticated(&*token.expose()).await?;
        sessions.modify(session.id(), |_: &mut u32| ()).await?;
        sessions.revoke_others(&session).await?;
        sessions.revoke_all_for_user("alice").await?;
        sessions.sweep(Default::default()).await?;
        sessions.watch(session.id()).await?.await;
        Ok::<(), revocable_core::Error>(())
    });
}

#[test]
fn a_login_that_began_before_log_out_everywhere_is_refused() {
    let setup = setup();
    block_on(async {
        let sessions = &setup.sessions;
        let attempt = sessions.begin_login("alice").await.unwrap();
        let other = sessions.begin_login("bob").await.unwrap();
        sessions.revoke_all_for_user("alice").await.unwrap();
        let error = sessions.create(attempt).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Superseded);
        sessions.create(other).await.unwrap();
        let again = sessions.begin_login("alice").await.unwrap();
        sessions.create(again).await.unwrap();
    });
}

#[test]
fn a_login_that_began_before_the_others_were_revoked_is_refused() {
    let setup = setup();
    block_on(async {
        let sessions = &setup.sessions;
        let (token, session) = sessions.create("alice").await.unwrap();
        let attempt = sessions.begin_login("alice").await.unwrap();
        sessions.revoke_others(&session).await.unwrap();
        let error = sessions.create(attempt).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Superseded);
        assert!(sessions.lookup(&token).await.unwrap().is_some());
    });
}

#[test]
fn an_attempt_has_a_maximum_age() {
    let setup = setup_with(|b| b.policy(policy().login_attempt_max_age(5 * MINUTE)));
    block_on(async {
        let attempt = setup.sessions.begin_login("alice").await.unwrap();
        setup.clock.advance(5 * MINUTE);
        setup.sessions.create(attempt.clone()).await.unwrap();
        setup.clock.advance(Duration::from_millis(1));
        let error = setup.sessions.create(attempt).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Superseded);
    });
}

#[test]
fn a_resumed_attempt_is_as_good_as_the_first() {
    let setup = setup();
    block_on(async {
        let sessions = &setup.sessions;
        let attempt = sessions.begin_login("alice").await.unwrap();
        let resumed =
            LoginAttempt::resume(attempt.user().clone(), attempt.epoch(), attempt.begun_at());
        assert_eq!(resumed, attempt);
        sessions.revoke_everything().await.unwrap();
        assert!(sessions.create(resumed).await.is_err());
    });
}

/// The clock jumps forward, a sweep forgets the epoch, the clock jumps back:
/// the attempt from before the revocation is young again, and refused still.
#[test]
fn no_jump_of_the_clock_lets_a_superseded_login_through() {
    let setup = setup();
    block_on(async {
        let sessions = &setup.sessions;
        let attempt = sessions.begin_login("alice").await.unwrap();
        let begun_at = attempt.begun_at();
        sessions.revoke_all_for_user("alice").await.unwrap();
        setup.clock.jump_to(begun_at + 1_000 * HOUR);
        let report = sessions.sweep(Default::default()).await.unwrap();
        assert_eq!(report.epochs_forgotten, 1);
        setup.clock.jump_to(begun_at + SECOND);
        let error = sessions.create(attempt).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Superseded);
    });
}

#[test]
fn the_cap_ends_the_oldest_or_refuses() {
    let setup = setup_with(|b| b.policy(policy().max_sessions_per_user(2, AtCap::EndOldest)));
    block_on(async {
        let sessions = &setup.sessions;
        let (first, _) = sessions.create("alice").await.unwrap();
        setup.clock.advance(SECOND);
        let (second, _) = sessions.create("alice").await.unwrap();
        setup.clock.advance(SECOND);
        let (third, _) = sessions.create("alice").await.unwrap();
        assert!(sessions.lookup(&first).await.unwrap().is_none());
        assert!(sessions.lookup(&second).await.unwrap().is_some());
        assert!(sessions.lookup(&third).await.unwrap().is_some());
        assert!(setup.take_events().contains(&"ended alice cap".into()));
    });

    let setup = setup_with(|b| b.policy(policy().max_sessions_per_user(1, AtCap::Refuse)));
    block_on(async {
        setup.sessions.create("alice").await.unwrap();
        let error = setup.sessions.create("alice").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooManySessions);
        setup.clock.advance(HOUR);
        // The first has expired, though nobody has swept.
        setup.sessions.create("alice").await.unwrap();
    });
}

#[test]
fn a_session_may_be_shorter_than_the_policy_and_never_longer() {
    let setup = setup();
    block_on(async {
        let user = UserId::new("alice").unwrap();
        let short = NewSession::for_user(&user)
            .absolute_timeout(2 * HOUR)
            .idle_timeout(MINUTE);
        let (_, session) = setup.sessions.create(short).await.unwrap();
        assert_eq!(session.expires_at(), session.created_at() + 2 * HOUR);
        assert_eq!(session.idle_expires_at(), session.created_at() + MINUTE);
        let long = NewSession::for_user(&user)
            .absolute_timeout(9_000 * HOUR)
            .idle_timeout(9_000 * HOUR);
        let (_, session) = setup.sessions.create(long).await.unwrap();
        assert_eq!(session.expires_at(), session.created_at() + 24 * HOUR);
        assert_eq!(session.idle_expires_at(), session.created_at() + HOUR);
        // In the record too: a policy that is relaxed later does not extend it.
        let record = setup.record(session.id()).unwrap();
        assert_eq!(record.expires_ms, record.created_ms + 86_400_000);
        assert_eq!(record.idle_timeout_ms, 3_600_000);
        for nothing in [
            NewSession::for_user(&user).absolute_timeout(Duration::ZERO),
            NewSession::for_user(&user).idle_timeout(Duration::from_nanos(1)),
        ] {
            let error = setup.sessions.create(nothing).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    });
}

#[test]
fn bounds_of_user_and_data_are_errors_that_say_so() {
    let setup = setup_with(|b| b.policy(policy().max_data_len(8)));
    block_on(async {
        let error = setup.sessions.create("").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let user = UserId::new("alice").unwrap();
        let fits = NewSession::for_user(&user).data([0; 8]);
        setup.sessions.create(fits).await.unwrap();
        let large = NewSession::for_user(&user).data([0; 9]);
        let error = setup.sessions.create(large).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("8 bytes"), "{error}");
    });
}

#[test]
fn a_create_of_unknown_outcome_is_settled() {
    for happened in [true, false] {
        let setup = setup();
        block_on(async {
            setup.store.fail(ErrorKind::UnknownOutcome, happened);
            let (token, _) = setup.sessions.create("alice").await.unwrap();
            assert!(setup.sessions.lookup(&token).await.unwrap().is_some());
            let page = setup.sessions.list_for_user("alice", None, 10).await;
            assert_eq!(page.unwrap().sessions.len(), 1);
        });
    }
}

/// Created, outcome unknown, revoked by somebody, and tried again: not with the
/// same ID.
#[test]
fn a_create_that_is_tried_again_brings_no_revoked_session_back() {
    let setup = setup();
    block_on(async {
        setup.store.fail(ErrorKind::UnknownOutcome, true);
        let (token, _) = setup.sessions.create("alice").await.unwrap();
        let events = setup.take_events();
        assert_eq!(events, ["ended alice replaced", "created alice"]);
        assert!(setup.live(&token));
    });
    // What cannot be cleared up is told.
    block_on(async {
        setup.store.fail(ErrorKind::UnknownOutcome, true);
        setup.store.fail(ErrorKind::Unavailable, false);
        let error = setup.sessions.create("bob").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownOutcome);
    });
}

/// An entropy source that fails, or always gives the same.
struct Bad {
    fails: bool,
}

#[derive(Debug)]
struct NoEntropy;

impl std::fmt::Display for NoEntropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no entropy")
    }
}

impl std::error::Error for NoEntropy {}

impl TryRng for Bad {
    type Error = NoEntropy;
    fn try_next_u32(&mut self) -> Result<u32, NoEntropy> {
        unreachable!("tokens are filled as bytes")
    }
    fn try_next_u64(&mut self) -> Result<u64, NoEntropy> {
        unreachable!("tokens are filled as bytes")
    }
    fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), NoEntropy> {
        into.fill(7);
        if self.fails { Err(NoEntropy) } else { Ok(()) }
    }
}

impl TryCryptoRng for Bad {}

#[test]
fn entropy_that_fails_is_an_error_and_creates_nothing() {
    let setup = setup_with(|b| b.rng(Bad { fails: true }));
    block_on(async {
        let error = setup.sessions.create("alice").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let page = setup.sessions.list_for_user("alice", None, 10).await;
        assert!(page.unwrap().sessions.is_empty());
    });
}

#[test]
fn entropy_that_repeats_itself_takes_over_no_session() {
    let setup = setup_with(|b| b.rng(Bad { fails: false }));
    block_on(async {
        // The same bytes in the same millisecond: the same ID and secret. A
        // second login must not be handed the first one's token.
        let (token, _) = setup.sessions.create("alice").await.unwrap();
        let error = setup.sessions.create("alice").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let error = setup.sessions.renew_now(&token).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    });
}

#[test]
fn a_policy_that_contradicts_itself_does_not_build() {
    let store: std::sync::Arc<dyn SessionStore> =
        std::sync::Arc::new(revocable_memory::MemoryStore::new());
    let error = Sessions::builder(store)
        .policy(policy().idle_timeout(100 * HOUR))
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

/// Only an unknown outcome is tried again: anything else was not done, and is
/// the application's to decide about.
#[test]
fn a_create_that_was_refused_is_not_tried_again() {
    let setup = setup();
    for kind in [ErrorKind::Unavailable, ErrorKind::Full] {
        setup.store.fail(kind, false);
        let writes = setup.store.writes.load(Ordering::Relaxed);
        let error = block_on(setup.sessions.create("alice")).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(setup.store.writes.load(Ordering::Relaxed), writes + 1);
    }
}
