//! Everything side by side, in one process: `compare [--quick] [--json FILE]
//! [--dir FOLDER]`.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has nothing better to do than to stop"
)]

use std::error::Error;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use futures_executor::block_on;
use revocable::{Sessions, Token};
use revocable_benches::bare::{self, BareMap, BareSqlite};
use revocable_benches::jwt::Verifier;
use revocable_benches::measure::{Contender, Measurement, at_once, interleave, one_by_one};
use revocable_benches::report::{Report, Target};
use revocable_benches::workload::{self, Random, Request, is_right, login};

const USAGE: &str = "usage: compare [--quick] [--json FILE] [--dir FOLDER]

--quick        fewer rounds: a first impression in half a minute
--json FILE    writes the results to a file as well
--dir FOLDER   where the database goes; the folder of this program unless told.
               It has to be on a disk: in memory nothing is durable.";

const SESSIONS: usize = 100_000;
const TASKS: usize = 64;
const SEED: u64 = 20_261_123;

struct Options {
    quick: bool,
    json: Option<PathBuf>,
    dir: PathBuf,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            quick: false,
            json: None,
            dir: std::env::current_exe().ok()?.parent()?.to_owned(),
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--json" => options.json = Some(arguments.next()?.into()),
                "--dir" => options.dir = arguments.next()?.into(),
                _ => return None,
            }
        }
        Some(options)
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return Ok(ExitCode::from(2));
    };
    let folder = tempfile::tempdir_in(&options.dir)?;
    let file = folder.path().join("sessions.db");
    let mut random = Random(SEED);
    let mut report = Report::default();

    println!("{SESSIONS} sessions, uniform; durable means SQLite, WAL, synchronous=FULL;");
    println!(
        "writing 4 KiB and syncing takes {} us on this disk\n",
        sync_us(folder.path())?
    );
    report.add(lookups(
        &file,
        if options.quick { 15 } else { 101 },
        &mut random,
    )?);
    report.add(creates(
        &file,
        if options.quick { 5 } else { 31 },
        &mut random,
    )?);

    report.ratio(
        "memory: lookup",
        "JWT HS256: verify",
        Some(Target::AtMost(0.25)),
    );
    report.ratio("memory: lookup", "JWT ES256: verify", None);
    report.ratio("memory, a tenth", "JWT HS256: verify", None);
    report.ratio("memory: store alone", "bare sharded map", None);
    report.ratio("memory: lookup", "token: parse and digest", None);
    report.ratio(
        "SQLite: lookup",
        "bare SQLite: point select",
        Some(Target::AtMost(1.5)),
    );
    report.ratio("SQLite: lookup", "JWT HS256: verify", None);
    report.ratio("SQLite: lookup", "JWT ES256: verify", None);
    let speedup = Some(Target::AtLeast(5.0));
    report.ratio(
        "durable create, one by one",
        "durable create, 64 tasks",
        speedup,
    );

    println!("{report}");
    if let Some(json) = &options.json {
        report.write_json(json)?;
    }
    Ok(if report.all_met() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn lookups(
    file: &Path,
    rounds: usize,
    random: &mut Random,
) -> Result<Vec<Measurement>, Box<dyn Error>> {
    let memory = workload::in_memory()?;
    let in_memory = workload::fill(&memory, SESSIONS)?;
    let small = workload::in_memory()?;
    let in_small = workload::fill(&small, SESSIONS / 10)?;
    let ids_in_memory = bare::by_id(&in_memory);
    let store = memory.store();
    let records = ids_in_memory
        .iter()
        .map(|request| Ok(block_on(store.lookup(bare::id(request)))?.unwrap()))
        .collect::<revocable::Result<Vec<_>>>()?;
    let map = BareMap::new(records);

    // Filled and opened again: the log has been copied into the file.
    let in_sqlite = workload::fill(&workload::in_sqlite(file)?, SESSIONS)?;
    let sqlite = workload::in_sqlite(file)?;
    let ids_in_sqlite = bare::by_id(&in_sqlite);
    let bare = BareSqlite::open(file);
    assert_eq!(bare.count(), SESSIONS);
    let select = bare.select();

    let (hs256, es256) = (Verifier::hs256(), Verifier::es256());
    let (of_hs256, of_es256) = (hs256.issue(SESSIONS), es256.issue(4_096));

    for sessions in [&memory, &sqlite] {
        refuses_what_it_must(sessions, &in_memory, &in_sqlite);
    }
    let contenders = vec![
        Contender::new(
            "token: parse and digest",
            &in_memory,
            (16, 100),
            one_by_one(async |request| {
                let digest = Token::parse(&request.key).map(|token| token.digest());
                std::hint::black_box(digest).is_some()
            }),
        ),
        Contender::new(
            "bare sharded map: get by ID",
            &ids_in_memory,
            (16, 100),
            one_by_one(async |request| {
                let record = map.get(bare::id(request));
                record.is_some_and(|record| record.user.as_str() == &*request.user)
            }),
        ),
        Contender::new(
            "memory: store alone, by ID",
            &ids_in_memory,
            (16, 100),
            one_by_one(async |request| {
                let record = store.lookup(bare::id(request)).await;
                matches!(record, Ok(Some(record)) if record.user.as_str() == &*request.user)
            }),
        ),
        Contender::new(
            "memory: lookup",
            &in_memory,
            (16, 100),
            one_by_one(async |request| is_right(memory.lookup(&*request.key).await, request)),
        ),
        Contender::new(
            "memory, a tenth of the sessions: lookup",
            &in_small,
            (16, 100),
            one_by_one(async |request| is_right(small.lookup(&*request.key).await, request)),
        ),
        Contender::new(
            "SQLite: lookup",
            &in_sqlite,
            (16, 60),
            one_by_one(async |request| is_right(sqlite.lookup(&*request.key).await, request)),
        ),
        Contender::new(
            "bare SQLite: point select of the same columns by ID",
            &ids_in_sqlite,
            (16, 60),
            one_by_one(async |request| select(request)),
        ),
        Contender::new(
            "JWT HS256: verify",
            &of_hs256,
            (16, 60),
            one_by_one(async |request| hs256.is_right(request)),
        ),
        Contender::new(
            "JWT ES256: verify",
            &of_es256,
            (2, 50),
            one_by_one(async |request| es256.is_right(request)),
        ),
    ];
    Ok(interleave(contenders, rounds, random))
}

/// A store that let everybody in would be fast.
fn refuses_what_it_must(sessions: &Sessions, in_memory: &[Request], in_sqlite: &[Request]) {
    let finds = |key: &[u8]| block_on(sessions.lookup(key)).unwrap().is_some();
    let found = |requests: &[Request]| requests.iter().take(100).filter(|r| finds(&r.key)).count();
    assert_eq!(
        found(in_memory) + found(in_sqlite),
        100,
        "its own, and not the other's"
    );
    for request in in_memory.iter().chain(in_sqlite).take(100) {
        let mut forged = request.key.clone();
        forged[40] = if forged[40] == b'A' { b'B' } else { b'A' };
        assert!(!finds(&forged));
    }
}

fn creates(
    file: &Path,
    rounds: usize,
    random: &mut Random,
) -> Result<Vec<Measurement>, Box<dyn Error>> {
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

/// What a commit costs at the least.
fn sync_us(folder: &Path) -> std::io::Result<u128> {
    let mut file = tempfile::tempfile_in(folder)?;
    let mut times = Vec::new();
    for _ in 0..25 {
        let start = Instant::now();
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&[1; 4_096])?;
        file.sync_data()?;
        times.push(start.elapsed().as_micros());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
