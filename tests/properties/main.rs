//! Whole lives of sessions by chance, on a clock that jumps, against a model
//! of what [`Sessions`](revocable::Sessions) promises: timeouts, touches,
//! renewals whose responses are lost, reuse, the cap, logins and sweeps, in any
//! order.
//!
//! `PROPTEST_CASES` sets how many lives there are, and has them be others in
//! each run.

mod commands;
mod model;

use std::sync::Arc;

use commands::{Command, World, commands, policies};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use revocable::{CachedStore, ManualClock, MemoryStore, Policy, SessionStore};
use revocable_conformance::ModelStore;

/// One life. The store is made with the clock that the sessions have.
fn live<S: SessionStore>(
    policy: Policy,
    commands: &[Command],
    store: impl FnOnce(Arc<ManualClock>) -> S,
) {
    let clock = commands::clock();
    let mut world = World::new(store(clock.clone()), policy, clock);
    for command in commands {
        world.perform(command);
    }
}

fn cases() -> Option<u32> {
    let cases = std::env::var("PROPTEST_CASES").ok()?;
    Some(cases.parse().expect("PROPTEST_CASES is a number"))
}

proptest! {
    #![proptest_config(ProptestConfig {
        // Found cases become tests of their own; no file is left behind.
        failure_persistence: None,
        cases: cases().unwrap_or(3_000),
        // The same lives in each run, unless a number was asked for.
        rng_seed: match cases() {
            Some(_) => RngSeed::Random,
            None => RngSeed::Fixed(1),
        },
        ..ProptestConfig::default()
    })]

    #[test]
    fn sessions_in_memory_do_as_the_model(policy in policies(), commands in commands()) {
        live(policy, &commands, |_| MemoryStore::new());
    }

    #[test]
    fn sessions_behind_a_cache_do_as_the_model(policy in policies(), commands in commands()) {
        live(policy, &commands, |clock| {
            let cached = CachedStore::builder(MemoryStore::new()).clock(clock).build();
            cached.expect("memory has one writer")
        });
    }

    #[test]
    fn sessions_in_the_simplest_store_do_as_the_model(policy in policies(), commands in commands()) {
        live(policy, &commands, |_| ModelStore::new());
    }
}
