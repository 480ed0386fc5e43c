//! The README's first command, run as a newcomer does: twice.

use std::process::{Command, Output};

fn quickstart(backend: &str, path: Option<&std::path::Path>) -> Output {
    // Built already, or built here; in the same target folder either way.
    Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--example", "quickstart", "--"])
        .arg(backend)
        .args(path)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs the tests, so it runs")
}

#[test]
fn the_second_run_finds_the_sessions_of_the_first() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for backend in ["sqlite", "cached-sqlite", "sled", "cached-sled"] {
        let path = folder.path().join(backend);
        for expected in ["bob has 0 live sessions", "bob has 1 live session"] {
            let output = quickstart(backend, Some(&path));
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{output:?}");
            assert!(text.contains(expected), "{text}");
            assert!(!text.contains("FAIL"), "{text}");
        }
    }
}

#[test]
fn a_store_in_memory_runs_too() {
    for backend in ["memory", "moka"] {
        let output = quickstart(backend, None);
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("missing").join("sessions.db");
    let output = quickstart("sqlite", Some(&path));
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("missing"), "{error}");
}

#[test]
fn a_backend_that_is_not_there_is_an_error_that_names_those_that_are() {
    let output = quickstart("redis", None);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    for word in ["redis", "sqlite", "cached-sled"] {
        assert!(error.contains(word), "{error}");
    }
}
