//! Whether a concurrent history can be explained by the model: whether its
//! operations can be put in an order, each at an instant between its call and
//! its return, in which the model gives the same replies (Herlihy and Wing
//! 1990; the search is that of Wing and Gong 1993 with Lowe's memory of states
//! seen).

use std::collections::HashMap;

use revocable_core::{Liveness, SessionId};

use crate::operation::{ModelState, Operation, Reply};

/// Something that was called and perhaps came back. Times are numbers of a
/// counter that all threads share.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) thread: usize,
    pub(crate) called: u64,
    pub(crate) returned: u64,
    pub(crate) operation: Operation,
    pub(crate) reply: Reply,
}

/// What takes effect at one instant. A sweep is no single step but one for
/// each session that there may be.
#[derive(Debug)]
struct Step<'a> {
    called: u64,
    /// `u64::MAX` for one that may take effect at any time later, or never.
    returned: u64,
    kind: Kind<'a>,
}

#[derive(Debug)]
enum Kind<'a> {
    Whole(&'a Operation, &'a Reply),
    SweepOf(SessionId, Liveness, bool),
    Maybe(&'a Operation),
}

/// Whether there is such an order. `universe`: all IDs that occur.
pub(crate) fn is_linearizable(events: &[Event], universe: &[SessionId]) -> bool {
    let steps = steps(events, universe);
    assert!(steps.len() < 128, "histories are kept small");
    let mut search = Search {
        steps,
        seen: HashMap::new(),
    };
    search.search(0, ModelState::default())
}

fn steps<'a>(events: &'a [Event], universe: &[SessionId]) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    for event in events {
        let (called, returned) = (event.called, event.returned);
        let step = |kind| Step {
            called,
            returned,
            kind,
        };
        match (&event.operation, &event.reply) {
            (Operation::Sweep { liveness, .. }, Reply::Swept(ended)) => {
                steps.extend(universe.iter().map(|id| {
                    let removed = ended.iter().any(|ended| ended.id == *id);
                    step(Kind::SweepOf(*id, *liveness, removed))
                }));
            }
            (operation @ Operation::UpdateSoon(..), Reply::Soon(true)) => steps.push(Step {
                called,
                returned: u64::MAX,
                kind: Kind::Maybe(operation),
            }),
            // Not done, or no single view: says nothing.
            (_, Reply::Soon(false) | Reply::ListedInParts) => {}
            (operation, reply) => steps.push(step(Kind::Whole(operation, reply))),
        }
    }
    steps
}

struct Search<'a> {
    steps: Vec<Step<'a>>,
    seen: HashMap<u128, Vec<ModelState>>,
}

impl Search<'_> {
    fn search(&mut self, done: u128, state: ModelState) -> bool {
        let open = |index: &usize| done & (1 << index) == 0;
        let first_return = (0..self.steps.len())
            .filter(open)
            .map(|index| self.steps[index].returned)
            .min()
            .unwrap_or(u64::MAX);
        if first_return == u64::MAX {
            return true;
        }
        let seen = self.seen.entry(done).or_default();
        if seen.contains(&state) {
            return false;
        }
        seen.push(state.clone());
        let candidates: Vec<usize> = (0..self.steps.len())
            .filter(open)
            .filter(|index| self.steps[*index].called < first_return)
            .collect();
        candidates.into_iter().any(|index| {
            take(&self.steps[index].kind, &state)
                .is_some_and(|next| self.search(done | 1 << index, next))
        })
    }
}

