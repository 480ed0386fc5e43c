//! How each backend is opened, opened again, damaged and read.

mod announced;
mod cached;
mod memory;
mod postgres;
mod redis;
mod sled;
mod sqlite;

use std::sync::Arc;

use revocable::{Result, SessionId, SessionStore};
use revocable_conformance::Harness;
use revocable_test_servers::Missing;

use announced::CachedAnnounced;
use cached::Cached;
use memory::{Memory, Moka};
use postgres::Postgres;
use redis::Redis;
use sled::Sled;
use sqlite::Sqlite;

/// A backend by its name, or why it cannot be had.
type Backend = (&'static str, Result<Arc<dyn Harness>, Missing>);

fn named(name: &'static str, harness: impl Harness + 'static) -> Backend {
    (name, Ok(Arc::new(harness)))
}

/// The backends, as far as their servers are installed.
pub(crate) fn all() -> Vec<Backend> {
    let mut all = embedded();
    all.extend(Redis::all());
    all.extend(Postgres::all());
    all
}

fn embedded() -> Vec<Backend> {
    vec![
        named("memory", Memory),
        named("memory_behind_a_pointer", BehindAPointer(Memory)),
        named("moka", Moka),
        named("moka_behind_a_pointer", BehindAPointer(Moka)),
        named("sqlite", Sqlite::new()),
        named("sqlite_exclusive", Sqlite::exclusive()),
        named("sqlite_offloaded", Sqlite::offloaded()),
        named("sqlite_behind_a_pointer", BehindAPointer(Sqlite::new())),
        named("sled", Sled::new()),
        named("sled_behind_a_pointer", BehindAPointer(Sled::new())),
        named("cached_sqlite", Cached::alone(Sqlite::exclusive())),
        named("cached_sqlite_shared", Cached::shared(Sqlite::new())),
        named("cached_sled", Cached::alone(Sled::new())),
        named("cached_announced", CachedAnnounced),
        named(
            "cached_announced_behind_a_pointer",
            BehindAPointer(CachedAnnounced),
        ),
        named(
            "cached_sqlite_behind_a_pointer",
            BehindAPointer(Cached::alone(Sqlite::exclusive())),
        ),
        named(
            "cached_sled_behind_a_pointer",
            BehindAPointer(Cached::alone(Sled::new())),
        ),
    ]
}

/// The same backend, passed on as applications do that choose at run time.
struct BehindAPointer<H>(H);

impl<H: Harness> Harness for BehindAPointer<H> {
    fn open(&self, name: &str) -> Result<Arc<dyn SessionStore>> {
        let store: Box<dyn SessionStore> = Box::new(self.0.open(name)?);
        Ok(Arc::new(store))
    }

    fn reopen(&self, name: &str) -> Result<Option<Arc<dyn SessionStore>>> {
        self.0.reopen(name)
    }

    fn rounds(&self) -> u32 {
        self.0.rounds()
    }

    fn damage(&self, name: &str, store: &Arc<dyn SessionStore>, id: SessionId) -> bool {
        self.0.damage(name, store, id)
    }

    fn break_store(&self, name: &str, store: &Arc<dyn SessionStore>) -> bool {
        self.0.break_store(name, store)
    }

    fn dump(&self, name: &str, store: &Arc<dyn SessionStore>) -> Option<Vec<u8>> {
        self.0.dump(name, store)
    }
}
