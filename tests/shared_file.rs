//! Two processes at one SQLite file, one of them with a cache.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_executor::block_on;
use revocable::{CachedStore, ErrorKind, Sessions, SqliteStore};

/// How late a revocation by the other process may be seen.
const LONGEST: Duration = Duration::from_millis(200);

/// Set in the process that revokes.
const OTHER: &str = "REVOCABLE_TEST_OTHER_PROCESS";

/// Runs this test again, in a process of its own that is told to do `what`.
fn other_process(what: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("tests have a path"));
    command
        .args(["--exact", "the_other_process", "--nocapture", "--ignored"])
        .env(OTHER, what)
        .env("REVOCABLE_TEST_FILE", path)
        .stdout(Stdio::piped());
    command
}

#[test]
#[ignore = "is what the other process runs"]
fn the_other_process() {
    let (Ok(what), Some(path)) = (
        std::env::var(OTHER),
        std::env::var_os("REVOCABLE_TEST_FILE"),
    ) else {
        return;
    };
    if what == "open" {
        let error = SqliteStore::open(path).expect_err("it is taken");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        println!("refused");
        return;
    }
    let sessions = Sessions::builder(SqliteStore::open(path).expect("it can be shared"))
        .build()
        .expect("the usual settings are sound");
    let ended = block_on(sessions.revoke_all_for_user("alice")).expect("the file can be written");
    println!("revoked {ended}");
}

/// The first line that the other process says of itself.
fn said(mut command: Command, word: &str) -> (String, Instant) {
    let mut child = command.spawn().expect("this program can be run again");
    let stdout = child.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(stdout).lines();
    let line = lines
        .by_ref()
        .map_while(Result::ok)
        .find(|line| line.contains(word));
    let at = Instant::now();
    lines.for_each(drop);
    assert!(child.wait().expect("it ends").success());
    (
        line.unwrap_or_else(|| panic!("it did not say {word:?}")),
        at,
    )
}

#[test]
fn a_revocation_by_another_process_is_seen_in_time() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("sessions.db");
    let store = SqliteStore::open(&path).expect("a new file can be made");
    let cached = CachedStore::builder(store)
        .max_staleness(LONGEST)
        .build()
        .expect("the staleness is bounded");
    let cached = std::sync::Arc::new(cached);
    let sessions = Sessions::builder(std::sync::Arc::clone(&cached))
        .build()
        .expect("the usual settings are sound");
    let (token, _) = block_on(sessions.create("alice")).expect("the file can be written");
    let is_live = || {
        let found = block_on(sessions.lookup(&token)).expect("the file can be read");
        found.is_some()
    };
    // Until the store has told for the first time what others wrote, nothing is
    // kept for long.
    let begun = Instant::now();
    while cached.cached_sessions() == 0 || begun.elapsed() < LONGEST {
        assert!(is_live());
        assert!(begun.elapsed() < 60 * LONGEST, "not in the cache");
    }

    let revoker = std::thread::spawn(move || said(other_process("revoke", &path), "revoked 1"));
    // Looked up without a pause, so that the cache is asked as often as can be.
    while !revoker.is_finished() {
        is_live();
    }
    let (_, acknowledged) = revoker.join().expect("the other process does its work");
    while acknowledged.elapsed() < LONGEST {
        is_live();
    }
    assert!(!is_live(), "served for longer than was promised");
}

#[test]
fn a_file_that_is_taken_is_refused_to_another_process() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("sessions.db");
    let store = SqliteStore::builder(&path)
        .exclusive(true)
        .open()
        .expect("nobody else has it");
    let cached = CachedStore::new(store).expect("nobody else writes");
    said(other_process("open", &path), "refused");
    drop(cached);
    SqliteStore::open(&path).expect("it is free again");
}
