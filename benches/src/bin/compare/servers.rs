//! Stores on servers, which are started here, beside the same client with nothing around
//! it; and how soon a revocation on one machine is refused by the cache of another.

use std::error::Error;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use revocable::{CachedStore, PostgresStore, RedisStore, SessionId, SessionStore, Sessions};
use revocable_benches::bare;
use revocable_benches::jwt::Verifier;
use revocable_benches::measure::{Contender, Measurement, Run, at_once, interleave, one_by_one};
use revocable_benches::report::Report;
use revocable_benches::report::Target::{AtLeast, AtMost};
use revocable_benches::workload::{self, ROLE, Random, Request, is_right, login};
use revocable_test_servers::{Postgres, Redis};
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;
use tokio_postgres::types::Type;

use super::TASKS;

/// Fewer than elsewhere: each waits for a server's disk.
const SESSIONS: usize = 20_000;

/// How late the caches may see what the other machine has done.
const TERM: Duration = Duration::from_secs(2);

/// As long as the store's own value.
const VALUE_LEN: usize = 320;

/// How long a revocation on one machine took to be refused by the other.
pub(crate) struct Refusals {
    store: &'static str,
    ms: Vec<f64>,
}

/// What was measured, of the servers that are installed.
pub(crate) struct Servers {
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) refusals: Vec<Refusals>,
    has_redis: bool,
    has_postgres: bool,
}

pub(crate) fn measure(rounds: usize, random: &mut Random) -> Result<Servers, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    // The clients' timers are the runtime's, wherever they are polled.
    let _entered = runtime.enter();
    let mut servers = Servers {
        measurements: Vec::new(),
        refusals: Vec::new(),
        has_redis: false,
        has_postgres: false,
    };
    match Redis::start(&[]) {
        Ok(server) => {
            redis(&server, &runtime, rounds, random, &mut servers)?;
            servers.has_redis = true;
        }
        Err(missing) => println!("{missing}: the Redis store is left out"),
    }
    match Postgres::start(&[]) {
        Ok(server) => {
            postgres(&server, &runtime, rounds, random, &mut servers)?;
            servers.has_postgres = true;
        }
        Err(missing) => println!("{missing}: the PostgreSQL store is left out"),
    }
    Ok(servers)
}

impl Servers {
    pub(crate) fn add_ratios(&self, report: &mut Report) {
        if self.has_redis {
            report.ratio("Redis: lookup", "bare Redis: GET", Some(AtMost(1.3)));
            report.ratio("Redis, 64 tasks: lookup", "bare Redis, 64 tasks: GET", None);
            let (create, set) = ("Redis, 64 tasks: create", "bare Redis, 64 tasks: SET");
            report.rate_ratio(create, set, Some(AtLeast(0.4)));
            let (hit, verify) = ("leased Redis: hit", "JWT HS256, beside Redis");
            report.ratio(hit, verify, Some(AtMost(0.3)));
        }
        if self.has_postgres {
            let select = "bare PostgreSQL: prepared select";
            report.ratio("PostgreSQL: lookup", select, Some(AtMost(1.3)));
            let select = "bare PostgreSQL, 64 tasks: prepared select";
            report.ratio("PostgreSQL, 64 tasks: lookup", select, None);
            let insert = "bare PostgreSQL, 64 tasks: prepared insert";
            report.rate_ratio("PostgreSQL, 64 tasks: create", insert, None);
            let (hit, verify) = ("leased PostgreSQL: hit", "JWT HS256, beside PostgreSQL");
            report.ratio(hit, verify, Some(AtMost(0.3)));
        }
    }

    pub(crate) fn print_refusals(&mut self) {
        for Refusals { store, ms } in &mut self.refusals {
            ms.sort_by(f64::total_cmp);
            let of = |share: f64| ms[((ms.len() - 1) as f64 * share) as usize];
            println!(
                "{store}: from a revocation's acknowledgement to its refusal by the cache of another \
                 machine: p50 {:.2} ms, p99 {:.2} ms ({} revocations; promised: {} ms)",
                of(0.5),
                of(0.99),
                ms.len(),
                TERM.as_millis()
            );
        }
    }
}

