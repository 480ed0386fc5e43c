//! What the stores on servers do a second, and what a session costs there:
//! `servers [--sessions NUMBER]`. The guide `scaling` rests on these figures.
//!
//! The servers are started here. They and this program share the machine, so a server of
//! its own does more.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has nothing better to do than to stop"
)]

mod announced;

use std::error::Error;
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use revocable::{
    CachedStore, Change, ChangeKind, EndReason, Liveness, PostgresStore, RedisStore,
    RevokeAllRequest, SessionId, SessionStore, Sessions, SweepRequest, Token, UserId,
};
use revocable_benches::workload::{self, Request, is_right, login};
use revocable_test_servers::{Postgres, Redis};
use tokio_postgres::NoTls;

const USAGE: &str = "usage: servers [--sessions NUMBER]

--sessions NUMBER   how many there are, 200,000 unless told";

/// Under way at the same time.
const TASKS: usize = 64;

/// How long each kind of call is repeated.
const LONG: Duration = Duration::from_secs(4);

/// What a server says of itself.
struct Cost {
    /// Bytes in memory or on disk.
    stored: f64,
    /// Bytes of its log, that goes to the disk and to replicas.
    logged: f64,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut count = 200_000;
    while let Some(argument) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse().ok());
        match (argument.as_str(), value) {
            ("--sessions", Some(value)) => count = value,
            _ => {
                eprintln!("{USAGE}");
                return Ok(ExitCode::from(2));
            }
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        println!("{count} sessions of {} users, {TASKS} tasks", count / 2);
        match Redis::start(&[]) {
            Ok(server) => redis(&server, count).await?,
            Err(missing) => println!("{missing}: the Redis store is left out"),
        }
        match Postgres::start(&["shared_buffers=512MB", "max_wal_size=8GB"]) {
            Ok(server) => postgres(&server, count).await?,
            Err(missing) => println!("{missing}: the PostgreSQL store is left out"),
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn redis(server: &Redis, count: usize) -> Result<(), Box<dyn Error>> {
    println!("\nRedis, appendfsync always");
    let client = redis::Client::open(server.url())?;
    let connection = client.get_multiplexed_async_connection().await?;
    let cost = async || {
        let mut connection = connection.clone();
        let number = |info: &str, name: &str| -> f64 {
            let line = info
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap();
            line.trim_start_matches(':').trim().parse().unwrap()
        };
        let info: String = redis::cmd("INFO")
            .query_async(&mut connection)
            .await
            .unwrap();
        Cost {
            stored: number(&info, "used_memory:"),
            logged: number(&info, "aof_current_size"),
        }
    };
    let store = RedisStore::connect(&server.url()).await?;
    let cached = CachedStore::builder(RedisStore::connect(&server.url()).await?);
    figures(store, cached, count, cost).await
}

async fn postgres(server: &Postgres, count: usize) -> Result<(), Box<dyn Error>> {
    println!("\nPostgreSQL");
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await?;
    tokio::spawn(connection);
    let cost = async || {
        let sizes = "SELECT (pg_total_relation_size('revocable.sessions')
            + pg_total_relation_size('revocable.epochs'))::float8,
            pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8";
        let row = client.query_one(sizes, &[]).await.unwrap();
        Cost {
            stored: row.get(0),
            logged: row.get(1),
        }
    };
    let connect = async || {
        let builder = PostgresStore::builder(&server.url()).timeout(Duration::from_secs(60));
        builder.connections(16).connect().await
    };
    figures(
        connect().await?,
        CachedStore::builder(connect().await?),
        count,
        cost,
    )
    .await
}

async fn figures<S, C>(
    store: S,
    cached: revocable::cache::CachedStoreBuilder<S>,
    count: usize,
    cost: C,
) -> Result<(), Box<dyn Error>>
where
    S: SessionStore + Clone,
    C: AsyncFn() -> Cost,
{
    let sessions = workload::sessions(store.clone())?;
    let before = cost().await;
    let began = Instant::now();
    let filled = fill(&sessions, 0..count).await?;
    let took = began.elapsed().as_secs_f64();
    let after = cost().await;
    let each = |bytes: f64| bytes / count as f64;
    rate("create", count, took);
    println!(
        "  a session: {:.0} bytes stored, {:.0} bytes logged",
        each(after.stored - before.stored),
        each(after.logged - before.logged)
    );

    let lookup = async |at: usize| {
        let request = &filled[at * 7_919 % filled.len()];
        assert!(is_right(sessions.lookup(&*request.key).await, request));
    };
    repeat("lookup", lookup).await;
    let ids: Vec<SessionId> = ids(&filled);
    touches(&store, &ids, &cost).await;
    let began = Instant::now();
    let half = count / 2;
    let before = cost().await;
    stream::iter(&ids[..half])
        .for_each_concurrent(TASKS, async |id| {
            store
                .revoke(*id, EndReason::LoggedOut)
                .await
                .unwrap()
                .unwrap();
        })
        .await;
    rate("revoke", half, began.elapsed().as_secs_f64());
    let logged = cost().await.logged - before.logged;
    println!("  a revocation: {:.0} bytes logged", logged / half as f64);
    let revoke_all = async |at: usize| {
        let user = UserId::new(workload::user(count / 2 + at % (count / 2))).unwrap();
        let request = RevokeAllRequest {
            user,
            keep: None,
            reason: EndReason::LoggedOutEverywhere,
            now_ms: 1,
        };
        store.revoke_all_for_user(request).await.unwrap();
    };
    repeat("revoke_all_for_user", revoke_all).await;
    announced::heard(&sessions, &store).await?;
    for feeds in [0, 10, 50] {
        announced::heard_by(&sessions, &store, feeds).await?;
    }
    announced::marks(&store, 50).await?;

    let _ = fill(&sessions, 0..count / 2).await?;
    let began = Instant::now();
    let ended = store.revoke_everything(EndReason::Administrator).await?;
    let ms = began.elapsed().as_secs_f64() * 1_000.0;
    println!("  revoke_everything: {ms:.0} ms for {ended} sessions");
    let filled = fill(&sessions, 0..count / 2).await?;
    sweep(&store, "what was ended with everything").await?;
    sweep(&store, "live sessions").await?;
    hits(cached, &filled).await
}

/// Writes that a session was used, each acknowledged; those of `Sessions` are not waited
/// for.
async fn touches<S: SessionStore, C: AsyncFn() -> Cost>(store: &S, ids: &[SessionId], cost: &C) {
    let before = cost().await.logged;
    let now = now_ms();
    let done = repeat("touch", async |at: usize| {
        let liveness = Liveness::at(now + 60_000 + i64::try_from(at).unwrap());
        let kind = ChangeKind::Touch;
        let change = Change { liveness, kind };
        let id = ids[at * 7_919 % ids.len()];
        store.update(id, change).await.unwrap();
    })
    .await;
    let logged = cost().await.logged - before;
    println!("  a touch: {:.0} bytes logged", logged / done as f64);
}

async fn sweep<S: SessionStore>(store: &S, of: &str) -> revocable::Result<()> {
    let (began, mut cursor, mut steps) = (Instant::now(), None, 0);
    loop {
        let outcome = store
            .sweep_expired(SweepRequest {
                liveness: Liveness::at(now_ms()),
                forget_epochs_before_ms: 0,
                cursor,
                max_rows: NonZeroU32::new(1_000).unwrap(),
            })
            .await?;
        steps += 1;
        cursor = outcome.cursor;
        if cursor.is_none() {
            break;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("  a sweep of {of}: {seconds:.2} s in {steps} steps");
    Ok(())
}

/// From a node's cache, with the lease.
async fn hits<S: SessionStore + Clone>(
    cached: revocable::cache::CachedStoreBuilder<S>,
    filled: &[Request],
) -> Result<(), Box<dyn Error>> {
    let cached = cached.max_staleness(Duration::from_secs(2)).build()?;
    tokio::spawn(cached.keep_lease(tokio::time::sleep));
    let sessions = workload::sessions(cached)?;
    let some = &filled[..filled.len().min(20_000)];
    let (mut right, mut seconds) = (0, f64::MAX);
    // The first rounds fill it.
    for _ in 0..8 {
        let began = Instant::now();
        for request in some {
            right += usize::from(is_right(sessions.lookup(&*request.key).await, request));
        }
        seconds = seconds.min(began.elapsed().as_secs_f64());
    }
    assert_eq!(right, 8 * some.len());
    rate(
        "lookup that the node's cache answers, one core",
        some.len(),
        seconds,
    );
    Ok(())
}

/// Calls a second, from so many tasks.
async fn repeat(what: &str, call: impl AsyncFn(usize)) -> usize {
    let began = Instant::now();
    let mut done = 0;
    while began.elapsed() < LONG {
        stream::iter(done..done + 4 * TASKS)
            .for_each_concurrent(TASKS, async |at| call(at).await)
            .await;
        done += 4 * TASKS;
    }
    rate(what, done, began.elapsed().as_secs_f64());
    done
}

fn rate(what: &str, count: usize, seconds: f64) {
    println!("  {what}: {:.0} a second", count as f64 / seconds);
}

async fn fill(
    sessions: &Sessions,
    numbers: std::ops::Range<usize>,
) -> revocable::Result<Vec<Request>> {
    let mut filled = Vec::new();
    let mut creating = stream::iter(numbers)
        .map(async |number| {
            let user = workload::user(number);
            let (token, _) = sessions.create(login(&user)?).await?;
            Ok::<_, revocable::Error>(Request::new(token.expose().as_str(), &user))
        })
        .buffered(TASKS);
    while let Some(request) = creating.next().await {
        filled.push(request?);
    }
    Ok(filled)
}

fn ids(requests: &[Request]) -> Vec<SessionId> {
    let id = |request: &Request| Token::parse(&request.key).unwrap().id();
    requests.iter().map(id).collect()
}

fn now_ms() -> i64 {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(now.as_millis()).unwrap()
}
