//! Servers that belong together: replicas, a Sentinel.

use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use revocable::{EndReason, ErrorKind, RedisStore, SessionStore};
use revocable_test_servers::{Proxy, RedisSentinel};
use tokio::runtime::Runtime;

use super::{TIMEOUT, server};
use crate::machines::{PATIENCE, answers_again, is_live, sessions};

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