fn redis(
    server: &Redis,
    runtime: &Runtime,
    rounds: usize,
    random: &mut Random,
    servers: &mut Servers,
) -> Result<(), Box<dyn Error>> {
    let connect = || block_on(RedisStore::connect(&server.url()));
    let sessions = &workload::sessions(connect()?)?;
    let filled = workload::fill(sessions, SESSIONS)?;
    let ids = bare::by_id(&filled);
    let client = redis::Client::open(server.url())?;
    let connection = runtime.block_on(client.get_multiplexed_async_connection())?;
    let get = async |request: &Request| {
        let key = session_key(bare::id(request));
        let mut connection = connection.clone();
        let value: redis::RedisResult<Vec<u8>> = redis::cmd("GET")
            .arg(key)
            .query_async(&mut connection)
            .await;
        value.is_ok_and(|value| contains(&value, request))
    };
    let set = async |request: &Request| {
        let key: [u8; 16] = std::array::from_fn(|_| next_byte());
        let mut connection = connection.clone();
        let value = [7_u8; VALUE_LEN];
        let set = redis::cmd("SET").arg(&key).arg(&value).take();
        let done: redis::RedisResult<()> = set.query_async(&mut connection).await;
        done.is_ok() && !request.user.is_empty()
    };
    let cached = machine(runtime, connect()?)?;
    let popular = workload::zipf(&filled, 0.99, 4 * SESSIONS, random);
    warm(&cached, &filled);
    let hs256 = Verifier::hs256();
    let of_hs256 = hs256.issue(SESSIONS);
    let contenders = vec![
        alone("Redis: lookup", &filled, one_by_one(lookup(sessions))),
        alone("bare Redis: GET", &ids, one_by_one(get)),
        together(
            "Redis, 64 tasks: lookup",
            &filled,
            at_once(TASKS, lookup(sessions)),
        ),
        together("bare Redis, 64 tasks: GET", &ids, at_once(TASKS, get)),
        together(
            "Redis, 64 tasks: create",
            &filled,
            at_once(TASKS, create(sessions)),
        ),
        together("bare Redis, 64 tasks: SET", &filled, at_once(TASKS, set)),
        hits(
            "leased Redis: hit, Zipf 0.99",
            &popular,
            one_by_one(lookup(&cached)),
        ),
        hits(
            "JWT HS256, beside Redis: verify",
            &of_hs256,
            one_by_one(async |request: &Request| hs256.is_right(request)),
        ),
    ];
    servers
        .measurements
        .extend(interleave(contenders, rounds, random));
    let here = machine(runtime, connect()?)?;
    servers.refusals.push(Refusals {
        store: "Redis",
        ms: refusals(&here, &cached, 20 * rounds)?,
    });
    Ok(())
}

fn postgres(
    server: &Postgres,
    runtime: &Runtime,
    rounds: usize,
    random: &mut Random,
    servers: &mut Servers,
) -> Result<(), Box<dyn Error>> {
    let connect = || block_on(PostgresStore::connect(&server.url()));
    let sessions = &workload::sessions(connect()?)?;
    let filled = workload::fill(sessions, SESSIONS)?;
    let ids = bare::by_id(&filled);
    let (client, connection) = block_on(tokio_postgres::connect(&server.url(), NoTls))?;
    runtime.spawn(connection);
    block_on(client.batch_execute(
        "CREATE TABLE bare (LIKE revocable.sessions INCLUDING ALL); ANALYZE revocable.sessions;",
    ))?;
    let columns = "SELECT record, data FROM revocable.sessions WHERE id = $1::text::uuid";
    let statement = block_on(client.prepare_typed(columns, &[Type::TEXT]))?;
    let select = async |request: &Request| {
        let id = bare::id(request).to_string();
        let row = client.query_opt(&statement, &[&id]).await;
        let row = row.ok().flatten();
        row.is_some_and(|row| {
            let data: &[u8] = row.get(1);
            contains(row.get(0), request) && data.starts_with(ROLE.as_bytes())
        })
    };
    // Of the version that the table takes.
    let values = "INSERT INTO bare VALUES
        (overlay(gen_random_uuid()::text PLACING '8' FROM 15)::uuid, $1, 1, 1, $2, $3)";
    let insertion = block_on(client.prepare(values))?;
    let insert = async |request: &Request| {
        let (record, data) = ([7_u8; VALUE_LEN], ROLE.as_bytes());
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&&*request.user, &&record[..], &data];
        matches!(client.execute(&insertion, &values).await, Ok(1))
    };
    let cached = machine(runtime, connect()?)?;
    let popular = workload::zipf(&filled, 0.99, 4 * SESSIONS, random);
    warm(&cached, &filled);
    let hs256 = Verifier::hs256();
    let of_hs256 = hs256.issue(SESSIONS);
    let contenders = vec![
        alone("PostgreSQL: lookup", &filled, one_by_one(lookup(sessions))),
        alone("bare PostgreSQL: prepared select", &ids, one_by_one(select)),
        together(
            "PostgreSQL, 64 tasks: lookup",
            &filled,
            at_once(TASKS, lookup(sessions)),
        ),
        together(
            "bare PostgreSQL, 64 tasks: prepared select, one connection",
            &ids,
            at_once(TASKS, select),
        ),
        together(
            "PostgreSQL, 64 tasks: create",
            &filled,
            at_once(TASKS, create(sessions)),
        ),
        together(
            "bare PostgreSQL, 64 tasks: prepared insert, one connection",
            &filled,
            at_once(TASKS, insert),
        ),
        hits(
            "leased PostgreSQL: hit, Zipf 0.99",
            &popular,
            one_by_one(lookup(&cached)),
        ),
        hits(
            "JWT HS256, beside PostgreSQL: verify",
            &of_hs256,
            one_by_one(async |request: &Request| hs256.is_right(request)),
        ),
    ];
    servers
        .measurements
        .extend(interleave(contenders, rounds, random));
    let here = machine(runtime, connect()?)?;
    servers.refusals.push(Refusals {
        store: "PostgreSQL",
        ms: refusals(&here, &cached, 20 * rounds)?,
    });
    Ok(())
}

