//! The process that crash tests kill: `crash_client BACKEND FOLDER STEPS
//! NEXT:EPOCH...`, with a `NEXT:EPOCH` for each client; see
//! [`revocable_tests::durability::process`].

use std::io::Write;
use std::num::NonZeroU32;
use std::path::Path;

use futures_executor::block_on;
use revocable::{Epoch, Result, SessionStore};
use revocable_tests::durability::backend::Backend;
use revocable_tests::durability::process::epoch_of;
use revocable_tests::durability::script::{Script, take};

/// How often a step is tried.
const ATTEMPTS: u32 = 20;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().expect("an argument is missing");
    let backend = Backend::named(&argument()).expect("the name of a store");
    let folder = argument();
    let steps: u64 = argument().parse().expect("a number of steps");
    let clients: Vec<(u64, Option<Epoch>)> = arguments
        .map(|client| {
            let (next, epoch) = client.split_once(':').expect("NEXT:EPOCH");
            let epoch = epoch_of(epoch.parse().expect("the number of an epoch"));
            (next.parse().expect("the number of a step"), epoch)
        })
        .collect();
    let store = match backend.open(Path::new(&folder)) {
        Ok(store) => store,
        Err(error) => {
            say(&format!("error 0 {:?}", error.kind()));
            return;
        }
    };
    say("ready");
    let alone = clients.len() == 1;
    std::thread::scope(|scope| {
        for (number, (next, begun)) in clients.into_iter().enumerate() {
            let script = Script::new(number as u32, alone);
            let store = &*store;
            scope.spawn(move || run(store, &script, next..next + steps, begun));
        }
    });
}

/// One client: the next step when the one before was acknowledged, and the
/// same again when it failed.
fn run(
    store: &dyn SessionStore,
    script: &Script,
    numbers: std::ops::Range<u64>,
    mut begun: Option<Epoch>,
) {
    let limit = NonZeroU32::new(1_000).expect("it is not zero");
    let client = script.number;
    for number in numbers {
        let sessions = || store.list_for_user(&script.user, None, limit);
        let Some(page) = persist(client, || block_on(sessions())) else {
            return;
        };
        let step = script.step(number, &page.records);
        if persist(client, || block_on(take(store, step.clone(), &mut begun))).is_none() {
            return;
        }
        say(&format!("ack {client} {}", begun.map_or(0, Epoch::get)));
    }
}

/// Tries again when it fails, which is said each time; `None` if it goes on
/// failing.
fn persist<T>(client: u32, mut attempt: impl FnMut() -> Result<T>) -> Option<T> {
    for _ in 0..ATTEMPTS {
        match attempt() {
            Ok(value) => return Some(value),
            Err(error) => say(&format!("error {client} {:?}", error.kind())),
        }
    }
    None
}

/// A line at once, in one write.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    if written.is_err() {
        // Nobody listens: the test has ended.
        std::process::exit(1);
    }
}
