//! All operations mixed from many tasks, for as long as is asked for, on each
//! store; what must hold is checked throughout, and memory and files are
//! watched: `soak [--seconds N] [--backend NAME] [--dir FOLDER]`.

#![allow(
    clippy::unwrap_used,
    reason = "a soak that cannot go on has nothing better to do than to stop"
)]

mod client;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_executor::block_on;
use futures_util::future::join_all;
use revocable::{Sessions, SweepBudget};
use revocable_benches::backend::{BACKENDS, Backend};
use revocable_benches::sizes::room::{on_disk, resident};

use crate::client::Client;

const USAGE: &str = "usage: soak [--seconds N] [--backend NAME] [--dir FOLDER]

--seconds N     how long on each store; 20 unless told
--backend NAME  one store alone: memory, moka, sqlite, cached-sqlite, sled,
                cached-sled
--dir FOLDER    where the databases go; the folder of this program unless told";

const THREADS: usize = 4;
const TASKS_A_THREAD: usize = 16;

/// In how many parts the time is divided, with a look at the room after each.
const PARTS: u32 = 10;

/// From how long a run on whether memory is flat can be told.
const LONG: Duration = Duration::from_secs(60);

struct Options {
    time: Duration,
    backends: Vec<&'static Backend>,
    dir: PathBuf,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            time: Duration::from_secs(20),
            backends: BACKENDS.iter().collect(),
            dir: std::env::current_exe().ok()?.parent()?.to_owned(),
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--seconds" => {
                    options.time = Duration::from_secs(arguments.next()?.parse().ok()?);
                }
                "--backend" => options.backends = vec![Backend::named(&arguments.next()?)?],
                "--dir" => options.dir = arguments.next()?.into(),
                _ => return None,
            }
        }
        Some(options)
    }
}

fn main() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut ok = true;
    for backend in options.backends {
        ok &= soak(backend, options.time, &options.dir);
    }
    if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What has been done, and what was wrong with it.
#[derive(Default)]
struct Counts {
    operations: AtomicU64,
    wrong: AtomicU64,
    stop: AtomicBool,
}

fn soak(backend: &Backend, time: Duration, dir: &Path) -> bool {
    let folder = tempfile::tempdir_in(dir).unwrap();
    let sessions = backend.open(folder.path(), 100_000).unwrap();
    let counts = Counts::default();
    println!(
        "\n{}\n  seconds  operations  memory MiB  disk MiB",
        backend.name
    );
    let mut rooms = Vec::new();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (sessions, counts) = (&sessions, &counts);
            scope.spawn(move || work(thread, sessions, counts));
        }
        let started = Instant::now();
        for part in 1..=PARTS {
            let end = time * part / PARTS;
            while started.elapsed() < end {
                std::thread::park_timeout(end.saturating_sub(started.elapsed()));
            }
            let memory = resident().unwrap_or(0);
            let disk = on_disk(folder.path()).unwrap();
            rooms.push((memory, disk));
            println!(
                "  {:>7.1}  {:>10}  {:>10.1}  {:>8.1}",
                started.elapsed().as_secs_f64(),
                counts.operations.load(Ordering::Relaxed),
                memory as f64 / f64::from(1 << 20),
                disk as f64 / f64::from(1 << 20),
            );
        }
        counts.stop.store(true, Ordering::Relaxed);
    });
    let wrong = counts.wrong.load(Ordering::Relaxed);
    println!("  wrong: {wrong}");
    let flat = is_flat(&rooms, time);
    wrong == 0 && flat
}

/// Tasks that take turns on one thread.
fn work(thread: usize, sessions: &Sessions, counts: &Counts) {
    let tasks = (0..TASKS_A_THREAD).map(|task| async move {
        let mut client = Client::new(sessions, thread * TASKS_A_THREAD + task);
        while !counts.stop.load(Ordering::Relaxed) {
            if let Err(why) = client.act().await {
                eprintln!("wrong: {why}");
                counts.wrong.fetch_add(1, Ordering::Relaxed);
            }
            counts.operations.fetch_add(1, Ordering::Relaxed);
            // A store in memory never has anybody wait.
            yield_now().await;
        }
    });
    let sweeps = async {
        while thread == 0 && !counts.stop.load(Ordering::Relaxed) {
            sessions.sweep(SweepBudget::default()).await.unwrap();
            if sessions.health().await.is_err() {
                counts.wrong.fetch_add(1, Ordering::Relaxed);
            }
            yield_now().await;
        }
    };
    block_on(async {
        futures_util::future::join(join_all(tasks), sweeps).await;
    });
}

/// Lets the thread's other tasks have a turn.
async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if yielded {
            return std::task::Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// In a long run, neither memory nor files grow from its middle to its end by
/// more than a fifth.
fn is_flat(rooms: &[(u64, u64)], time: Duration) -> bool {
    if time < LONG {
        return true;
    }
    let (Some(middle), Some(end)) = (rooms.get(rooms.len() / 2), rooms.last()) else {
        return true;
    };
    let grew = |before: u64, after: u64| after > before + before / 5 + (8 << 20);
    let flat = !grew(middle.0, end.0) && !grew(middle.1, end.1);
    if !flat {
        println!("  not flat: {middle:?} bytes in the middle, {end:?} at the end");
    }
    flat
}
