//! Random programs run concurrently, and their histories held against the
//! model.

use crate::check::Clause::{C1, C3, C4, C8, C9, C11};
use crate::check::{Check, Stop};
use crate::fixture::Context;
use crate::harness::Task;
use crate::linearize::is_linearizable;
use crate::operation::Operation;
use crate::program::{Recorder, THREADS, World, render};
use crate::random::Random;

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "histories_of_threads_are_linearizable",
        clauses: &[C1, C3, C4, C8, C11],
        about: "Whatever threads do at once must look as if done one after the other.",
        run: |context| histories(context, Way::Threads),
    },
    Check {
        name: "histories_of_interleaved_tasks_are_linearizable",
        clauses: &[C1, C3, C4, C8, C9, C11],
        about: "The same with all on one thread and switches at the store's await points.",
        run: |context| histories(context, Way::Tasks),
    },
];

#[derive(Clone, Copy)]
enum Way {
    Threads,
    Tasks,
}

fn histories(context: &Context<'_>, way: Way) -> Result<(), Stop> {
    let store = context.open()?;
    for seed in 0..context.rounds() {
        let mut random = Random::new(seed);
        let users = [store.user(), store.user()];
        let template = store.record(&users[0]);
        let mut world = World::new(users, template, seed);
        world.ends_everything = context.harness.ends_everything_at_once();
        let drive = |task: Task<'_>| store.block_on(task);
        let recorder = Recorder::new(store.inner.clone(), &drive);

        recorder.run(0, world.opening(&mut random));
        let programs: Vec<Vec<Operation>> = (1..=THREADS)
            .map(|thread| world.program(thread, &mut random))
            .collect();
        match way {
            Way::Threads => recorder.run_threads(programs),
            Way::Tasks => recorder.run_tasks(programs, &mut random),
        }
        recorder.run(0, world.closing());

        let events = recorder.events().map_err(Stop::failed)?;
        if !is_linearizable(&events, &world.ids) {
            return Err(Stop::failed(format!(
                "no order of these operations explains their replies (seed {seed}):\n{}",
                render(&events)
            )));
        }
    }
    Ok(())
}
