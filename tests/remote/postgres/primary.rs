//! A server that is not the primary any more, waits for its standby, or hangs.

use std::time::Instant;

use deadpool_postgres::{Manager, Pool};
use libtest_mimic::Failed;
use revocable::{
    CreateRequest, EndReason, ErrorKind, Liveness, PostgresStore, Record, SessionId, SessionStore,
};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use super::{TIMEOUT, administrator, connect, machine, server};
use crate::machines::{self, PATIENCE, TERM, answers_again, is_live, sessions};

pub(super) fn replica(runtime: &Runtime) -> Result<(), Failed> {
    let mut postgres = server(&[]);
    runtime.block_on(async {
        let url = postgres.url();
        let pool = Pool::builder(Manager::new(url.parse()?, NoTls)).build()?;
        let of_pool = PostgresStore::with_pool(pool).timeout(TIMEOUT);
        let of_pool = of_pool.connect().await?;
        let stores = [of_pool.clone(), connect(&url).await?];
        let primary = sessions(of_pool.clone())?;
        let (token, session) = primary.create("alice").await?;
        let (gone, revoked) = primary.create("alice").await?;
        assert!(primary.revoke(revoked.id()).await?);
        let user = session.record().user.clone();
        postgres.make_replica();
        for store in &stores {
            let sessions = sessions(store.clone())?;
            // What is there and what is not: it may have been revoked or created since.
            for outcome in [
                is_live(&sessions, &token).await.map(|_| ()),
                is_live(&sessions, &gone).await.map(|_| ()),
                sessions.list_for_user("alice", None, 10).await.map(|_| ()),
                store.epoch(&user).await.map(|_| ()),
                sessions.revoke(session.id()).await.map(|_| ()),
                sessions.create("bob").await.map(|_| ()),
                store.health().await,
            ] {
                let error = outcome.expect_err("a replica has answered");
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
            }
        }
        let error = connect(&url).await.expect_err("a replica");
        assert!(!error.to_string().is_empty());
        administrator(&postgres)
            .await?
            .query("SELECT pg_promote()", &[])
            .await?;
        for store in stores {
            let sessions = sessions(store)?;
            assert!(answers_again(&sessions, &token).await?);
        }
        Ok(())
    })
}

pub(super) fn not_replicated(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let store = connect(&postgres.url()).await?;
        let sessions = sessions(store.clone())?;
        let (_, session) = sessions.create("alice").await?;
        let record = session.record();
        let administrator = administrator(&postgres).await?;
        // A standby that is not there: nothing is committed for others.
        standbys(&administrator, "nobody").await?;
        // The server takes the setting a moment later.
        let mut number = 0_u64;
        let id = loop {
            number += 1;
            let id = SessionId::new(1, record.id.bucket(), number.to_be_bytes());
            let record = Record {
                id,
                ..Record::clone(record)
            };
            let request = CreateRequest {
                liveness: Liveness::at(record.created_ms),
                record,
                expected_epoch: None,
                cap: None,
            };
            match store.create(request).await {
                // Begun, and not acknowledged.
                Err(error) if error.kind() == ErrorKind::UnknownOutcome => break id,
                created => created?,
            };
        };
        // It may yet be there. Whoever is told that it is not believes it.
        let error = store.revoke(id, EndReason::LoggedOut).await;
        let error = error.expect_err("it is not known");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        standbys(&administrator, "").await?;
        let until = Instant::now() + PATIENCE;
        let revoked = loop {
            match store.revoke(id, EndReason::LoggedOut).await {
                Ok(revoked) => break revoked,
                Err(error) => assert!(error.is_transient() && Instant::now() < until, "{error:?}"),
            }
        };
        assert_eq!(revoked.map(|ended| ended.id), Some(id));
        assert!(store.lookup(id).await?.is_none());
        Ok(())
    })
}

/// Those that commits wait for, but for the administrator's own.
async fn standbys(administrator: &Client, names: &str) -> Result<(), Failed> {
    for text in [
        "SET synchronous_commit = local",
        &format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"),
        "SELECT pg_reload_conf()",
    ] {
        administrator.batch_execute(text).await?;
    }
    Ok(())
}

pub(super) fn marks_that_wait(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let url = postgres.url() + "&application_name=hanging";
        let manager = Manager::new(url.parse()?, NoTls);
        let pool = Pool::builder(manager).max_size(6).build()?;
        // So that the server gives up well before the store does.
        let store = PostgresStore::with_pool(pool.clone()).timeout(4 * TIMEOUT);
        let store = store.announcements(&postgres.url()).connect().await?;
        let cached = machines::cached(store)?;
        let (token, _) = cached.create("alice").await?;
        let administrator = administrator(&postgres).await?;
        standbys(&administrator, "nobody").await?;
        // Somebody announces, and waits for the standby: nobody else can announce.
        let (other, connection) = tokio_postgres::connect(&postgres.url(), NoTls).await?;
        tokio::spawn(connection);
        let waiting = tokio::spawn(async move {
            // Until the setting is taken.
            loop {
                let announce = "SELECT pg_notify('others', ''), txid_current()";
                if other.query(announce, &[]).await.is_err() {
                    return;
                }
            }
        });
        while connections(&administrator, "wait_event_type = 'Lock'").await? == 0 {}
        let until = Instant::now() + 8 * TERM;
        while Instant::now() < until {
            let busy = connections(&administrator, "wait_event_type = 'Lock'").await?;
            assert!(busy <= 1, "{busy} of the application's connections wait");
        }
        // Without a lease from the store, which is as fast as ever.
        assert!(is_live(&cached, &token).await?);
        drop(pool.get().await?);
        standbys(&administrator, "").await?;
        waiting.abort();
        assert!(answers_again(&cached, &token).await?);
        Ok(())
    })
}

