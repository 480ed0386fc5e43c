//! The application's data: no update is lost.

mod common;

use common::{HOUR, block_on, policy, setup, setup_with};
use revocable_core::{DataUpdate, ErrorKind};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Basket {
    items: Vec<String>,
}

#[test]
fn of_two_writers_one_wins_and_the_other_is_told() {
    let setup = setup();
    block_on(async {
        let (_, session) = setup.sessions.create("alice").await.unwrap();
        let sessions = &setup.sessions;
        let first = sessions.update_data(&session, *b"first").await.unwrap();
        let DataUpdate::Updated(first) = first else {
            panic!("{first:?}")
        };
        assert_eq!((first.version(), first.data()), (1, &b"first"[..]));
        let second = sessions.update_data(&session, *b"second").await.unwrap();
        let DataUpdate::Conflict(current) = second else {
            panic!("{second:?}")
        };
        assert_eq!(current.data(), b"first");
        sessions.revoke(session.id()).await.unwrap();
        let late = sessions.update_data(&current, *b"late").await.unwrap();
        assert!(matches!(late, DataUpdate::Gone));
        assert!(setup.record(session.id()).is_none());
    });
}

#[test]
fn modify_starts_over_when_somebody_else_wrote() {
    let setup = setup();
    let (_, session) = block_on(setup.sessions.create("alice")).unwrap();
    let (sessions, id) = (setup.sessions.clone(), session.id());
    *setup.store.before_update.lock().unwrap() = Some(Box::new(move || {
        block_on(sessions.modify(id, |basket: &mut Basket| basket.items.push("theirs".into())))
            .unwrap();
    }));
    let mut runs = 0;
    let session = block_on(setup.sessions.modify(id, |basket: &mut Basket| {
        runs += 1;
        basket.items.push("ours".into());
    }))
    .unwrap()
    .unwrap();
    assert_eq!(runs, 2);
    assert_eq!(
        session.data_as::<Basket>().unwrap().items,
        ["theirs", "ours"]
    );
}

#[test]
fn concurrent_modifies_all_count() {
    let setup = setup();
    let (_, session) = block_on(setup.sessions.create("alice")).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut counted = 0;
                while counted < 250 {
                    let one_more = setup.sessions.modify(session.id(), |n: &mut u32| *n += 1);
                    match block_on(one_more) {
                        Ok(session) => counted += u32::from(session.is_some()),
                        // A hundred lost races: the scheduler may favour the
                        // others for so long. Nothing was written.
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
                    }
                }
            });
        }
    });
    let record = setup.record(session.id()).unwrap();
    assert_eq!(&*record.data, b"1000");
    assert_eq!(record.version, 1_000);
}

#[test]
fn modify_that_changes_nothing_writes_nothing() {
    let setup = setup();
    block_on(async {
        let (_, session) = setup.sessions.create("alice").await.unwrap();
        let id = session.id();
        let untouched = setup.sessions.modify(id, |_: &mut Basket| ()).await;
        assert_eq!(untouched.unwrap().unwrap().version(), 0);
        let add = |basket: &mut Basket| basket.items.push("a".into());
        setup.sessions.modify(id, add).await.unwrap().unwrap();
        let same = setup.sessions.modify(id, |_: &mut Basket| ()).await;
        assert_eq!(same.unwrap().unwrap().version(), 1);
    });
}

#[test]
fn modify_of_a_session_that_ended_is_none() {
    let setup = setup();
    block_on(async {
        let (_, session) = setup.sessions.create("alice").await.unwrap();
        setup.clock.advance(HOUR);
        let change = |n: &mut u32| *n = 1;
        let expired = setup.sessions.modify(session.id(), change).await.unwrap();
        assert!(expired.is_none());
        setup.sessions.revoke(session.id()).await.unwrap();
        let revoked = setup.sessions.modify(session.id(), change).await.unwrap();
        assert!(revoked.is_none());
    });
}

#[test]
fn data_of_another_type_is_an_error_that_does_not_quote_it() {
    let setup = setup();
    block_on(async {
        let (_, session) = setup.sessions.create("alice").await.unwrap();
        let secret = br#"{"items": "hunter2"}"#;
        setup.sessions.update_data(&session, *secret).await.unwrap();
        let error = setup
            .sessions
            .modify(session.id(), |_: &mut Basket| ())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    });
}

#[test]
fn data_over_the_bound_is_refused_and_the_old_stays() {
    let setup = setup_with(|b| b.policy(policy().max_data_len(4)));
    block_on(async {
        let (_, session) = setup.sessions.create("alice").await.unwrap();
        setup
            .sessions
            .update_data(&session, *b"1234")
            .await
            .unwrap();
        let error = setup.sessions.update_data(&session, *b"12345").await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(&*setup.record(session.id()).unwrap().data, b"1234");
    });
}
