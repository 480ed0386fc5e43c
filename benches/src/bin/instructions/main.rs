//! Counts the instructions of the ways a lookup can take, under callgrind, and
//! holds them against the committed counts: `instructions [--write | --run PATH
//! COUNT]`. A count does not depend on what else the machine does, so a
//! regression shows without a quiet one.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has nothing better to do than to stop"
)]

mod counts;
mod paths;

use std::error::Error;
use std::process::ExitCode;

use counts::Counts;
use paths::PATHS;

const USAGE: &str = "usage: instructions [--write | --run PATH COUNT]

Counts the instructions of each path of a lookup with valgrind's callgrind and
fails if one takes more or fewer than the committed count allows.

--write           writes the counts to the committed file instead
--run PATH COUNT  goes one path so many times, and counts nothing";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => check(),
        ["--write"] => {
            measure()?.write()?;
            Ok(ExitCode::SUCCESS)
        }
        ["--run", path, count] => {
            paths::run(path, count.parse()?)?;
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprintln!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}

fn measure() -> Result<Counts, Box<dyn Error>> {
    let mut counts = Counts::new()?;
    for path in PATHS {
        counts.add(path.name, counts::per_call(path.name, path.calls)?);
    }
    Ok(counts)
}

fn check() -> Result<ExitCode, Box<dyn Error>> {
    let (now, committed) = (measure()?, Counts::read()?);
    let ok = now.compare(&committed);
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        println!("\nIf the change is meant, write the new counts: instructions --write");
        ExitCode::FAILURE
    })
}
