//! Revocations: of one session, and of all sessions of a user.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use revocable::Result;
use revocable_benches::measure::{Contender, Measurement, interleave, one_by_one};
use revocable_benches::workload::{self, Random, Request};
use tokio::runtime::Runtime;
use tower_sessions::MemoryStore;

use crate::guard::SessionGuard;
use crate::lookups::{OWN, TOWER};
use crate::own::Own;
use crate::peer::{ByUser, Peer, create_all, fill, right};
use crate::tasks::on_runtime;
use crate::tower::{SqliteFile, Synchronous, TowerSessions};
use crate::{SESSIONS, TASKS};

/// How many sessions a user has that all are revoked at once.
const OF_USER: usize = 2;

pub(crate) fn measure(
    folder: &Path,
    runtime: &Runtime,
    rounds: usize,
    random: &mut Random,
) -> Result<Vec<Measurement>> {
    let own = Arc::new(Own(workload::in_sqlite(&folder.join(OWN))?));
    let tower_file = SqliteFile::open(&folder.join(TOWER), Synchronous::Full);
    let tower = Arc::new(tower_file.store());
    let memory = Own(workload::in_memory()?);
    let tower_memory = TowerSessions(MemoryStore::default());
    let guard = SessionGuard::in_memory();
    // As many other sessions as in the lookups.
    fill(&memory, SESSIONS);
    fill(&tower_memory, SESSIONS);
    fill(&guard, SESSIONS);

    let doomed = [const { RefCell::new(Doomed::new()) }; 5];
    let [of_own, of_tower, of_memory, of_tower_memory, of_guard] = &doomed;
    let contenders = vec![
        one_client("durable revoke, one client: Revocable", &*own, of_own),
        one_client(
            "durable revoke, one client: tower-sessions",
            &*tower,
            of_tower,
        ),
        many_tasks("Revocable", runtime, &own, of_own),
        many_tasks("tower-sessions", runtime, &tower, of_tower),
        one_client("memory revoke, one client: Revocable", &memory, of_memory),
        one_client(
            "memory revoke, one client: tower-sessions",
            &tower_memory,
            of_tower_memory,
        ),
        one_client("memory revoke, one client: session-guard", &guard, of_guard),
        all_of_user("durable revoke all of a user: Revocable", &*own, of_own),
        all_of_user("memory revoke all of a user: Revocable", &memory, of_memory),
        all_of_user(
            "memory revoke all of a user: session-guard",
            &guard,
            of_guard,
        ),
    ];
    let measurements = interleave(contenders, rounds, random);

    of_own.borrow().are_gone(&*own);
    of_tower.borrow().are_gone(&*tower);
    of_memory.borrow().are_gone(&memory);
    of_tower_memory.borrow().are_gone(&tower_memory);
    of_guard.borrow().are_gone(&guard);
    Ok(measurements)
}

/// The sessions that were made to be revoked.
#[derive(Debug)]
struct Doomed(Vec<Request>);

impl Doomed {
    const fn new() -> Self {
        Self(Vec::new())
    }

    /// New sessions, so many each of so many new users. One of each user's is
    /// returned.
    fn make(&mut self, peer: &impl Peer, users: usize, of_user: usize) -> Vec<Request> {
        let first = self.0.len();
        let names: Vec<_> = (first..first + users * of_user)
            .map(|number| format!("user-9{:07}", first + (number - first) / of_user))
            .collect();
        self.0.extend(create_all(peer, &names));
        let new = &self.0[first..];
        assert_eq!(right(peer, new), new.len());
        new.iter().step_by(of_user).cloned().collect()
    }

    fn are_gone(&self, peer: &impl Peer) {
        assert!(!self.0.is_empty());
        assert_eq!(right(peer, &self.0), 0);
    }
}

fn one_client<'a>(name: &str, peer: &'a impl Peer, doomed: &'a RefCell<Doomed>) -> Contender<'a> {
    let make = |count| doomed.borrow_mut().make(peer, count, 1);
    let run = one_by_one(async |request| peer.revoke(request).await);
    Contender::with_fresh(name, make, (TASKS, 1), run)
}

fn many_tasks<'a, P: Peer>(
    name: &str,
    runtime: &'a Runtime,
    peer: &'a Arc<P>,
    doomed: &'a RefCell<Doomed>,
) -> Contender<'a> {
    let name = format!("durable revoke, {TASKS} tasks: {name}");
    let make = |count| doomed.borrow_mut().make(&**peer, count, 1);
    let revoke = |peer: Arc<P>, request: Request| async move { peer.revoke(&request).await };
    let run = on_runtime(runtime, TASKS, peer, revoke);
    Contender::with_fresh(name, make, (TASKS * 8, 1), run)
}

fn all_of_user<'a>(
    name: &str,
    peer: &'a impl ByUser,
    doomed: &'a RefCell<Doomed>,
) -> Contender<'a> {
    let make = |count| doomed.borrow_mut().make(peer, count, OF_USER);
    let run = one_by_one(async |request| peer.revoke_all(request).await == OF_USER);
    Contender::with_fresh(name, make, (8, 1), run)
}
