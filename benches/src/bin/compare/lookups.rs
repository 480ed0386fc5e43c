//! Lookups, from the token's text to the live session.

use std::error::Error;
use std::path::Path;

use futures_executor::block_on;
use revocable::{CachedStore, MokaStore, Sessions, SqliteStore, Token};
use revocable_benches::bare::{self, BareCache, BareMap, BareMoka, BareSled, BareSqlite};
use revocable_benches::jwt::Verifier;
use revocable_benches::measure::{Contender, Measurement, interleave, one_by_one};
use revocable_benches::workload::{self, Random, Request, is_right};

use super::SESSIONS;

/// The file that the creates go on with.
pub(crate) const SQLITE: &str = "sessions.db";

pub(crate) fn measure(
    folder: &Path,
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
    let ids_in_small = bare::by_id(&in_small);
    let records = ids_in_small
        .iter()
        .map(|request| Ok(block_on(small.store().lookup(bare::id(request)))?.unwrap()))
        .collect::<revocable::Result<Vec<_>>>()?;
    let small_map = BareMap::new(records);

    let moka = workload::sessions(MokaStore::with_capacity(SESSIONS as u64))?;
    let in_moka = workload::fill(&moka, SESSIONS)?;

    // Filled and opened again: the log has been copied into the file.
    let file = &folder.join(SQLITE);
    let in_sqlite = workload::fill(&workload::in_sqlite(file)?, SESSIONS)?;
    let sqlite = workload::in_sqlite(file)?;
    let exclusive_file = &folder.join("exclusive.db");
    let in_exclusive = workload::fill(&workload::in_sqlite(exclusive_file)?, SESSIONS)?;
    let exclusive = workload::exclusively_in_sqlite(exclusive_file)?;
    let ids_in_sqlite = bare::by_id(&in_sqlite);
    let bare = BareSqlite::open(file);
    assert_eq!(bare.count(), SESSIONS);
    let select = bare.select();

    let cached_file = folder.join("cached.db");
    let behind = SqliteStore::builder(cached_file).exclusive(true).open()?;
    let builder = CachedStore::builder(behind).max_sessions(2 * SESSIONS as u64);
    let cached = workload::sessions(builder.build()?)?;
    let in_cached = workload::fill(&cached, SESSIONS)?;
    // Each is looked up once, so that all that follow are hits.
    for request in &in_cached {
        assert!(is_right(block_on(cached.lookup(&*request.key)), request));
    }
    let popular = workload::zipf(&in_cached, 0.99, 4 * SESSIONS, random);
    let popular_ids = bare::by_id(&popular);
    let records = bare::by_id(&in_cached)
        .iter()
        .map(|request| Ok(block_on(cached.store().lookup(bare::id(request)))?.unwrap()))
        .collect::<revocable::Result<Vec<_>>>()?;
    let bare_moka = BareMoka::new(&records);
    let bare_cache = BareCache::new(&records);

    let sled_folder = folder.join("sessions.sled");
    let in_sled = workload::fill(&workload::in_sled(&sled_folder)?, SESSIONS)?;
    let sled = workload::in_sled(&sled_folder)?;
    let ids_in_sled = bare::by_id(&in_sled);
    let records = ids_in_sled
        .iter()
        .map(|request| Ok(block_on(sled.store().lookup(bare::id(request)))?.unwrap()))
        .collect::<revocable::Result<Vec<_>>>()?;
    let bare_sled = BareSled::new(&folder.join("bare.sled"), &records);

    let (hs256, es256) = (Verifier::hs256(), Verifier::es256());
    let (of_hs256, of_es256) = (hs256.issue(SESSIONS), es256.issue(4_096));

    // A character that is in no token.
    let malformed: Vec<_> = in_cached
        .iter()
        .map(|request| {
            let mut malformed = request.clone();
            malformed.key[63] = b'=';
            malformed
        })
        .collect();

    refuses_what_it_must(&memory, &in_memory, &in_sqlite);
    refuses_what_it_must(&moka, &in_moka, &in_sqlite);
    refuses_what_it_must(&sqlite, &in_sqlite, &in_memory);
    refuses_what_it_must(&exclusive, &in_exclusive, &in_memory);
    refuses_what_it_must(&cached, &in_cached, &in_sqlite);
    refuses_what_it_must(&sled, &in_sled, &in_sqlite);
    let contenders = vec![
        Contender::new(
            "token: parse and digest",
            &in_memory,
            (16, 400),
            one_by_one(async |request| {
                let digest = Token::parse(&request.key).map(|token| token.digest());
                std::hint::black_box(digest).is_some()
            }),
        ),
        Contender::new(
            "bare sharded map: get by ID",
            &ids_in_memory,
            (16, 400),
            one_by_one(async |request| {
                let record = map.get(bare::id(request));
                record.is_some_and(|record| record.user.as_str() == &*request.user)
            }),
        ),
        Contender::new(
            "bare sharded map of a tenth: get by ID",
            &ids_in_small,
            (16, 400),
            one_by_one(async |request| {
                let record = small_map.get(bare::id(request));
                record.is_some_and(|record| record.user.as_str() == &*request.user)
            }),
        ),
        Contender::new(
            "memory: store alone, by ID",
            &ids_in_memory,
            (16, 400),
            one_by_one(async |request| {
                let record = store.lookup(bare::id(request)).await;
                matches!(record, Ok(Some(record)) if record.user.as_str() == &*request.user)
            }),
        ),
        Contender::new(
            "memory: lookup",
            &in_memory,
            (16, 400),
            one_by_one(async |request| is_right(memory.lookup(&*request.key).await, request)),
        ),
        Contender::new(
            "memory, a tenth of the sessions: lookup",
            &in_small,
            (16, 400),
            one_by_one(async |request| is_right(small.lookup(&*request.key).await, request)),
        ),
        Contender::new(
            "SQLite: lookup",
            &in_sqlite,
            (16, 200),
            one_by_one(async |request| is_right(sqlite.lookup(&*request.key).await, request)),
        ),
        Contender::new(
            "exclusive SQLite: lookup",
            &in_exclusive,
            (16, 200),
            one_by_one(async |request| is_right(exclusive.lookup(&*request.key).await, request)),
        ),
        Contender::new(
            "bare SQLite: point select of the same columns by ID",
            &ids_in_sqlite,
            (16, 200),
            one_by_one(async |request| select(request)),
        ),
        Contender::new(
            "moka: lookup",
            &in_moka,
            (16, 200),
            one_by_one(async |request| is_right(moka.lookup(&*request.key).await, request)),
        ),
        Contender::new(
            "cached SQLite: hit, Zipf 0.99",
            &popular,
            (16, 400),
            one_by_one(async |request| is_right(cached.lookup(&*request.key).await, request)),
        ),
        Contender::new(
            "cached SQLite: unknown token",
            &in_sqlite,
            (16, 100),
            one_by_one(async |request| matches!(cached.lookup(&*request.key).await, Ok(None))),
        ),
        Contender::new(
            "cached SQLite: malformed token",
            &malformed,
            (16, 100),
            one_by_one(async |request| matches!(cached.lookup(&*request.key).await, Ok(None))),
        ),
        Contender::new(
            "bare quick_cache: get by ID, Zipf 0.99",
            &popular_ids,
            (16, 400),
            one_by_one(async |request| {
                let record = bare_cache.get(bare::id(request));
                record.is_some_and(|record| record.user.as_str() == &*request.user)
            }),
        ),
        Contender::new(
            "bare moka: get by ID, Zipf 0.99",
            &popular_ids,
            (16, 400),
            one_by_one(async |request| {
                let record = bare_moka.get(bare::id(request));
                record.is_some_and(|record| record.user.as_str() == &*request.user)
            }),
        ),
        Contender::new(
            "sled: lookup",
            &in_sled,
            (16, 200),
            one_by_one(async |request| is_right(sled.lookup(&*request.key).await, request)),
        ),
        Contender::new(
            "bare sled: get of the same bytes by ID",
            &ids_in_sled,
            (16, 200),
            one_by_one(async |request| bare_sled.get(request)),
        ),
        Contender::new(
            "JWT HS256: verify",
            &of_hs256,
            (16, 200),
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
fn refuses_what_it_must(sessions: &Sessions, own: &[Request], others: &[Request]) {
    let finds = |key: &[u8]| block_on(sessions.lookup(key)).unwrap().is_some();
    let found = |requests: &[Request]| requests.iter().take(100).filter(|r| finds(&r.key)).count();
    assert_eq!((found(own), found(others)), (100, 0));
    for request in own.iter().take(100) {
        let mut forged = request.key.clone();
        forged[40] = if forged[40] == b'A' { b'B' } else { b'A' };
        assert!(!finds(&forged));
    }
}
