//! The ways a lookup can take.

use std::error::Error;

use futures_executor::block_on;
use revocable::{CachedStore, Sessions, SqliteStore};
use revocable_benches::workload::{self, Request, is_right};
use tempfile::TempDir;

/// A way to go.
pub(crate) struct Path {
    pub(crate) name: &'static str,
    /// How many calls are counted: enough for a count that repeats itself.
    pub(crate) calls: usize,
    open: fn(&TempDir) -> revocable::Result<Sessions>,
    present: Present,
}

/// What is presented.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Present {
    Live,
    Forged,
    Unknown,
    Malformed,
}

/// Few enough that filling them under callgrind takes no minute.
const SESSIONS: usize = 256;

/// All of them. None on sled, whose own threads work by the clock and are counted
/// too.
pub(crate) const PATHS: &[Path] = &[
    path("memory: live", 4_096, in_memory, Present::Live),
    path("memory: forged", 4_096, in_memory, Present::Forged),
    path("memory: unknown", 4_096, in_memory, Present::Unknown),
    path("memory: malformed", 4_096, in_memory, Present::Malformed),
    path("cached SQLite: live", 4_096, cached, Present::Live),
    path(
        "cached SQLite: malformed",
        4_096,
        cached,
        Present::Malformed,
    ),
    path("SQLite: live", 1_024, in_sqlite, Present::Live),
    path("SQLite: unknown", 1_024, in_sqlite, Present::Unknown),
];

const fn path(
    name: &'static str,
    calls: usize,
    open: fn(&TempDir) -> revocable::Result<Sessions>,
    present: Present,
) -> Path {
    Path {
        name,
        calls,
        open,
        present,
    }
}

fn in_memory(_: &TempDir) -> revocable::Result<Sessions> {
    workload::in_memory()
}

fn in_sqlite(folder: &TempDir) -> revocable::Result<Sessions> {
    workload::in_sqlite(&folder.path().join("sessions.db"))
}

fn cached(folder: &TempDir) -> revocable::Result<Sessions> {
    let file = folder.path().join("sessions.db");
    let store = SqliteStore::builder(file).exclusive(true).open()?;
    workload::sessions(CachedStore::new(store)?)
}

/// Goes a path so many times, and checks each answer.
pub(crate) fn run(name: &str, count: usize) -> Result<(), Box<dyn Error>> {
    let path = PATHS
        .iter()
        .find(|path| path.name == name)
        .ok_or("there is no such path")?;
    let folder = tempfile::tempdir()?;
    let sessions = (path.open)(&folder)?;
    let requests = present(path.present, workload::fill(&sessions, SESSIONS)?)?;
    let answer = |request: &Request| {
        let session = block_on(sessions.lookup(&*request.key));
        match path.present {
            Present::Live => is_right(session, request),
            _ => matches!(session, Ok(None)),
        }
    };
    // Once each, so that all that are counted find the same.
    for request in requests.iter().chain(requests.iter().cycle().take(count)) {
        if !answer(request) {
            return Err("a wrong answer".into());
        }
    }
    Ok(())
}

fn present(present: Present, live: Vec<Request>) -> revocable::Result<Vec<Request>> {
    Ok(match present {
        Present::Live => live,
        Present::Unknown => workload::fill(&workload::in_memory()?, SESSIONS)?,
        Present::Forged => live
            .into_iter()
            .map(|mut request| {
                request.key[40] = if request.key[40] == b'A' { b'B' } else { b'A' };
                request
            })
            .collect(),
        Present::Malformed => live
            .into_iter()
            .map(|mut request| {
                request.key[63] = b'=';
                request
            })
            .collect(),
    })
}
