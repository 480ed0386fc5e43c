//! A Redis server, and a cluster, with a prefix for each store.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use revocable::{CachedStore, RedisStore, Result, SessionId, SessionStore};
use revocable_conformance::Harness;
use revocable_test_servers::{Missing, Redis as Server, RedisCluster};
use tokio::runtime::Runtime;

use super::Backend;

/// So short that checks meet the cache with a lease and without.
const TERM: Duration = Duration::from_millis(50);

/// What the stores are on: started when the first is opened, and ended with the last
/// backend.
struct Shared {
    started: Mutex<Option<Arc<Servers>>>,
    start: fn() -> Servers,
    runtime: Runtime,
}

/// One, or the members of a cluster.
enum Servers {
    One(Server),
    Cluster(RedisCluster),
}

impl Servers {
    fn one() -> Self {
        Self::One(Server::start(&[]).expect("it was found before"))
    }

    fn cluster() -> Self {
        Self::Cluster(RedisCluster::start().expect("it was found before"))
    }

    fn urls(&self) -> Vec<String> {
        match self {
            Self::One(server) => vec![server.url()],
            Self::Cluster(cluster) => cluster.urls(),
        }
    }
}

impl Shared {
    fn new(start: fn() -> Servers) -> Arc<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime can be made");
        Arc::new(Self {
            started: Mutex::default(),
            start,
            runtime,
        })
    }

    fn servers(&self) -> Arc<Servers> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(started.get_or_insert_with(|| Arc::new((self.start)())))
    }
}

pub(super) struct Redis {
    shared: Arc<Shared>,
    /// Tells the stores of this backend from those of the others.
    backend: &'static str,
    cached: bool,
}

impl Redis {
    pub(super) fn all() -> Vec<Backend> {
        let found = Server::find();
        let (one, cluster) = (Shared::new(Servers::one), Shared::new(Servers::cluster));
        [
            ("redis", &one, false),
            ("cached_redis", &one, true),
            ("redis_cluster", &cluster, false),
            ("cached_redis_cluster", &cluster, true),
        ]
        .into_iter()
        .map(|(backend, shared, cached)| {
            let harness = || -> Arc<dyn Harness> {
                Arc::new(Self {
                    shared: Arc::clone(shared),
                    backend,
                    cached,
                })
            };
            let installed = found.as_ref().map(|_| harness());
            (backend, installed.map_err(Missing::clone))
        })
        .collect()
    }

    fn prefix(&self, name: &str) -> String {
        // As long as a prefix may be.
        format!("{}.{name:.1$}", self.backend, 63 - self.backend.len())
    }

    /// A connection to each server.
    fn clients(&self) -> Vec<redis::Connection> {
        let connect = |url| redis::Client::open(url).and_then(|client| client.get_connection());
        let urls = self.shared.servers().urls().into_iter();
        urls.map(|url| connect(url).expect("the server is running"))
            .collect()
    }

    /// All of a store's, with a connection to where they are.
    fn keys(&self, name: &str) -> Vec<(redis::Connection, Vec<Vec<u8>>)> {
        let pattern = format!("{}:*", self.prefix(name));
        let keys = |mut client| {
            let keys = redis::cmd("KEYS").arg(&pattern).query(&mut client);
            (client, keys.expect("the server is running"))
        };
        self.clients().into_iter().map(keys).collect()
    }

    fn connect(&self, name: &str) -> Result<RedisStore> {
        let servers = self.shared.servers();
        let builder = match &*servers {
            Servers::One(server) => RedisStore::builder(&server.url()),
            Servers::Cluster(cluster) => RedisStore::cluster(cluster.urls()),
        };
        let connecting = builder.prefix(&self.prefix(name)).connect();
        self.shared.runtime.block_on(connecting)
    }
}

impl Harness for Redis {
    fn open(&self, name: &str) -> Result<Arc<dyn SessionStore>> {
        let store = self.connect(name)?;
        if !self.cached {
            return Ok(Arc::new(store));
        }
        let runtime = self.shared.runtime.handle().clone();
        let finisher = runtime.clone();
        let builder = CachedStore::builder(store).finish_with(move |work| {
            finisher.spawn(work);
        });
        let cached = builder.max_staleness(TERM).build()?;
        runtime.spawn(cached.keep_lease(tokio::time::sleep));
        Ok(Arc::new(cached))
    }

    fn reopen(&self, name: &str) -> Result<Option<Arc<dyn SessionStore>>> {
        self.open(name).map(Some)
    }

    fn expires_by_itself(&self) -> bool {
        true
    }

    fn ends_everything_at_once(&self) -> bool {
        !matches!(*self.shared.servers(), Servers::Cluster(_))
    }

    fn rounds(&self) -> u32 {
        match *self.shared.servers() {
            // Each write waits for the disk,
            Servers::One(_) => 20,
            // ... and a sweep goes to each of 4,096 buckets.
            Servers::Cluster(_) => 8,
        }
    }

    fn damage(&self, name: &str, _: &Arc<dyn SessionStore>, id: SessionId) -> bool {
        let ending = [b":s:", &id.as_bytes()[..]].concat();
        self.keys(name).into_iter().any(|(mut client, keys)| {
            let Some(key) = keys.into_iter().find(|key| key.ends_with(&ending)) else {
                return false;
            };
            // The last byte of the record's checksum.
            let damaged: redis::RedisResult<i64> = redis::Script::new(
                "local value = redis.call('GET', KEYS[1])
                 local last = string.char((string.byte(value, -1) + 1) % 256)
                 return redis.call('SETRANGE', KEYS[1], #value - 1, last)",
            )
            .key(key)
            .invoke(&mut client);
            damaged.is_ok()
        })
    }

    fn break_store(&self, name: &str, _: &Arc<dyn SessionStore>) -> bool {
        let _ = name;
        false
    }

    fn dump(&self, name: &str, _: &Arc<dyn SessionStore>) -> Option<Vec<u8>> {
        let mut written = Vec::new();
        for (mut client, keys) in self.keys(name) {
            for key in keys {
                let value: redis::RedisResult<Vec<u8>> =
                    redis::cmd("DUMP").arg(&key).query(&mut client);
                written.extend(key);
                written.extend(value.unwrap_or_default());
            }
        }
        Some(written)
    }
}
