//! Every pair of operations, the first halted at each of its await points
//! while the second runs from its beginning to its end.

use std::fmt::Write as _;

use revocable_core::{
    AtCap, Bucket, ChangeKind, CreateRequest, Digest, Liveness, Previous, Record, Renewal, Result,
    Salt, SessionId, Successor, UserId,
};

use crate::check::Clause::{C1, C2, C3, C4, C8, C9, C11};
use crate::check::{Check, Stop, error_text};
use crate::fixture::{Context, HOUR, MINUTE, Store, cap, change, digest, revoke_all};
use crate::operation::{Epochs, ModelState, Operation, Reply};
use crate::random::Random;
use crate::schedule::{Boxed, finish_at_random, finish_in_order, poll_times};

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
    let world = World::new(&store);
    for first in 0..firsts(&world).len() {
        for second in 0..seconds(&world).len() {
            // A future that was never polled does nothing: dropping it shows
            // nothing.
            let mut polls = u32::from(end == End::Dropped);
            loop {
                let world = World::new(&store);
                let (first_name, first) = firsts(&world).swap_remove(first);
                let (second_name, second) = seconds(&world).swap_remove(second);
                let finished = Case {
                    store: &store,
                    world,
                    epochs: Epochs::default(),
                    candidates: vec![Candidate::default()],
                }
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

/// One user with three sessions, one of them expired, and another user.
struct World {
    user: UserId,
    other: UserId,
    /// Used lately, after a periodic renewal that is not confirmed.
    renewed: Record,
    /// Used before that.
    older: Record,
    /// Expired when the operations take place.
    expired: Record,
    of_other: Record,
    new: Record,
    new_too: Record,
    now_ms: i64,
}

const EPOCH: u8 = 0;
const EPOCH_OF_OTHER: u8 = 1;

impl World {
    fn new(store: &Store<'_>) -> Self {
        let (user, other) = (store.user(), store.user());
        let now_ms = store.base + HOUR + 30 * MINUTE;
        let seen = |user: &UserId, last_seen_ms| Record {
            last_seen_ms,
            ..store.record(user)
        };
        let unconfirmed = Previous {
            digest: digest(100),
            replaced_ms: now_ms - 5 * MINUTE,
            successor: Successor::Unconfirmed {
                salt: Salt::from_bytes([7; Salt::LEN]),
            },
        };
        Self {
            renewed: Record {
                previous: Some(unconfirmed),
                ..seen(&user, now_ms - 5 * MINUTE)
            },
            older: seen(&user, now_ms - 10 * MINUTE),
            expired: seen(&user, store.base),
            of_other: seen(&other, now_ms - MINUTE),
            new: seen(&user, now_ms),
            new_too: seen(&user, now_ms),
            user,
            other,
            now_ms,
        }
    }

    fn create(&self, record: &Record) -> CreateRequest {
        CreateRequest {
            record: record.clone(),
            expected_epoch: None,
            cap: None,
            liveness: Liveness::at(self.now_ms),
        }
    }

    /// Just before the expired session expired: a touch of then that comes
    /// late, or from a node whose clock is behind, makes it live.
    fn early_ms(&self) -> i64 {
        self.expired.last_seen_ms + HOUR - MINUTE
    }

    /// A session of either user that is in nobody's way.
    fn one_more(&self, store: &Store<'_>, user: &UserId) -> Record {
        let created_ms = self.new_too.id.created_ms() + 10;
        let random = Random::new(created_ms as u64).bytes();
        Record {
            id: SessionId::new(created_ms, Bucket::of(user), random),
            last_seen_ms: self.now_ms,
            ..store.record(user)
        }
    }
}

fn writes(world: &World) -> Vec<(&'static str, Operation)> {
    let create = |request| Operation::Create(Box::new(request), None);
    let capped = |record: &Record, max, at_cap| CreateRequest {
        cap: Some(cap(max, at_cap)),
        ..world.create(record)
    };
    let twin = Record {
        digest: digest(101),
        data: Box::new([1]),
        ..world.new.clone()
    };
    let update = |record: &Record, now_ms, kind| Operation::Update(record.id, change(now_ms, kind));
    let renewed = |kind| update(&world.renewed, world.now_ms, kind);
    let renew = |to: Digest, renewal| {
        renewed(ChangeKind::Renew {
            expected: world.renewed.digest,
            digest: to,
            renewal,
        })
    };
    let set_data = |data: &[u8]| {
        renewed(ChangeKind::SetData {
            expected_version: 0,
            data: data.into(),
        })
    };
    let soon = |record: &Record, now_ms| {
        Operation::UpdateSoon(record.id, change(now_ms, ChangeKind::Touch))
    };
    let all = |user, keep| Operation::RevokeAll(revoke_all(user, keep, world.now_ms));
    vec![
        ("create", create(world.create(&world.new))),
        ("create with the same ID", create(world.create(&twin))),
        (
            "create, cap 2 ending the oldest",
            create(capped(&world.new, 2, AtCap::EndOldest)),
        ),
        (
            "create another, cap 2 ending the least recently used",
            create(capped(&world.new_too, 2, AtCap::EndLeastRecentlyUsed)),
        ),
        (
            "create, cap 3 refusing",
            create(capped(&world.new, 3, AtCap::Refuse)),
        ),
        (
            "create another, cap 3 refusing",
            create(capped(&world.new_too, 3, AtCap::Refuse)),
        ),
        (
            "create with an epoch",
            Operation::Create(Box::new(world.create(&world.new)), Some(EPOCH)),
        ),
        (
            "create another with an epoch, cap 2 ending the oldest",
            Operation::Create(
                Box::new(capped(&world.new_too, 2, AtCap::EndOldest)),
                Some(EPOCH),
            ),
        ),
        ("touch", renewed(ChangeKind::Touch)),
        (
            "touch the expired one when it was live",
            update(&world.expired, world.early_ms(), ChangeKind::Touch),
        ),
        (
            "renew",
            renew(
                digest(102),
                Renewal::Periodic {
                    salt: Salt::from_bytes([8; Salt::LEN]),
                },
            ),
        ),
        (
            "renew after a step-up",
            renew(digest(103), Renewal::Reauthentication),
        ),
        ("set data", set_data(b"first")),
        ("set other data", set_data(b"second")),
        (
            "confirm the successor",
            renewed(ChangeKind::ConfirmSuccessor {
                digest: world.renewed.digest,
            }),
        ),
        ("touch soon", soon(&world.renewed, world.now_ms)),
        (
            "touch the expired one soon",
            soon(&world.expired, world.early_ms()),
        ),
        ("revoke", Operation::Revoke(world.renewed.id)),
        (
            "revoke the expired one",
            Operation::Revoke(world.expired.id),
        ),
        ("revoke all", all(&world.user, None)),
        (
            "revoke the others",
            all(&world.user, Some(world.renewed.id)),
        ),
        ("revoke all of another user", all(&world.other, None)),
        ("revoke everything", Operation::RevokeEverything),
        (
            "sweep",
            Operation::Sweep {
                liveness: Liveness::at(world.now_ms),
                forget_epochs_before_ms: world.now_ms,
                max_rows: 100,
            },
        ),
    ]
}

fn reads(world: &World) -> Vec<(&'static str, Operation)> {
    vec![
        ("lookup", Operation::Lookup(world.renewed.id)),
        ("lookup of the new", Operation::Lookup(world.new.id)),
        ("lookup of the expired", Operation::Lookup(world.expired.id)),
        ("list", Operation::List(world.user.clone())),
        (
            "read the epoch",
            Operation::Epoch(world.user.clone(), EPOCH),
        ),
    ]
}

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

struct Case<'s> {
    store: &'s Store<'s>,
    world: World,
    epochs: Epochs,
    candidates: Vec<Candidate>,
}

impl Case<'_> {
    /// Returns whether the first operation came to its end before the second
    /// began.
    fn run(
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
        let results = std::sync::Mutex::new(Vec::new());
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
            .chain([Operation::RevokeEverything]);
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
