//! Lookups: alone, and from many tasks.

use std::path::Path;
use std::sync::Arc;

use revocable::Result;
use revocable_benches::measure::{Contender, Measurement, interleave, one_by_one};
use revocable_benches::workload::{self, Random, Request};
use tokio::runtime::Runtime;
use tower_sessions::MemoryStore;

use crate::guard::SessionGuard;
use crate::own::Own;
use crate::peer::{Peer, fill, refuses_what_it_must, right};
use crate::tasks::on_runtime;
use crate::tower::{SqliteFile, Synchronous, TowerSessions};
use crate::{SESSIONS, TASKS};

/// The files that the creates and revocations go on with.
pub(crate) const OWN: &str = "revocable.db";
pub(crate) const TOWER: &str = "tower-sessions.db";

pub(crate) fn measure(
    folder: &Path,
    runtime: &Runtime,
    rounds: usize,
    random: &mut Random,
) -> Result<Vec<Measurement>> {
    // Both files are filled and opened again: the logs have been copied into
    // them.
    let file = &folder.join(OWN);
    let in_own = fill(&Own(workload::in_sqlite(file)?), SESSIONS);
    let own = Arc::new(Own(workload::in_sqlite(file)?));

    let file = &folder.join("exclusive.db");
    let in_exclusive = fill(&Own(workload::in_sqlite(file)?), SESSIONS);
    let exclusive = Arc::new(Own(workload::exclusively_in_sqlite(file)?));

    let file = &folder.join(TOWER);
    let filling = SqliteFile::open(file, Synchronous::Off);
    let in_tower = fill(&filling.store(), SESSIONS);
    filling.close();
    let tower_file = SqliteFile::open(file, Synchronous::Full);
    let tower = Arc::new(tower_file.store());

    let memory = Own(workload::in_memory()?);
    let in_memory = fill(&memory, SESSIONS);
    let tower_memory = TowerSessions(MemoryStore::default());
    let in_tower_memory = fill(&tower_memory, SESSIONS);
    let guard = SessionGuard::in_memory();
    let in_guard = fill(&guard, SESSIONS);
    // The first check of a token marks it as used; all that follow only read.
    for request in &in_guard {
        assert!(futures_executor::block_on(guard.authenticates(request)));
    }

    checked(&*own, &in_own);
    checked(&*exclusive, &in_exclusive);
    checked(&*tower, &in_tower);
    checked(&memory, &in_memory);
    checked(&tower_memory, &in_tower_memory);
    checked(&guard, &in_guard);

    let alone = vec![
        one_client("SQLite lookup, one client: Revocable", &*own, &in_own, 60),
        one_client(
            "SQLite lookup, one client: exclusive Revocable",
            &*exclusive,
            &in_exclusive,
            60,
        ),
        one_client(
            "SQLite lookup, one client: tower-sessions",
            &*tower,
            &in_tower,
            30,
        ),
        one_client(
            "memory lookup, one client: Revocable",
            &memory,
            &in_memory,
            100,
        ),
        one_client(
            "memory lookup, one client: tower-sessions",
            &tower_memory,
            &in_tower_memory,
            100,
        ),
        one_client(
            "memory lookup, one client: session-guard, session alone",
            &guard,
            &in_guard,
            100,
        ),
        Contender::new(
            "memory lookup, one client: session-guard, all checks",
            &in_guard,
            (16, 100),
            one_by_one(async |request| guard.authenticates(request).await),
        ),
    ];
    let mut measurements = interleave(alone, rounds, random);
    // One at a time as well, as a request's handler does it.
    let from_tasks = |tasks, label| {
        let name = |peer| format!("SQLite lookup, {label}: {peer}");
        [
            on_tasks(&name("Revocable"), runtime, tasks, &own, &in_own),
            on_tasks(
                &name("exclusive Revocable"),
                runtime,
                tasks,
                &exclusive,
                &in_exclusive,
            ),
            on_tasks(&name("tower-sessions"), runtime, tasks, &tower, &in_tower),
        ]
    };
    let many = [(1, "1 task"), (TASKS, "64 tasks")]
        .into_iter()
        .flat_map(|(tasks, label)| from_tasks(tasks, label))
        .collect();
    measurements.extend(interleave(many, rounds, random));
    tower_file.close();
    Ok(measurements)
}

fn checked(peer: &impl Peer, requests: &[Request]) {
    assert_eq!(right(peer, requests), SESSIONS);
    refuses_what_it_must(peer);
}

fn one_client<'a>(
    name: &str,
    peer: &'a impl Peer,
    requests: &'a [Request],
    times: usize,
) -> Contender<'a> {
    let run = one_by_one(async |request| peer.is_right(request).await);
    Contender::new(name, requests, (16, times), run)
}

fn on_tasks<'a, P: Peer>(
    name: &str,
    runtime: &'a Runtime,
    tasks: usize,
    peer: &Arc<P>,
    requests: &'a [Request],
) -> Contender<'a> {
    let lookup = |peer: Arc<P>, request: Request| async move { peer.is_right(&request).await };
    let run = on_runtime(runtime, tasks, peer, lookup);
    Contender::new(name, requests, (TASKS * 32, 1), run)
}
