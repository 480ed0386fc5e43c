//! Taking back, listing, watching, sweeping, telling.

#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

mod common;

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::{HOUR, MINUTE, SECOND, Setup, block_on, setup};
use revocable_core::{EndReason, ErrorKind, SessionStore, SweepBudget, UserId};

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn revoke_ends_one_session_once() {
    let setup = setup();
    block_on(async {
        let (token, session) = setup.sessions.create("alice").await.unwrap();
        let (other, _) = setup.sessions.create("alice").await.unwrap();
        assert!(setup.sessions.revoke(session.id()).await.unwrap());
        assert!(!setup.sessions.revoke(session.id()).await.unwrap());
        assert!(!setup.live(&token));
        assert!(setup.live(&other));
    });
}

#[test]
fn a_session_of_another_user_cannot_be_revoked_by_its_id() {
    let setup = setup();
    block_on(async {
        let (token, session) = setup.sessions.create("alice").await.unwrap();
        let revoke = |user| setup.sessions.revoke_for_user(user, session.id());
        assert!(!revoke("mallory").await.unwrap());
        assert!(setup.live(&token));
        assert!(revoke("alice").await.unwrap());
        assert!(!setup.live(&token));
    });
}

#[test]
fn revoke_all_and_revoke_others_and_revoke_everything() {
    let setup = setup();
    block_on(async {
        let sessions = &setup.sessions;
        let (first, _) = sessions.create("alice").await.unwrap();
        let (second, this) = sessions.create("alice").await.unwrap();
        let (bob, _) = sessions.create("bob").await.unwrap();
        assert_eq!(sessions.revoke_others(&this).await.unwrap(), 1);
        assert!(!setup.live(&first) && setup.live(&second) && setup.live(&bob));
        assert_eq!(sessions.revoke_all_for_user("alice").await.unwrap(), 1);
        assert!(!setup.live(&second) && setup.live(&bob));
        assert_eq!(sessions.revoke_everything().await.unwrap(), 1);
        assert!(!setup.live(&bob));
    });
}

#[test]
fn a_revocation_that_failed_is_not_acknowledged() {
    let setup = setup();
    block_on(async {
        let (token, session) = setup.sessions.create("alice").await.unwrap();
        setup.store.fail(ErrorKind::Unavailable, false);
        let error = setup.sessions.revoke(session.id()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(setup.live(&token));
        // Of unknown outcome: tried again.
        setup.store.fail(ErrorKind::UnknownOutcome, false);
        setup.sessions.revoke_all_for_user("alice").await.unwrap();
        assert!(!setup.live(&token));
    });
}

#[test]
fn a_revocation_of_unknown_outcome_stays_so_when_its_repetition_fails() {
    let setup = setup();
    block_on(async {
        let sessions = &setup.sessions;
        let fail = || {
            setup.store.fail(ErrorKind::UnknownOutcome, true);
            setup.store.fail(ErrorKind::Unavailable, false);
        };
        let (token, session) = sessions.create("alice").await.unwrap();
        fail();
        let error = sessions.revoke(session.id()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownOutcome);
        assert!(!setup.live(&token));

        let (token, _) = sessions.create("alice").await.unwrap();
        fail();
        let error = sessions.revoke_all_for_user("alice").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownOutcome);
        assert!(!setup.live(&token));

        let (token, _) = sessions.create("alice").await.unwrap();
        fail();
        let error = sessions.revoke_everything().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownOutcome);
        assert!(!setup.live(&token));
    });
}

