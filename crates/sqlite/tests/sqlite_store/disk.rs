//! A disk that takes no more: processes that may write no large file.
#![cfg(unix)]

use futures_executor::block_on;
use revocable_core::{Bucket, EndReason, ErrorKind, Record, SessionId, SessionStore};
use revocable_sqlite::SqliteStore;

use crate::support::*;

/// Commits fail in the middle. Run by the test below, in a process of its own.
#[test]
#[ignore = "started by nothing_acknowledged_is_lost_when_the_disk_fails"]
fn write_until_the_disk_fails() {
    let store = open_limited();
    let mut failed = 0;
    let mut last = None;
    for n in 0..400 {
        let record = Record {
            data: vec![5; 2_000].into(),
            ..record("alice")
        };
        let error = match block_on(store.create(request(record.clone()))) {
            Ok(_) => {
                println!("created {}", record.id);
                // Every other one is revoked again, and this must not be undone.
                if n % 2 == 0 && block_on(store.revoke(record.id, EndReason::LoggedOut)).is_ok() {
                    println!("revoked {}", record.id);
                } else {
                    last = Some(record.id);
                }
                continue;
            }
            Err(error) => error,
        };
        failed += 1;
        assert!(
            matches!(
                error.kind(),
                ErrorKind::UnknownOutcome | ErrorKind::Unavailable | ErrorKind::Full
            ),
            "{error:?}"
        );
        // Reading goes on.
        assert!(block_on(store.lookup(last.unwrap())).is_ok());
    }
    println!("failed {failed}");
}

/// Runs an ignored test in a process that may write no file beyond so many
/// blocks, of 512 or 1,024 bytes as the shell has it; what it printed.
fn run_limited(test: &str, blocks: u32, place: &Place) -> String {
    let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let output = std::process::Command::new("sh")
        // Without the trap the limit is a signal that kills.
        .args(["-c", &limited])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("REVOCABLE_TEST_PATH", place.path())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("1 passed"), "{stdout}");
    stdout
}

/// What the limited process was given.
fn open_limited() -> SqliteStore {
    let Some(path) = std::env::var_os("REVOCABLE_TEST_PATH") else {
        panic!("not started by the other test");
    };
    SqliteStore::open(path).unwrap()
}

#[test]
fn nothing_acknowledged_is_lost_when_the_disk_fails() {
    let place = Place::new();
    let stdout = run_limited("disk::write_until_the_disk_fails", 1024, &place);
    let ids = |what: &str| -> Vec<SessionId> {
        stdout
            .lines()
            .filter_map(|line| line.rsplit_once(what)?.1.trim().parse().ok())
            .collect()
    };
    let (created, revoked) = (ids("created "), ids("revoked "));
    assert!(created.len() > 20 && revoked.len() > 10, "{stdout}");
    assert!(!stdout.contains("failed 0\n"), "the disk never failed");
    let store = place.open();
    for id in created {
        assert_eq!(lookup(&store, id).is_some(), !revoked.contains(&id), "{id}");
    }
}

/// Run by the test below, in a process of its own.
#[test]
#[ignore = "started by health_says_when_nothing_can_be_written"]
fn write_until_nothing_is_healthy() {
    let store = open_limited();
    // Behind all that there are, at the end of the file.
    let latest = |n: u64| {
        let record = record("alice");
        Record {
            id: SessionId::new(1 << 40, Bucket::of(&record.user), n.to_be_bytes()),
            ..record
        }
    };
    let last = latest(0);
    block_on(store.create(request(last.clone()))).unwrap();
    // Until there is no room in the log for a single page.
    let mut n = 1;
    while block_on(store.create(request(latest(n)))).is_ok() {
        n += 1;
    }
    let mut now_ms = 2_000;
    while block_on(store.update(last.id, touch(now_ms))).is_ok() {
        now_ms += 1;
    }
    let error = block_on(store.health()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(lookup(&store, last.id).is_some());
}

#[test]
fn health_says_when_nothing_can_be_written() {
    let place = Place::new();
    let store = place.open();
    // So large that the end of the file, where new sessions go, cannot be
    // written either, and the log not be copied.
    for _ in 0..200 {
        let record = Record {
            data: vec![4; 2_000].into(),
            ..record("alice")
        };
        block_on(store.create(request(record))).unwrap();
    }
    drop(store);
    run_limited("disk::write_until_nothing_is_healthy", 64, &place);
    block_on(place.open().health()).unwrap();
}
