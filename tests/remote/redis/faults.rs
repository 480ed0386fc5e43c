//! What goes wrong at the server and on the way to it.

use std::time::Instant;

use libtest_mimic::Failed;
use revocable::redis::Durability;
use revocable::{EndReason, ErrorKind, SessionStore};
use revocable_test_servers::Proxy;
use tokio::runtime::Runtime;

use super::{connect, machine, server};
use crate::machines::{PATIENCE, TERM, answers_again, is_live, refused_login, sessions};

pub(super) fn killed(runtime: &Runtime) -> Result<(), Failed> {
    let mut redis = server(&[]);
    runtime.block_on(async {
        let store = connect(redis.port()).await?;
        assert_eq!(store.durability(), Durability::Synced);
        let sessions = sessions(store)?;
        let (kept, _) = sessions.create("alice").await?;
        let (revoked, session) = sessions.create("alice").await?;
        sessions.revoke(session.id()).await?;
        let (all, _) = sessions.create("bob").await?;
        sessions.revoke_all_for_user("bob").await?;
        let attempt = sessions.begin_login("carol").await?;
        sessions.revoke_all_for_user("carol").await?;
        redis.kill();
        for token in [&kept, &revoked] {
            let kind = is_live(&sessions, token)
                .await
                .map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::Unavailable));
        }
        // Its connection was lost while it was asked: it could have been done.
        let error = sessions.create("dave").await.expect_err("it was created");
        assert_eq!(error.kind(), ErrorKind::UnknownOutcome);
        let error = sessions.create("dave").await.expect_err("it was created");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        redis.restart();
        assert!(answers_again(&sessions, &kept).await?);
        assert!(!is_live(&sessions, &revoked).await?);
        assert!(!is_live(&sessions, &all).await?);
        assert_eq!(
            refused_login(sessions.create(attempt).await),
            Some(ErrorKind::Superseded)
        );
        Ok(())
    })
}

pub(super) fn stopped(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    runtime.block_on(async {
        let sessions = sessions(connect(redis.port()).await?)?;
        let (token, session) = sessions.create("alice").await?;
        redis.pause();
        let asked = Instant::now();
        let lookup = is_live(&sessions, &token).await;
        assert_eq!(
            lookup.map_err(|error| error.kind()),
            Err(ErrorKind::Unavailable)
        );
        let revoke = sessions.revoke(session.id()).await;
        let kind = revoke.map(|_| ()).map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::UnknownOutcome));
        assert!(asked.elapsed() < PATIENCE, "it was waited for too long");
        redis.resume();
        answers_again(&sessions, &token).await?;
        sessions.revoke(session.id()).await?;
        assert!(!is_live(&sessions, &token).await?);
        Ok(())
    })
}

pub(super) fn keeps_nothing(runtime: &Runtime) -> Result<(), Failed> {
    let mut redis = server(&["--appendonly", "no"]);
    runtime.block_on(async {
        let store = connect(redis.port()).await?;
        assert_eq!(store.durability(), Durability::None);
        let alone = sessions(store)?;
        let cached = machine(redis.port()).await?;
        let (token, _) = cached.create("alice").await?;
        assert!(is_live(&alone, &token).await?);
        let attempt = alone.begin_login("alice").await?;
        redis.restart();
        assert!(!answers_again(&alone, &token).await?);
        // Not from its cache either, by the time that its lease is over.
        let until = Instant::now() + TERM;
        while Instant::now() < until {
            let _ = is_live(&cached, &token).await;
        }
        assert!(!answers_again(&cached, &token).await?);
        assert_eq!(
            refused_login(alone.create(attempt).await),
            Some(ErrorKind::Superseded)
        );
        Ok(())
    })
}

pub(super) fn answer_lost(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    let proxy = Proxy::to(redis.port());
    runtime.block_on(async {
        let store = connect(proxy.port()).await?;
        let sessions = sessions(store.clone())?;
        // So that the server knows the script: one that does not is asked twice.
        let (_, session) = sessions.create("alice").await?;
        sessions.revoke(session.id()).await?;
        let (token, session) = sessions.create("alice").await?;
        // What it is announced with: no other request has this in it.
        proxy.cut_answers_to(b"administrator", 1);
        let ended = store.revoke(session.id(), EndReason::Administrator).await?;
        let user = ended.and_then(|ended| ended.user);
        assert_eq!(user.as_ref(), Some(session.user()), "of the first attempt");
        assert!(!is_live(&sessions, &token).await?);

        let (token, session) = sessions.create("alice").await?;
        let watch = sessions.watch(session.id()).await?;
        proxy.cut_answers_to(b"administrator", 2);
        let kind = store.revoke(session.id(), EndReason::Administrator).await;
        let kind = kind.map(|_| ()).map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::UnknownOutcome), "lost twice");
        // Who watches hears of it all the same, and before anybody looks.
        let reason = tokio::time::timeout(PATIENCE, watch).await?;
        assert_eq!(reason, EndReason::Administrator);
        assert!(!is_live(&sessions, &token).await?);
        Ok(())
    })
}

pub(super) fn lost_part(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    runtime.block_on(async {
        let sessions = sessions(connect(redis.port()).await?)?;
        let client = ::redis::Client::open(redis.url())?;
        let mut client = client.get_connection()?;
        for name in ["p", "g", "f"] {
            let (ended, _) = sessions.create("alice").await?;
            sessions.revoke_everything().await?;
            let (live, _) = sessions.create("alice").await?;
            let keys: Vec<String> = ::redis::cmd("KEYS")
                .arg(format!("revocable:*:{name}"))
                .query(&mut client)?;
            ::redis::cmd("DEL").arg(&keys).exec(&mut client)?;
            let error = sessions.create("alice").await.expect_err("it was let in");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "without {name}");
            assert!(!is_live(&sessions, &ended).await.unwrap_or(false));
            // It ends also what the bucket still knows, and mends it.
            sessions.revoke_everything().await?;
            for token in [&ended, &live] {
                assert!(!is_live(&sessions, token).await?, "without {name}");
            }
        }
        // Also where nothing is left but a number.
        sessions.sweep(Default::default()).await?;
        let keys: Vec<String> = ::redis::cmd("KEYS")
            .arg("revocable:*:p")
            .query(&mut client)?;
        ::redis::cmd("DEL").arg(&keys).exec(&mut client)?;
        sessions.revoke_everything().await?;
        let (again, _) = sessions.create("alice").await?;
        assert!(is_live(&sessions, &again).await?);
        Ok(())
    })
}
