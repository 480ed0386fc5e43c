//! A Redis server, with a prefix for each store.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use revocable::{CachedStore, RedisStore, Result, SessionId, SessionStore};
use revocable_conformance::Harness;
use revocable_test_servers::{Missing, Redis as Server};
use tokio::runtime::Runtime;

use super::Backend;

/// So short that checks meet the cache with a lease and without.
const TERM: Duration = Duration::from_millis(50);

/// Started when the first store is opened, and ended with the last backend.
struct Shared {
    started: Mutex<Option<Arc<Server>>>,
    runtime: Runtime,
}

impl Shared {
    fn server(&self) -> Arc<Server> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let start = || Arc::new(Server::start(&[]).expect("it was found before"));
        Arc::clone(started.get_or_insert_with(start))
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
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let shared = Arc::new(Shared {
            started: Mutex::default(),
            runtime,
        });
        let redis = |backend, cached| Self {
            shared: Arc::clone(&shared),
            backend,
            cached,
        };
        let named = |backend, harness: Arc<dyn Harness>| {
            let installed = found.as_ref().map(|_| harness);
            (backend, installed.map_err(Missing::clone))
        };
        vec![
            named("redis", Arc::new(redis("redis", false))),
            named("cached_redis", Arc::new(redis("cached", true))),
        ]
    }

    fn prefix(&self, name: &str) -> String {
        // As long as a prefix may be.
        format!("{}.{:.50}", self.backend, name)
    }

    fn client(&self) -> redis::Connection {
        let client = redis::Client::open(self.shared.server().url());
        let connection = client.and_then(|client| client.get_connection());
        connection.expect("the server is running")
    }

    fn keys(&self, name: &str) -> Vec<Vec<u8>> {
        let pattern = format!("{}:*", self.prefix(name));
        let keys = redis::cmd("KEYS").arg(pattern).query(&mut self.client());
        keys.expect("the server is running")
    }

    fn connect(&self, name: &str) -> Result<RedisStore> {
        let url = self.shared.server().url();
        let builder = RedisStore::builder(&url).prefix(&self.prefix(name));
        self.shared.runtime.block_on(builder.connect())
    }
}

impl Harness for Redis {
    fn open(&self, name: &str) -> Result<Arc<dyn SessionStore>> {
        let store = self.connect(name)?;
        if !self.cached {
            return Ok(Arc::new(store));
        }
        let runtime = self.shared.runtime.handle().clone();
        let cached = CachedStore::builder(store)
            .max_staleness(TERM)
            .finish_with({
                let runtime = runtime.clone();
                move |work| {
                    runtime.spawn(work);
                }
            })
            .build()?;
        runtime.spawn(cached.keep_lease(tokio::time::sleep));
        Ok(Arc::new(cached))
    }

    fn reopen(&self, name: &str) -> Result<Option<Arc<dyn SessionStore>>> {
        self.open(name).map(Some)
    }

    fn expires_by_itself(&self) -> bool {
        true
    }

    fn rounds(&self) -> u32 {
        // Each write waits for the disk.
        20
    }

    fn damage(&self, name: &str, _: &Arc<dyn SessionStore>, id: SessionId) -> bool {
        let keys = self.keys(name).into_iter();
        let mut sessions = keys.filter(|key| key.ends_with(&[b":s:", &id.as_bytes()[..]].concat()));
        let key = sessions.next().expect("the session is there");
        // The last byte of the record's checksum.
        let damaged: redis::RedisResult<i64> = redis::Script::new(
            "local value = redis.call('GET', KEYS[1])
             local last = string.char((string.byte(value, -1) + 1) % 256)
             return redis.call('SETRANGE', KEYS[1], #value - 1, last)",
        )
        .key(key)
        .invoke(&mut self.client());
        damaged.is_ok()
    }

    fn break_store(&self, name: &str, _: &Arc<dyn SessionStore>) -> bool {
        let _ = name;
        false
    }

    fn dump(&self, name: &str, _: &Arc<dyn SessionStore>) -> Option<Vec<u8>> {
        let mut written = Vec::new();
        let mut client = self.client();
        for key in self.keys(name) {
            let value: redis::RedisResult<Vec<u8>> =
                redis::cmd("DUMP").arg(&key).query(&mut client);
            written.extend(key);
            written.extend(value.unwrap_or_default());
        }
        Some(written)
    }
}