fn alone<'a>(name: &str, requests: &'a [Request], run: Run<'a>) -> Contender<'a> {
    Contender::new(name, requests, (16, 20), run)
}

fn together<'a>(name: &str, requests: &'a [Request], run: Run<'a>) -> Contender<'a> {
    Contender::new(name, requests, (TASKS * 16, 1), run)
}

fn hits<'a>(name: &str, requests: &'a [Request], run: Run<'a>) -> Contender<'a> {
    Contender::new(name, requests, (16, 400), run)
}

fn lookup(sessions: &Sessions) -> impl AsyncFn(&Request) -> bool + '_ {
    async |request: &Request| is_right(sessions.lookup(&*request.key).await, request)
}

fn create(sessions: &Sessions) -> impl AsyncFn(&Request) -> bool + '_ {
    async |request: &Request| {
        let session = sessions.create(login(&request.user).unwrap()).await;
        session.is_ok_and(|(_, session)| session.user().as_str() == &*request.user)
    }
}

/// A cache that hears what the other machines do.
fn machine(runtime: &Runtime, store: impl SessionStore) -> revocable::Result<Sessions> {
    let cached = CachedStore::builder(store)
        .max_staleness(TERM)
        .max_sessions(4 * SESSIONS as u64)
        .build()?;
    runtime.spawn(cached.keep_lease(tokio::time::sleep));
    workload::sessions(cached)
}

/// Until all are hits: the lease has begun, and each was looked up once since.
fn warm(cached: &Sessions, requests: &[Request]) {
    let quick = Duration::from_micros(20);
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until {
        let (mut hits, began) = (0, Instant::now());
        for request in requests {
            let asked = Instant::now();
            assert!(is_right(block_on(cached.lookup(&*request.key)), request));
            hits += usize::from(asked.elapsed() < quick);
        }
        if hits * 10 > requests.len() * 9 {
            return;
        }
        println!(
            "the cache was filled in {:.1} s",
            began.elapsed().as_secs_f64()
        );
    }
    panic!("the cache answers nothing");
}

/// In milliseconds.
fn refusals(here: &Sessions, there: &Sessions, count: usize) -> revocable::Result<Vec<f64>> {
    let mut ms = Vec::new();
    for _ in 0..count {
        let (token, session) = block_on(here.create("alice"))?;
        for _ in 0..3 {
            assert!(block_on(there.lookup(&token))?.is_some());
        }
        block_on(here.revoke(session.id()))?;
        let revoked = Instant::now();
        // A hit never waits.
        while block_on(there.lookup(&token))?.is_some() {
            assert!(revoked.elapsed() < TERM, "served for longer than promised");
        }
        ms.push(revoked.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(ms)
}

fn session_key(id: SessionId) -> Vec<u8> {
    let bucket = format!("revocable:{{{:03x}}}:s:", id.bucket().index());
    [bucket.as_bytes(), id.as_bytes()].concat()
}

/// Whether the bytes name this user.
fn contains(bytes: &[u8], request: &Request) -> bool {
    let user = request.user.as_bytes();
    bytes.windows(user.len()).any(|part| part == user)
}

fn next_byte() -> u8 {
    use std::cell::RefCell;
    thread_local! {
        static RANDOM: RefCell<Random> = const { RefCell::new(Random(7)) };
    }
    RANDOM.with(|random| random.borrow_mut().below(256) as u8)
}
