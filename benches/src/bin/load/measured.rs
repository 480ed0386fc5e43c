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
use crate::run::{Outcome, Plan, Sample, Swept, Traffic};
use crate::search::{Held, Search, latencies};

const SEED: u64 = 20_261_125;

/// Of popularity among sessions.
const ZIPF: f64 = 0.99;

/// From how far behind the fixed rate is given up.
const PATIENCE: Duration = Duration::from_secs(2);

/// What came of a store.
pub(crate) struct Measured {
    pub(crate) backend: &'static Backend,
    pub(crate) highest: Option<Held>,
    pub(crate) calm: Calls,
    pub(crate) swept: Calls,
    pub(crate) sweep: Swept,
    pub(crate) gave_up: bool,
    /// How often SQLite's log started over before the sweep and during it.
    pub(crate) checkpoints: Option<u32>,
}

/// The calls of one half of the time at the fixed rate.
pub(crate) struct Calls {
    pub(crate) lookups: Percentiles,
    pub(crate) writes: Percentiles,
}

impl Calls {
    fn due(outcome: &Outcome, from: Duration, to: Duration) -> Self {
        let of = |samples: &[Sample]| {
            let due = |sample: &&Sample| (from..to).contains(&sample.due);
            let samples: Vec<_> = samples.iter().filter(due).copied().collect();
            Percentiles::of(latencies(&samples))
        };
        Self {
            lookups: of(&outcome.lookups),
            writes: of(&outcome.writes),
        }
    }
}

/// Fills the store, looks for its highest rate, adds the expired sessions, and
/// offers the fixed rate: first with nothing else going on, then while they are
/// swept away.
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

    let half = options.time / 2;
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
    let outcome = traffic.run(&Plan {
        time: options.time,
        sweep_at: Some(half),
        seed: SEED ^ 2,
        ..plan
    });
    let checkpoints = log::started_over(folder)
        .zip(before)
        .map(|(after, before)| after.wrapping_sub(before));
    let sweep = outcome.sweep.expect("one was asked for");
    let expired = options.expired as u64;
    let wrong = sweep.ended > expired || sweep.complete && sweep.ended < expired;
    assert!(
        !wrong,
        "a wrong answer: of {expired} expired {} were swept",
        sweep.ended
    );
    look_up_all(&sessions, &book);
    said.step("measured");
    Ok(Measured {
        backend,
        highest,
        calm: Calls::due(&outcome, Duration::ZERO, sweep.from),
        swept: Calls::due(&outcome, sweep.from, sweep.to),
        sweep,
        gave_up: outcome.gave_up,
        checkpoints,
    })
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
