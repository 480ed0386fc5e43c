//! Servers that belong together: replicas, a Sentinel.

use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use revocable::{Bucket, EndReason, ErrorKind, RedisStore, SessionStore, UserId};
use revocable_test_servers::{Proxy, RedisSentinel};
use tokio::runtime::Runtime;

use super::{TIMEOUT, connect, server};
use crate::machines::{self, PATIENCE, TERM, answers_again, is_live, refused_login, sessions};

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

pub(super) fn demoted(runtime: &Runtime) -> Result<(), Failed> {
    let master = server(&[]);
    runtime.block_on(async {
        let store = connect(master.port()).await?;
        let cached = machines::cached(store.clone())?;
        let alone = sessions(store)?;
        let (token, _) = alone.create("alice").await?;
        for _ in 0..50 {
            assert!(is_live(&cached, &token).await?);
        }
        // It keeps its connections, and all that it has: nobody answers there.
        let mut client = ::redis::Client::open(master.url())?.get_connection()?;
        let mut demote = ::redis::cmd("REPLICAOF");
        demote.arg("127.0.0.1").arg(9).exec(&mut client)?;
        for sessions in [&alone, &cached] {
            let demoted = Instant::now();
            while let Ok(live) = is_live(sessions, &token).await {
                assert!(
                    live && demoted.elapsed() < 4 * TERM,
                    "a replica is read from"
                );
            }
            let error = is_live(sessions, &token).await.expect_err("a replica");
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        }
        Ok(())
    })
}

pub(super) fn lost_positions(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    runtime.block_on(async {
        let sessions = sessions(connect(redis.port()).await?)?;
        let mut client = ::redis::Client::open(redis.url())?.get_connection()?;
        let bucket = Bucket::of(&UserId::new("alice")?);
        let key = format!("revocable:{{{:03x}}}:p", bucket.index());
        sessions.revoke_all_for_user("alice").await?;
        for everybody in [false, true] {
            let before: String = ::redis::cmd("GET").arg(&key).query(&mut client)?;
            // The next position, as it was once.
            let next = before.parse::<u64>()? + 1;
            ::redis::cmd("SET").arg(&key).arg(next).exec(&mut client)?;
            let attempt = sessions.begin_login("alice").await?;
            // As on a replica that lacks what was done last.
            ::redis::cmd("SET")
                .arg(&key)
                .arg(&before)
                .exec(&mut client)?;
            if everybody {
                sessions.revoke_everything().await?;
            } else {
                sessions.revoke_all_for_user("alice").await?;
            }
            let refused = sessions.create(attempt).await;
            assert_eq!(refused_login(refused), Some(ErrorKind::Superseded));
        }
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
