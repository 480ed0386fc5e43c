//! The floors: the engines with nothing around them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::SystemTime;

use foldhash::fast::RandomState;
use quick_cache::UnitWeighter;
use quick_cache::sync::DefaultLifecycle;
use revocable::{Bucket, Record, SessionId, Token, UserId};
use rusqlite::{Connection, OpenFlags, params};

use crate::workload::{ROLE, Random, Request, client};

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

/// A file with the SQLite store's schema, written with rusqlite alone.
#[derive(Debug)]
pub struct BareInserts {
    connection: Connection,
    random: RefCell<Random>,
}

impl BareInserts {
    const INSERT: &str = "INSERT INTO sessions (id, created_ms, last_seen_ms, expires_ms,
        idle_timeout_ms, authenticated_ms, version, checksum, digest, user, client_ip,
        client_user_agent, data) VALUES (?1, ?2, ?2, ?3, ?4, ?2, 0, ?5, ?6, ?7, ?8, ?9, ?10)";

    /// Opens the file with the settings of the store's writer that make a
    /// difference to writing.
    pub fn open(file: &Path) -> Self {
        let connection = Connection::open(file).unwrap();
        connection
            .execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -16384;")
            .unwrap();
        let journal: String = connection
            .query_row("PRAGMA journal_mode", [], |row| row.get(0))
            .unwrap();
        assert_eq!(journal, "wal");
        Self {
            connection,
            random: RefCell::new(Random(1)),
        }
    }

    /// Inserts a session of each user, with its entry in the index, in one
    /// transaction.
    pub fn insert(&self, users: &[Request]) {
        let mut random = self.random.borrow_mut();
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let now_ms = i64::try_from(now.as_millis()).unwrap();
        let client = client();
        let connection = &self.connection;
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for Request { user, .. } in users {
            let bucket = Bucket::of(&UserId::new(user).unwrap());
            let id = SessionId::new(now_ms, bucket, random.below(u64::MAX).to_be_bytes());
            let digest: [u8; 32] = std::array::from_fn(|_| random.below(256) as u8);
            let mut session = connection.prepare_cached(Self::INSERT).unwrap();
            session
                .execute(params![
                    id.as_bytes(),
                    now_ms,
                    now_ms + 43_200_000,
                    i64::MAX,
                    random.below(1 << 32) as i64,
                    digest,
                    user,
                    [203_u8, 0, 113, 7],
                    client.user_agent(),
                    ROLE.as_bytes(),
                ])
                .unwrap();
            let index = "INSERT OR IGNORE INTO by_user (user, id) VALUES (?1, ?2)";
            let mut index = connection.prepare_cached(index).unwrap();
            index.execute(params![user, id.as_bytes()]).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
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

/// A quick_cache of records, which is what `CachedStore` keeps them in.
#[derive(Debug)]
pub struct BareCache(quick_cache::sync::Cache<SessionId, Arc<Record>, UnitWeighter, RandomState>);

impl BareCache {
    /// A cache of these records.
    pub fn new(records: &[Arc<Record>]) -> Self {
        let capacity = 2 * records.len();
        let cache = quick_cache::sync::Cache::with(
            capacity,
            capacity as u64,
            UnitWeighter,
            RandomState::default(),
            DefaultLifecycle::default(),
        );
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
