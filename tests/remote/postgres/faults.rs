//! What goes wrong at the server and on the way to it.

use std::time::Instant;

use libtest_mimic::Failed;
use revocable::postgres::Durability;
use revocable::{EndReason, ErrorKind, PostgresStore, SessionStore};
use revocable_test_servers::Proxy;
use tokio::runtime::Runtime;

use super::{administrator, connect, machine, server};
use crate::machines::{PATIENCE, answers_again, is_live, refused_login, sessions};

pub(super) fn killed(runtime: &Runtime) -> Result<(), Failed> {
    let mut postgres = server(&[]);
    runtime.block_on(async {
        let store = connect(&postgres.url()).await?;
        assert_eq!(store.durability(), Durability::Synced);
        let sessions = sessions(store)?;
        let (kept, _) = sessions.create("alice").await?;
        let (revoked, session) = sessions.create("alice").await?;
        sessions.revoke(session.id()).await?;
        let (all, _) = sessions.create("bob").await?;
        sessions.revoke_all_for_user("bob").await?;
        let attempt = sessions.begin_login("carol").await?;
        sessions.revoke_all_for_user("carol").await?;
        postgres.kill();
        for token in [&kept, &revoked] {
            let kind = is_live(&sessions, token).await;
            let kind = kind.map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::Unavailable));
        }
        let error = sessions.create("dave").await.expect_err("it was created");
        assert!(error.is_transient(), "{error:?}");
        postgres.restart();
        assert!(answers_again(&sessions, &kept).await?);
        assert!(!is_live(&sessions, &revoked).await?);
        assert!(!is_live(&sessions, &all).await?);
        assert_eq!(
            refused_login(sessions.create(attempt).await),
            Some(ErrorKind::Superseded)
        );
        sessions.create("dave").await?;
        Ok(())
    })
}

pub(super) fn stopped(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let sessions = sessions(connect(&postgres.url()).await?)?;
        let (token, session) = sessions.create("alice").await?;
        postgres.pause();
        let asked = Instant::now();
        let lookup = is_live(&sessions, &token).await;
        let kind = lookup.map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::Unavailable));
        let revoke = sessions.revoke(session.id()).await;
        let kind = revoke.map(|_| ()).map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::UnknownOutcome));
        assert!(asked.elapsed() < PATIENCE, "it was waited for too long");
        postgres.resume();
        answers_again(&sessions, &token).await?;
        sessions.revoke(session.id()).await?;
        assert!(!is_live(&sessions, &token).await?);
        Ok(())
    })
}

pub(super) fn terminated(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let sessions = machine(&postgres.url()).await?;
        let (token, session) = sessions.create("alice").await?;
        let watch = sessions.watch(session.id()).await?;
        let administrator = administrator(&postgres).await?;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE application_name = 'revocable'";
        for _ in 0..10 {
            let ended = administrator.query(end, &[]).await?;
            assert!(!ended.is_empty());
            // At the worst a write is in doubt, and nobody is logged out.
            assert!(answers_again(&sessions, &token).await?);
            if let Err(error) = sessions.create("bob").await {
                assert!(error.is_transient(), "{error:?}");
            }
        }
        // Also what was announced meanwhile is known.
        let other = self::sessions(connect(&postgres.url()).await?)?;
        administrator.query(end, &[]).await?;
        while let Err(error) = other.revoke(session.id()).await {
            assert!(error.is_transient(), "{error:?}");
        }
        assert!(tokio::time::timeout(PATIENCE, watch).await.is_ok());
        assert!(!is_live(&sessions, &token).await?);
        Ok(())
    })
}

pub(super) fn read_only(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let store = connect(&postgres.url()).await?;
        let sessions = sessions(store.clone())?;
        let (token, session) = sessions.create("alice").await?;
        let administrator = administrator(&postgres).await?;
        let set = async |value| {
            let set =
                format!("ALTER DATABASE postgres SET default_transaction_read_only = {value}");
            administrator
                .batch_execute("SET default_transaction_read_only = off")
                .await?;
            administrator.batch_execute(&set).await?;
            // For connections that are made from now on.
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE application_name = 'revocable'";
            administrator.query(end, &[]).await.map(|_| ())
        };
        set("on").await?;
        // It may be a replica: nothing is read from there either.
        let until = Instant::now() + PATIENCE;
        for outcome in [
            is_live(&sessions, &token).await.map(|_| ()),
            sessions.create("bob").await.map(|_| ()),
            store.health().await,
        ] {
            let error = outcome.expect_err("a server that takes no writes");
            assert!(error.is_transient(), "{error:?}");
        }
        set("off").await?;
        assert!(answers_again(&sessions, &token).await?);
        while let Err(error) = sessions.revoke(session.id()).await {
            assert!(error.is_transient() && Instant::now() < until, "{error:?}");
        }
        assert!(!is_live(&sessions, &token).await?);
        store.health().await?;
        Ok(())
    })
}

