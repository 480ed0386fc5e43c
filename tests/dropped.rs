//! Callers that go away: every asynchronous function of
//! [`Sessions`](revocable::Sessions), on every embedded store, dropped after
//! each number of polls that it takes.
//!
//! What it would have done is done whole or not at all, whatever was there
//! before is as it was, and the store goes on.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use futures_executor::block_on;
use revocable::{
    CachedStore, MemoryStore, MokaStore, NewSession, Policy, Session, SessionStore, Sessions,
    SledStore, SqliteStore, SweepBudget, Token,
};

/// What is there before each call: two sessions of alice and one of bob.
struct World {
    sessions: Sessions,
    tokens: [Token; 3],
    first: Session,
    _folder: tempfile::TempDir,
}

type Call<'w> = Pin<Box<dyn Future<Output = ()> + 'w>>;

/// A function, what it may do to the number of alice's and bob's sessions, and
/// whether the first of alice's tokens may stop working.
struct Case {
    name: &'static str,
    call: fn(&World) -> Call<'_>,
    left: &'static [(usize, usize)],
    replaces: bool,
}

const UNCHANGED: &[(usize, usize)] = &[(2, 1)];

const CASES: &[Case] = &[
    Case {
        name: "begin_login",
        call: |world| call(world.sessions.begin_login("alice")),
        left: UNCHANGED,
        replaces: false,
    },
    Case {
        name: "create",
        call: |world| call(world.sessions.create("alice")),
        left: &[(2, 1), (3, 1)],
        replaces: false,
    },
    Case {
        name: "lookup",
        call: |world| call(world.sessions.lookup(&world.tokens[0])),
        left: UNCHANGED,
        replaces: false,
    },
    Case {
        name: "inspect",
        call: |world| call(world.sessions.inspect(&world.tokens[0])),
        left: UNCHANGED,
        replaces: false,
    },
    Case {
        name: "renew",
        call: |world| call(world.sessions.renew(&world.tokens[0])),
        left: UNCHANGED,
        // The response is lost: the old token is good.
        replaces: false,
    },
    Case {
        name: "renew_now",
        call: |world| call(world.sessions.renew_now(&world.tokens[0])),
        left: UNCHANGED,
        replaces: true,
    },
    Case {
        name: "reauthenticated",
        call: |world| call(world.sessions.reauthenticated(&world.tokens[0])),
        left: UNCHANGED,
        replaces: true,
    },
    Case {
        name: "update_data",
        call: |world| call(world.sessions.update_data(&world.first, *b"new")),
        left: UNCHANGED,
        replaces: false,
    },
    Case {
        name: "modify",
        call: |world| {
            let id = world.first.id();
            call(world.sessions.modify(id, |count: &mut u32| *count += 1))
        },
        left: UNCHANGED,
        replaces: false,
    },
    Case {
        name: "revoke",
        call: |world| call(world.sessions.revoke(world.tokens[1].id())),
        left: &[(2, 1), (1, 1)],
        replaces: false,
    },
    Case {
        name: "revoke_for_user",
        call: |world| {
            call(
                world
                    .sessions
                    .revoke_for_user("alice", world.tokens[1].id()),
            )
        },
        left: &[(2, 1), (1, 1)],
        replaces: false,
    },
    Case {
        name: "revoke_others",
        call: |world| call(world.sessions.revoke_others(&world.first)),
        left: &[(2, 1), (1, 1)],
        replaces: false,
    },
    Case {
        name: "revoke_all_for_user",
        call: |world| call(world.sessions.revoke_all_for_user("alice")),
        left: &[(2, 1), (0, 1)],
        replaces: true,
    },
    Case {
        name: "revoke_everything",
        call: |world| call(world.sessions.revoke_everything()),
        left: &[(2, 1), (0, 0)],
        replaces: true,
    },
    Case {
        name: "list_for_user",
        call: |world| call(world.sessions.list_for_user("alice", None, 10)),
        left: UNCHANGED,
        replaces: false,
    },
    Case {
        name: "sweep",
        call: |world| call(world.sessions.sweep(SweepBudget::default())),
        left: UNCHANGED,
        replaces: false,
    },
    Case {
        name: "watch",
        call: |world| call(world.sessions.watch(world.first.id())),
        left: UNCHANGED,
        replaces: false,
    },
    Case {
        name: "refresh_watches",
        call: |world| call(world.sessions.refresh_watches()),
        left: UNCHANGED,
        replaces: false,
    },
    Case {
        name: "health",
        call: |world| call(world.sessions.health()),
        left: UNCHANGED,
        replaces: false,
    },
];

