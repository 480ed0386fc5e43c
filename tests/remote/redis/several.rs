//! Servers that belong together: replicas, a Sentinel, a cluster.

use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use revocable::redis::Durability;
use revocable::{CachedStore, EndReason, ErrorKind, NewSession, RedisStore, SessionStore};
use revocable_test_servers::{Proxy, RedisCluster, RedisSentinel};
use tokio::runtime::Runtime;

use super::{TIMEOUT, server};
use crate::machines::{PATIENCE, TERM, answers_again, is_live, refused_login, sessions};

pub(super) fn cluster(runtime: &Runtime) -> Result<(), Failed> {
    let cluster = RedisCluster::start()?;
    runtime.block_on(async {
        let one = RedisStore::connect(&cluster.urls()[0]).await;
        let kind = one.map(|_| ()).map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::Configuration), "as a single server");
        let store = RedisStore::cluster(cluster.urls()).connect().await?;
        assert_eq!(store.durability(), Durability::Synced);
        store.health().await?;
        let cached = CachedStore::builder(store.clone())
            .max_staleness(TERM)
            .build();
        assert!(cached.is_err(), "a cache in front of a cluster");
        let sessions = sessions(store)?;
        let mut tokens = Vec::new();
        for number in 0..60_u64 {
            tokens.push(sessions.create(NewSession::for_user(number)).await?.0);
            tokens.push(sessions.create(NewSession::for_user(number)).await?.0);
        }
        for token in &tokens {
            assert!(is_live(&sessions, token).await?);
        }
        let attempt = sessions.begin_login(7_u64).await?;
        assert_eq!(sessions.revoke_all_for_user(7_u64).await?, 2);
        assert_eq!(
            refused_login(sessions.create(attempt).await),
            Some(ErrorKind::Superseded)
        );
        let session = sessions.lookup(&tokens[0]).await?.expect("it is live");
        assert!(sessions.revoke(session.id()).await?);
        let swept = sessions.sweep(Default::default()).await?;
        assert_eq!(swept.examined, 117);
        assert_eq!(sessions.revoke_everything().await?, 117);
        for token in &tokens {
            assert!(!is_live(&sessions, token).await?);
        }
        Ok(())
    })
}

pub(super) fn next_master(runtime: &Runtime) -> Result<(), Failed> {
    let mut servers = RedisSentinel::start()?;
    runtime.block_on(async {
        let store = RedisStore::sentinel([servers.url()], RedisSentinel::NAME)
            .timeout(TIMEOUT)
            .wait_for_replicas(1, Duration::from_secs(2))
            .connect()
            .await?;
        let sessions = sessions(store)?;
        let (kept, _) = sessions.create("alice").await?;
        let (revoked, session) = sessions.create("alice").await?;
        sessions.revoke(session.id()).await?;
        servers.kill_master();
        let lookup = is_live(&sessions, &kept).await;
        if let Err(error) = lookup {
            assert_eq!(error.kind(), ErrorKind::Unavailable);
        }
        servers.wait_for_the_next();
        assert!(answers_again(&sessions, &kept).await?);
        assert!(!answers_again(&sessions, &revoked).await?);
        // It has no replica now: what it does may be undone, and it says so.
        let session = sessions.lookup(&kept).await?.expect("it is live");
        let error = sessions
            .revoke(session.id())
            .await
            .expect_err("nobody else has it");
        assert_eq!(error.kind(), ErrorKind::UnknownOutcome);
        assert!(!is_live(&sessions, &kept).await?);
        Ok(())
    })
}

pub(super) fn repeated(runtime: &Runtime) -> Result<(), Failed> {
    let master = server(&[]);
    let replica = server(&["--replicaof", "127.0.0.1", &master.port().to_string()]);
    let proxy = Proxy::to(master.port());
    runtime.block_on(async {
        let url = format!("redis://127.0.0.1:{}", proxy.port());
        let store = RedisStore::builder(&url)
            .wait_for_replicas(1, Duration::from_millis(500))
            .connect()
            .await?;
        let sessions = sessions(store.clone())?;
        let until = Instant::now() + PATIENCE;
        let session = loop {
            match sessions.create("alice").await {
                Ok((_, session)) => break session,
                Err(error) if Instant::now() > until => return Err(error.into()),
                Err(_) => {}
            }
        };
        // So that the server knows the script.
        sessions.revoke(session.id()).await?;
        let (token, session) = sessions.create("alice").await?;
        replica.pause();
        proxy.cut_answers_to(b"administrator", 1);
        let outcome = store.revoke(session.id(), EndReason::Administrator).await;
        let kind = outcome.map(|_| ()).map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::UnknownOutcome), "no replica has it");
        replica.resume();
        assert!(!is_live(&sessions, &token).await?);
        Ok(())
    })
}
