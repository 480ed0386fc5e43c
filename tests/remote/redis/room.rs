//! A server without memory, or without room on its disk.

use std::time::Instant;

use libtest_mimic::Failed;
use revocable::{ErrorKind, NewSession};
use revocable_test_servers::Redis;
use tokio::runtime::Runtime;

use super::{connect, server};
use crate::machines::{PATIENCE, is_live, sessions};

pub(super) fn full(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    runtime.block_on(async {
        let store = connect(redis.port()).await?;
        let sessions = sessions(store.clone())?;
        let (one, session) = sessions.create("alice").await?;
        let (all, _) = sessions.create("bob").await?;
        let (everybody, _) = sessions.create("carol").await?;
        let client = ::redis::Client::open(redis.url())?;
        let full = ["CONFIG", "SET", "maxmemory", "1"];
        ::redis::Cmd::new()
            .arg(&full[..])
            .exec(&mut client.get_connection()?)?;
        let error = sessions.create("dave").await.expect_err("there is room");
        assert_eq!(error.kind(), ErrorKind::Full, "{error:?}");
        assert!(is_live(&sessions, &one).await?);
        assert!(sessions.revoke(session.id()).await?);
        assert_eq!(sessions.revoke_all_for_user("bob").await?, 1);
        assert_eq!(sessions.revoke_all_for_user("nobody").await?, 0);
        assert!(is_live(&sessions, &everybody).await?);
        assert_eq!(sessions.revoke_everything().await?, 1);
        for token in [&one, &all, &everybody] {
            assert!(!is_live(&sessions, token).await?);
        }
        Ok(())
    })
}

pub(super) fn full_disk(runtime: &Runtime) -> Result<(), Failed> {
    // With `always` the server ends by itself when it cannot write.
    let redis = Redis::start_with_small_disk(1_024, &["--appendfsync", "everysec"])?;
    runtime.block_on(async {
        let sessions = sessions(connect(redis.port()).await?)?;
        let (one, session) = sessions.create("alice").await?;
        let mut created = Vec::new();
        let error = loop {
            let new = NewSession::for_user(created.len() as u64).data(vec![7; 3_000]);
            match sessions.create(new).await {
                Ok((token, _)) => created.push(token),
                Err(error) => break error,
            }
            assert!(created.len() < 2_000, "there is room for all");
        };
        assert_eq!(error.kind(), ErrorKind::Full, "{error:?}");
        // It takes nothing at all, and what is there goes on.
        let error = sessions.revoke(session.id()).await.expect_err("it cannot");
        assert_eq!(error.kind(), ErrorKind::Full, "{error:?}");
        for token in created.iter().chain([&one]) {
            assert!(is_live(&sessions, token).await?);
        }
        redis.grow_disk(65_536);
        let until = Instant::now() + PATIENCE;
        while let Err(error) = sessions.revoke(session.id()).await {
            assert_eq!(error.kind(), ErrorKind::Full, "{error:?}");
            assert!(Instant::now() < until, "it takes no writes again");
        }
        assert!(!is_live(&sessions, &one).await?);
        let (again, _) = sessions.create("alice").await?;
        assert!(is_live(&sessions, &again).await?);
        Ok(())
    })
}
