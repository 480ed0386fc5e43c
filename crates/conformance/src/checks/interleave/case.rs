//! One pair of operations, and whether the model can explain what was seen.

use std::fmt::Write as _;
use std::sync::Mutex;

use revocable_core::Result;

use super::End;
use super::world::{EPOCH, EPOCH_OF_OTHER, World};
use crate::check::{Stop, error_text};
use crate::fixture::{Store, revoke_all};
use crate::operation::{Epochs, ModelState, Operation, Reply};
use crate::random::Random;
use crate::schedule::{Boxed, finish_at_random, finish_in_order, poll_times};

/// What the store may be in: the model, and writes that may still come.
#[derive(Debug, Clone, Default, PartialEq)]
struct Candidate {
    state: ModelState,
    pending: Vec<Operation>,
}

impl Candidate {
    /// This, and what it becomes when pending writes take effect now.
    fn with_pending_done(self) -> Vec<Self> {
        let mut all = vec![self];
        let mut index = 0;
        while index < all.len() {
            for pending in 0..all[index].pending.len() {
                let mut next = all[index].clone();
                let operation = next.pending.remove(pending);
                if next.state.perform(&operation).is_ok() && !all.contains(&next) {
                    all.push(next);
                }
            }
            index += 1;
        }
        all
    }

    fn after(&self, operation: &Operation, reply: &Reply) -> Option<Self> {
        let mut next = self.clone();
        match reply {
            Reply::Soon(true) => next.pending.push(operation.clone()),
            Reply::Soon(false) | Reply::ListedInParts => {}
            reply if next.state.perform(operation).ok()? != *reply => return None,
            _ => {}
        }
        Some(next)
    }
}

/// One pair, halted at one place.
pub(super) struct Case<'s> {
    store: &'s Store<'s>,
    world: World,
    epochs: Epochs,
    candidates: Vec<Candidate>,
}

impl<'s> Case<'s> {
    pub(super) fn new(store: &'s Store<'s>, world: World) -> Self {
        Self {
            store,
            world,
            epochs: Epochs::default(),
            candidates: vec![Candidate::default()],
        }
    }

