//! Which servers are taken, and what the store needs of one.

use libtest_mimic::Failed;
use revocable::redis::Durability;
use revocable::{ErrorKind, RedisStore, SessionStore};
use tokio::runtime::Runtime;

use super::{connect, server};
use crate::machines::{self, PATIENCE, is_live, sessions};

pub(super) fn refused(runtime: &Runtime) -> Result<(), Failed> {
    let master = server(&[]);
    let port = master.port().to_string();
    let settings: [&[&str]; 4] = [
        &["--appendonly", "no", "--save", "3600 1"],
        &["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"],
        &["--replicaof", &format!("127.0.0.1 {port}")],
        &["--requirepass", "hunter2"],
    ];
    for settings in settings {
        let redis = server(settings);
        let error = runtime
            .block_on(connect(redis.port()))
            .expect_err("it was taken");
        assert_eq!(
            error.kind(),
            ErrorKind::Configuration,
            "{settings:?}: {error:?}"
        );
    }
    // Told, it takes some of them.
    let redis = server(settings[0]);
    let builder = RedisStore::builder(&redis.url()).accept_snapshots();
    let store = runtime.block_on(builder.connect())?;
    assert_eq!(store.durability(), Durability::Snapshots);
    let redis = server(settings[1]);
    let builder = RedisStore::builder(&redis.url()).accept_eviction();
    runtime.block_on(builder.connect())?;
    let redis = server(settings[3]);
    let url = format!("redis://:hunter2@127.0.0.1:{}", redis.port());
    let builder = RedisStore::builder(&url);
    assert!(!format!("{builder:?}").contains("hunter2"));
    runtime.block_on(builder.connect())?;
    let wrong = format!("redis://:hunter3@127.0.0.1:{}", redis.port());
    let error = runtime
        .block_on(RedisStore::connect(&wrong))
        .expect_err("it was taken");
    assert!(!format!("{error:?}").contains("hunter3"), "{error:?}");
    Ok(())
}

pub(super) fn few_rights(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    let client = ::redis::Client::open(redis.url())?;
    let rights = "ACL SETUSER app on >secret ~revocable:* &revocable:notices \
                  +@all -@dangerous +info";
    let rights: Vec<&str> = rights.split_whitespace().collect();
    ::redis::Cmd::new()
        .arg(&rights)
        .exec(&mut client.get_connection()?)?;
    runtime.block_on(async {
        let url = format!("redis://app:secret@127.0.0.1:{}", redis.port());
        let store = RedisStore::connect(&url).await?;
        assert_eq!(store.durability(), Durability::Unknown);
        store.health().await?;
        machines::hears_itself(&store).await?;
        let sessions = sessions(store)?;
        let (token, session) = sessions.create("alice").await?;
        sessions.sweep(Default::default()).await?;
        assert!(is_live(&sessions, &token).await?);
        assert!(sessions.revoke(session.id()).await?);
        sessions.revoke_everything().await?;
        assert!(!is_live(&sessions, &token).await?);
        let told = ["ACL", "SETUSER", "app", "+config|get"];
        ::redis::Cmd::new()
            .arg(&told[..])
            .exec(&mut client.get_connection()?)?;
        let store = RedisStore::connect(&url).await?;
        assert_eq!(store.durability(), Durability::Synced);
        Ok(())
    })
}

pub(super) fn other_database(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    runtime.block_on(async {
        let store = connect(redis.port()).await?;
        let other = RedisStore::connect(&format!("{}/1", redis.url())).await?;
        let mut feed = store.follow().await?;
        // The mark of the other comes here too.
        machines::hears_itself(&other).await?;
        feed.mark([2; 16]).await?;
        let notice = feed.next(PATIENCE).await?;
        assert_eq!(notice, Some(revocable::Notice::Mark([2; 16])));
        Ok(())
    })
}
