//! Random programs of all verbs, and what becomes of them.

mod recorder;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use revocable_core::SessionStore;

use crate::check::error_text;
use crate::fixture::{DAY, new_record, user};
use crate::harness::Task;
use crate::linearize::is_linearizable;
use crate::operation::{Epochs, ModelState, Operation};
use crate::random::Random;
use crate::schedule::Boxed;

pub(crate) use recorder::{Recorder, render};
pub(crate) use world::World;

/// How many programs run at once.
pub(crate) const THREADS: usize = 3;

/// Runs a program of all verbs that is made from these bytes, whatever they
/// are, on each of the stores: for fuzzing.
///
/// First in sequence: every store has to reply to every operation as the
/// [`Model`](crate::Model) does, and so all alike. Then as three tasks, with
/// the bytes choosing which of them goes on at each await point: there must be
/// an order of the operations in which the model gives the same replies. The
/// stores have to be empty and are empty afterwards, so they can be used
/// again. They are driven without a runtime. The programs' time begins a day
/// after the Unix epoch.
///
/// # Errors
///
/// What the first store that failed did otherwise.
///
/// ```
/// # use std::sync::Arc;
/// # use revocable_conformance::{ModelStore, run_program};
/// run_program(b"any bytes", &[("mine", Arc::new(ModelStore::new()))]).unwrap();
/// ```
pub fn run_program(bytes: &[u8], stores: &[(&str, Arc<dyn SessionStore>)]) -> Result<(), String> {
    let users = [user("alice"), user("bob")];
    let template = new_record(DAY, 0, &users[0]);
    // An ID is never used again: a touch that was deferred in the program before
    // may still come.
    static PROGRAMS: AtomicU64 = AtomicU64::new(0);
    let world = World::new(users, template, PROGRAMS.fetch_add(1, Ordering::Relaxed));
    let mut choices = Random::chosen(bytes);
    let opening = world.opening(&mut choices);
    let programs: Vec<_> = (1..=THREADS)
        .map(|thread| world.program(thread, &mut choices))
        .collect();
    for (name, store) in stores {
        in_sequence(store, &opening, &programs, &world)
            .and_then(|()| at_once(store, &opening, &programs, &world, &mut choices.clone()))
            .map_err(|why| format!("{name}: {why}"))?;
    }
    Ok(())
}

fn in_sequence(
    store: &Arc<dyn SessionStore>,
    opening: &[Operation],
    programs: &[Vec<Operation>],
    world: &World,
) -> Result<(), String> {
    let (mut model, epochs) = (ModelState::default(), Epochs::default());
    let operations = opening
        .iter()
        .chain(programs.iter().flatten())
        .cloned()
        .chain(world.closing());
    for operation in operations {
        // When a deferred change is done is the store's business.
        let operation = match operation {
            Operation::UpdateSoon(id, change) => Operation::Update(id, change),
            other => other,
        };
        let expected = model.perform(&operation);
        let expected = expected.map_err(|error| error_text(&error))?;
        let task: Boxed<'_, _> = Box::pin(operation.clone().perform(store.clone(), &epochs));
        let reply = futures_executor::block_on(task);
        let reply = reply.map_err(|error| format!("{operation:?}: {}", error_text(&error)))?;
        if reply != expected {
            return Err(format!(
                "{operation:?}\n     replied {reply:?}\n  instead of {expected:?}"
            ));
        }
    }
    Ok(())
}

fn at_once(
    store: &Arc<dyn SessionStore>,
    opening: &[Operation],
    programs: &[Vec<Operation>],
    world: &World,
    choices: &mut Random<'_>,
) -> Result<(), String> {
    let drive = |task: Task<'_>| futures_executor::block_on(task);
    let recorder = Recorder::new(store.clone(), &drive);
    recorder.run(0, opening.to_vec());
    recorder.run_tasks(programs.to_vec(), choices);
    recorder.run(0, world.closing());
    let events = recorder.events()?;
    if is_linearizable(&events, &world.ids) {
        Ok(())
    } else {
        Err(format!(
            "no order of these operations explains their replies:\n{}",
            render(&events)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_store::ModelStore;

    #[test]
    fn whatever_the_bytes_the_model_is_right() {
        let store: Arc<dyn SessionStore> = Arc::new(ModelStore::new());
        for seed in 0..300 {
            let mut random = Random::new(seed);
            let bytes = random.bytes::<160>();
            let length = random.below(160);
            run_program(&bytes[..length], &[("model", store.clone())]).unwrap();
        }
    }
}
