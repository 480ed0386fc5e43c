//! The highest rate that holds.

use std::time::Duration;

use revocable_benches::percentile::Percentiles;

use crate::run::{Outcome, Plan, Sample, Traffic};

/// In how many halvings of its logarithm the last doubling is divided: 2 leave
/// it uncertain by a fifth.
const BISECTIONS: usize = 2;

/// More than the driver offers on any machine that this has run on.
const MOST: f64 = 16e6;

/// How the search goes about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search {
    /// The first rate that is tried.
    pub(crate) from: f64,
    /// How long each is tried.
    pub(crate) time: Duration,
    pub(crate) bound: Duration,
    pub(crate) seed: u64,
}

/// A rate that held, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) rate: f64,
    pub(crate) lookups: Percentiles,
    pub(crate) writes: Percentiles,
}

impl Search {
    /// What holding means, for people.
    pub(crate) fn meaning(bound: Duration) -> String {
        format!(
            "A rate holds if, counted from when each call was due, 99 of 100 calls (lookups and \
             writes together) are answered within {} ms, and no backlog has built up: of the \
             lookups and of the writes that are due in the last tenth of the time, each time half \
             are answered within as long. A rate that does not hold is tried once more, because \
             something else may have had the machine.",
            bound.as_millis()
        )
    }

    /// Doubles the rate until it does not hold, then goes half of the way back,
    /// and so on. `None` if not even the first rate holds.
    pub(crate) fn highest(&self, traffic: &Traffic<'_>) -> Option<Held> {
        let mut held = self.try_twice(traffic, self.from)?;
        let mut broken = loop {
            let rate = held.rate * 2.0;
            match self.try_twice(traffic, rate) {
                Some(next) if rate < MOST => held = next,
                _ => break rate,
            }
        };
        for _ in 0..BISECTIONS {
            let middle = (held.rate * broken).sqrt().round();
            match self.try_twice(traffic, middle) {
                Some(next) => held = next,
                None => broken = middle,
            }
        }
        Some(held)
    }

    fn try_twice(&self, traffic: &Traffic<'_>, rate: f64) -> Option<Held> {
        (0..2).find_map(|attempt| {
            let outcome = traffic.run(&Plan {
                rate,
                time: self.time,
                sweep_at: None,
                // Behind by so much at any moment is behind for most of a try.
                patience: self.time / 4,
                seed: self.seed ^ rate.to_bits() ^ attempt,
            });
            self.held(&outcome).then(|| Held {
                rate,
                lookups: Percentiles::of(latencies(&outcome.lookups)),
                writes: Percentiles::of(latencies(&outcome.writes)),
            })
        })
    }

    fn held(&self, outcome: &Outcome) -> bool {
        let bound_ns = self.bound.as_nanos() as u64;
        let mut all = latencies(&outcome.lookups);
        all.extend(latencies(&outcome.writes));
        let last_tenth = |samples: &[Sample]| {
            let late = samples
                .iter()
                .filter(|sample| sample.due >= self.time * 9 / 10);
            Percentiles::of(latencies(late))
        };
        !outcome.gave_up
            && Percentiles::of(all).p99_ns <= bound_ns
            && last_tenth(&outcome.lookups).p50_ns <= bound_ns
            && last_tenth(&outcome.writes).p50_ns <= bound_ns
    }
}

/// In nanoseconds.
pub(crate) fn latencies<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Vec<u64> {
    samples
        .into_iter()
        .map(|sample| sample.latency.as_nanos() as u64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEARCH: Search = Search {
        from: 1.0,
        time: Duration::from_secs(1),
        bound: Duration::from_millis(10),
        seed: 1,
    };

    fn samples(latency: impl Fn(u64) -> u64) -> Vec<Sample> {
        (0..1_000)
            .map(|ms| Sample {
                due: Duration::from_millis(ms),
                latency: Duration::from_millis(latency(ms)),
                late: Duration::ZERO,
            })
            .collect()
    }

    fn holds(lookups: Vec<Sample>, writes: Vec<Sample>) -> bool {
        SEARCH.held(&Outcome {
            lookups,
            writes,
            ..Outcome::default()
        })
    }

    #[test]
    fn one_slow_call_of_1_000_does_no_harm_and_50_do() {
        let slow = |nth| samples(move |ms| if ms % nth == 0 { 50 } else { 1 });
        assert!(holds(slow(1_000), samples(|_| 9)));
        assert!(!holds(slow(20), samples(|_| 1)));
        assert!(!holds(samples(|_| 1), slow(20)));
    }

    #[test]
    fn a_backlog_of_the_few_writes_shows() {
        let many = (0..300).flat_map(|_| samples(|_| 1)).collect();
        let growing = samples(|ms| ms / 50);
        assert!(!holds(many, growing));
    }

    #[test]
    fn who_gave_up_did_not_hold() {
        let outcome = Outcome {
            gave_up: true,
            ..Outcome::default()
        };
        assert!(!SEARCH.held(&outcome));
    }
}
