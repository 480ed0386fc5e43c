//! The file: how it is made, what may be wrong with it, what it leaves behind.

use std::fs;
use std::path::Path;

use futures_executor::block_on;
use revocable_core::{Error, ErrorKind, SessionStore};
use revocable_sqlite::SqliteStore;
use rusqlite::Connection;

use crate::support::*;

pub(crate) fn refused(path: impl AsRef<Path>) -> Error {
    SqliteStore::open(path).unwrap_err()
}

/// The kind, and words of the message that say what to do.
pub(crate) fn assert_says(error: &Error, kind: ErrorKind, words: &[&str]) {
    let message = error.to_string();
    assert_eq!(error.kind(), kind, "{message}");
    for word in words {
        assert!(message.contains(word), "no {word:?} in {message:?}");
    }
}

/// The file as it is found again afterwards.
fn assert_untouched(path: &Path, refuse: impl FnOnce() -> Error) -> Error {
    let before = fs::read(path).unwrap();
    let error = refuse();
    assert!(fs::read(path).unwrap() == before, "the file was written to");
    error
}

#[test]
fn sessions_survive_a_reopening() {
    let place = Place::new();
    let alice = create(&place.open(), "alice");
    let store = place.open();
    assert_eq!(lookup(&store, alice.id), Some(alice.clone()));
    let revoked = block_on(store.revoke_all_for_user(revoke_all("alice"))).unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(lookup(&store, alice.id), None);
    let epoch = block_on(store.epoch(&alice.user)).unwrap();
    assert_eq!(epoch, revoked.epoch);
}

#[test]
fn an_acknowledged_write_is_in_the_files_before_the_store_is_closed() {
    let place = Place::new();
    let store = place.open();
    let alice = create(&store, "alice");
    let bob = create(&store, "bob");
    revoke(&store, bob.id);
    // What a killed process leaves behind.
    let crashed = Place::new();
    for suffix in ["", "-wal"] {
        fs::copy(place.beside(suffix), crashed.beside(suffix)).unwrap();
    }
    let store = crashed.open();
    assert_eq!(lookup(&store, alice.id), Some(alice));
    assert_eq!(lookup(&store, bob.id), None);
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let store = place.open();
    create(&store, "alice");
    for suffix in ["", "-wal", "-shm", "-lock"] {
        let mode = fs::metadata(place.beside(suffix))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "sessions.db{suffix}");
    }
}

#[test]
fn a_closed_store_is_a_single_file_and_its_lock() {
    let place = Place::new();
    let store = place.open();
    create(&store, "alice");
    assert!(place.beside("-wal").exists());
    drop(store.clone());
    assert!(place.beside("-wal").exists());
    drop(store);
    let mut left: Vec<_> = fs::read_dir(place.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["sessions.db", "sessions.db-lock"]);
    assert_eq!(fs::metadata(place.beside("-lock")).unwrap().len(), 0);
}

#[test]
fn the_engine_is_set_up_for_durability() {
    let place = Place::new();
    let store = place.open();
    let connection = place.connect();
    let text = |pragma| -> String {
        connection
            .query_row(&format!("SELECT * FROM pragma_{pragma}"), [], |row| {
                row.get::<_, rusqlite::types::Value>(0)
            })
            .map(|value| format!("{value:?}"))
            .unwrap()
    };
    assert_eq!(text("journal_mode"), "Text(\"wal\")");
    assert_eq!(text("auto_vacuum"), "Integer(2)");
    assert_eq!(text("integrity_check"), "Text(\"ok\")");
    drop(store);
}

#[test]
fn an_empty_file_is_a_new_store() {
    let place = Place::new();
    fs::write(place.path(), b"").unwrap();
    let alice = create(&place.open(), "alice");
    assert_eq!(lookup(&place.open(), alice.id), Some(alice));
}

