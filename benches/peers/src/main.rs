//! Revocable beside other session stores, in one process: `peers [--quick]
//! [--json FILE] [--svg FILE] [--dir FOLDER]`.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has nothing better to do than to stop"
)]

mod creates;
mod guard;
mod lookups;
mod own;
mod peer;
mod revokes;
mod tasks;
mod tower;

use std::error::Error;
use std::process::ExitCode;

use revocable_benches::options::{Options, sync_us};
use revocable_benches::plot;
use revocable_benches::report::{Report, Target};
use revocable_benches::workload::Random;
use tower_sessions_rusqlite_store::tokio_rusqlite::rusqlite;

const USAGE: &str = "usage: peers [--quick] [--json FILE] [--svg FILE] [--dir FOLDER]

--quick        fewer rounds: a first impression in about a minute
--json FILE    writes the results to a file as well
--svg FILE     draws some of them
--dir FOLDER   where the databases go; the folder of this program unless told.
               It has to be on a disk: in memory nothing is durable.";

/// What is drawn: what it is measured as, whether it is ours, its label.
const PICTURE: &[(&str, bool, &str)] = &[
    (
        "memory lookup, one client: Revocable",
        true,
        "look up, memory: Revocable",
    ),
    (
        "memory lookup, one client: tower",
        false,
        "look up, memory: tower-sessions",
    ),
    (
        "memory lookup, one client: session-guard, all",
        false,
        "look up, memory: session-guard",
    ),
    (
        "SQLite lookup, one client: exclusive",
        true,
        "look up, SQLite: Revocable, exclusive",
    ),
    (
        "SQLite lookup, one client: Revocable",
        true,
        "look up, SQLite: Revocable",
    ),
    (
        "SQLite lookup, one client: tower",
        false,
        "look up, SQLite: tower-sessions",
    ),
    (
        "durable revoke, 64 tasks: Revocable",
        true,
        "revoke, durable, 64 tasks: Revocable",
    ),
    (
        "durable revoke, 64 tasks: tower",
        false,
        "revoke, durable, 64 tasks: tower-sessions",
    ),
    (
        "durable create, 64 tasks: Revocable",
        true,
        "create, durable, 64 tasks: Revocable",
    ),
    (
        "durable create, 64 tasks: tower",
        false,
        "create, durable, 64 tasks: tower-sessions",
    ),
];

const SESSIONS: usize = 100_000;
const TASKS: usize = 64;
/// Threads of the runtime that the tasks are on.
const WORKERS: usize = 2;
const SEED: u64 = 20_261_123;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return Ok(ExitCode::from(2));
    };
    let folder = tempfile::tempdir_in(&options.dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .build()?;
    let mut random = Random(SEED);
    let mut report = Report::default();

    println!(
        "tower-sessions {} with its stores in memory and over rusqlite, session-guard {};",
        version("tower-sessions"),
        version("session-guard")
    );
    println!(
        "{SESSIONS} sessions, uniform; durable means SQLite {}, WAL, synchronous=FULL, for all;",
        rusqlite::version()
    );
    println!("{TASKS} tasks are on a tokio runtime with {WORKERS} threads;");
    println!(
        "writing 4 KiB and syncing takes {} us on this disk\n",
        sync_us(folder.path())?
    );
    let (folder, few) = (folder.path(), options.quick);
    let rounds = if few { 15 } else { 101 };
    report.add(lookups::measure(folder, &runtime, rounds, &mut random)?);
    let rounds = if few { 7 } else { 31 };
    report.add(creates::measure(folder, &runtime, rounds, &mut random)?);
    report.add(revokes::measure(folder, &runtime, rounds, &mut random)?);

    let beside = |report: &mut Report, what: &str, peer: &str, target| {
        report.ratio(
            &format!("{what}: Revocable"),
            &format!("{what}: {peer}"),
            target,
        );
    };
    let per_second = |report: &mut Report, what: &str, peer: &str, target| {
        report.rate_ratio(
            &format!("{what}: Revocable"),
            &format!("{what}: {peer}"),
            target,
        );
    };
    let (tower, guard) = ("tower-sessions", "session-guard");
    let at_most = Some(Target::AtMost(0.08));
    beside(&mut report, "SQLite lookup, one client", tower, at_most);
    report.ratio(
        "SQLite lookup, one client: exclusive",
        "SQLite lookup, one client: tower",
        at_most,
    );
    beside(&mut report, "SQLite lookup, 1 task", tower, None);
    let at_least = Some(Target::AtLeast(2.0));
    per_second(&mut report, "SQLite lookup, 64 tasks", tower, at_least);
    report.rate_ratio(
        "SQLite lookup, 64 tasks: exclusive",
        "SQLite lookup, 64 tasks: tower",
        at_least,
    );
    let at_least = Some(Target::AtLeast(8.0));
    per_second(&mut report, "durable create, 64 tasks", tower, at_least);
    beside(&mut report, "durable create, one client", tower, None);
    for peer in [tower, "session-guard, session", "session-guard, all"] {
        beside(&mut report, "memory lookup, one client", peer, None);
    }
    beside(&mut report, "durable revoke, one client", tower, None);
    per_second(&mut report, "durable revoke, 64 tasks", tower, None);
    beside(&mut report, "memory revoke, one client", tower, None);
    beside(&mut report, "memory revoke, one client", guard, None);
    per_second(&mut report, "memory revoke all of a user", guard, None);

    println!("{report}");
    if let Some(json) = &options.json {
        report.write_json(json)?;
    }
    if let Some(svg) = &options.svg {
        let title = format!("Median time a call, {SESSIONS} sessions; durable: in SQLite");
        std::fs::write(svg, plot::svg(&title, &report.bars(PICTURE)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The version of a package that this was built with.
fn version(package: &str) -> &str {
    let lock = include_str!("../Cargo.lock");
    let (_, rest) = lock
        .split_once(&format!("name = \"{package}\"\nversion = \""))
        .unwrap();
    rest.split('"').next().unwrap()
}