    /// Returns whether the first operation came to its end before the second
    /// began.
    pub(super) fn run(
        mut self,
        first: Operation,
        second: Operation,
        polls: u32,
        end: End,
    ) -> Result<bool, Stop> {
        self.set_up()?;
        let store = self.store.inner.clone();
        let start = |operation: &Operation| -> Boxed<'_, Result<Reply>> {
            Box::pin(operation.clone().perform(store.clone(), &self.epochs))
        };
        let mut halted = start(&first);
        let early = self.store.block_on(poll_times(&mut halted, polls));
        let finished = early.is_some();
        match (early, end) {
            (Some(reply), _) => {
                drop(halted);
                let second_reply = self.store.block_on(start(&second));
                self.saw(&first, reply?)?;
                self.saw(&second, second_reply?)?;
            }
            (None, End::Continued) => {
                let (second_reply, first_reply) =
                    self.store.block_on(finish_in_order(start(&second), halted));
                self.saw_both((&first, first_reply?), (&second, second_reply?))?;
            }
            (None, End::Dropped) => {
                drop(halted);
                let second_reply = self.store.block_on(start(&second));
                for candidate in &mut self.candidates {
                    candidate.pending.push(first.clone());
                }
                self.saw(&second, second_reply?)?;
            }
        }
        self.look_around()?;
        Ok(finished)
    }

    fn set_up(&mut self) -> Result<(), Stop> {
        let world = &self.world;
        let base = self.store.base;
        let mut opening = vec![Operation::RevokeAll(revoke_all(&world.user, None, base))];
        opening.extend(
            [
                &world.renewed,
                &world.older,
                &world.expired,
                &world.of_other,
            ]
            .map(|record| Operation::Create(Box::new(world.create(record)), None)),
        );
        // All at once, for stores that commit many writes as fast as one.
        let results = Mutex::new(Vec::new());
        let tasks = opening.iter().map(|operation| -> Boxed<'_, ()> {
            Box::pin(async {
                let result = operation
                    .clone()
                    .perform(self.store.inner.clone(), &self.epochs)
                    .await;
                if let (Err(error), Ok(mut results)) = (result, results.lock()) {
                    results.push(error_text(&error));
                }
            })
        });
        // The revoke-all first, lest it ends what is created.
        let mut tasks: Vec<_> = tasks.collect();
        self.store.block_on(tasks.remove(0));
        self.store
            .block_on(finish_at_random(tasks, &mut Random::new(0)));
        let failed = results.into_inner().unwrap_or_default();
        if let Some(error) = failed.first() {
            return Err(Stop::failed(error.clone()).within("setting up"));
        }
        for candidate in &mut self.candidates {
            for operation in &opening {
                candidate.state.perform(operation)?;
            }
        }
        for (user, slot) in [
            (self.world.user.clone(), EPOCH),
            (self.world.other.clone(), EPOCH_OF_OTHER),
        ] {
            self.perform(Operation::Epoch(user, slot))?;
        }
        Ok(())
    }

    /// Everything that can be seen of the store, twice over, and then removed.
    fn look_around(&mut self) -> Result<(), Stop> {
        let world = &self.world;
        let records = [
            &world.renewed,
            &world.older,
            &world.expired,
            &world.of_other,
            &world.new,
            &world.new_too,
        ];
        let lookups = records.map(|record| Operation::Lookup(record.id));
        let users = [world.user.clone(), world.other.clone()];
        let lists = users.clone().map(Operation::List);
        let logins = [(&world.user, EPOCH), (&world.other, EPOCH_OF_OTHER)].map(|(user, slot)| {
            let record = world.one_more(self.store, user);
            Operation::Create(Box::new(world.create(&record)), Some(slot))
        });
        let all = users
            .clone()
            .map(|user| Operation::RevokeAll(revoke_all(&user, None, world.now_ms)));
        let closing = lookups
            .clone()
            .into_iter()
            .chain(lists.clone())
            .chain(logins)
            .chain(lookups)
            .chain(lists)
            .chain(all)
            // Nothing is left; where it takes long it is not done each time.
            .chain(
                self.store
                    .ends_everything_at_once()
                    .then_some(Operation::RevokeEverything),
            );
        for operation in closing.collect::<Vec<_>>() {
            self.perform(operation)?;
        }
        Ok(())
    }

    fn perform(&mut self, operation: Operation) -> Result<(), Stop> {
        let store = self.store.inner.clone();
        let reply = self
            .store
            .block_on(operation.clone().perform(store, &self.epochs))?;
        self.saw(&operation, reply)
    }

    fn saw(&mut self, operation: &Operation, reply: Reply) -> Result<(), Stop> {
        let before = std::mem::take(&mut self.candidates);
        let before = with_pending_done(before);
        for candidate in &before {
            if let Some(next) = candidate.after(operation, &reply)
                && !self.candidates.contains(&next)
            {
                self.candidates.push(next);
            }
        }
        if self.candidates.is_empty() {
            return Err(unexplained(operation, &reply, &before));
        }
        Ok(())
    }

    fn saw_both(
        &mut self,
        first: (&Operation, Reply),
        second: (&Operation, Reply),
    ) -> Result<(), Stop> {
        let before = std::mem::take(&mut self.candidates);
        for (one, other) in [(&first, &second), (&second, &first)] {
            for candidate in &before {
                let Some(between) = candidate.after(one.0, &one.1) else {
                    continue;
                };
                for between in between.with_pending_done() {
                    self.candidates.extend(between.after(other.0, &other.1));
                }
            }
        }
        if self.candidates.is_empty() {
            return Err(Stop::failed(format!(
                "in no order could the first give {:?} and the second {:?}",
                first.1, second.1
            )));
        }
        Ok(())
    }
}

fn with_pending_done(candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates
        .into_iter()
        .flat_map(Candidate::with_pending_done)
        .collect()
}

fn unexplained(operation: &Operation, reply: &Reply, candidates: &[Candidate]) -> Stop {
    let mut text = format!("then {operation:?} gave {reply:?}, and should have given");
    for candidate in candidates {
        let mut state = candidate.state.clone();
        match state.perform(operation) {
            Ok(expected) => _ = write!(text, " [{expected:?}]"),
            Err(error) => _ = write!(text, " [{error}]"),
        }
    }
    Stop::failed(text)
}