/// The call, whatever it returns.
fn call<'w, T>(future: impl Future<Output = revocable::Result<T>> + 'w) -> Call<'w> {
    Box::pin(async {
        drop(future.await.expect("the store does not fail"));
    })
}

impl World {
    fn new<S: SessionStore>(open: fn(&std::path::Path) -> S) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let day = std::time::Duration::from_secs(24 * 3_600);
        let sessions = Sessions::builder(open(&folder.path().join("sessions")))
            .policy(Policy::builder(day).touch_interval(std::time::Duration::ZERO))
            .build()
            .expect("the policy is sound");
        let create = |user: &str| {
            let new = NewSession::try_from(user).expect("it is a user's key");
            block_on(sessions.create(new)).expect("the store does not fail")
        };
        let (first, second, other) = (create("alice"), create("alice"), create("bob"));
        Self {
            sessions,
            first: first.1,
            tokens: [first.0, second.0, other.0],
            _folder: folder,
        }
    }

    fn count(&self, user: &str) -> usize {
        let page = block_on(self.sessions.list_for_user(user, None, 100));
        let page = page.expect("the store does not fail");
        assert!(page.damaged.is_empty());
        page.sessions.len()
    }

    fn is_live(&self, token: &Token) -> bool {
        let found = block_on(self.sessions.lookup(token));
        found.expect("the store does not fail").is_some()
    }

    fn check(&self, case: &Case, polls: u32, finished: bool) {
        let what = format!("{} after {polls} polls", case.name);
        // A write that is still in the store's queue is done by a later one at
        // the latest, and is then seen whole.
        let marker = block_on(self.sessions.create("carol"));
        let (marker, _) = marker.expect("the store goes on");
        assert!(self.is_live(&marker) || case.name == "revoke_everything");

        let left = (self.count("alice"), self.count("bob"));
        assert!(case.left.contains(&left), "{what}: {left:?}");
        if finished {
            assert_eq!(Some(&left), case.left.last(), "{what}");
        }
        let lives = self.is_live(&self.tokens[0]);
        assert!(lives || case.replaces, "{what}: the token died");
        // The index agrees with the rows.
        assert_eq!(self.is_live(&self.tokens[2]), left.1 == 1, "{what}");
        if left.0 == 1 {
            assert!(!self.is_live(&self.tokens[1]), "{what}");
        }
    }
}

/// Polls as often, each time when it asked for it, and drops. Whether it came
/// to its end.
fn poll_then_drop(future: Call<'_>, polls: u32) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    block_on(std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    }))
}

fn every_function<S: SessionStore>(open: fn(&std::path::Path) -> S) {
    for case in CASES {
        let mut polls = 0;
        loop {
            let world = World::new(open);
            let finished = poll_then_drop((case.call)(&world), polls);
            world.check(case, polls, finished);
            if finished {
                break;
            }
            polls += 1;
            assert!(polls < 100, "{} does not come to its end", case.name);
        }
    }
}

#[test]
fn callers_of_memory_may_go_away() {
    every_function(|_| MemoryStore::new());
}

#[test]
fn callers_of_moka_may_go_away() {
    every_function(|_| MokaStore::with_capacity(1_000));
}

#[test]
fn callers_of_sqlite_may_go_away() {
    every_function(|path| SqliteStore::open(path).expect("a new file can be made"));
}

#[test]
fn callers_of_sqlite_on_other_threads_may_go_away() {
    every_function(|path| {
        let builder = SqliteStore::builder(path).offload_reads(true);
        builder.open().expect("a new file can be made")
    });
}

#[test]
fn callers_of_sled_may_go_away() {
    every_function(|path| SledStore::open(path).expect("a new folder can be made"));
}

#[test]
fn callers_of_a_cache_may_go_away() {
    every_function(|path| {
        let store = SqliteStore::builder(path).exclusive(true).open();
        let store = store.expect("a new file can be made");
        Arc::new(CachedStore::new(store).expect("nobody else writes"))
    });
}
