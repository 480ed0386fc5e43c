//! Counting, and what is committed.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// How far from the committed count a count may be, either way: random hash
/// seeds and addresses make some of that, and a gain is to be committed too.
const TOLERANCE: f64 = 0.03;

/// So many more or fewer are no change, whatever that is in per cent: of the
/// same source in another folder the compiler makes other code, and a short
/// path then differs by some ten instructions. An allocation takes more.
const NO_CHANGE: u64 = 40;

/// Instructions a call, by path.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// What made the instructions.
    compiler: String,
    paths: BTreeMap<String, u64>,
}

/// The instructions of one call: those of so many calls less those of a run
/// that does everything else and calls nothing.
pub(crate) fn per_call(path: &str, calls: usize) -> Result<u64, Box<dyn Error>> {
    let (with, without) = (count(path, calls)?, count(path, 0)?);
    Ok(with.saturating_sub(without) / calls as u64)
}

/// The instructions of a whole run.
fn count(path: &str, calls: usize) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["--run", path, &calls.to_string()])
        .output()
        .map_err(|error| format!("valgrind is needed to count instructions: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{path}: {said}").into());
    }
    let collected = said
        .lines()
        .find_map(|line| line.split("Collected :").nth(1));
    Ok(collected
        .ok_or("callgrind did not say what it collected")?
        .trim()
        .parse()?)
}

impl Counts {
    /// None yet, by this compiler.
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let output = Command::new("rustc").arg("--version").output()?;
        Ok(Self {
            compiler: String::from_utf8(output.stdout)?.trim().to_owned(),
            paths: BTreeMap::new(),
        })
    }

    pub(crate) fn add(&mut self, path: &str, count: u64) {
        println!("{path:<40} {count:>8} instructions a call");
        self.paths.insert(path.to_owned(), count);
    }

    /// The committed counts.
    pub(crate) fn read() -> Result<Self, Box<dyn Error>> {
        let line = |line: &str| {
            let (count, path) = line.split_once(' ')?;
            Some((path.to_owned(), count.parse().ok()?))
        };
        let text = fs::read_to_string(Self::file())?;
        let mut lines = text.lines().filter(|text| !text.starts_with('#'));
        let compiler = lines.next().ok_or("there are no committed counts")?;
        let paths: Option<_> = lines.map(line).collect();
        Ok(Self {
            compiler: compiler.to_owned(),
            paths: paths.ok_or("the committed counts are not readable")?,
        })
    }

    pub(crate) fn write(&self) -> Result<(), Box<dyn Error>> {
        let mut text = String::from(
            "# Instructions a call, counted by callgrind, which has no SHA instructions: a digest\n\
             # takes some 3,000 of these. Written by the program `instructions --write`.\n",
        );
        text.push_str(&format!("{}\n", self.compiler));
        for (path, count) in &self.paths {
            text.push_str(&format!("{count} {path}\n"));
        }
        Ok(fs::write(Self::file(), text)?)
    }

    fn file() -> PathBuf {
        [env!("CARGO_MANIFEST_DIR"), "instructions.txt"]
            .iter()
            .collect()
    }

    /// Says where these differ from the committed ones, and whether that is
    /// within bounds.
    pub(crate) fn compare(&self, committed: &Self) -> bool {
        if self.compiler != committed.compiler {
            println!(
                "not compared: the committed counts are of {}, these of {}",
                committed.compiler, self.compiler
            );
            return true;
        }
        let mut ok = true;
        for (path, &now) in &self.paths {
            let Some(&before) = committed.paths.get(path) else {
                println!("NOT COMMITTED: {path}");
                ok = false;
                continue;
            };
            let change = now as f64 / before as f64 - 1.0;
            if change.abs() > TOLERANCE && now.abs_diff(before) > NO_CHANGE {
                println!(
                    "CHANGED: {path}: {before} to {now} ({:+.1} %)",
                    change * 100.0
                );
                ok = false;
            }
        }
        for path in committed
            .paths
            .keys()
            .filter(|path| !self.paths.contains_key(*path))
        {
            println!("NO LONGER COUNTED: {path}");
            ok = false;
        }
        ok
    }
}