pub(super) fn hanging(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let url = postgres.url() + "&application_name=hanging";
        // Of the application's own, without a time-out of the server's.
        let manager = Manager::new(url.parse()?, NoTls);
        let pool = Pool::builder(manager).max_size(2).build()?;
        let store = PostgresStore::with_pool(pool).timeout(TIMEOUT);
        let sessions = sessions(store.connect().await?)?;
        let (token, _) = sessions.create("alice").await?;
        let administrator = administrator(&postgres).await?;
        administrator
            .batch_execute("BEGIN; LOCK revocable.sessions")
            .await?;
        // Some whose callers go away, and some that give up.
        let asking: Vec<_> = (0..2)
            .map(|_| {
                let (sessions, token) = (sessions.clone(), token.clone());
                tokio::spawn(async move { sessions.lookup(&token).await.map(|_| ()) })
            })
            .collect();
        while connections(&administrator, "wait_event_type = 'Lock'").await? < 2 {}
        for asking in asking {
            asking.abort();
        }
        for _ in 0..4 {
            let error = is_live(&sessions, &token).await.expect_err("it is locked");
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
            assert!(connections(&administrator, "true").await? <= 2);
        }
        administrator.batch_execute("COMMIT").await?;
        assert!(answers_again(&sessions, &token).await?);
        let later: Vec<_> = (0..8)
            .map(|_| {
                let (sessions, token) = (sessions.clone(), token.clone());
                tokio::spawn(async move { is_live(&sessions, &token).await })
            })
            .collect();
        for live in later {
            assert!(live.await??);
        }
        assert!(connections(&administrator, "true").await? <= 2);
        Ok(())
    })
}

pub(super) fn next_primary(runtime: &Runtime) -> Result<(), Failed> {
    let mut primary = server(&[]);
    let standby = primary.standby();
    runtime.block_on(async {
        // Acknowledged is what both have.
        let (first, second) = (primary.port(), standby.port());
        let before = administrator(&primary).await?;
        before
            .batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
            .await?;
        before.batch_execute("SELECT pg_reload_conf()").await?;
        let url = format!(
            "postgresql://postgres@127.0.0.1:{first},127.0.0.1:{second}/postgres?sslmode=disable"
        );
        let (here, there) = (machine(&url).await?, machine(&url).await?);
        let (kept, session) = here.create("alice").await?;
        let (revoked, other) = here.create("alice").await?;
        for _ in 0..50 {
            assert!(is_live(&there, &kept).await?);
            assert!(is_live(&there, &revoked).await?);
        }
        // What is waited for may have been set after all this.
        let waited_for = "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'";
        while before.query(waited_for, &[]).await?.is_empty() {}
        assert!(here.revoke(other.id()).await?);
        primary.kill();
        let killed = Instant::now();
        loop {
            let began = killed.elapsed();
            match is_live(&there, &kept).await {
                Ok(live) => {
                    assert!(live, "an error is taken for a logout");
                    assert!(began <= TERM, "served from a cache that hears nothing");
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                    break;
                }
            }
        }
        let after = administrator(&standby).await?;
        after.query("SELECT pg_promote()", &[]).await?;
        assert!(answers_again(&there, &kept).await?);
        assert!(!answers_again(&there, &revoked).await?);
        assert!(!answers_again(&here, &revoked).await?);
        // They hear of each other again.
        for _ in 0..50 {
            assert!(answers_again(&there, &kept).await?);
        }
        let until = Instant::now() + PATIENCE;
        while let Err(error) = here.revoke(session.id()).await {
            assert!(error.is_transient() && Instant::now() < until, "{error:?}");
        }
        let revoked = Instant::now();
        loop {
            let began = revoked.elapsed();
            if !is_live(&there, &kept).await? {
                return Ok(());
            }
            assert!(began <= TERM, "served {began:?} after its revocation");
        }
    })
}

pub(super) fn given_up(runtime: &Runtime) -> Result<(), Failed> {
    let postgres = server(&[]);
    runtime.block_on(async {
        let manager = Manager::new(postgres.url().parse()?, NoTls);
        let pool = Pool::builder(manager).max_size(1).build()?;
        let store = PostgresStore::with_pool(pool.clone()).timeout(TIMEOUT / 10);
        let sessions = sessions(store.connect().await?)?;
        let (token, _) = sessions.create("alice").await?;
        let (other, connection) = tokio_postgres::connect(&postgres.url(), NoTls).await?;
        tokio::spawn(connection);
        other
            .batch_execute("BEGIN; LOCK revocable.sessions")
            .await?;
        assert!(is_live(&sessions, &token).await.is_err());
        assert_eq!(pool.status().size, 1);
        let until = Instant::now() + PATIENCE;
        while pool.status().size > 0 {
            assert!(Instant::now() < until, "it keeps its place for ever");
            tokio::task::yield_now().await;
        }
        other.batch_execute("COMMIT").await?;
        assert!(answers_again(&sessions, &token).await?);
        Ok(())
    })
}

async fn connections(administrator: &Client, which: &str) -> Result<i64, Failed> {
    let fresh = "SELECT pg_stat_clear_snapshot()";
    administrator.query(fresh, &[]).await?;
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hanging' AND {which}"
    );
    Ok(administrator.query_one(&count, &[]).await?.get(0))
}
