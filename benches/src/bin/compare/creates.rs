//! Durable creates: alone, and many at once.

use std::error::Error;
use std::path::Path;

use revocable_benches::bare::BareSqlite;
use revocable_benches::measure::{Contender, Measurement, at_once, interleave, one_by_one};
use revocable_benches::workload::{self, Random, Request, login};

use super::{SESSIONS, TASKS};

pub(crate) fn measure(
    folder: &Path,
    rounds: usize,
    random: &mut Random,
) -> Result<Vec<Measurement>, Box<dyn Error>> {
    let file = &folder.join(super::lookups::SQLITE);
    let sqlite = workload::in_sqlite(file)?;
    let created = std::cell::Cell::new(0);
    let create = async |request: &Request| {
        let session = sqlite.create(login(&request.user).unwrap()).await;
        created.set(created.get() + 1);
        session.is_ok_and(|(_, session)| session.user().as_str() == &*request.user)
    };
    let users: Vec<_> = (0..SESSIONS)
        .map(|n| Request::new("", &workload::user(n)))
        .collect();
    let contenders = vec![
        Contender::new(
            "durable create, one by one",
            &users,
            (TASKS, 1),
            one_by_one(create),
        ),
        Contender::new(
            format!("durable create, {TASKS} tasks at once"),
            &users,
            (TASKS * 16, 1),
            at_once(TASKS, create),
        ),
    ];
    let measurements = interleave(contenders, rounds, random);
    let there = BareSqlite::open(file).count();
    assert_eq!(
        there,
        SESSIONS + created.get(),
        "what was acknowledged is in the file"
    );
    Ok(measurements)
}
