//! Traffic at one rate for some time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use revocable::{Sessions, SweepBudget};
use revocable_benches::workload::Random;
use revocable_benches::zipf::Zipf;

use crate::book::Book;
use crate::lookups::look_up;
use crate::pace::{Due, Pace};
use crate::writes::write;

/// Of 100 calls so many are lookups.
pub(crate) const LOOKUPS: f64 = 0.95;

/// One in so many lookups is with a token that is good no longer.
const ENDED: u64 = 50;

/// Threads that look sessions up.
pub(crate) const READERS: usize = 2;

/// Threads that write, each waiting until its write is durable; apart from
/// those that look up, which are never held up by a commit. So many, because
/// writes that wait together are committed together.
pub(crate) const WRITERS: usize = 32;

/// What the traffic is about.
pub(crate) struct Traffic<'a> {
    pub(crate) sessions: &'a Sessions,
    pub(crate) book: &'a Book,
    pub(crate) popularity: &'a Zipf,
}

/// How much of it, and what goes on besides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Calls a second.
    pub(crate) rate: f64,
    pub(crate) time: Duration,
    /// When a sweep begins, which goes on until all is swept or the time over.
    pub(crate) sweep_at: Option<Duration>,
    /// From how far behind it is of no use to go on.
    pub(crate) patience: Duration,
    pub(crate) seed: u64,
}

/// A call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// When it was due, from the beginning.
    pub(crate) due: Duration,
    /// From then to its answer.
    pub(crate) latency: Duration,
    /// The part of it in which no thread had begun it: those that make calls
    /// were busy with others, or had to wait for a processor.
    pub(crate) late: Duration,
}

/// What a sweep did, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Swept {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    pub(crate) ended: u64,
    pub(crate) complete: bool,
}

/// What came of the traffic.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) lookups: Vec<Sample>,
    pub(crate) writes: Vec<Sample>,
    pub(crate) sweep: Option<Swept>,
    /// It fell behind by more than the patience.
    pub(crate) gave_up: bool,
}

impl Traffic<'_> {
    /// # Panics
    ///
    /// If an answer is wrong or the store fails.
    pub(crate) fn run(&self, plan: &Plan) -> Outcome {
        let given_up = AtomicBool::new(false);
        // Late enough for all threads to be there.
        let start = Instant::now() + Duration::from_millis(20);
        let pace = |share: f64| {
            let rate = plan.rate * share;
            Pace::new(start, rate, plan.time, plan.patience, &given_up)
        };
        let (lookups, writes) = (&pace(LOOKUPS).exactly(), &pace(1.0 - LOOKUPS));
        thread::scope(|scope| {
            let spawn = |pace, call: fn(&Self, &Due, Random) -> Instant| {
                scope.spawn(move || work(pace, plan.seed, |due, random| call(self, due, random)))
            };
            let readers: Vec<_> = (0..READERS)
                .map(|_| spawn(lookups, Self::look_up))
                .collect();
            let writers: Vec<_> = (0..WRITERS).map(|_| spawn(writes, Self::write)).collect();
            let sweeper = plan
                .sweep_at
                .map(|at| scope.spawn(move || self.sweep(start, at, plan.time)));
            let join = |threads: Vec<thread::ScopedJoinHandle<'_, _>>| {
                let samples = threads.into_iter().map(join);
                samples.flatten().collect::<Vec<Sample>>()
            };
            Outcome {
                lookups: join(readers),
                writes: join(writers),
                sweep: sweeper.map(self::join),
                gave_up: given_up.load(Ordering::Relaxed),
            }
        })
    }

    fn look_up(&self, _: &Due, mut random: Random) -> Instant {
        let place = self.popularity.pick(&mut random);
        let ended = random.below(ENDED) == 0;
        look_up(self.sessions, self.book, place, ended)
    }

    fn write(&self, _: &Due, mut random: Random) -> Instant {
        let place = self.popularity.pick(&mut random);
        write(self.sessions, self.book, place, &mut random)
    }

    /// As an application does from a timer that never rests.
    fn sweep(&self, start: Instant, at: Duration, time: Duration) -> Swept {
        thread::sleep((start + at).saturating_duration_since(Instant::now()));
        let from = start.elapsed();
        let mut swept = Swept {
            from,
            to: from,
            ended: 0,
            complete: false,
        };
        while !swept.complete && swept.to < time {
            let mut budget = SweepBudget::default();
            budget.max_duration = budget.max_duration.min(time - swept.to);
            let report = block_on(self.sessions.sweep(budget));
            let report = report.unwrap_or_else(|error| panic!("a sweep failed: {error}"));
            swept.ended += report.ended;
            swept.complete = report.complete;
            swept.to = start.elapsed();
        }
        swept
    }
}

/// How late lookups would be that do nothing: what the machine adds to all.
pub(crate) fn nothing(plan: &Plan) -> Vec<Sample> {
    let given_up = AtomicBool::new(false);
    let (start, rate) = (Instant::now(), plan.rate * LOOKUPS);
    let pace = &Pace::new(start, rate, plan.time, plan.patience, &given_up).exactly();
    thread::scope(|scope| {
        let spawn = |_| scope.spawn(move || work(pace, plan.seed, |_, _| Instant::now()));
        let readers: Vec<_> = (0..READERS).map(spawn).collect();
        readers.into_iter().flat_map(join).collect()
    })
}

/// The calls that this thread is free for when they are due.
fn work(pace: &Pace<'_>, seed: u64, call: impl Fn(&Due, Random) -> Instant) -> Vec<Sample> {
    let mut samples = Vec::with_capacity(pace.count());
    while let Some(due) = pace.next() {
        // By its number: whichever thread makes it, it is the same call.
        let random = Random(seed ^ (due.number as u64).wrapping_mul(0xd134_2543_de82_ef95));
        let late = due.at.elapsed();
        let done = call(&due, random);
        samples.push(Sample {
            due: due.after,
            latency: done.saturating_duration_since(due.at),
            late,
        });
    }
    samples
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
