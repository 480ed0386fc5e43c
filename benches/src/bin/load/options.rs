//! What is asked for on the command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use revocable_benches::backend::{BACKENDS, Backend};

pub(crate) const USAGE: &str = "\
usage: load [--quick] [--seconds N] [--rate N] [--sessions N] [--expired N]
            [--bound-ms N] [--backend NAME] [--json FILE] [--dir FOLDER]

Offers mixed traffic at a fixed rate, whether the store keeps up or not, and
says how long calls took, counted from when each was due: 95 % lookups, the rest
logins, logouts (also of all sessions of a user), renewals, changes of data, and
lists, about sessions of a Zipf distribution (0.99). The time is divided in three;
for the second half of each part expired sessions are swept away. Before that it
looks for the highest rate that holds, without a sweep. All answers are checked;
a wrong one ends the run.

--quick         all stores within a minute: 20,000 sessions, 50,000 expired, 3 s
--seconds N     how long at the fixed rate, for each store; 10 unless told
--rate N        the fixed rate, in calls a second; 10,000 unless told
--sessions N    live sessions; 100,000 unless told
--expired N     expired sessions; 1,000,000 unless told
--bound-ms N    what is asked of a rate that holds; 10 unless told
--backend NAME  one store alone: memory, moka, sqlite, cached-sqlite, sled,
                cached-sled
--json FILE     writes the results to a file as well
--dir FOLDER    where the databases go; the folder of this program unless told.
                It has to be on a disk: in memory nothing is durable.
";

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) time: Duration,
    pub(crate) rate: f64,
    pub(crate) sessions: usize,
    pub(crate) expired: usize,
    pub(crate) bound: Duration,
    pub(crate) search_from: f64,
    pub(crate) search_time: Duration,
    pub(crate) backends: Vec<&'static Backend>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) dir: PathBuf,
}

impl Options {
    /// What is asked of a rate that holds, unless told.
    pub(crate) const BOUND: Duration = Duration::from_millis(10);

    /// `None` if this cannot be understood.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            time: Duration::from_secs(10),
            rate: 10_000.0,
            sessions: 100_000,
            expired: 1_000_000,
            bound: Self::BOUND,
            search_from: 2_000.0,
            search_time: Duration::from_secs(1),
            backends: BACKENDS.iter().collect(),
            json: None,
            dir: std::env::current_exe().ok()?.parent()?.to_owned(),
        };
        while let Some(argument) = arguments.next() {
            let mut number = || number(arguments.next()?);
            match argument.as_str() {
                "--quick" => {
                    options.time = Duration::from_secs(3);
                    options.sessions = 20_000;
                    options.expired = 50_000;
                    options.search_from = 8_000.0;
                    options.search_time = Duration::from_millis(300);
                }
                "--seconds" => options.time = Duration::from_secs(number()?),
                "--rate" => options.rate = number()? as f64,
                // Whole users, and more than there are threads that write.
                "--sessions" => options.sessions = number()?.max(500) as usize / 2 * 2,
                "--expired" => options.expired = number()? as usize,
                "--bound-ms" => options.bound = Duration::from_millis(number()?),
                "--backend" => options.backends = vec![Backend::named(&arguments.next()?)?],
                "--json" => options.json = Some(arguments.next()?.into()),
                "--dir" => options.dir = arguments.next()?.into(),
                _ => return None,
            }
        }
        Some(options)
    }
}

/// At least 1.
fn number(text: String) -> Option<u64> {
    u64::from_str(&text.replace(['_', ','], ""))
        .ok()
        .filter(|number| *number >= 1)
}
