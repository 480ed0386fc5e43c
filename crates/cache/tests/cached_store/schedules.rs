//! Schedules by chance: messages that are late, repeated or lost, connections
//! that break, machines that are stopped or suspended, clocks that are set. The
//! oracle knows when each session was revoked.
//!
//! `REVOCABLE_SCHEDULES=1000000 cargo test --release -p revocable-cache schedules`
//! runs as many; `REVOCABLE_SEED` begins elsewhere.

use std::collections::HashMap;
use std::env;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use futures_executor::block_on;
use revocable_core::{Clock, EndReason, Notice, Record, Result, SessionId, SessionStore};

use crate::network::{Machine, TERM};
use crate::staged::{poll, record, request};

/// Steps a schedule.
const STEPS: u32 = 60;

/// Schedules one after the other on one machine: what one leaves behind the
/// next begins with.
const IN_A_ROW: u64 = 50;

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |value| value.parse().unwrap())
}

/// The generator splitmix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    /// Up to a term and a half, mostly much less.
    fn duration(&mut self) -> Duration {
        let longest = TERM.as_millis() as u64 * 3 / 2;
        let longest = longest >> (2 * self.below(4));
        Duration::from_millis(self.below(longest + 1))
    }
}

type Load<'m> = Pin<Box<dyn Future<Output = Result<Option<Arc<Record>>>> + Send + 'm>>;

/// What is true, whatever the machine believes.
#[derive(Default)]
struct Truth {
    /// The time that has gone by.
    now: Duration,
    /// Whether the machine is suspended at times; otherwise its clock is set.
    suspends: bool,
    sessions: Vec<SessionId>,
    revoked: HashMap<SessionId, Duration>,
    /// How often a session was found, after it was revoked.
    late: u64,
    /// How often without the store.
    hits: u64,
}

impl Truth {
    /// A lookup that began at this time found the session or not.
    fn check(&mut self, id: SessionId, began: Duration, found: bool, seed: u64) {
        let revoked = self.revoked.get(&id).copied();
        if found && let Some(revoked) = revoked {
            assert!(
                began < revoked + TERM,
                "seed {seed}: revoked at {revoked:?}, found by a lookup of {began:?}"
            );
            self.late += 1;
        }
        // Nobody is logged out by mistake.
        if !found {
            assert!(
                revoked.is_some(),
                "seed {seed}: a live session was not found"
            );
        }
    }
}

fn run(seed: u64) -> Truth {
    let mut random = Random(seed);
    let mut machine = Machine::new();
    // A clock that stands still and one that is set back, within a term, cannot
    // be told from time that has not gone by.
    let mut truth = Truth {
        suspends: random.below(2) == 0,
        ..Truth::default()
    };
    for _ in 0..IN_A_ROW {
        schedule(&mut random, &mut machine, &mut truth, seed);
    }
    truth
}

fn schedule(random: &mut Random, machine: &mut Machine, truth: &mut Truth, seed: u64) {
    let network = Arc::clone(&machine.network);
    let record = record("alice");
    block_on(network.memory.create(request(record.clone()))).unwrap();
    truth.sessions.push(record.id);
    for _ in 0..STEPS {
        let id = truth.sessions
            [truth.sessions.len() - 1 - random.below(3) as usize % truth.sessions.len()];
        match random.below(20) {
            0..=4 => {
                let by = random.duration();
                machine.advance(by);
                truth.now += by;
            }
            5..=8 => {
                machine.keep();
            }
            9..=13 => {
                network
                    .unreachable
                    .store(random.below(4) == 0, Ordering::SeqCst);
                let cut_off = network.unreachable.load(Ordering::SeqCst);
                if let Ok(found) = block_on(machine.cached.lookup(id)) {
                    truth.check(id, truth.now, found.is_some(), seed);
                    truth.hits += u64::from(cut_off);
                }
                network.unreachable.store(false, Ordering::SeqCst);
            }
            // A load that a revocation overtakes after it has read.
            14 => {
                network.slow.store(true, Ordering::SeqCst);
                let began = truth.now;
                let mut slow: Load<'_> = machine.cached.lookup(id);
                let answer = poll(&mut slow);
                network.slow.store(false, Ordering::SeqCst);
                let answer = match answer {
                    Poll::Ready(answer) => answer,
                    Poll::Pending => {
                        revoke_elsewhere(&network, truth, id);
                        let by = random.duration();
                        network.clock.advance(by);
                        truth.now += by;
                        block_on(slow)
                    }
                };
                if let Ok(found) = answer {
                    truth.check(id, began, found.is_some(), seed);
                }
            }
            15 => revoke_elsewhere(&network, truth, id),
            16 => {
                let mut line = network.line.lock().unwrap();
                match random.below(7) {
                    0 | 1 => line.delay = random.duration() / 4,
                    2 => line.delay = Duration::ZERO,
                    3 => line.silent = !line.silent,
                    4 => line.refused = !line.refused,
                    5 => line.deaf = random.below(3) == 0,
                    _ => (line.silent, line.refused) = (false, false),
                }
            }
            17 => match random.below(3) {
                0 => network.cut(),
                _ => network.repeat(),
            },
            18 if truth.suspends => {
                // Measured time stands still.
                let by = random.duration();
                network.clock.jump_to(network.clock.now() + by);
                truth.now += by;
            }
            18 => {
                let by = random.duration();
                let now = network.clock.now();
                network.clock.jump_to(if random.below(2) == 0 {
                    now + by
                } else {
                    now - by
                });
            }
            _ => {
                network.announce(Notice::Changed(id));
            }
        }
    }
}

fn revoke_elsewhere(network: &crate::network::Network, truth: &mut Truth, id: SessionId) {
    let ended = block_on(network.memory.revoke(id, EndReason::LoggedOut)).unwrap();
    if ended.is_some() {
        truth.revoked.insert(id, truth.now);
    }
    network.announce(Notice::Ended {
        ended: ended.into_iter().collect(),
        own: false,
    });
}

#[test]
fn no_schedule_finds_a_session_later_than_the_term_after_its_revocation() {
    let schedules = number("REVOCABLE_SCHEDULES", 200_000);
    let seed = number("REVOCABLE_SEED", 0);
    let (mut late, mut hits) = (0, 0);
    for seed in seed..seed + schedules.div_ceil(IN_A_ROW) {
        let truth = run(seed);
        late += truth.late;
        hits += truth.hits;
    }
    // The schedules reach what they are about.
    assert!(hits > schedules / 10, "{hits} answers without the store");
    assert!(late > schedules / 100, "{late} answers within the term");
}