#[test]
fn a_list_shows_live_sessions_in_pages() {
    let setup = setup();
    block_on(async {
        let sessions = &setup.sessions;
        sessions.create("alice").await.unwrap();
        setup.clock.advance(HOUR);
        let mut ids = Vec::new();
        for _ in 0..5 {
            ids.push(sessions.create("alice").await.unwrap().1.id());
            setup.clock.advance(SECOND);
        }
        sessions.create("bob").await.unwrap();
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = sessions.list_for_user("alice", after, 2).await.unwrap();
            found.extend(page.sessions.iter().map(|session| session.id()));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(found, ids);
        for limit in [0, 1_001, u32::MAX] {
            let error = sessions.list_for_user("alice", None, limit).await;
            assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    });
}

#[test]
fn ends_are_told_once_whether_or_not_the_store_tells() {
    for plain in [false, true] {
        let setup = common::setup_with(|builder| builder.policy(common::policy()));
        setup.store.plain.store(plain, Ordering::Relaxed);
        // Built after the store was made plain, so that it subscribes or not.
        let events = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = events.clone();
        let sessions = revocable_core::Sessions::builder(setup.store.clone())
            .clock(setup.clock.clone())
            .observer(move |event: &revocable_core::Event<'_>| match event {
                revocable_core::Event::Ended(ended) => {
                    heard.lock().unwrap().push(ended.reason);
                }
                revocable_core::Event::EverythingEnded { reason, .. } => {
                    heard.lock().unwrap().push(*reason);
                }
                _ => {}
            })
            .build()
            .unwrap();
        block_on(async {
            let (_, session) = sessions.create("alice").await.unwrap();
            sessions.revoke(session.id()).await.unwrap();
            let (_, session) = sessions.create("alice").await.unwrap();
            let by_admin = EndReason::Administrator;
            sessions
                .revoke_because(session.id(), by_admin)
                .await
                .unwrap();
            sessions.create("alice").await.unwrap();
            sessions.revoke_all_for_user("alice").await.unwrap();
            sessions.create("alice").await.unwrap();
            setup.clock.advance(HOUR);
            sessions.sweep(SweepBudget::default()).await.unwrap();
            sessions.create("alice").await.unwrap();
            sessions.revoke_everything().await.unwrap();
        });
        assert_eq!(
            *events.lock().unwrap(),
            [
                EndReason::LoggedOut,
                EndReason::Administrator,
                EndReason::LoggedOutEverywhere,
                EndReason::Expired,
                EndReason::Administrator
            ],
            "plain: {plain}"
        );
    }
}

