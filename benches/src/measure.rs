//! Timing contenders side by side, round by round.

use std::time::Instant;

use futures_executor::block_on;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::workload::{Random, Request};

/// One of the things that are compared.
pub struct Contender<'a> {
    name: String,
    supply: Supply<'a>,
    /// How many calls are timed together, and how often in a round.
    batch: (usize, usize),
    run: Run<'a>,
    /// Of each round.
    ns_per_call: Vec<f64>,
    latencies_ns: Vec<u64>,
}

/// Where a round gets its requests from.
enum Supply<'a> {
    /// Any of these, as often as it comes.
    Among(&'a [Request]),
    /// So many new ones, because answering one uses it up.
    Fresh(Box<dyn FnMut(usize) -> Vec<Request> + 'a>),
}

/// Answers requests and says how many answers were right. If asked, also notes
/// how long each took.
pub type Run<'a> = Box<dyn FnMut(&[Request], Option<&mut Vec<u64>>) -> usize + 'a>;

/// What came of a contender.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// What was measured, its durability included.
    pub name: String,
    /// The median over the rounds of the time of a call, which is the median
    /// over the batches of a round.
    pub median_ns: f64,
    /// The 99th percentile of single calls, the clock's own time included.
    pub p99_ns: f64,
    /// Per round, for ratios of what ran side by side.
    rounds: Vec<f64>,
}

/// The calls one after the other.
pub fn one_by_one<'a>(answer: impl AsyncFn(&Request) -> bool + 'a) -> Run<'a> {
    Box::new(move |requests, latencies| block_on(each(&answer, requests, latencies)))
}

/// The calls divided among so many tasks, all under way at the same time.
///
/// All tasks are on the calling thread, as in a runtime with one worker: a task
/// that waits costs nothing, and what is measured is how well the store lets
/// writes wait together, not how many threads the machine has.
pub fn at_once<'a>(tasks: usize, answer: impl AsyncFn(&Request) -> bool + 'a) -> Run<'a> {
    Box::new(move |requests, mut latencies| {
        let run = async |requests| {
            let mut own = Vec::new();
            (each(&answer, requests, Some(&mut own)).await, own)
        };
        let tasks: FuturesUnordered<_> = requests
            .chunks(requests.len().div_ceil(tasks))
            .map(run)
            .collect();
        block_on(tasks.fold(0, |all, (right, own)| {
            if let Some(latencies) = latencies.as_deref_mut() {
                latencies.extend(own);
            }
            std::future::ready(all + right)
        }))
    })
}

async fn each(
    answer: impl AsyncFn(&Request) -> bool,
    requests: &[Request],
    latencies: Option<&mut Vec<u64>>,
) -> usize {
    let mut right = 0;
    if let Some(latencies) = latencies {
        for request in requests {
            let start = Instant::now();
            right += usize::from(answer(request).await);
            latencies.push(start.elapsed().as_nanos() as u64);
        }
    } else {
        for request in requests {
            right += usize::from(answer(request).await);
        }
    }
    right
}

impl<'a> Contender<'a> {
    /// A contender that answers so many calls at a time, and so often in each
    /// round. Batches of some microseconds are so short that the operating
    /// system seldom interrupts one, and so long that the clock does not count.
    pub fn new(
        name: impl Into<String>,
        requests: &'a [Request],
        batch: (usize, usize),
        run: Run<'a>,
    ) -> Self {
        Self::of(name.into(), Supply::Among(requests), batch, run)
    }

    /// A contender that uses its requests up: a session can be revoked once.
    /// Making new ones is not timed.
    pub fn with_fresh(
        name: impl Into<String>,
        make: impl FnMut(usize) -> Vec<Request> + 'a,
        batch: (usize, usize),
        run: Run<'a>,
    ) -> Self {
        Self::of(name.into(), Supply::Fresh(Box::new(make)), batch, run)
    }

    fn of(name: String, supply: Supply<'a>, batch: (usize, usize), run: Run<'a>) -> Self {
        Self {
            name,
            supply,
            batch,
            run,
            ns_per_call: Vec::new(),
            latencies_ns: Vec::new(),
        }
    }

