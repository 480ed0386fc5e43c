//! Among ten thousand sessions, and among many.

use std::error::Error;
use std::path::Path;

use futures_executor::block_on;
use futures_util::{StreamExt, TryStreamExt, stream};
use revocable::{Result, Sessions};
use revocable_benches::bare::{self, BareSqlite};
use revocable_benches::measure::{Contender, Measurement, interleave, one_by_one};
use revocable_benches::workload::{self, Random, Request, is_right, login};

/// The few that the many are held against.
pub(crate) const FEW: usize = 10_000;

/// Lookups among few and among many, and revocations of all of a user's
/// sessions among many.
pub(crate) fn measure(
    folder: &Path,
    many: usize,
    rounds: usize,
    random: &mut Random,
) -> std::result::Result<Vec<Measurement>, Box<dyn Error>> {
    let (few_in_memory, many_in_memory) = (workload::in_memory()?, workload::in_memory()?);
    let of_few_in_memory = workload::fill(&few_in_memory, FEW)?;
    let of_many_in_memory = workload::fill(&many_in_memory, many)?;
    let (few_file, many_file) = (folder.join("few.db"), folder.join("many.db"));
    let of_few_in_sqlite = workload::fill(&workload::in_sqlite(&few_file)?, FEW)?;
    let of_many_in_sqlite = workload::fill(&workload::in_sqlite(&many_file)?, many)?;
    let few_in_sqlite = workload::in_sqlite(&few_file)?;
    let many_in_sqlite = workload::in_sqlite(&many_file)?;

    let bare = [
        (&few_file, &of_few_in_sqlite),
        (&many_file, &of_many_in_sqlite),
    ]
    .map(|(file, requests)| (BareSqlite::open(file), bare::by_id(requests)));
    let mut contenders: Vec<_> = [
        ("memory, few", &few_in_memory, &of_few_in_memory),
        ("memory, many", &many_in_memory, &of_many_in_memory),
        ("SQLite, few", &few_in_sqlite, &of_few_in_sqlite),
        ("SQLite, many", &many_in_sqlite, &of_many_in_sqlite),
    ]
    .map(|(name, sessions, requests)| {
        let answer =
            async move |request: &Request| is_right(sessions.lookup(&*request.key).await, request);
        let name = format!("{name} ({}): lookup", requests.len());
        Contender::new(name, requests, (16, 200), one_by_one(answer))
    })
    .into();
    for (select, (name, (_, requests))) in bare
        .iter()
        .map(|(bare, _)| bare.select())
        .zip(["bare SQLite, few", "bare SQLite, many"].iter().zip(&bare))
    {
        let name = format!("{name} ({}): point select", requests.len());
        let answer = one_by_one(async move |request: &Request| select(request));
        contenders.push(Contender::new(name, requests, (16, 200), answer));
    }
    let create = async |request: &Request| {
        let session = many_in_sqlite.create(login(&request.user).unwrap()).await;
        session.is_ok()
    };
    contenders.push(Contender::new(
        format!("durable create among {many}, one by one"),
        &of_many_in_sqlite,
        (1, 16),
        one_by_one(create),
    ));
    for of_user in [1, 10, 100] {
        let mut users = 0;
        let sessions = &many_in_sqlite;
        let make = move |count| {
            let user = |number| format!("with-{of_user:03}-{number:08}");
            let made = (users..users + count).map(|number| {
                log_in(sessions, &user(number), of_user).unwrap();
                Request::new("", &user(number))
            });
            users += count;
            made.collect()
        };
        let answer = async move |request: &Request| {
            let ended = sessions.revoke_all_for_user(&*request.user).await;
            ended.is_ok_and(|ended| ended == of_user)
        };
        contenders.push(Contender::with_fresh(
            format!("durable revoke_all of {of_user:03} among {many}"),
            make,
            (1, 8),
            one_by_one(answer),
        ));
    }
    Ok(interleave(contenders, rounds, random))
}

/// So many sessions of one user.
fn log_in(sessions: &Sessions, user: &str, count: usize) -> Result<()> {
    block_on(
        stream::iter(0..count)
            .map(async |_| sessions.create(login(user)?).await.map(drop))
            .buffer_unordered(128)
            .try_collect(),
    )
}
