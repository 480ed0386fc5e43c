//! Everything side by side, in one process: `compare [--quick] [--json FILE]
//! [--dir FOLDER]`.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has nothing better to do than to stop"
)]

mod creates;
mod lookups;
mod ratios;
mod scale;
mod servers;

use std::error::Error;
use std::process::ExitCode;

use revocable_benches::options::{Options, sync_us};
use revocable_benches::plot;
use revocable_benches::report::Report;
use revocable_benches::workload::Random;

const USAGE: &str = "usage: compare [--quick] [--json FILE] [--svg FILE] [--dir FOLDER]

--quick        fewer rounds, and 100,000 sessions where it would be 1,000,000: a
               first impression in half a minute
--json FILE    writes the results to a file as well
--svg FILE     draws the lookups
--dir FOLDER   where the databases go; the folder of this program unless told.
               It has to be on a disk: in memory nothing is durable.";

const SESSIONS: usize = 100_000;
const TASKS: usize = 64;
/// What is drawn: what it is measured as, whether it is ours, its label.
const PICTURE: &[(&str, bool, &str)] = &[
    ("memory: lookup", true, "MemoryStore"),
    ("cached SQLite: hit", true, "CachedStore over SQLite, Zipf"),
    ("moka: lookup", true, "MokaStore"),
    ("sled: lookup", true, "SledStore"),
    ("exclusive SQLite", true, "SqliteStore, exclusive"),
    ("SQLite: lookup", true, "SqliteStore"),
    ("JWT HS256: verify", false, "verify a JWT, HS256"),
    ("JWT ES256: verify", false, "verify a JWT, ES256"),
];
const SEED: u64 = 20_261_123;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return Ok(ExitCode::from(2));
    };
    let folder = tempfile::tempdir_in(&options.dir)?;
    let mut random = Random(SEED);
    let mut report = Report::default();

    let (rounds, of_writes, many) = match options.quick {
        true => (9, 5, 100_000),
        false => (51, 25, 1_000_000),
    };

    println!("{SESSIONS} sessions, uniform unless it says otherwise; durable means that what was");
    println!("acknowledged survives a power cut (SQLite: WAL, synchronous=FULL; sled: fdatasync);");
    println!(
        "writing 4 KiB and syncing takes {} us on this disk\n",
        sync_us(folder.path())?
    );
    report.add(lookups::measure(folder.path(), rounds, &mut random)?);
    report.add(creates::measure(folder.path(), of_writes, &mut random)?);
    report.add(scale::measure(folder.path(), many, of_writes, &mut random)?);
    let mut servers = servers::measure(of_writes, &mut random)?;
    report.add(std::mem::take(&mut servers.measurements));
    ratios::add(&mut report);
    servers.add_ratios(&mut report);

    println!("{report}");
    servers.print_refusals();
    if let Some(json) = &options.json {
        report.write_json(json)?;
    }
    if let Some(svg) = &options.svg {
        let bars = report.bars(PICTURE);
        let title =
            format!("Median time of a lookup among {SESSIONS} sessions, and of verifying a JWT");
        std::fs::write(svg, plot::svg(&title, &bars))?;
    }
    Ok(ExitCode::SUCCESS)
}
