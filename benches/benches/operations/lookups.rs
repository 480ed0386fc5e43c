//! Looking sessions up, from the token's text to the answer.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use criterion::Criterion;
use futures_executor::block_on;
use revocable::Sessions;
use revocable_benches::workload::{Request, is_right};

use crate::fixture::{BATCH, Fixture, Fixtures};
use crate::timed::timed;

/// How many look up at the same time. The time is that of one lookup after the
/// other: with two threads that do not get in each other's way it halves.
const THREADS: [usize; 2] = [1, 2];

/// The letters of a token that are changed to make it another's: one in the
/// random part of the ID, and one in the secret.
const IN_ID: usize = 16;
const IN_SECRET: usize = 40;

pub(crate) fn bench(criterion: &mut Criterion, fixtures: &Fixtures) {
    for (operation, changed) in [
        ("lookup hit", None),
        ("lookup miss", Some(IN_ID)),
        ("lookup forged", Some(IN_SECRET)),
    ] {
        let mut group = criterion.benchmark_group(operation);
        for threads in THREADS {
            let suffix = match threads {
                1 => String::new(),
                _ => format!(", {threads} threads"),
            };
            fixtures.add_to(&mut group, &suffix, |fixture, calls| {
                timed(calls, threads * 16 * BATCH, |count| {
                    look_up(fixture, count, threads, changed)
                })
            });
        }
        group.finish();
    }
}

fn look_up(fixture: &Fixture, count: usize, threads: usize, changed: Option<usize>) -> Duration {
    let mut requests = fixture.any(count);
    for request in &mut requests {
        if let Some(place) = changed {
            let letter = &mut request.key[place];
            *letter = if *letter == b'A' { b'B' } else { b'A' };
        }
    }
    let sessions = &fixture.sessions;
    let found = changed.is_none();
    if threads == 1 {
        let (start, end) = look_up_all(sessions, &requests, found);
        return end - start;
    }
    let parts: Vec<_> = requests.chunks(count.div_ceil(threads)).collect();
    let together = &Barrier::new(parts.len());
    std::thread::scope(|scope| {
        let spawn = |part| {
            scope.spawn(move || {
                together.wait();
                look_up_all(sessions, part, found)
            })
        };
        let threads: Vec<_> = parts.into_iter().map(spawn).collect();
        let times: Vec<_> = threads.into_iter().map(|it| it.join().unwrap()).collect();
        let first = times.iter().map(|(start, _)| *start).min().unwrap();
        let last = times.iter().map(|(_, end)| *end).max().unwrap();
        last - first
    })
}

/// When it began and ended; all answers are the right ones.
fn look_up_all(sessions: &Sessions, requests: &[Request], found: bool) -> (Instant, Instant) {
    let start = Instant::now();
    for request in requests {
        let session = block_on(sessions.lookup(&*request.key));
        let right = match found {
            true => is_right(session, request),
            false => matches!(session, Ok(None)),
        };
        assert!(right, "a wrong answer");
    }
    (start, Instant::now())
}
