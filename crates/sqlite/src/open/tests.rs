//! How connections are set up, and what failures to open are called.

use super::*;

#[test]
fn every_connection_is_set_up_for_durability() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let location = Location::find(&path, Duration::ZERO, Some(1 << 20)).unwrap();
    let writer = location.open_writer().unwrap();
    let reader = location.open_reader(Duration::ZERO).unwrap();
    let number = |connection: &Connection, name: &str| -> i64 {
        connection
            .query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
            .unwrap()
    };
    for connection in [&writer, &reader] {
        for (name, expected) in [
            ("synchronous", 2),
            ("fullfsync", 1),
            ("checkpoint_fullfsync", 1),
            ("wal_autocheckpoint", 0),
            ("secure_delete", 2),
            ("auto_vacuum", 2),
            ("mmap_size", 0),
            ("temp_store", 2),
            ("cell_size_check", 1),
            ("trusted_schema", 0),
        ] {
            assert_eq!(number(connection, name), expected, "{name}");
        }
    }
    assert_eq!(number(&writer, "journal_size_limit"), WAL_LIMIT as i64);
    assert_eq!(number(&writer, "max_page_count"), 256);
}

#[test]
fn sqlite_is_recent_enough_from_3_51_3_on() {
    assert!(is_too_old(3_040_001) && is_too_old(3_051_002));
    assert!(!is_too_old(3_051_003) && !is_too_old(3_054_001));
}

#[test]
fn a_failure_to_make_the_file_says_what_to_do() {
    use io::ErrorKind as Io;
    let path = Path::new("there/s.db");
    for (error, kind, advice) in [
        (
            Io::NotFound,
            ErrorKind::Configuration,
            "make the folder there",
        ),
        (
            Io::NotADirectory,
            ErrorKind::Configuration,
            "make the folder there",
        ),
        (
            Io::PermissionDenied,
            ErrorKind::Configuration,
            "to the folder there",
        ),
        (
            Io::ReadOnlyFilesystem,
            ErrorKind::Configuration,
            "to the folder there",
        ),
        (Io::StorageFull, ErrorKind::Full, "free some space"),
        (Io::QuotaExceeded, ErrorKind::Full, "free some space"),
        (
            Io::InvalidFilename,
            ErrorKind::Configuration,
            "check the path",
        ),
        (Io::Unsupported, ErrorKind::Configuration, "check the path"),
        (Io::Other, ErrorKind::Unavailable, "look at the disk"),
    ] {
        let fault = cannot("create", path, &error.into());
        assert_eq!(fault.kind(), kind, "{error}");
        let message = revocable_core::Error::from(fault).to_string();
        assert!(message.contains(advice), "{message}");
        assert!(message.contains("cannot create there/s.db"), "{message}");
    }
}
