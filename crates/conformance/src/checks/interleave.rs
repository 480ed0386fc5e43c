//! Every pair of operations, the first halted at each of its await points
//! while the second runs from its beginning to its end.

mod case;
mod world;

use case::Case;
use world::{World, reads, writes};

use crate::check::Clause::{C1, C2, C3, C4, C8, C9, C11};
use crate::check::{Check, Stop};
use crate::fixture::Context;
use crate::operation::Operation;

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "two_writes_at_once_are_as_one_after_the_other",
        clauses: &[C1, C2, C3, C4, C8, C11],
        about: "Check-then-act shows when something happens between the check and the act.",
        run: |context| pairs(context, &writes, &writes, End::Continued),
    },
    Check {
        name: "a_read_during_a_write_sees_before_or_after",
        clauses: &[C3, C9],
        about: "Nobody sees a row without its index entry or half of a revoke-all.",
        run: |context| pairs(context, &writes, &reads, End::Continued),
    },
    Check {
        name: "a_read_halted_half_way_undoes_no_write",
        clauses: &[C1, C9],
        about: "A cache filled with what was read before brings it back (tower-sessions, Keycloak \
                #51127).",
        run: |context| pairs(context, &reads, &writes, End::Continued),
    },
    Check {
        name: "a_write_dropped_half_way_happens_whole_or_not_at_all",
        clauses: &[C9, C1, C2],
        about: "A browser that goes away drops the future at any await point.",
        run: |context| pairs(context, &writes, &writes, End::Dropped),
    },
    Check {
        name: "a_read_after_a_dropped_write_sees_before_or_after",
        clauses: &[C9],
        about: "What a dropped write left must not be half a session.",
        run: |context| pairs(context, &writes, &reads, End::Dropped),
    },
];

/// What becomes of the operation that was halted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Continued,
    Dropped,
}

/// More await points than a verb of a store has.
const MAX_POLLS: u32 = 64;

type Operations = dyn Fn(&World) -> Vec<(&'static str, Operation)>;

fn pairs(
    context: &Context<'_>,
    firsts: &Operations,
    seconds: &Operations,
    end: End,
) -> Result<(), Stop> {
    let store = context.open()?;
    let at_once = context.harness.ends_everything_at_once();
    let possible = |operations: &Operations, world: &World| {
        let mut operations = operations(world);
        operations
            .retain(|(_, operation)| at_once || !matches!(operation, Operation::RevokeEverything));
        operations
    };
    let world = World::new(&store);
    for first in 0..possible(firsts, &world).len() {
        for second in 0..possible(seconds, &world).len() {
            // A future that was never polled does nothing: dropping it shows
            // nothing.
            let mut polls = u32::from(end == End::Dropped);
            loop {
                let world = World::new(&store);
                let (first_name, first) = possible(firsts, &world).swap_remove(first);
                let (second_name, second) = possible(seconds, &world).swap_remove(second);
                let finished = Case::new(&store, world)
                    .run(first, second, polls, end)
                    .map_err(|stop| {
                        stop.within(format!(
                            "`{first_name}` polled {polls} times, then `{second_name}`, the first \
                         then {end:?}"
                        ))
                    })?;
                polls += 1;
                if finished || polls > MAX_POLLS {
                    break;
                }
            }
        }
    }
    Ok(())
}