/// The state after the step, if the model replies the same.
fn take(kind: &Kind<'_>, state: &ModelState) -> Option<ModelState> {
    let mut next = state.clone();
    match kind {
        Kind::Whole(operation, reply) => {
            let expected = next.perform(operation).ok()?;
            (expected == **reply).then_some(next)
        }
        Kind::Maybe(operation) => {
            next.perform(operation).ok()?;
            Some(next)
        }
        Kind::SweepOf(id, liveness, removed) => {
            let expired = next
                .model
                .lookup(*id)
                .is_some_and(|record| !liveness.is_live(&*record));
            if expired {
                next.model.revoke(*id, revocable_core::EndReason::Expired);
            }
            (expired == *removed).then_some(next)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{change, digest, user};
    use revocable_core::{Bucket, ChangeKind, Client, CreateRequest, Record};

    fn record() -> Record {
        let user = user("alice");
        Record {
            id: SessionId::new(1, Bucket::of(&user), [0; 8]),
            user,
            digest: digest(0),
            previous: None,
            created_ms: 1,
            authenticated_ms: 1,
            last_seen_ms: 1,
            expires_ms: 100,
            idle_timeout_ms: 100,
            version: 0,
            client: Client::new(),
            data: Box::default(),
        }
    }

    fn event(called: u64, returned: u64, operation: Operation, reply: Reply) -> Event {
        Event {
            thread: 0,
            called,
            returned,
            operation,
            reply,
        }
    }

    fn create() -> Event {
        let request = CreateRequest {
            record: record(),
            expected_epoch: None,
            cap: None,
            liveness: Liveness::at(1),
        };
        event(
            0,
            1,
            Operation::Create(Box::new(request), None),
            Reply::Created(vec![]),
        )
    }

    fn lookup(called: u64, returned: u64, found: bool) -> Event {
        let reply = Reply::Found(found.then(|| record().into()));
        event(called, returned, Operation::Lookup(record().id), reply)
    }

    fn revoke(called: u64, returned: u64) -> Event {
        let mut state = ModelState::default();
        state.perform(&create().operation).unwrap();
        let operation = Operation::Revoke(record().id);
        let reply = state.perform(&operation).unwrap();
        event(called, returned, operation, reply)
    }

    fn explained(events: &[Event]) -> bool {
        is_linearizable(events, &[record().id])
    }

    #[test]
    fn a_lookup_during_a_revocation_may_see_it_or_not() {
        assert!(explained(&[create(), revoke(2, 5), lookup(3, 4, true)]));
        assert!(explained(&[create(), revoke(2, 5), lookup(3, 4, false)]));
    }

    #[test]
    fn a_lookup_after_a_revocation_must_see_it() {
        assert!(explained(&[create(), revoke(2, 3), lookup(4, 5, false)]));
        assert!(!explained(&[create(), revoke(2, 3), lookup(4, 5, true)]));
        assert!(!explained(&[
            create(),
            revoke(2, 7),
            lookup(3, 4, false),
            lookup(5, 6, true)
        ]));
    }

    #[test]
    fn a_sweep_removes_what_is_expired_and_leaves_the_rest() {
        let sweep = |now_ms, ended: bool| {
            let operation = Operation::Sweep {
                liveness: Liveness::at(now_ms),
                forget_epochs_before_ms: 0,
                max_rows: 1,
            };
            let ended = ended.then(|| revocable_core::Ended {
                id: record().id,
                user: Some(record().user),
                reason: revocable_core::EndReason::Expired,
            });
            event(2, 3, operation, Reply::Swept(ended.into_iter().collect()))
        };
        assert!(explained(&[create(), sweep(100, true)]));
        assert!(!explained(&[create(), sweep(100, false)]));
        assert!(explained(&[create(), sweep(99, false)]));
        assert!(!explained(&[create(), sweep(99, true)]));
    }

    #[test]
    fn a_touch_that_comes_soon_may_come_late_or_never() {
        let soon = event(
            2,
            3,
            Operation::UpdateSoon(record().id, change(9, ChangeKind::Touch)),
            Reply::Soon(true),
        );
        assert!(explained(&[create(), soon.clone(), lookup(4, 5, true)]));
        let mut touched = lookup(6, 7, true);
        touched.reply = Reply::Found(Some(
            Record {
                last_seen_ms: 9,
                ..record()
            }
            .into(),
        ));
        let early = lookup(4, 5, true);
        assert!(explained(&[create(), soon.clone(), early, touched.clone()]));
        let back = lookup(8, 9, true);
        assert!(!explained(&[create(), soon, touched, back]));
    }
}
