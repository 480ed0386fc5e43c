//! Durable creates: one by one, and many at a time.

use std::cell::Cell;
use std::error::Error;
use std::path::Path;

use revocable::Sessions;
use revocable_benches::bare::{BareInserts, BareSqlite};
use revocable_benches::measure::{Contender, Measurement, Run, at_once, interleave, one_by_one};
use revocable_benches::workload::{self, Random, Request, login};

use super::{SESSIONS, TASKS};

pub(crate) fn measure(
    folder: &Path,
    rounds: usize,
    random: &mut Random,
) -> Result<Vec<Measurement>, Box<dyn Error>> {
    let file = &folder.join(super::lookups::SQLITE);
    let bare_file = &folder.join("bare.db");
    // Nobody has it open, so all is in the one file.
    std::fs::copy(file, bare_file)?;
    let sqlite = workload::in_sqlite(file)?;
    let sled = workload::in_sled(&folder.join("created.sled"))?;
    let bare = BareInserts::open(bare_file);
    let (in_sqlite, in_sled, in_bare) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let users: Vec<_> = (0..SESSIONS)
        .map(|n| Request::new("", &workload::user(n)))
        .collect();
    let one = |name: &str, run| Contender::new(name, &users, (TASKS / 4, 1), run);
    let many = |name: String, run| Contender::new(name, &users, (TASKS * 16, 1), run);
    let insert: Run<'_> = Box::new(|requests, latencies| {
        for together in requests.chunks(TASKS) {
            let start = std::time::Instant::now();
            bare.insert(together);
            if let Some(&mut ref mut latencies) = latencies {
                latencies.extend(together.iter().map(|_| start.elapsed().as_nanos() as u64));
            }
        }
        in_bare.set(in_bare.get() + requests.len());
        requests.len()
    });
    let contenders = vec![
        one(
            "durable create, one by one",
            one_by_one(create(&sqlite, &in_sqlite)),
        ),
        many(
            format!("durable create, {TASKS} tasks at once"),
            at_once(TASKS, create(&sqlite, &in_sqlite)),
        ),
        many(
            format!("bare SQLite: insert of the same rows, {TASKS} a transaction"),
            insert,
        ),
        one(
            "sled: durable create, one by one",
            one_by_one(create(&sled, &in_sled)),
        ),
        many(
            format!("sled: durable create, {TASKS} tasks at once"),
            at_once(TASKS, create(&sled, &in_sled)),
        ),
    ];
    let measurements = interleave(contenders, rounds, random);
    for (file, created) in [(file, in_sqlite), (bare_file, in_bare)] {
        assert_eq!(
            BareSqlite::open(file).count(),
            SESSIONS + created.get(),
            "what was acknowledged is in the file"
        );
    }
    Ok(measurements)
}

fn create<'a>(
    sessions: &'a Sessions,
    created: &'a Cell<usize>,
) -> impl AsyncFn(&Request) -> bool + 'a {
    async |request: &Request| {
        let session = sessions.create(login(&request.user).unwrap()).await;
        created.set(created.get() + 1);
        session.is_ok_and(|(_, session)| session.user().as_str() == &*request.user)
    }
}
