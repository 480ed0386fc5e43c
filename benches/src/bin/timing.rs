//! Whether the time of a lookup tells how much of a wrong secret is right:
//! `timing [--quick]`.
//!
//! In the manner of dudect (Reparaz, Balasch, Verbauwhede 2017): lookups with
//! two classes of wrong tokens, one that differs from the right one in the first
//! bits of the secret and one that differs in the last, in random order; then
//! Welch's t-test on the times, with the slowest ones left out. A comparison
//! that stops at the first difference is measured the same way: if the test did
//! not find that out, it could find nothing.

#![allow(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has nothing better to do than to stop"
)]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use futures_executor::block_on;
use revocable::Token;
use revocable_benches::workload::{Random, in_memory};

const SESSIONS: usize = 64;

/// How many calls are timed together, so that the clock is fine enough.
const BATCH: usize = 32;

/// From here on dudect says that a difference is certain.
const CERTAIN: f64 = 10.0;

/// How often a difference has to show: a machine that is busy with something
/// else makes one once.
const RUNS: usize = 3;

/// A right token and two wrong ones: from the first bits of the secret on, and
/// in its last bits.
struct Secret {
    right: String,
    wrong: [String; 2],
}

impl Secret {
    fn new(token: &Token) -> Self {
        let right = token.expose().as_str().to_owned();
        // The ID takes 16 of the 48 bytes, and so a third of the text and a bit.
        let wrong = [22, Token::TEXT_LEN - 1].map(|place| {
            let mut text = right.clone().into_bytes();
            text[place] = if text[place] == b'A' { b'B' } else { b'A' };
            String::from_utf8(text).unwrap()
        });
        Self { right, wrong }
    }
}

fn main() -> ExitCode {
    let batches = match std::env::args().nth(1).as_deref() {
        None => 200_000,
        Some("--quick") => 20_000,
        Some(_) => {
            eprintln!("usage: timing [--quick]");
            return ExitCode::from(2);
        }
    };
    let sessions = in_memory().unwrap();
    let secrets: Vec<Secret> = (0..SESSIONS)
        .map(|number| {
            let user = format!("user {number}");
            let (token, _) = block_on(sessions.create(&user)).unwrap();
            Secret::new(&token)
        })
        .collect();

    let control = difference(&secrets, batches, |secret, class| {
        black_box(stops_early(&secret.right, black_box(&secret.wrong[class])));
    });
    println!("a comparison that stops early: t = {control:.1}");
    let mut times_seen = 0;
    for _ in 0..RUNS {
        let found = difference(&secrets, batches, |secret, class| {
            let session = block_on(sessions.lookup(black_box(&secret.wrong[class])));
            assert!(session.unwrap().is_none());
        });
        println!("a lookup with a wrong secret: t = {found:.1}");
        times_seen += usize::from(found.abs() > CERTAIN);
    }
    if control.abs() <= CERTAIN {
        println!("the measurement is too coarse here to find anything");
        return ExitCode::FAILURE;
    }
    if times_seen == RUNS {
        println!("the time of a lookup tells how much of the secret is right");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// What must not be done with a secret.
fn stops_early(one: &str, other: &str) -> bool {
    one.bytes()
        .zip(other.bytes())
        .all(|(one, other)| black_box(one) == other)
}

/// Welch's t between the times of the two classes.
fn difference(secrets: &[Secret], batches: usize, mut call: impl FnMut(&Secret, usize)) -> f64 {
    let mut random = Random(1);
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..batches {
        let class = random.below(2) as usize;
        let secret = &secrets[random.below(SESSIONS as u64) as usize];
        let started = Instant::now();
        for _ in 0..BATCH {
            call(secret, class);
        }
        times[class].push(started.elapsed().as_nanos() as f64);
    }
    // Interruptions are slow and belong to no class.
    let mut all: Vec<f64> = times.iter().flatten().copied().collect();
    all.sort_unstable_by(f64::total_cmp);
    let limit = all[all.len() * 9 / 10];
    let [first, second] = times.map(|mut times| {
        times.retain(|time| *time <= limit);
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let squares = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>();
        (mean, squares / (count - 1.0) / count)
    });
    (first.0 - second.0) / (first.1 + second.1).sqrt()
}