#[test]
fn an_observer_that_panics_fails_nothing() {
    let setup = common::setup_with(|builder| {
        builder.observer(|_: &revocable_core::Event<'_>| panic!("an observer with a defect"))
    });
    block_on(async {
        let (token, session) = setup.sessions.create("alice").await.unwrap();
        assert!(setup.sessions.revoke(session.id()).await.unwrap());
        assert!(!setup.live(&token));
    });
}

#[test]
fn a_watch_ends_with_its_session_and_says_why() {
    let setup = setup();
    block_on(async {
        let sessions = &setup.sessions;
        let (_, session) = sessions.create("alice").await.unwrap();
        let (_, other) = sessions.create("bob").await.unwrap();
        let mut watch = sessions.watch(session.id()).await.unwrap();
        let mut others = sessions.watch(other.id()).await.unwrap();
        assert!(poll_once(pin!(&mut watch)).is_pending());
        sessions.revoke_all_for_user("alice").await.unwrap();
        assert_eq!(
            poll_once(pin!(&mut watch)),
            Poll::Ready(EndReason::LoggedOutEverywhere)
        );
        assert!(poll_once(pin!(&mut others)).is_pending());
        sessions.revoke_everything().await.unwrap();
        assert_eq!(others.await, EndReason::Administrator);
        let late = sessions.watch(session.id()).await.unwrap();
        assert_eq!(late.await, EndReason::Unknown);
    });
}

#[test]
fn a_watch_wakes_its_task() {
    let setup = setup();
    let (_, session) = block_on(setup.sessions.create("alice")).unwrap();
    let watch = block_on(setup.sessions.watch(session.id())).unwrap();
    let waiting = std::thread::spawn(move || block_on(watch));
    block_on(setup.sessions.revoke(session.id())).unwrap();
    assert_eq!(waiting.join().unwrap(), EndReason::LoggedOut);
}

/// A handler that the server drops half-way, because the browser went away.
#[test]
fn a_watch_ends_though_the_revoking_caller_went_away() {
    let setup = setup();
    let (_, session) = block_on(setup.sessions.create("alice")).unwrap();
    let mut watch = block_on(setup.sessions.watch(session.id())).unwrap();
    {
        let revoke = setup.sessions.revoke(session.id());
        let _ = poll_once(pin!(revoke));
    }
    assert!(poll_once(pin!(&mut watch)).is_ready());
    assert_eq!(
        setup.take_events().last().unwrap(),
        "ended alice logged_out"
    );
}

#[test]
fn dropped_watches_leave_nothing_behind() {
    let setup = setup();
    let (_, session) = block_on(setup.sessions.create("alice")).unwrap();
    for _ in 0..3 {
        let _dropped = block_on(setup.sessions.watch(session.id())).unwrap();
    }
    let lookups = || setup.store.lookups.load(Ordering::Relaxed);
    let before = lookups();
    assert_eq!(block_on(setup.sessions.refresh_watches()).unwrap(), 0);
    assert_eq!(lookups(), before);
}

/// Creates and watches a session when it is told that everything ended: before
/// whoever subscribed after it is told.
struct LogsInAtOnce {
    sessions: std::sync::Mutex<Option<revocable_core::Sessions>>,
    watch: std::sync::Mutex<Option<revocable_core::Watch>>,
}

impl revocable_core::EndListener for LogsInAtOnce {
    fn ended(&self, _: &[revocable_core::Ended]) {}
    fn everything_ended(&self, _: u64, _: EndReason) {
        if let Some(sessions) = self.sessions.lock().unwrap().take() {
            let (_, session) = block_on(sessions.create("bob")).unwrap();
            *self.watch.lock().unwrap() = Some(block_on(sessions.watch(session.id())).unwrap());
        }
    }
}

#[test]
fn revoking_everything_ends_no_watch_of_a_session_created_since() {
    let setup = setup();
    let early = std::sync::Arc::new(LogsInAtOnce {
        sessions: None.into(),
        watch: None.into(),
    });
    let listener: std::sync::Arc<dyn revocable_core::EndListener> = early.clone();
    // Before the sessions below do.
    setup
        .store
        .inner
        .subscribe(std::sync::Arc::downgrade(&listener));
    let sessions = revocable_core::Sessions::builder(setup.store.clone())
        .clock(setup.clock.clone())
        .build()
        .unwrap();
    block_on(async {
        let (_, old) = sessions.create("alice").await.unwrap();
        let mut of_old = sessions.watch(old.id()).await.unwrap();
        *early.sessions.lock().unwrap() = Some(sessions.clone());
        assert_eq!(sessions.revoke_everything().await.unwrap(), 1);
        let ended = Poll::Ready(EndReason::Administrator);
        assert_eq!(poll_once(pin!(&mut of_old)), ended);
        let mut of_new = early.watch.lock().unwrap().take().unwrap();
        assert!(poll_once(pin!(&mut of_new)).is_pending());
        assert_eq!(sessions.refresh_watches().await.unwrap(), 0);
        sessions.revoke_everything().await.unwrap();
        assert_eq!(poll_once(pin!(&mut of_new)), ended);
    });
}

/// Sessions on the same store, which are not told what the others end.
fn told_nothing(setup: &Setup) -> revocable_core::Sessions {
    setup.store.plain.store(true, Ordering::Relaxed);
    revocable_core::Sessions::builder(setup.store.clone())
        .clock(setup.clock.clone())
        .build()
        .expect("the settings are the usual ones")
}

#[test]
fn a_watch_sees_expiry_and_other_processes_when_refreshed() {
    let setup = setup();
    let ours = told_nothing(&setup);
    block_on(async {
        let (_, revoked) = ours.create("alice").await.unwrap();
        let (_, expired) = ours.create("alice").await.unwrap();
        let mut first = ours.watch(revoked.id()).await.unwrap();
        let mut second = ours.watch(expired.id()).await.unwrap();
        setup.sessions.revoke(revoked.id()).await.unwrap();
        assert!(poll_once(pin!(&mut first)).is_pending());
        assert_eq!(ours.refresh_watches().await.unwrap(), 1);
        assert_eq!(first.await, EndReason::Unknown);
        setup.clock.advance(2 * HOUR);
        setup.store.fail(ErrorKind::Unavailable, false);
        assert!(ours.refresh_watches().await.is_err());
        assert!(poll_once(pin!(&mut second)).is_pending());
        assert_eq!(ours.refresh_watches().await.unwrap(), 1);
        assert_eq!(second.await, EndReason::Expired);
    });
}

#[test]
fn a_watch_ends_when_a_lookup_meets_the_end() {
    let setup = setup();
    let ours = told_nothing(&setup);
    block_on(async {
        let (of_revoked, revoked) = ours.create("alice").await.unwrap();
        let (of_expired, expired) = ours.create("alice").await.unwrap();
        let mut first = ours.watch(revoked.id()).await.unwrap();
        let mut second = ours.watch(expired.id()).await.unwrap();
        setup.sessions.revoke(revoked.id()).await.unwrap();
        assert!(ours.lookup(&of_revoked).await.unwrap().is_none());
        assert_eq!(poll_once(pin!(&mut first)), Poll::Ready(EndReason::Unknown));
        assert!(poll_once(pin!(&mut second)).is_pending());
        setup.clock.advance(2 * HOUR);
        assert!(ours.lookup(&of_expired).await.unwrap().is_none());
        assert_eq!(
            poll_once(pin!(&mut second)),
            Poll::Ready(EndReason::Expired)
        );
    });
}

#[test]
fn a_sweep_keeps_its_budget_and_goes_on() {
    let setup = setup();
    block_on(async {
        let sessions = &setup.sessions;
        for _ in 0..25 {
            sessions.create("alice").await.unwrap();
        }
        setup.clock.advance(30 * MINUTE);
        let (token, _) = sessions.create("alice").await.unwrap();
        setup.clock.advance(30 * MINUTE);
        let budget = SweepBudget {
            max_rows: 10,
            max_duration: Duration::from_secs(1),
        };
        let mut ended = 0;
        let mut sweeps = 0;
        loop {
            let report = sessions.sweep(budget).await.unwrap();
            assert!(report.examined <= 10, "{report:?}");
            ended += report.ended;
            sweeps += 1;
            if report.complete {
                break;
            }
            assert!(sweeps < 10);
        }
        assert!(sweeps >= 3);
        assert_eq!(ended, 25);
        assert!(setup.live(&token));
    });
}

#[test]
fn a_sweep_passes_what_lives_and_reaches_the_end() {
    let setup = setup();
    block_on(async {
        for user in 0..40_u32 {
            setup.sessions.create(UserId::from(user)).await.unwrap();
        }
        let budget = SweepBudget {
            max_rows: 8,
            max_duration: Duration::from_secs(1),
        };
        let mut examined = 0;
        for _ in 0..6 {
            let report = setup.sessions.sweep(budget).await.unwrap();
            examined += report.examined;
            if report.complete {
                break;
            }
        }
        assert_eq!(examined, 40);
    });
}

#[test]
fn a_sweep_of_no_time_takes_one_step() {
    let setup = setup();
    block_on(async {
        for _ in 0..2_500 {
            setup.sessions.create("alice").await.unwrap();
        }
        let budget = SweepBudget {
            max_rows: u64::MAX,
            max_duration: Duration::ZERO,
        };
        let report = setup.sessions.sweep(budget).await.unwrap();
        assert_eq!(report.examined, 1_000);
        assert!(!report.complete);
    });
}

#[test]
fn a_sweep_that_failed_goes_on_at_the_next_call() {
    let setup = setup();
    block_on(async {
        setup.sessions.create("alice").await.unwrap();
        setup.clock.advance(HOUR);
        setup.store.fail(ErrorKind::Unavailable, false);
        assert!(setup.sessions.sweep(SweepBudget::default()).await.is_err());
        let report = setup.sessions.sweep(SweepBudget::default()).await.unwrap();
        assert_eq!((report.ended, report.complete), (1, true));
    });
}
