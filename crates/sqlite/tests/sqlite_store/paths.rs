//! Where the file is.

use std::path::Path;

use revocable_core::ErrorKind;
use revocable_sqlite::SqliteStore;

use crate::files::{assert_says, refused};
use crate::support::*;

#[test]
fn a_path_without_a_folder_names_the_folder_to_make() {
    let place = Place::new();
    let error = refused(place.folder().join("missing").join("sessions.db"));
    assert_says(
        &error,
        ErrorKind::Configuration,
        &["make the folder", "missing"],
    );
    assert!(!place.folder().join("missing").exists());
}

#[test]
fn a_path_that_is_no_plain_file_is_refused() {
    let place = Place::new();
    for path in ["", ":memory:", "file:sessions.db?mode=memory"] {
        assert_says(&refused(path), ErrorKind::Configuration, &["plain file"]);
    }
    assert_says(
        &refused(place.folder()),
        ErrorKind::Configuration,
        &["is a folder"],
    );
}

#[test]
fn a_path_with_special_characters_is_that_path() {
    let place = Place::new();
    let path = place.folder().join("a?mode=memory&%41 ü#.db");
    create(&SqliteStore::open(&path).unwrap(), "alice");
    assert!(path.is_file());
}

/// Run by the test below, in a folder of its own.
#[test]
#[ignore = "started by a_bare_name_is_in_the_current_folder"]
fn open_a_bare_name() {
    assert_ne!(
        std::env::current_dir().unwrap(),
        Path::new(env!("CARGO_MANIFEST_DIR"))
    );
    create(&SqliteStore::open("bare.db").unwrap(), "alice");
}

#[test]
fn a_bare_name_is_in_the_current_folder() {
    let place = Place::new();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "paths::open_a_bare_name", "--ignored"])
        .current_dir(place.folder())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}");
    assert!(place.folder().join("bare.db").is_file(), "{stdout}");
}
