//! Random programs run concurrently, and their histories held against the
//! model.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, Mutex, PoisonError};

use revocable_core::{
    AtCap, Bucket, ChangeKind, CreateRequest, Liveness, Record, Renewal, Salt, SessionId, UserId,
};

use crate::check::Clause::{C1, C3, C4, C8, C9, C11};
use crate::check::{Check, Stop, error_text};
use crate::fixture::{Context, HOUR, MINUTE, Store, cap, change, digest, revoke_all};
use crate::linearize::{Event, is_linearizable};
use crate::operation::{Epochs, Operation};
use crate::random::Random;
use crate::schedule::{Boxed, finish_at_random};

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

const THREADS: usize = 3;
const OPERATIONS: usize = 4;

fn histories(context: &Context<'_>, way: Way) -> Result<(), Stop> {
    let store = context.open()?;
    for seed in 0..context.rounds() {
        let mut random = Random::new(seed);
        let world = World::new(&store, seed);
        let recorder = Recorder::new(&store);

        recorder.run(0, world.opening(&mut random));
        let programs: Vec<Vec<Operation>> = (1..=THREADS)
            .map(|thread| world.program(thread, &mut random))
            .collect();
        match way {
            Way::Threads => recorder.run_threads(programs),
            Way::Tasks => recorder.run_tasks(programs, &mut random),
        }
        recorder.run(0, world.closing());

        let events = recorder.events()?;
        if !is_linearizable(&events, &world.ids) {
            return Err(Stop::failed(format!(
                "no order of these operations explains their replies (seed {seed}):\n{}",
                render(&events)
            )));
        }
    }
    Ok(())
}

/// Two users with a few sessions that may come to be.
struct World {
    base: i64,
    users: [UserId; 2],
    /// Three of the first user, one of the second.
    ids: Vec<SessionId>,
    template: Record,
}

impl World {
    fn new(store: &Store<'_>, seed: u64) -> Self {
        let users = [store.user(), store.user()];
        let mut random = Random::new(!seed);
        let ids = [0, 0, 0, 1].iter().enumerate().map(|(number, user)| {
            let created_ms = store.base.saturating_add(number as i64);
            SessionId::new(created_ms, Bucket::of(&users[*user]), random.bytes())
        });
        Self {
            base: store.base,
            ids: ids.collect(),
            template: store.record(&users[0]),
            users,
        }
    }

    fn user_of(&self, id: SessionId) -> &UserId {
        &self.users[usize::from(id == self.ids[3])]
    }

    /// The hours of the day decide which sessions are expired: they live for
    /// one without use.
    fn now_ms(&self, random: &mut Random) -> i64 {
        self.base + random.below(6) as i64 * 15 * MINUTE
    }

    fn create(&self, id: SessionId, random: &mut Random) -> CreateRequest {
        let now_ms = self.now_ms(random);
        CreateRequest {
            record: Record {
                id,
                user: self.user_of(id).clone(),
                digest: digest(random.below(2) as u64),
                created_ms: now_ms,
                last_seen_ms: now_ms,
                idle_timeout_ms: HOUR,
                ..self.template.clone()
            },
            expected_epoch: None,
            cap: None,
            liveness: Liveness::at(now_ms),
        }
    }

    fn opening(&self, random: &mut Random) -> Vec<Operation> {
        let ids = [self.ids[0], self.ids[1], self.ids[3]];
        ids.iter()
            .map(|id| Operation::Create(Box::new(self.create(*id, random)), None))
            .collect()
    }

