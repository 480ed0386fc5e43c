//! The floors: the engines with nothing around them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, RwLock};

use foldhash::fast::RandomState;
use revocable::{Record, SessionId, Token};
use rusqlite::{Connection, OpenFlags};

use crate::workload::{ROLE, Request};

/// The same requests by ID instead of token.
pub fn by_id(requests: &[Request]) -> Vec<Request> {
    let id = |request: &Request| Token::parse(&request.key).unwrap().id();
    let by_id = |request| Request::new(id(request).as_bytes(), &request.user);
    requests.iter().map(by_id).collect()
}

/// The ID in a request that is [by ID](by_id).
pub fn id(request: &Request) -> SessionId {
    SessionId::from_slice(&request.key).unwrap()
}

/// The SQLite store's file, read with rusqlite alone.
#[derive(Debug)]
pub struct BareSqlite(Connection);

impl BareSqlite {
    // The columns and the order of columns of the store's own lookup.
    const SELECT: &str = "SELECT created_ms, last_seen_ms, expires_ms, idle_timeout_ms,
        authenticated_ms, version, checksum, digest, user, previous_digest, previous_replaced_ms,
        successor_salt, successor_presented_ms, client_ip, client_user_agent, client_label, data
        FROM sessions WHERE id = ?1";
    const COLUMNS: usize = 17;
    const USER: usize = 8;
    const DATA: usize = 16;

    /// Opens the file for reading, with the settings of the store's readers
    /// that make a difference to reading.
    pub fn open(file: &Path) -> Self {
        let connection =
            Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        connection
            .execute_batch(
                "PRAGMA cache_size = -4096; PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON;",
            )
            .unwrap();
        Self(connection)
    }

    /// A prepared point select that reads every column and copies none.
    pub fn select(&self) -> impl Fn(&Request) -> bool + '_ {
        let statement = RefCell::new(self.0.prepare(Self::SELECT).unwrap());
        move |request| {
            let mut statement = statement.borrow_mut();
            let mut rows = statement.query([&request.key[..]]).unwrap();
            let Some(row) = rows.next().unwrap() else {
                return false;
            };
            for column in 0..Self::COLUMNS {
                std::hint::black_box(row.get_ref(column).unwrap());
            }
            row.get_ref(Self::USER).unwrap().as_str() == Ok(&request.user)
                && row.get_ref(Self::DATA).unwrap().as_blob() == Ok(ROLE.as_bytes())
        }
    }

    /// How many sessions the file has.
    pub fn count(&self) -> usize {
        let count = "SELECT count(*) FROM sessions";
        let count: i64 = self.0.query_row(count, [], |row| row.get(0)).unwrap();
        usize::try_from(count).unwrap()
    }
}

/// A sled tree with the records as the sled store encodes them.
#[derive(Debug)]
pub struct BareSled(sled::Tree);

impl BareSled {
    /// A new database in this folder.
    pub fn new(folder: &Path, records: &[Arc<Record>]) -> Self {
        let database = sled::Config::new()
            .path(folder)
            .cache_capacity(64 << 20)
            .open()
            .unwrap();
        let tree = database.open_tree("sessions").unwrap();
        for record in records {
            tree.insert(record.id.as_bytes(), record.encode()).unwrap();
        }
        database.flush().unwrap();
        Self(tree)
    }

    /// Whether the bytes are there, and of this user.
    pub fn get(&self, request: &Request) -> bool {
        let bytes = self.0.get(&request.key).unwrap();
        let user = request.user.as_bytes();
        bytes.is_some_and(|bytes| bytes.windows(user.len()).any(|part| part == user))
    }
}

/// A moka cache of records with the settings of `CachedStore`, and nothing that
/// keeps it right.
#[derive(Debug)]
pub struct BareMoka(moka::sync::Cache<SessionId, Arc<Record>, RandomState>);

impl BareMoka {
    /// A cache of these records.
    pub fn new(records: &[Arc<Record>]) -> Self {
        let cache = moka::sync::Cache::builder()
            .eviction_policy(moka::policy::EvictionPolicy::lru())
            .max_capacity(2 * records.len() as u64)
            .build_with_hasher(RandomState::default());
        for record in records {
            cache.insert(record.id, Arc::clone(record));
        }
        Self(cache)
    }

    /// The record with this ID.
    pub fn get(&self, id: SessionId) -> Option<Arc<Record>> {
        self.0.get(&id)
    }
}

/// A sharded hash map: the least that a store in memory for many threads is.
#[derive(Debug)]
pub struct BareMap(Vec<RwLock<HashMap<SessionId, Arc<Record>, RandomState>>>);

impl BareMap {
    const SHARDS: usize = 128;

    /// A map of records.
    pub fn new(records: impl IntoIterator<Item = Arc<Record>>) -> Self {
        let map = Self((0..Self::SHARDS).map(|_| RwLock::default()).collect());
        for record in records {
            map.shard(record.id)
                .write()
                .unwrap()
                .insert(record.id, record);
        }
        map
    }

    /// The record with this ID.
    pub fn get(&self, id: SessionId) -> Option<Arc<Record>> {
        self.shard(id).read().unwrap().get(&id).cloned()
    }

    fn shard(&self, id: SessionId) -> &RwLock<HashMap<SessionId, Arc<Record>, RandomState>> {
        &self.0[id.bucket().index() % Self::SHARDS]
    }
}