    fn round(&mut self, random: &mut Random) {
        let (calls, times) = self.batch;
        // What the contender before has left in the processor's caches is not
        // what this one finds in use: half a turn more goes first, untimed.
        if let Supply::Among(_) = self.supply {
            let warm_up = self.supply.take(random, calls * times / 2);
            let right = (self.run)(&warm_up, None);
            assert_eq!(right, warm_up.len(), "{}: a wrong answer", self.name);
        }
        let requests = self.supply.take(random, calls * times);
        let mut ns_per_call = Vec::with_capacity(times);
        for batch in requests.chunks(calls) {
            let start = Instant::now();
            let right = (self.run)(batch, None);
            let elapsed = start.elapsed();
            assert_eq!(right, calls, "{}: a wrong answer", self.name);
            ns_per_call.push(elapsed.as_nanos() as f64 / calls as f64);
        }
        self.ns_per_call.push(median(ns_per_call));

        let singly = self.supply.take(random, (calls * times).div_ceil(4));
        let right = (self.run)(&singly, Some(&mut self.latencies_ns));
        assert_eq!(right, singly.len(), "{}: a wrong answer", self.name);
    }

    fn finish(mut self) -> Measurement {
        Measurement {
            name: self.name,
            median_ns: median(self.ns_per_call.clone()),
            p99_ns: percentile_99(&mut self.latencies_ns),
            rounds: self.ns_per_call,
        }
    }
}

impl Supply<'_> {
    /// Old ones uniformly among all. A copy, because a request comes with its
    /// token from the network, and is in the processor's cache.
    fn take(&mut self, random: &mut Random, count: usize) -> Vec<Request> {
        match self {
            Self::Among(requests) => {
                let len = requests.len() as u64;
                (0..count)
                    .map(|_| requests[random.below(len) as usize].clone())
                    .collect()
            }
            Self::Fresh(make) => make(count),
        }
    }
}

/// Measures all contenders, each in every round, in an order that rotates so
/// that none always has the same one before it. The first round warms up.
pub fn interleave(
    mut contenders: Vec<Contender<'_>>,
    rounds: usize,
    random: &mut Random,
) -> Vec<Measurement> {
    let count = contenders.len();
    for round in 0..=rounds {
        for turn in 0..count {
            contenders[(round + turn) % count].round(random);
        }
        if round == 0 {
            for contender in &mut contenders {
                contender.ns_per_call.clear();
                contender.latencies_ns.clear();
            }
        }
    }
    contenders.into_iter().map(Contender::finish).collect()
}

impl Measurement {
    /// How many times as long this takes as another, in the median over the
    /// rounds: a disturbance mostly hits both of a round.
    pub fn ratio_to(&self, other: &Self) -> f64 {
        let ratios = self.rounds.iter().zip(&other.rounds);
        median(ratios.map(|(own, other)| own / other).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2.0
    }
}

fn percentile_99(values: &mut [u64]) -> f64 {
    let at = values.len() * 99 / 100;
    *values.select_nth_unstable(at).1 as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_percentile_are_those_of_the_textbook() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        let mut values: Vec<u64> = (0..1_000).rev().collect();
        assert_eq!(percentile_99(&mut values), 990.0);
    }

    #[test]
    #[should_panic(expected = "a wrong answer")]
    fn a_wrong_answer_stops_the_measurement() {
        let requests = [Request::new("", "alice")];
        let calls = std::cell::Cell::new(0);
        let wrong_at_times = one_by_one(async |_: &Request| {
            calls.set(calls.get() + 1);
            calls.get() % 5 != 0
        });
        let contender = Contender::new("wrong", &requests, (4, 1), wrong_at_times);
        interleave(vec![contender], 3, &mut Random(1));
        calls.take();
    }

    #[test]
    fn fresh_requests_are_asked_once() {
        let (mut made, mut asked) = (0, Vec::new());
        let make = |count| {
            let numbers = made..made + count;
            made += count;
            numbers.map(|n| Request::new("", &n.to_string())).collect()
        };
        let run = Box::new(|requests: &[Request], latencies: Option<&mut Vec<u64>>| {
            if let Some(latencies) = latencies {
                latencies.resize(latencies.len() + requests.len(), 1);
            }
            asked.extend(requests.iter().map(|request| request.user.clone()));
            requests.len()
        });
        let contender = Contender::with_fresh("fresh", make, (4, 2), run);
        interleave(vec![contender], 3, &mut Random(1));
        asked.sort();
        asked.dedup();
        assert_eq!((made, asked.len()), (40, 40));
    }

    #[test]
    fn tasks_answer_every_request_once() {
        let requests: Vec<_> = (0..100).map(|n| Request::new("", &n.to_string())).collect();
        let seen = std::cell::RefCell::new(Vec::new());
        let mut latencies = Vec::new();
        let right = at_once(8, async |request: &Request| {
            seen.borrow_mut().push(request.user.clone());
            true
        })(&requests, Some(&mut latencies));
        let mut seen = seen.into_inner();
        seen.sort();
        seen.dedup();
        assert_eq!((right, seen.len(), latencies.len()), (100, 100, 100));
    }
}
