//! Redis.

use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use revocable::redis::Durability;
use revocable::{
    CachedStore, EndReason, ErrorKind, NewSession, RedisStore, SessionStore, Sessions,
};
use revocable_test_servers::{Missing, Proxy, Redis, RedisCluster, RedisSentinel};
use tokio::runtime::Runtime;

use crate::Run;
use crate::machines::{self, PATIENCE, TERM, answers_again, is_live, refused_login, sessions};

/// How long the stores wait for an answer.
const TIMEOUT: Duration = Duration::from_millis(300);

pub(crate) const TRIALS: &[(&str, Run)] = &[
    (
        "redis::a_sweep_spares_nobody_who_was_used_and_has_expired",
        swept,
    ),
    ("redis::a_repeated_write_waits_for_replicas_too", repeated),
    (
        "redis::a_bucket_that_lost_a_part_lets_nobody_in_again",
        lost_part,
    ),
    (
        "redis::another_database_of_the_server_takes_no_lease_away",
        other_database,
    ),
    (
        "redis::a_cluster_keeps_the_sessions_of_all_its_parts",
        cluster,
    ),
    ("redis::a_store_finds_the_next_master", next_master),
    ("redis::a_killed_server_keeps_what_was_acknowledged", killed),
    (
        "redis::a_stopped_server_is_an_error_and_not_a_logout",
        stopped,
    ),
    (
        "redis::a_server_that_keeps_nothing_ends_all_sessions",
        keeps_nothing,
    ),
    ("redis::servers_that_undo_revocations_are_refused", refused),
    ("redis::a_full_server_refuses_logins_and_revokes", full),
    (
        "redis::a_user_with_rights_to_nothing_else_is_enough",
        few_rights,
    ),
    (
        "redis::a_revocation_whose_answer_was_lost_is_done_once",
        answer_lost,
    ),
    (
        "redis::a_revocation_on_one_machine_holds_on_the_other_in_time",
        two_machines,
    ),
    (
        "redis::a_change_on_one_machine_shows_on_the_other_in_time",
        changed,
    ),
    ("redis::a_machine_that_hears_late_refuses_in_time", late),
    (
        "redis::a_machine_that_hears_nothing_serves_nothing_from_its_cache",
        deaf,
    ),
    (
        "redis::a_cache_is_empty_when_the_data_were_taken_away",
        taken_away,
    ),
];

pub(crate) fn missing() -> Option<Missing> {
    Redis::find().err()
}

fn server(settings: &[&str]) -> Redis {
    Redis::start(settings).expect("it is installed")
}

async fn connect(port: u16) -> revocable::Result<RedisStore> {
    let url = format!("redis://127.0.0.1:{port}");
    RedisStore::builder(&url).timeout(TIMEOUT).connect().await
}

/// A machine with a cache that follows what others announce.
async fn machine(port: u16) -> revocable::Result<Sessions> {
    machines::cached(connect(port).await?)
}

fn killed(runtime: &Runtime) -> Result<(), Failed> {
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

fn stopped(runtime: &Runtime) -> Result<(), Failed> {
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

fn keeps_nothing(runtime: &Runtime) -> Result<(), Failed> {
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

fn refused(runtime: &Runtime) -> Result<(), Failed> {
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

fn full(runtime: &Runtime) -> Result<(), Failed> {
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

fn few_rights(runtime: &Runtime) -> Result<(), Failed> {
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

fn cluster(runtime: &Runtime) -> Result<(), Failed> {
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

fn next_master(runtime: &Runtime) -> Result<(), Failed> {
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

fn repeated(runtime: &Runtime) -> Result<(), Failed> {
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

fn lost_part(runtime: &Runtime) -> Result<(), Failed> {
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

fn other_database(runtime: &Runtime) -> Result<(), Failed> {
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

fn answer_lost(runtime: &Runtime) -> Result<(), Failed> {
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

fn swept(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    runtime.block_on(async {
        let (here, there) = (connect(redis.port()).await?, connect(redis.port()).await?);
        machines::swept(here, there).await
    })
}

fn two_machines(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    runtime.block_on(async {
        let (here, there) = (machine(redis.port()).await?, machine(redis.port()).await?);
        machines::two(&here, &there).await
    })
}

fn changed(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    runtime.block_on(async {
        machines::changed(&machine(redis.port()).await?, &machine(redis.port()).await?).await
    })
}

fn late(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    let proxy = Proxy::to(redis.port());
    runtime.block_on(async {
        let (here, there) = (machine(redis.port()).await?, machine(proxy.port()).await?);
        machines::late(&here, &there, &proxy).await
    })
}

fn deaf(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    let proxy = Proxy::to(redis.port());
    runtime.block_on(async {
        let here = machine(redis.port()).await?;
        let there = machine(proxy.port()).await?;
        machines::deaf(&here, &there, &proxy, b"SUBSCRIBE").await
    })
}

fn taken_away(runtime: &Runtime) -> Result<(), Failed> {
    let redis = server(&[]);
    runtime.block_on(async {
        let sessions = machine(redis.port()).await?;
        let (token, _) = sessions.create("alice").await?;
        for _ in 0..50 {
            assert!(is_live(&sessions, &token).await?);
        }
        let client = ::redis::Client::open(redis.url())?;
        ::redis::cmd("FLUSHALL").exec(&mut client.get_connection()?)?;
        let taken = Instant::now();
        while is_live(&sessions, &token).await? {
            // A mark is sent three times a term.
            assert!(taken.elapsed() <= 2 * TERM, "served from an empty store");
        }
        let (again, _) = sessions.create("alice").await?;
        assert!(is_live(&sessions, &again).await?);
        Ok(())
    })
}