#[test]
fn many_may_make_the_same_file_at_the_same_time() {
    for _ in 0..40 {
        let place = Place::new();
        let barrier = std::sync::Barrier::new(4);
        let sessions: Vec<_> = std::thread::scope(|scope| {
            let open = || {
                barrier.wait();
                let store = place.open();
                let record = create(&store, "alice");
                (store, record)
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        for (store, _) in &sessions {
            for (_, record) in &sessions {
                assert_eq!(lookup(store, record.id).as_ref(), Some(record));
            }
        }
    }
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let place = Place::new();
    for text in ["x", "a diary, not a database. ", "SQLite format 3"] {
        fs::write(place.path(), text.repeat(300)).unwrap();
        let error = assert_untouched(&place.path(), || refused(place.path()));
        assert_says(
            &error,
            ErrorKind::Configuration,
            &["not a SQLite database", "file of its own"],
        );
        assert!(!place.beside("-lock").exists());
    }
}

/// A crash in the middle leaves a journal that only a writer can roll back.
#[test]
fn a_file_whose_making_was_cut_short_is_opened() {
    let (live, crashed) = (Place::new(), Place::new());
    let alice = create(&live.open(), "alice");
    let connection = live.connect();
    connection
        .execute_batch("PRAGMA journal_mode = DELETE; BEGIN; DELETE FROM sessions")
        .unwrap();
    connection.cache_flush().unwrap();
    for suffix in ["", "-journal"] {
        fs::copy(live.beside(suffix), crashed.beside(suffix)).unwrap();
    }
    let store = crashed.open();
    assert_eq!(lookup(&store, alice.id), Some(alice));
}

/// The header is ours, but no table was made.
#[test]
fn a_file_without_tables_is_filled() {
    let place = Place::new();
    let connection = place.connect();
    connection
        .pragma_update(None, "application_id", 0x7276_6f6b)
        .unwrap();
    drop(connection);
    let alice = create(&place.open(), "alice");
    assert_eq!(lookup(&place.open(), alice.id), Some(alice));
}

#[test]
fn a_database_of_another_application_is_left_alone() {
    let foreign = [
        "CREATE TABLE users (name TEXT)",
        "PRAGMA application_id = 1",
        "PRAGMA application_id = 1; CREATE TABLE users (name TEXT)",
        "PRAGMA user_version = 1",
        "PRAGMA journal_mode = WAL; CREATE TABLE users (name TEXT)",
    ];
    for sql in foreign {
        let place = Place::new();
        let connection = place.connect();
        connection.execute_batch(sql).unwrap();
        drop(connection);
        let error = assert_untouched(&place.path(), || refused(place.path()));
        assert_says(
            &error,
            ErrorKind::Configuration,
            &["another application", "file of its own"],
        );
    }
}

#[test]
fn another_applications_unfinished_log_is_left_alone_too() {
    let (live, crashed) = (Place::new(), Place::new());
    let connection = live.connect();
    connection
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE users (name TEXT)")
        .unwrap();
    for suffix in ["", "-wal"] {
        fs::copy(live.beside(suffix), crashed.beside(suffix)).unwrap();
    }
    let log = fs::read(crashed.beside("-wal")).unwrap();
    let error = assert_untouched(&crashed.path(), || refused(crashed.path()));
    assert_says(&error, ErrorKind::Configuration, &["another application"]);
    assert!(fs::read(crashed.beside("-wal")).unwrap() == log);
}

#[test]
fn a_newer_schema_is_left_alone() {
    let place = Place::new();
    drop(place.open());
    let connection = place.connect();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let error = assert_untouched(&place.path(), || refused(place.path()));
    assert_says(&error, ErrorKind::Configuration, &["version 99", "upgrade"]);
}

#[test]
fn a_locked_file_is_unavailable_until_it_is_released() {
    let place = Place::new();
    drop(place.open());
    let lock = place.connect();
    lock.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        .unwrap();
    let builder = SqliteStore::builder(place.path()).busy_timeout(std::time::Duration::ZERO);
    let error = builder.clone().open().unwrap_err();
    assert_says(
        &error,
        ErrorKind::Unavailable,
        &["locked", "look for a process"],
    );
    assert!(error.is_transient());
    drop(lock);
    builder.open().unwrap();
}

/// Nobody is refused anything as root, so the test runs itself as somebody else
/// then.
#[cfg(unix)]
#[test]
fn a_file_or_folder_without_permission_says_what_to_give() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    const NAME: &str = "files::a_file_or_folder_without_permission_says_what_to_give";
    const NOBODY: u32 = 65_534;

    let place = Place::new();
    let set =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    fs::write(place.folder().join("probe"), b"").unwrap();
    set(&place.folder().join("probe"), 0o000);
    if fs::read(place.folder().join("probe")).is_ok() {
        let folder = Place::new();
        set(&folder.folder(), 0o777);
        let program = folder.folder().join("tests");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let output = std::process::Command::new(program)
            .args(["--exact", NAME])
            .env("TMPDIR", folder.folder())
            .current_dir(folder.folder())
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && stdout.contains("1 passed"),
            "{stdout}"
        );
        return;
    }

    let alice = create(&place.open(), "alice");
    set(&place.path(), 0o400);
    assert_says(
        &refused(place.path()),
        ErrorKind::Configuration,
        &["write permission"],
    );
    set(&place.path(), 0o000);
    assert_says(
        &refused(place.path()),
        ErrorKind::Configuration,
        &["may read and write"],
    );
    set(&place.path(), 0o600);
    assert_eq!(lookup(&place.open(), alice.id), Some(alice));

    set(&place.folder(), 0o500);
    let error = refused(place.folder().join("other.db"));
    assert_says(
        &error,
        ErrorKind::Configuration,
        &["write permission to the folder"],
    );
    set(&place.folder(), 0o700);
}

#[test]
fn nothing_of_a_record_but_digests_can_present_a_session() {
    // A store never sees a token; that it does not keep what it does not see
    // needs no test. What it sees and drops has to go from the file as well.
    let place = Place::new();
    let store = place.open();
    let mut record = record("alice");
    record.data = b"only while she is logged in".as_slice().into();
    block_on(store.create(request(record.clone()))).unwrap();
    drop(store);
    let holds = |needle: &[u8]| {
        fs::read(place.path())
            .unwrap()
            .windows(needle.len())
            .any(|window| window == needle)
    };
    assert!(holds(&record.data) && holds(record.digest.as_bytes()));
    let store = place.open();
    revoke(&store, record.id);
    drop(store);
    assert!(!holds(&record.data) && !holds(record.digest.as_bytes()));
}

#[test]
fn a_connection_of_another_sqlite_user_sees_an_ordinary_database() {
    let place = Place::new();
    let store = place.open();
    create(&store, "alice");
    let count: i64 = Connection::open(place.path())
        .unwrap()
        .query_row(
            "SELECT count(*) FROM sessions WHERE user = 'alice'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(count, 1);
}
