//! One store, from its first session to the figures.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use revocable_benches::backend::Backend;
use revocable_benches::expired;
use revocable_benches::percentile::Percentiles;
use revocable_benches::workload::{self, Random};
use revocable_benches::zipf::Zipf;

use crate::book::Book;
use crate::log;
use crate::lookups::look_up_all;
use crate::options::Options;
use crate::run::{self, Outcome, Plan, Sample, Swept, Traffic};
use crate::search::{Held, Search, latencies};

const SEED: u64 = 20_261_125;

/// Of popularity among sessions.
const ZIPF: f64 = 0.99;

/// From how far behind the fixed rate is given up.
const PATIENCE: Duration = Duration::from_secs(2);

/// In how many parts the time at the fixed rate is divided, each with a half
/// without a sweep and a half with one. What else the machine has to do for a
/// moment so falls on one ratio of these.
const ROUNDS: u32 = 3;

/// What came of a store.
pub(crate) struct Measured {
    pub(crate) backend: &'static Backend,
    pub(crate) highest: Option<Held>,
    /// In each round.
    pub(crate) rounds: Vec<Round>,
    /// What a lookup would take that does nothing, beside them.
    pub(crate) nothing: Percentiles,
    pub(crate) gave_up: bool,
    /// How often SQLite's log started over at the fixed rate.
    pub(crate) checkpoints: Option<u32>,
}

/// A part of the time at the fixed rate.
pub(crate) struct Round {
    /// Before the sweep began.
    pub(crate) calm: Calls,
    /// While it went on.
    pub(crate) swept: Calls,
    pub(crate) sweep: Swept,
}

/// Latencies in nanoseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls {
    pub(crate) lookups: Vec<u64>,
    /// The lookups from when they began, without their being late.
    pub(crate) begun: Vec<u64>,
    pub(crate) writes: Vec<u64>,
}

impl Measured {
    /// The calls of all rounds together.
    pub(crate) fn all(&self, calls: impl Fn(&Round) -> &Vec<u64>) -> Percentiles {
        Percentiles::of(self.rounds.iter().flat_map(calls).copied().collect())
    }
}

impl Round {
    fn new(outcome: &Outcome, sweep: Swept) -> Self {
        let due = |from, to| Calls {
            lookups: latencies(due(&outcome.lookups, from, to)),
            begun: due(&outcome.lookups, from, to)
                .map(|sample| sample.latency.saturating_sub(sample.late).as_nanos() as u64)
                .collect(),
            writes: latencies(due(&outcome.writes, from, to)),
        };
        Self {
            calm: due(Duration::ZERO, sweep.from),
            swept: due(sweep.from, sweep.to),
            sweep,
        }
    }
}

fn due(samples: &[Sample], from: Duration, to: Duration) -> impl Iterator<Item = &Sample> {
    let due = move |sample: &&Sample| (from..to).contains(&sample.due);
    samples.iter().filter(due)
}

/// Fills the store, looks for its highest rate, adds the expired sessions, and
/// offers the fixed rate, by turns with nothing else going on and while they
/// are swept away.
///
/// # Panics
///
/// If an answer is wrong or the store fails.
pub(crate) fn measure(
    backend: &'static Backend,
    folder: &Path,
    options: &Options,
) -> Result<Measured, Box<dyn Error>> {
    // Each login of the search may be there until it is over.
    let most = 4 * (options.sessions + options.expired);
    let sessions = backend.open(folder, most)?;
    let mut random = Random(SEED);
    let said = Said::new(backend.name);
    let book = Book::new(&workload::fill(&sessions, options.sessions)?);
    let traffic = Traffic {
        sessions: &sessions,
        book: &book,
        popularity: &Zipf::new(options.sessions, ZIPF, &mut random),
    };
    said.step("filled");
    let search = Search {
        from: options.search_from,
        time: options.search_time,
        bound: options.bound,
        seed: SEED,
    };
    let highest = search.highest(&traffic);
    said.step("searched");
    expired::fill(&**sessions.store(), options.expired, &mut random)?;
    said.step("filled with expired sessions");

    let plan = Plan {
        rate: options.rate,
        time: options.time / 10,
        sweep_at: None,
        patience: PATIENCE,
        seed: SEED ^ 1,
    };
    // What the filling left to tidy up, and what has to get into caches.
    traffic.run(&plan);
    let before = log::started_over(folder);
    let mut measured = Measured {
        backend,
        highest,
        rounds: Vec::new(),
        nothing: Percentiles::default(),
        gave_up: false,
        checkpoints: None,
    };
    let mut nothing = Vec::new();
    for round in 0..ROUNDS {
        nothing.extend(latencies(&run::nothing(&Plan {
            time: plan.time / ROUNDS,
            ..plan
        })));
        let time = options.time / ROUNDS;
        let outcome = traffic.run(&Plan {
            time,
            sweep_at: Some(time / 2),
            seed: SEED ^ u64::from(2 + round),
            ..plan
        });
        let sweep = outcome.sweep.expect("one was asked for");
        measured.gave_up |= outcome.gave_up;
        measured.rounds.push(Round::new(&outcome, sweep));
        if sweep.complete || outcome.gave_up {
            break;
        }
    }
    measured.nothing = Percentiles::of(nothing);
    measured.checkpoints = log::started_over(folder)
        .zip(before)
        .map(|(after, before)| after.wrapping_sub(before));
    look_up_all(&sessions, &book);
    check_sweep(&measured.rounds, options.expired as u64);
    said.step("measured");
    Ok(measured)
}

/// What has expired goes, and nothing else.
fn check_sweep(rounds: &[Round], expired: u64) {
    let ended: u64 = rounds.iter().map(|round| round.sweep.ended).sum();
    let complete = rounds.iter().any(|round| round.sweep.complete);
    let wrong = ended > expired || complete && ended < expired;
    assert!(
        !wrong,
        "a wrong answer: of {expired} expired sessions a sweep ended {ended}"
    );
}

/// Tells who waits how far it is.
struct Said(&'static str, Instant);

impl Said {
    fn new(name: &'static str) -> Self {
        Self(name, Instant::now())
    }

    fn step(&self, step: &str) {
        eprintln!(
            "{}: {step} after {:.1} s",
            self.0,
            self.1.elapsed().as_secs_f64()
        );
    }
}