pub(super) fn locked(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let sessions = sessions(connect(&postgres.url()).await?)?;
        let (token, session) = sessions.create("alice").await?;
        let administrator = administrator(&postgres).await?;
        administrator
            .batch_execute("BEGIN; SELECT FROM revocable.sessions FOR UPDATE")
            .await?;
        for outcome in [
            sessions.revoke(session.id()).await.map(|_| ()),
            sessions.revoke_all_for_user("alice").await.map(|_| ()),
        ] {
            let error = outcome.expect_err("somebody holds the session");
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        }
        // Lookups wait for no lock, and what was given up does not come later.
        assert!(is_live(&sessions, &token).await?);
        administrator.batch_execute("COMMIT").await?;
        assert!(is_live(&sessions, &token).await?);
        assert!(sessions.revoke(session.id()).await?);
        // A lock of the whole table keeps lookups, too.
        let lock = "BEGIN; LOCK revocable.sessions";
        administrator.batch_execute(lock).await?;
        let lookup = is_live(&sessions, &token).await;
        let kind = lookup.map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::Unavailable));
        administrator.batch_execute("COMMIT").await?;
        assert!(!is_live(&sessions, &token).await?);
        Ok(())
    })
}

pub(super) fn deadlock(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&["deadlock_timeout=10ms"]);
    runtime.block_on(async {
        let builder = PostgresStore::builder(&postgres.url()).timeout(PATIENCE);
        let sessions = sessions(builder.connect().await?)?;
        let mut ids = Vec::new();
        for _ in 0..2 {
            ids.push(sessions.create("alice").await?.1.id());
        }
        ids.sort_unstable();
        // Holds the second, and then waits for the first, which the other has by then.
        // Who waits for longer than that is who finds the deadlock.
        let administrator = administrator(&postgres).await?;
        administrator
            .batch_execute("SET deadlock_timeout = '1h'; BEGIN")
            .await?;
        let lock = "SELECT FROM revocable.sessions WHERE id::text = $1 FOR UPDATE";
        let of = |id: revocable::SessionId| id.to_string();
        administrator.query(lock, &[&of(ids[1])]).await?;
        let other = sessions.clone();
        let revoking = tokio::spawn(async move { other.revoke_all_for_user("alice").await });
        let waiting = "SELECT FROM pg_stat_activity
                       WHERE application_name = 'revocable' AND wait_event_type = 'Lock'";
        while administrator.query(waiting, &[]).await?.is_empty() {
            administrator
                .query("SELECT pg_stat_clear_snapshot()", &[])
                .await?;
        }
        // Returns when the revocation was rolled back.
        administrator.query(lock, &[&of(ids[0])]).await?;
        administrator.batch_execute("COMMIT").await?;
        assert_eq!(revoking.await??, 2);
        Ok(())
    })
}

pub(super) fn answer_lost(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    let proxy = Proxy::to(postgres.port());
    runtime.block_on(async {
        let store = connect(&postgres.url_at(proxy.port())).await?;
        let sessions = sessions(store.clone())?;
        // So that the statement is prepared: then it is one message.
        let (_, session) = sessions.create("alice").await?;
        store.revoke(session.id(), EndReason::Administrator).await?;
        let (token, session) = sessions.create("alice").await?;
        let watch = sessions.watch(session.id()).await?;
        proxy.cut_answers_to(b"administrator", 1);
        let outcome = store.revoke(session.id(), EndReason::Administrator).await;
        let kind = outcome.map(|_| ()).map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::UnknownOutcome));
        // Who watches hears of it all the same, and before anybody looks.
        let reason = tokio::time::timeout(PATIENCE, watch).await?;
        assert_eq!(reason, EndReason::Administrator);
        assert!(!is_live(&sessions, &token).await?);
        let again = store.revoke(session.id(), EndReason::Administrator).await?;
        assert_eq!(again, None);
        Ok(())
    })
}
