//! The power is cut after any of the writes that a process made: what was not
//! synced may be lost, or not, or in parts.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use futures_executor::block_on;
use revocable::{EndReason, Epoch, SessionStore};
use revocable_tests::durability::backend::Backend;
use revocable_tests::durability::process::{client_process, hear};
use revocable_tests::durability::recording::{Disk, Event, Unsynced, events};
use revocable_tests::durability::script::{Chance, Expected, Script, Step, take};
use revocable_tests::durability::shim;
use revocable_tests::durability::verify::{stored, verify, verify_login};

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
    let cuts = crate::number("REVOCABLE_CRASH_CUTS", 220) as usize;
    let every = recording.events.len().div_ceil(cuts).max(1);
    let (mut disk, mut known, mut tried) = (Disk::default(), recording.begin(), 0);
    for (number, event) in recording.events.iter().enumerate() {
        disk.apply(event);
        if let Event::Said(line) = event {
            assert_eq!(hear(line, &mut known), Vec::<String>::new());
        }
        let mut cut = |way, check: Check| {
            let cut = root.join("cut");
            disk.lay_out(&worked, &cut, way).expect("there is room");
            std::fs::create_dir_all(&cut).expect("there is room");
            check(backend, &cut, &known)
                .unwrap_or_else(|why| panic!("cut after event {number}, {way:?}: {why}"));
            std::fs::remove_dir_all(&cut).expect("it can be removed");
            tried += 1;
        };
        let is_acknowledgement = matches!(event, Event::Said(_));
        // The one step that changes everything at once is rare.
        if matches!(event, Event::Write(..)) && is_ending_everything(&known) {
            for seed in 0..3 {
                cut(Unsynced::Torn(seed), go_on);
            }
        }
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
        let mut chance = Chance::new(1, number as u64);
        let one = chance.below(ways.len());
        if every == 1 {
            for way in ways {
                cut(way, look);
                cut(way, go_on);
            }
        } else if chance.below(2) == 0 {
            cut(ways[one], look);
        } else {
            cut(ways[one], go_on);
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

/// Whether an only client's step that is under way ends everything.
fn is_ending_everything(known: &[(Expected, Option<Epoch>)]) -> bool {
    known.len() == 1 && matches!(known[0].0.next_step(), Step::RevokeEverything)
}

/// What is done with what a cut has left.
type Check = fn(Backend, &Path, &[(Expected, Option<Epoch>)]) -> Result<(), String>;

/// Looks at what is there.
fn look(backend: Backend, cut: &Path, known: &[(Expected, Option<Epoch>)]) -> Result<(), String> {
    let store = open(backend, cut)?;
    let mut expected: Vec<Expected> = known.iter().map(|(client, _)| client.clone()).collect();
    verify(&*store, &mut expected)?;
    for (client, (_, begun)) in expected.iter().zip(known) {
        verify_login(&*store, client, *begun)?;
    }
    Ok(())
}

/// Has each client repeat at once what was not acknowledged, as one may, and go
/// on. Then all has to be as if there had been no cut, also when the store was
/// idle for a while, and when it is opened once more.
fn go_on(backend: Backend, cut: &Path, known: &[(Expected, Option<Epoch>)]) -> Result<(), String> {
    let store = open(backend, cut)?;
    let mut clients = known.to_vec();
    for _ in 0..2 {
        for (client, begun) in &mut clients {
            let step = client.next_step();
            block_on(take(&*store, step.clone(), begun))
                .map_err(|error| format!("{step:?} after the cut: {error:?}"))?;
            client.advance();
        }
    }
    // In between the store has nothing to do and puts itself in order.
    for _ in 0..10 {
        block_on(store.health()).map_err(|error| format!("not well: {error:?}"))?;
    }
    let exactly = |store: &dyn SessionStore| {
        let mut expected: Vec<Expected> =
            clients.iter().map(|(client, _)| client.clone()).collect();
        verify(store, &mut expected)?;
        let is_exact =
            |((client, _), found): (&(Expected, _), &Expected)| client.next == found.next;
        if clients.iter().zip(&expected).all(is_exact) {
            Ok(())
        } else {
            Err("a step was taken that nobody asked for".to_owned())
        }
    };
    exactly(&*store)?;
    drop(store);
    let store = open(backend, cut)?;
    exactly(&*store)?;
    for (client, begun) in &clients {
        verify_login(&*store, client, *begun)?;
    }
    let stored = stored(&*store)?;
    match block_on(store.revoke_everything(EndReason::Administrator)) {
        Ok(ended) if ended == stored => Ok(()),
        other => Err(format!("{stored} sessions stored, ended: {other:?}")),
    }
}

fn open(backend: Backend, cut: &Path) -> Result<Arc<dyn SessionStore>, String> {
    let opened = backend.open(cut);
    opened.map_err(|error| format!("does not open: {error:?}"))
}