    fn program(&self, thread: usize, random: &mut Random) -> Vec<Operation> {
        // A thread's slots: one for each user.
        let slot = |user: usize| (thread * 2 + user) as u8;
        let mut program = vec![Operation::Epoch(self.users[0].clone(), slot(0))];
        for _ in 0..OPERATIONS {
            let id = *random.pick(&self.ids);
            let now_ms = self.now_ms(random);
            let update = |kind| Operation::Update(id, change(now_ms, kind));
            program.push(match random.below(20) {
                0..4 => {
                    let mut request = self.create(id, random);
                    if random.chance(2) {
                        let at_cap = *random.pick(&[
                            AtCap::EndOldest,
                            AtCap::EndLeastRecentlyUsed,
                            AtCap::Refuse,
                        ]);
                        request.cap = Some(cap(1 + random.below(2) as u32, at_cap));
                    }
                    let first_user = *self.user_of(id) == self.users[0];
                    let slot = (first_user && random.chance(2)).then(|| slot(0));
                    Operation::Create(Box::new(request), slot)
                }
                4..6 => Operation::Lookup(id),
                6 => update(ChangeKind::Touch),
                7 => Operation::UpdateSoon(id, change(now_ms, ChangeKind::Touch)),
                8 | 9 => update(ChangeKind::Renew {
                    expected: digest(random.below(3) as u64),
                    digest: digest(2 + random.below(2) as u64),
                    renewal: Renewal::Periodic {
                        salt: Salt::from_bytes([thread as u8; Salt::LEN]),
                    },
                }),
                10 => update(ChangeKind::ConfirmSuccessor { digest: digest(2) }),
                11 | 12 => update(ChangeKind::SetData {
                    expected_version: random.below(2) as u64,
                    data: Box::new([thread as u8]),
                }),
                13 => Operation::Revoke(id),
                14 | 15 => {
                    let keep = random.chance(2).then(|| *random.pick(&self.ids));
                    let user = random.below(4) / 3;
                    Operation::RevokeAll(revoke_all(&self.users[user], keep, now_ms))
                }
                16 if random.chance(3) => Operation::RevokeEverything,
                16 | 17 => Operation::List(self.user_of(id).clone()),
                18 => Operation::Epoch(self.users[0].clone(), slot(0)),
                _ => Operation::Sweep {
                    liveness: Liveness::at(now_ms),
                    forget_epochs_before_ms: i64::MIN,
                    max_rows: 2,
                },
            });
        }
        program
    }

    /// Looks at everything, and leaves nothing for the next round.
    fn closing(&self) -> Vec<Operation> {
        let lists = self.users.iter().cloned().map(Operation::List);
        let lookups = self.ids.iter().copied().map(Operation::Lookup);
        let all = self.users.iter();
        let all = all.map(|user| Operation::RevokeAll(revoke_all(user, None, self.base)));
        lists
            .chain(lookups)
            .chain(all)
            .chain([Operation::RevokeEverything])
            .collect()
    }
}

/// Has programs run and writes down what was called and what came back.
struct Recorder<'s> {
    store: &'s Store<'s>,
    clock: AtomicU64,
    epochs: Epochs,
    events: Mutex<Vec<Event>>,
    failed: Mutex<Option<String>>,
}

impl<'s> Recorder<'s> {
    fn new(store: &'s Store<'s>) -> Self {
        Self {
            store,
            clock: AtomicU64::new(0),
            epochs: Epochs::default(),
            events: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    async fn perform(&self, thread: usize, program: Vec<Operation>) {
        for operation in program {
            let called = self.clock.fetch_add(1, Ordering::SeqCst);
            let result = operation
                .clone()
                .perform(self.store.inner.clone(), &self.epochs)
                .await;
            let returned = self.clock.fetch_add(1, Ordering::SeqCst);
            match result {
                Ok(reply) => {
                    let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
                    events.push(Event {
                        thread,
                        called,
                        returned,
                        operation,
                        reply,
                    });
                }
                Err(error) => {
                    let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                    *failed = Some(format!("{operation:?}: {}", error_text(&error)));
                    return;
                }
            }
        }
    }

    fn run(&self, thread: usize, program: Vec<Operation>) {
        self.store.block_on(self.perform(thread, program));
    }

    fn run_threads(&self, programs: Vec<Vec<Operation>>) {
        let start = Barrier::new(programs.len());
        std::thread::scope(|scope| {
            for (index, program) in programs.into_iter().enumerate() {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    self.run(index + 1, program);
                });
            }
        });
    }

    fn run_tasks(&self, programs: Vec<Vec<Operation>>, random: &mut Random) {
        let programs = programs.into_iter().enumerate();
        let tasks = programs.map(|(index, program)| -> Boxed<'_, ()> {
            Box::pin(self.perform(index + 1, program))
        });
        self.store
            .block_on(finish_at_random(tasks.collect(), random));
    }

    fn events(self) -> Result<Vec<Event>, Stop> {
        let failed = self.failed.into_inner();
        if let Some(failed) = failed.unwrap_or_else(PoisonError::into_inner) {
            return Err(Stop::failed(failed));
        }
        let events = self.events.into_inner();
        let mut events = events.unwrap_or_else(PoisonError::into_inner);
        events.sort_unstable_by_key(|event| event.called);
        Ok(events)
    }
}

fn render(events: &[Event]) -> String {
    let mut text = String::new();
    for event in events {
        let Event {
            thread,
            called,
            returned,
            operation,
            reply,
        } = event;
        let _ = writeln!(
            text,
            "  thread {thread}, {called} to {returned}: {operation:?}\n      -> {reply:?}"
        );
    }
    text
}
