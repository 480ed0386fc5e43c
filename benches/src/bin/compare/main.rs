//! Everything side by side, in one process: `compare [--quick] [--json FILE]
//! [--dir FOLDER]`.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has nothing better to do than to stop"
)]

mod creates;
mod lookups;

use std::error::Error;
use std::process::ExitCode;

use revocable_benches::options::{Options, sync_us};
use revocable_benches::report::{Report, Target};
use revocable_benches::workload::Random;

const USAGE: &str = "usage: compare [--quick] [--json FILE] [--dir FOLDER]

--quick        fewer rounds: a first impression in half a minute
--json FILE    writes the results to a file as well
--dir FOLDER   where the databases go; the folder of this program unless told.
               It has to be on a disk: in memory nothing is durable.";

const SESSIONS: usize = 100_000;
const TASKS: usize = 64;
const SEED: u64 = 20_261_123;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return Ok(ExitCode::from(2));
    };
    let folder = tempfile::tempdir_in(&options.dir)?;
    let mut random = Random(SEED);
    let mut report = Report::default();

    println!(
        "{SESSIONS} sessions, uniform unless it says otherwise; durable means SQLite, WAL, synchronous=FULL;"
    );
    println!(
        "writing 4 KiB and syncing takes {} us on this disk\n",
        sync_us(folder.path())?
    );
    report.add(lookups::measure(
        folder.path(),
        if options.quick { 15 } else { 101 },
        &mut random,
    )?);
    report.add(creates::measure(
        folder.path(),
        if options.quick { 5 } else { 31 },
        &mut random,
    )?);

    report.ratio(
        "memory: lookup",
        "JWT HS256: verify",
        Some(Target::AtMost(0.25)),
    );
    report.ratio("memory: lookup", "JWT ES256: verify", None);
    report.ratio("memory, a tenth", "JWT HS256: verify", None);
    report.ratio("memory: store alone", "bare sharded map", None);
    report.ratio("memory: lookup", "token: parse and digest", None);
    report.ratio(
        "SQLite: lookup",
        "bare SQLite: point select",
        Some(Target::AtMost(1.5)),
    );
    report.ratio("SQLite: lookup", "JWT HS256: verify", None);
    report.ratio("SQLite: lookup", "JWT ES256: verify", None);
    report.ratio(
        "cached SQLite: hit",
        "JWT HS256: verify",
        Some(Target::AtMost(0.35)),
    );
    report.ratio("cached SQLite: hit", "SQLite: lookup", None);
    report.ratio("cached SQLite: hit", "bare moka: get", None);
    report.ratio("bare moka: get", "JWT HS256: verify", None);
    report.ratio("moka: lookup", "JWT HS256: verify", None);
    report.ratio("sled: lookup", "bare sled: get", Some(Target::AtMost(1.5)));
    report.ratio("sled: lookup", "JWT ES256: verify", None);
    let speedup = Some(Target::AtLeast(5.0));
    report.ratio(
        "durable create, one by one",
        "durable create, 64 tasks",
        speedup,
    );

    println!("{report}");
    if let Some(json) = &options.json {
        report.write_json(json)?;
    }
    Ok(ExitCode::SUCCESS)
}
