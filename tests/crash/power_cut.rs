//! The power is cut after any of the writes that a process made: what was not
//! synced may be lost, or not, or in parts.

use std::path::Path;
use std::process::Command;

use revocable::Epoch;
use revocable_tests::durability::backend::Backend;
use revocable_tests::durability::process::{client_process, hear};
use revocable_tests::durability::recording::{Disk, Event, Unsynced, events};
use revocable_tests::durability::script::{Chance, Expected, Script};
use revocable_tests::durability::shim;
use revocable_tests::durability::verify::{verify, verify_login};

#[test]
fn what_sqlite_acknowledged_outlives_a_power_cut() {
    cut_everywhere(Backend::Sqlite, 1, 150);
    cut_everywhere(Backend::Sqlite, 6, 60);
}

#[test]
fn what_sled_acknowledged_outlives_a_power_cut() {
    cut_everywhere(Backend::Sled, 1, 150);
    cut_everywhere(Backend::Sled, 6, 60);
}

/// What the clients of a recorded process did.
struct Recording {
    events: Vec<Event>,
    clients: u32,
}

fn cut_everywhere(backend: Backend, clients: u32, steps: u64) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let root = folder.path().canonicalize().expect("it is there");
    let worked = root.join("worked");
    std::fs::create_dir(&worked).expect("a folder can be made");
    let recording = record(backend, &worked, &root.join("log"), clients, steps);

    // Every cut if there is time, else as many as asked for, evenly spread.
    let cuts = crate::number("REVOCABLE_CRASH_CUTS", 250) as usize;
    let every = recording.events.len().div_ceil(cuts).max(1);
    let (mut disk, mut known, mut tried) = (Disk::default(), recording.begin(), 0);
    for (number, event) in recording.events.iter().enumerate() {
        disk.apply(event);
        if let Event::Said(line) = event {
            assert_eq!(hear(line, &mut known), Vec::<String>::new());
        }
        let is_acknowledgement = matches!(event, Event::Said(_));
        if number % every != 0 && !(is_acknowledgement && number % (every / 4).max(1) == 0) {
            continue;
        }
        let ways = [
            Unsynced::Lost,
            Unsynced::LostWithNames,
            Unsynced::Kept,
            Unsynced::Torn(number as u32),
        ];
        // One way a cut, but all of them where every cut is tried.
        let one = Chance::new(1, number as u64).below(ways.len());
        let ways = if every == 1 {
            &ways[..]
        } else {
            &ways[one..=one]
        };
        for way in ways {
            let cut = root.join("cut");
            disk.lay_out(&worked, &cut, *way).expect("there is room");
            check(backend, &cut, &known)
                .unwrap_or_else(|why| panic!("cut after event {number}, {way:?}: {why}"));
            std::fs::remove_dir_all(&cut).expect("it can be removed");
            tried += 1;
        }
    }
    println!(
        "{}: {tried} cuts in {} writes, syncs and acknowledgements of {clients} clients",
        backend.name(),
        recording.events.len(),
    );
    assert!(tried as u64 >= steps, "{tried} cuts only");
}

impl Recording {
    fn begin(&self) -> Vec<(Expected, Option<Epoch>)> {
        let client = |number| (Expected::new(Script::new(number, self.clients == 1)), None);
        (0..self.clients).map(client).collect()
    }
}

/// Has clients work with everything written down that happens to files.
fn record(backend: Backend, folder: &Path, log: &Path, clients: u32, steps: u64) -> Recording {
    let mut recording = Recording {
        events: Vec::new(),
        clients,
    };
    let program = env!("CARGO_BIN_EXE_crash_client");
    let mut command: Command = client_process(program, backend, folder, &recording.begin(), steps);
    shim::record(shim::watch(&mut command, folder), log);
    let output = command.output().expect("the clients' program can be run");
    assert!(output.status.success(), "{output:?}");
    recording.events = events(&std::fs::read(log).expect("the shim has written"));

    // Otherwise nothing would be tested.
    let count = |wanted: fn(&Event) -> bool| {
        recording
            .events
            .iter()
            .filter(|event| wanted(event))
            .count() as u64
    };
    let said = steps * u64::from(clients) + 1;
    assert_eq!(count(|event| matches!(event, Event::Said(_))), said);
    assert!(count(|event| matches!(event, Event::Write(..))) > steps / 2);
    assert!(count(|event| matches!(event, Event::Sync(_))) > 0);
    recording
}

fn check(backend: Backend, cut: &Path, known: &[(Expected, Option<Epoch>)]) -> Result<(), String> {
    std::fs::create_dir_all(cut).map_err(|error| error.to_string())?;
    let store = backend
        .open(cut)
        .map_err(|error| format!("does not open: {error:?}"))?;
    let mut expected: Vec<Expected> = known.iter().map(|(client, _)| client.clone()).collect();
    verify(&*store, &mut expected)?;
    for (client, (_, begun)) in expected.iter().zip(known) {
        verify_login(&*store, client, *begun)?;
    }
    Ok(())
}
