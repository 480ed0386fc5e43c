//! The tables: without room, without a row that is needed, and what a touch writes.

use std::time::Instant;

use libtest_mimic::Failed;
use revocable::{Change, ChangeKind, ErrorKind, Liveness, NewSession, SessionStore};
use revocable_test_servers::Postgres;
use tokio::runtime::Runtime;

use super::{administrator, connect, server};
use crate::machines::{PATIENCE, is_live, refused_login, sessions};

pub(super) fn full(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = Postgres::start_with_small_disk(2_048)?;
    runtime.block_on(async {
        let administrator = administrator(&postgres).await?;
        for make in [
            format!(
                "CREATE TABLESPACE small LOCATION '{}'",
                postgres.small().display()
            ),
            "ALTER DATABASE postgres SET default_tablespace = small".into(),
        ] {
            administrator.batch_execute(&make).await?;
        }
        let ballast = "CREATE TABLE ballast TABLESPACE small AS
                       SELECT repeat('x', 1000) FROM generate_series(1, 200)";
        administrator.batch_execute(ballast).await?;
        let store = connect(&postgres.url()).await?;
        let sessions = sessions(store.clone())?;
        let (one, session) = sessions.create("alice").await?;
        let (all, _) = sessions.create("bob").await?;
        sessions.revoke_all_for_user("nobody").await?;
        // So that the server cannot make it smaller.
        let mut number = 1_u32;
        let large: Vec<u8> = (0..3_000)
            .map(|_| {
                number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (number >> 24) as u8
            })
            .collect();
        let mut created = Vec::new();
        let error = loop {
            let new = NewSession::for_user(created.len() as u64).data(large.clone());
            match sessions.create(new).await {
                Ok((token, _)) => created.push(token),
                Err(error) => break error,
            }
            assert!(created.len() < 2_000, "there is room for all");
        };
        assert_eq!(error.kind(), ErrorKind::Full, "{error:?}");
        for token in &created {
            assert!(is_live(&sessions, token).await?);
        }
        assert!(sessions.revoke(session.id()).await?);
        assert_eq!(sessions.revoke_all_for_user("bob").await?, 1);
        let ended = sessions.revoke_everything().await?;
        assert_eq!(ended, created.len() as u64);
        for token in [&one, &all].into_iter().chain(&created) {
            assert!(!is_live(&sessions, token).await?);
        }
        // What was ended is removed, and with a little room the server finds its own again.
        sessions.sweep(Default::default()).await?;
        administrator.batch_execute("DROP TABLE ballast").await?;
        administrator
            .batch_execute("VACUUM revocable.sessions")
            .await?;
        let new = NewSession::for_user(1_u64).data(large);
        let (again, _) = sessions.create(new).await?;
        assert!(is_live(&sessions, &again).await?);
        Ok(())
    })
}

pub(super) fn lost_meta(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let store = connect(&postgres.url()).await?;
        let sessions = sessions(store.clone())?;
        let (ended, _) = sessions.create("alice").await?;
        sessions.revoke_everything().await?;
        let (one, session) = sessions.create("alice").await?;
        let (live, _) = sessions.create("alice").await?;
        let attempt = sessions.begin_login("alice").await?;
        let administrator = administrator(&postgres).await?;
        administrator
            .batch_execute("DELETE FROM revocable.meta")
            .await?;
        for outcome in [
            is_live(&sessions, &live).await.map(|_| ()),
            is_live(&sessions, &ended).await.map(|_| ()),
            sessions.create("alice").await.map(|_| ()),
            sessions.list_for_user("alice", None, 10).await.map(|_| ()),
            sessions.revoke_all_for_user("alice").await.map(|_| ()),
            store.health().await,
        ] {
            let error = outcome.expect_err("nobody knows what was revoked");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        }
        assert!(sessions.revoke(session.id()).await?);
        // Also for who opens it now.
        let error = self::sessions(connect(&postgres.url()).await?)?;
        assert!(is_live(&error, &live).await.is_err());
        // It ends what there still is, and mends it.
        sessions.revoke_everything().await?;
        for token in [&ended, &one, &live] {
            assert!(!is_live(&sessions, token).await?);
        }
        assert_eq!(
            refused_login(sessions.create(attempt).await),
            Some(ErrorKind::Superseded)
        );
        let (again, _) = sessions.create("alice").await?;
        assert!(is_live(&sessions, &again).await?);
        // The other half: who is in stays in, and nobody comes.
        let attempt = sessions.begin_login("alice").await?;
        administrator
            .batch_execute("DELETE FROM revocable.positions")
            .await?;
        assert!(is_live(&sessions, &again).await?);
        for outcome in [
            sessions.create("alice").await.map(|_| ()),
            sessions.begin_login("alice").await.map(|_| ()),
            sessions.revoke_all_for_user("alice").await.map(|_| ()),
            store.health().await,
        ] {
            let error = outcome.expect_err("nobody knows what was revoked");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        }
        assert_eq!(sessions.revoke_everything().await?, 1);
        assert!(!is_live(&sessions, &again).await?);
        assert_eq!(
            refused_login(sessions.create(attempt).await),
            Some(ErrorKind::Superseded)
        );
        let (again, _) = sessions.create("alice").await?;
        assert!(is_live(&sessions, &again).await?);
        Ok(())
    })
}

pub(super) fn lost_positions(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let sessions = sessions(connect(&postgres.url()).await?)?;
        let administrator = administrator(&postgres).await?;
        for everybody in [false, true] {
            let before = administrator
                .query_one("SELECT position FROM revocable.positions", &[])
                .await?;
            let before: i64 = before.get(0);
            sessions.revoke_all_for_user("bob").await?;
            let attempt = sessions.begin_login("alice").await?;
            // As on a standby that lacks what was done last.
            let lose = "UPDATE revocable.positions SET position = $1";
            administrator.execute(lose, &[&before]).await?;
            if everybody {
                sessions.revoke_everything().await?;
            } else {
                sessions.revoke_all_for_user("alice").await?;
            }
            assert_eq!(
                refused_login(sessions.create(attempt).await),
                Some(ErrorKind::Superseded)
            );
        }
        Ok(())
    })
}

pub(super) fn touches(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let store = connect(&postgres.url()).await?;
        let sessions = sessions(store.clone())?;
        let mut created = Vec::new();
        for number in 0..500_u64 {
            let new = NewSession::for_user(number);
            created.push(sessions.create(new).await?.1);
        }
        for step in 1..=10 {
            for session in &created {
                let touch = Change {
                    liveness: Liveness::at(session.record().created_ms + step),
                    kind: ChangeKind::Touch,
                };
                store.update(session.id(), touch).await?;
            }
        }
        let administrator = administrator(&postgres).await?;
        let changed = "SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()";
        administrator.query(changed, &[]).await?;
        let counts = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables
                      WHERE relname = 'sessions'";
        let until = Instant::now() + PATIENCE;
        // The server tells it a moment later.
        let (all, hot) = loop {
            let row = administrator.query_one(counts, &[]).await?;
            let (all, hot): (i64, i64) = (row.get(0), row.get(1));
            if all >= 5_000 || Instant::now() > until {
                break (all, hot);
            }
        };
        println!("{hot} of {all} touches were HOT");
        assert!(all >= 5_000 && hot * 10 >= all * 9, "{hot} of {all}");
        Ok(())
    })
}
