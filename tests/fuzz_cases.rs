//! What fuzzing began with and what it found, run without a fuzzer.
//!
//! `fuzz/seeds` and `fuzz/found` have a folder for each target; whatever lies
//! there is run.

use std::path::Path;

use revocable_fuzz::{clock, headers, operations::Stores, record, token};

/// Runs all cases of a target and returns how many there were.
fn run(target: &str, check: impl Fn(&[u8])) -> usize {
    let mut cases = 0;
    for kind in ["seeds", "found"] {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        let Ok(folder) = std::fs::read_dir(fuzz.join(kind).join(target)) else {
            continue;
        };
        for entry in folder {
            let path = entry.expect("the folder can be read").path();
            println!("{}", path.display());
            check(&std::fs::read(&path).expect("the case can be read"));
            cases += 1;
        }
    }
    cases
}

/// In memory where there is such a place, because there are many programs.
fn stores() -> Stores {
    let memory = Path::new("/dev/shm");
    match tempfile::tempdir_in(memory) {
        Ok(_writable) => Stores::open(memory),
        Err(_) => Stores::open(&std::env::temp_dir()),
    }
}

#[test]
fn tokens() {
    assert!(run("token", token::check) >= 8);
}

#[test]
fn records() {
    assert!(run("record", record::check) >= 8);
}

#[test]
fn header_fields() {
    assert!(run("headers", headers::check) >= 8);
}

#[test]
fn clocks() {
    assert!(run("clock", clock::check) >= 8);
}

#[test]
fn programs_of_operations() {
    let stores = stores();
    assert!(run("operations", |bytes| stores.check(bytes)) >= 8);
}

/// Bytes by chance, the same in each run, so that each check also meets what
/// no fuzzer chose.
#[test]
fn bytes_by_chance() {
    let stores = stores();
    let mut state = 1_u64;
    for round in 0..300 {
        let bytes: Vec<u8> = (0..round % 220)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            })
            .collect();
        token::check(&bytes);
        record::check(&bytes);
        headers::check(&bytes);
        clock::check(&bytes);
        if round % 3 == 0 {
            stores.check(&bytes);
        }
    }
}
