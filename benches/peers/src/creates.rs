//! Durable creates: alone, and from many tasks.

use std::path::Path;
use std::sync::{Arc, Mutex};

use revocable::Result;
use revocable_benches::bare::BareSqlite;
use revocable_benches::measure::{Contender, Measurement, interleave, one_by_one};
use revocable_benches::workload::{self, Random, Request};
use tokio::runtime::Runtime;

use crate::lookups::{OWN, TOWER};
use crate::own::Own;
use crate::peer::{Peer, right};
use crate::tasks::on_runtime;
use crate::tower::{SqliteFile, Synchronous};
use crate::{SESSIONS, TASKS};

pub(crate) fn measure(
    folder: &Path,
    runtime: &Runtime,
    rounds: usize,
    random: &mut Random,
) -> Result<Vec<Measurement>> {
    let own_file = &folder.join(OWN);
    let own = Arc::new(Own(workload::in_sqlite(own_file)?));
    let tower_file = SqliteFile::open(&folder.join(TOWER), Synchronous::Full);
    let tower = Arc::new(tower_file.store());
    let users: Vec<_> = (0..SESSIONS)
        .map(|number| Request::new("", &workload::user(number)))
        .collect();

    let (in_own, in_tower) = (Created::default(), Created::default());
    let contenders = vec![
        in_own.one_client("Revocable", &*own, &users),
        in_tower.one_client("tower-sessions", &*tower, &users),
        in_own.many_tasks("Revocable", runtime, &own, &users),
        in_tower.many_tasks("tower-sessions", runtime, &tower, &users),
    ];
    let measurements = interleave(contenders, rounds, random);

    in_own.are_there(&*own, BareSqlite::open(own_file).count());
    in_tower.are_there(&*tower, tower_file.count());
    // Still as it was when the file was opened: each of these waited.
    let durable = ("wal".to_owned(), Synchronous::Full as i64);
    assert_eq!(tower_file.in_force(), durable);
    tower_file.close();
    Ok(measurements)
}

/// What a store has acknowledged.
#[derive(Debug, Default)]
struct Created(Arc<Mutex<Vec<Request>>>);

impl Created {
    fn one_client<'a>(
        &'a self,
        name: &str,
        peer: &'a impl Peer,
        users: &'a [Request],
    ) -> Contender<'a> {
        let create = async |request: &Request| {
            let key = peer.create(&request.user).await;
            self.0
                .lock()
                .unwrap()
                .push(Request::new(key, &request.user));
            true
        };
        let name = format!("durable create, one client: {name}");
        Contender::new(name, users, (TASKS, 1), one_by_one(create))
    }

    fn many_tasks<'a, P: Peer>(
        &self,
        name: &str,
        runtime: &'a Runtime,
        peer: &Arc<P>,
        users: &'a [Request],
    ) -> Contender<'a> {
        let created = Arc::clone(&self.0);
        let create = move |peer: Arc<P>, request: Request| {
            let created = Arc::clone(&created);
            async move {
                let key = peer.create(&request.user).await;
                created
                    .lock()
                    .unwrap()
                    .push(Request::new(key, &request.user));
                true
            }
        };
        let name = format!("durable create, {TASKS} tasks: {name}");
        let run = on_runtime(runtime, TASKS, peer, create);
        Contender::new(name, users, (TASKS * 16, 1), run)
    }

    /// All are there, and of the right user, and nothing else was added.
    fn are_there(&self, peer: &impl Peer, rows: usize) {
        let created = self.0.lock().unwrap();
        assert_eq!(right(peer, &created), created.len());
        assert_eq!(rows, SESSIONS + created.len());
    }
}
