//! Requests a second over loopback: an axum handler alone, behind sessions, and
//! verifying JWTs: `web [--quick] [--json FILE] [--dir FOLDER]`.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has nothing better to do than to stop"
)]

mod client;
mod servers;

use std::error::Error;
use std::process::ExitCode;

use revocable::{CachedStore, SqliteStore};
use revocable_benches::jwt::Verifier;
use revocable_benches::measure::{Contender, interleave};
use revocable_benches::options::Options;
use revocable_benches::report::Report;
use revocable_benches::report::Target::AtLeast;
use revocable_benches::workload::{self, Random, Request};

use crate::client::Clients;
use crate::servers::Servers;

const USAGE: &str = "usage: web [--quick] [--json FILE] [--dir FOLDER]

--quick        fewer rounds: a first impression in some seconds
--json FILE    writes the results to a file as well
--dir FOLDER   where the databases go; the folder of this program unless told";

const SESSIONS: usize = 10_000;
/// How many requests a client has for each turn.
const CALLS: usize = 250;
const SEED: u64 = 20_261_125;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return Ok(ExitCode::from(2));
    };
    if options.svg.is_some() {
        eprintln!("{USAGE}");
        return Ok(ExitCode::from(2));
    }
    let folder = tempfile::tempdir_in(&options.dir)?;
    let file = |name: &str| folder.path().join(name);
    let rounds = if options.quick { 9 } else { 61 };

    let cached = SqliteStore::builder(file("cached.db")).exclusive(true);
    let cached = workload::sessions(CachedStore::new(cached.open()?)?)?;
    let memory = workload::in_memory()?;
    let filled = workload::fill(&workload::in_sqlite(&file("sessions.db"))?, SESSIONS)?;
    let sqlite = workload::in_sqlite(&file("sessions.db"))?;
    let (hs256, es256) = (Verifier::hs256(), Verifier::es256());
    let of_jwt = |verifier: &Verifier| as_cookies("jwt", verifier.issue(SESSIONS));
    let (of_hs256, of_es256) = (of_jwt(&hs256), of_jwt(&es256));
    let of_sessions = |requests| as_cookies("__Host-session", requests);
    let (of_cached, of_memory) = (
        of_sessions(workload::fill(&cached, SESSIONS)?),
        of_sessions(workload::fill(&memory, SESSIONS)?),
    );
    let of_sqlite = of_sessions(filled);

    let mut servers = Servers::start()?;
    let mut contenders = Vec::new();
    let mut add = |name: &str, address, requests| {
        let clients = Clients::connect(address)?;
        let batch = (client::COUNT * CALLS, 1);
        contenders.push(Contender::new(name, requests, batch, clients.run()));
        Ok::<_, Box<dyn Error>>(())
    };
    add("handler alone", servers.bare()?, &of_cached)?;
    add(
        "session layer, not asked",
        servers.unasked(cached.clone())?,
        &of_cached,
    )?;
    add(
        "sessions, cached SQLite",
        servers.sessions(cached)?,
        &of_cached,
    )?;
    add("sessions, memory", servers.sessions(memory)?, &of_memory)?;
    add("sessions, SQLite", servers.sessions(sqlite)?, &of_sqlite)?;
    add("JWT HS256", servers.jwt(hs256)?, &of_hs256)?;
    add("JWT ES256", servers.jwt(es256)?, &of_es256)?;

    let mut report = Report::default();
    report.add(interleave(contenders, rounds, &mut Random(SEED)));
    for (own, other, target) in [
        (
            "sessions, cached SQLite",
            "handler alone",
            Some(AtLeast(0.9)),
        ),
        ("sessions, cached SQLite", "JWT HS256", Some(AtLeast(1.0))),
        ("sessions, cached SQLite", "JWT ES256", Some(AtLeast(1.0))),
        ("session layer, not asked", "handler alone", None),
        ("sessions, memory", "handler alone", None),
        ("sessions, SQLite", "handler alone", None),
        ("sessions, SQLite", "JWT ES256", None),
        ("JWT HS256", "handler alone", None),
        ("JWT ES256", "handler alone", None),
    ] {
        report.rate_ratio(own, other, target);
    }
    println!(
        "axum on one thread, {} connections, {SESSIONS} sessions; a time is that of a request\n\n{report}",
        client::COUNT
    );
    if let Some(json) = &options.json {
        report.write_json(json)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whole requests, of which the cookie is the key.
fn as_cookies(name: &str, requests: Vec<Request>) -> Vec<Request> {
    let as_cookie = |request: Request| {
        let value = String::from_utf8(request.key.into()).unwrap();
        let text = format!(
            "GET / HTTP/1.1\r\nhost: localhost\r\nuser-agent: {}\r\naccept: */*\r\n\
             cookie: {name}={value}\r\n\r\n",
            workload::USER_AGENT
        );
        Request::new(text, &request.user)
    };
    requests.into_iter().map(as_cookie).collect()
}
