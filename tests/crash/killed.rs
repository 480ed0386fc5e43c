//! A process is killed at random, again and again, at the same files.

use std::io::{BufRead, BufReader};
use std::path::Path;

use revocable::Epoch;
use revocable_tests::durability::backend::Backend;
use revocable_tests::durability::process::{Said, client_process};
use revocable_tests::durability::script::{Chance, Expected, Script};
use revocable_tests::durability::verify::{verify, verify_login};

const CLIENTS: u32 = 8;

#[test]
fn what_sqlite_acknowledged_outlives_a_killed_process() {
    kill_again_and_again(Backend::Sqlite);
}

#[test]
fn what_sled_acknowledged_outlives_a_killed_process() {
    kill_again_and_again(Backend::Sled);
}

fn kill_again_and_again(backend: Backend) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut clients: Vec<(Expected, Option<Epoch>)> = (0..CLIENTS)
        .map(|number| (Expected::new(Script::new(number, false)), None))
        .collect();
    let rounds = crate::number("REVOCABLE_CRASH_ROUNDS", 200);
    let mut acknowledged = 0;
    for round in 0..rounds {
        let mut chance = Chance::new(round as u32, 3);
        // From before the store is open to far into the writing.
        let kill_after = chance.below(400);
        acknowledged += run_and_kill(backend, folder.path(), &mut clients, kill_after);

        let store = backend.open(folder.path()).expect("it opens after a crash");
        let mut expected: Vec<Expected> =
            clients.iter().map(|(client, _)| client.clone()).collect();
        verify(&*store, &mut expected).unwrap_or_else(|why| panic!("round {round}: {why}"));
        for (client, expected) in clients.iter_mut().zip(expected) {
            client.0 = expected;
        }
    }
    // Now that nothing more is done: logins that had begun before.
    let store = backend.open(folder.path()).expect("it opens after a crash");
    for (client, begun) in &clients {
        verify_login(&*store, client, *begun).unwrap_or_else(|why| panic!("{why}"));
    }
    println!(
        "{}: killed {rounds} times, {acknowledged} steps acknowledged",
        backend.name()
    );
    assert!(
        acknowledged > rounds * 50,
        "hardly anything was done: {acknowledged}"
    );
}

/// Lets the clients go on until so many steps were acknowledged, and kills
/// them. Returns how many were.
fn run_and_kill(
    backend: Backend,
    folder: &Path,
    clients: &mut [(Expected, Option<Epoch>)],
    kill_after: usize,
) -> u64 {
    let program = env!("CARGO_BIN_EXE_crash_client");
    let mut child = client_process(program, backend, folder, clients, u64::MAX >> 1)
        .spawn()
        .expect("the clients' program can be run");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped"));
    let (mut acknowledged, mut line) = (0, String::new());
    let mut heard = 0;
    loop {
        if heard == kill_after {
            child.kill().expect("it can be killed");
        }
        heard += 1;
        line.clear();
        // What was said before the kill is in the pipe still.
        if lines.read_line(&mut line).expect("the pipe can be read") == 0 || !line.ends_with('\n') {
            break;
        }
        match Said::parse(line.trim_end()) {
            Some(Said::Ready) => {}
            Some(Said::Ack(client, begun)) => {
                clients[client].0.advance();
                clients[client].1 = begun;
                acknowledged += 1;
            }
            other => panic!("the clients said {line:?}: {other:?}"),
        }
    }
    child.wait().expect("it has ended");
    acknowledged
}
