//! Errors of the disk, by the shim and on a file system without room.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::Trial;
use revocable::Epoch;
use revocable_tests::durability::backend::Backend;
use revocable_tests::durability::process::{client_process, hear};
use revocable_tests::durability::script::{Expected, Script};
use revocable_tests::durability::shim;
use revocable_tests::durability::verify::{verify, verify_login};

const CLIENTS: u32 = 3;
const STEPS: u64 = 30;
// Linux's numbers of errors.
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// What a caller may be told of a disk that fails.
const TYPED: [&str; 3] = ["Unavailable", "Full", "UnknownOutcome"];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for backend in Backend::ALL {
        let name = |what: &str| format!("{}::{what}", backend.name());
        trials.extend([
            Trial::test(name("one_io_error_at_the_nth_call"), move || {
                fail_everywhere(backend, 1, EIO);
                Ok(())
            }),
            Trial::test(name("io_errors_for_a_while"), move || {
                fail_everywhere(backend, 12, EIO);
                Ok(())
            }),
            Trial::test(name("a_disk_that_is_full_for_a_while"), move || {
                fail_everywhere(backend, 12, ENOSPC);
                Ok(())
            }),
            Trial::test(name("a_disk_that_fails_for_good"), move || {
                fail_everywhere(backend, u64::from(u32::MAX), EIO);
                Ok(())
            }),
        ]);
        let small = "a_file_system_without_room";
        trials.push(if may_mount() {
            Trial::test(name(small), move || {
                fill_a_file_system(backend);
                Ok(())
            })
        } else {
            let why = format!("{small} (ignored: `unshare -rm` may not mount here)");
            Trial::test(name(&why), || Ok(())).with_ignored_flag(true)
        });
    }
    trials
}

type Clients = Vec<(Expected, Option<Epoch>)>;

fn clients() -> Clients {
    (0..CLIENTS)
        .map(|number| (Expected::new(Script::new(number, false)), None))
        .collect()
}

/// Has a process work, with so many calls failing from each of many places on.
fn fail_everywhere(backend: Backend, count: u64, errno: i32) {
    let places = std::env::var("REVOCABLE_FAULTS").map_or(25, |places| {
        places.parse().expect("REVOCABLE_FAULTS is a number")
    });
    let mut kinds = BTreeSet::new();
    let mut met = 0;
    for place in 0..places {
        // Close together at first, where the store is made.
        let first = 1 + place + place * place / 8;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let root = folder.path().canonicalize().expect("it is there");
        let mut clients = clients();
        let program = env!("CARGO_BIN_EXE_crash_client");
        let inner = client_process(program, backend, &root, &clients, STEPS);
        let mut command = Command::new("timeout");
        command
            .args(["-s", "KILL", "60"])
            .arg(program)
            .args(inner.get_args());
        shim::fail(shim::watch(&mut command, &root), first, count, errno);
        let output = command.output().expect("the clients' program can be run");
        // 137 if it had to be ended: somebody was never answered.
        assert!(output.status.success(), "call {first}: {output:?}");
        let said = String::from_utf8_lossy(&output.stdout);
        let failed = hear(&said, &mut clients);
        met += u64::from(!failed.is_empty());

        let is_open = said.starts_with("ready");
        let done: u64 = clients.iter().map(|(client, _)| client.next).sum();
        let place = format!("{} from call {first} on, {done} steps done", backend.name());
        for kind in &failed {
            assert!(TYPED.contains(&kind.as_str()), "{place}: {kind}");
        }
        if is_open {
            // SQLite goes on when the fault has passed. sled's state in memory
            // may differ from the disk's after an error, so it stops until it
            // is opened again.
            if backend == Backend::Sqlite && count < 20 {
                assert_eq!(done, u64::from(CLIENTS) * STEPS, "{place}");
            }
        }
        kinds.extend(failed);
        check(backend, &root, &clients).unwrap_or_else(|why| panic!("{place}: {why}"));
    }
    println!(
        "{}: errors met at {met} of {places} places: {kinds:?}",
        backend.name()
    );
    assert!(met > 0, "no fault was met");
}

/// What was acknowledged is there, and the store works again.
fn check(backend: Backend, folder: &Path, clients: &Clients) -> Result<(), String> {
    let store = backend.open(folder).map_err(|error| format!("{error:?}"))?;
    let mut expected: Vec<_> = clients.iter().map(|(client, _)| client.clone()).collect();
    verify(&*store, &mut expected)?;
    for (client, (_, begun)) in expected.iter().zip(clients) {
        verify_login(&*store, client, *begun)?;
    }
    Ok(())
}

/// Whether this process may make a namespace with a file system of its own.
fn may_mount() -> bool {
    Command::new("unshare")
        .args(["-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Has a process work in a file system that is too small, copied out
/// afterwards.
fn fill_a_file_system(backend: Backend) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let [small, out] = ["small", "out"].map(|name| folder.path().join(name));
    for path in [&small, &out] {
        std::fs::create_dir(path).expect("a folder can be made");
    }
    let mut clients = clients();
    let program = env!("CARGO_BIN_EXE_crash_client");
    let inner = client_process(program, backend, &small, &clients, 5_000);
    let script = "mount -t tmpfs -o size=900k tmpfs \"$1\" && out=$2 && small=$1 && shift 2 \
                  && timeout -s KILL 60 \"$@\" && cp -a \"$small/.\" \"$out\"";
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-ec", script, "sh"])
        .args([&small, &out])
        .arg(inner.get_program())
        .args(inner.get_args())
        .output()
        .expect("unshare was tried before");
    assert!(output.status.success(), "{output:?}");
    let failed = hear(&String::from_utf8_lossy(&output.stdout), &mut clients);
    let kinds: BTreeSet<_> = failed.into_iter().collect();
    let done: u64 = clients.iter().map(|(client, _)| client.next).sum();
    println!("{}: full after {done} steps: {kinds:?}", backend.name());
    // sled has changed its memory before it meets the disk, so who was first is
    // told that the outcome is unknown.
    let told = ["Full", "UnknownOutcome"];
    let was_told = told.iter().any(|kind| kinds.contains(*kind));
    assert!(was_told, "it was large enough: {kinds:?}");
    for kind in &kinds {
        assert!(TYPED.contains(&kind.as_str()), "{kind}");
    }
    check(backend, &out, &clients).unwrap_or_else(|why| panic!("{why}"));
}
