//! How long calls take under a steady load: `load --help`.
//!
//! An open loop: calls are due at a fixed rate, as they come from browsers that
//! know nothing of each other, and the time of each counts from when it was
//! due. A store that stops for a second is so charged with all that would have
//! come in that second; a loop that waits for each answer before it asks again
//! would charge it with one call.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has nothing better to do than to stop"
)]

mod book;
mod log;
mod lookups;
mod measured;
mod options;
mod pace;
mod report;
mod run;
mod search;
mod writes;

use std::error::Error;
use std::process::ExitCode;

use crate::options::{Options, USAGE};
use crate::run::{READERS, WRITERS};
use crate::search::Search;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let Some(options) = Options::parse(arguments.iter().cloned()) else {
        let asked = arguments.iter().any(|argument| argument == "--help");
        let usage = format!("{USAGE}\n{}", Search::meaning(Options::BOUND));
        if asked {
            println!("{usage}");
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("{usage}");
        return Ok(ExitCode::from(2));
    };
    pace::wake_on_time();
    println!(
        "{} live sessions, {} expired ones to sweep; {READERS} threads look up, {WRITERS} write; \
         of 100 calls 95 are lookups; times count from when a call was due",
        options.sessions, options.expired
    );
    println!("{}\n", Search::meaning(options.bound));
    let mut measured = Vec::new();
    for backend in &options.backends {
        let folder = tempfile::tempdir_in(&options.dir)?;
        measured.push(measured::measure(backend, folder.path(), &options)?);
    }
    report::print(&measured, &options);
    if let Some(file) = &options.json {
        report::write_json(file, &measured, &options)?;
    }
    Ok(ExitCode::SUCCESS)
}
