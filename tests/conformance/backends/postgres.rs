//! A PostgreSQL server, with a schema for each store.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use revocable::{CachedStore, PostgresStore, Result, SessionId, SessionStore};
use revocable_conformance::Harness;
use revocable_test_servers::{Missing, Postgres as Server};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

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
        // What is looked for in a dump is to be found in it.
        let settings = ["max_connections=1000", "wal_compression=off"];
        let start = || Arc::new(Server::start(&settings).expect("it was found before"));
        Arc::clone(started.get_or_insert_with(start))
    }
}

pub(super) struct Postgres {
    shared: Arc<Shared>,
    /// Tells the stores of this backend from those of the others.
    backend: &'static str,
    cached: bool,
}

impl Postgres {
    pub(super) fn all() -> Vec<Backend> {
        let found = Server::find().map(|_| ());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let shared = Arc::new(Shared {
            started: Mutex::default(),
            runtime,
        });
        let backend = |name, cached| {
            let harness: Arc<dyn Harness> = Arc::new(Self {
                shared: Arc::clone(&shared),
                backend: name,
                cached,
            });
            let installed = found.as_ref().map(|()| harness);
            (name, installed.map_err(Missing::clone))
        };
        vec![backend("postgres", false), backend("cached_postgres", true)]
    }

    /// As a schema may be called, and not as that of another check.
    fn schema(&self, name: &str) -> String {
        let of_form = |letter: char| match letter {
            'a'..='z' | '0'..='9' => letter,
            _ => '_',
        };
        let name: String = name.chars().map(of_form).collect();
        let end = name.len().saturating_sub(40);
        format!("{}_{}", &self.backend[..1], &name[end..])
    }

    fn connect(&self, name: &str) -> Result<PostgresStore> {
        let builder = PostgresStore::builder(&self.shared.server().url())
            .schema(&self.schema(name))
            // The machine is busy with other checks.
            .timeout(Duration::from_secs(10))
            .connections(4);
        self.shared.runtime.block_on(builder.connect())
    }

    /// With a connection of the server's own user.
    fn as_administrator<T>(&self, work: impl AsyncFnOnce(&Client) -> T) -> T {
        let url = self.shared.server().url();
        self.shared.runtime.block_on(async {
            let connected = tokio_postgres::connect(&url, NoTls).await;
            let (client, connection) = connected.expect("the server is running");
            tokio::spawn(connection);
            work(&client).await
        })
    }
}

impl Harness for Postgres {
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

    fn rounds(&self) -> u32 {
        // Each write waits for the disk.
        20
    }

    fn damage(&self, name: &str, _: &Arc<dyn SessionStore>, id: SessionId) -> bool {
        let damage = format!(
            "UPDATE {}.sessions SET record = set_byte(record, length(record) - 1,
                 (get_byte(record, length(record) - 1) + 1) % 256)
             WHERE id::text = $1",
            self.schema(name)
        );
        let damaged =
            self.as_administrator(async |client| client.execute(&damage, &[&id.to_string()]).await);
        matches!(damaged, Ok(1))
    }

    fn break_store(&self, name: &str, _: &Arc<dyn SessionStore>) -> bool {
        // Nobody may read or write it.
        let schema = self.schema(name);
        let rename = format!("ALTER SCHEMA {schema} RENAME TO gone_{schema}");
        let broken = self.as_administrator(async |client| client.batch_execute(&rename).await);
        broken.is_ok()
    }

    fn dump(&self, name: &str, _: &Arc<dyn SessionStore>) -> Option<Vec<u8>> {
        let schema = self.schema(name);
        let mut written = Vec::new();
        for (table, columns) in [
            ("meta", "life"),
            (
                "sessions",
                "uuid_send(id), convert_to(user_id, 'UTF8'), record, data",
            ),
            ("epochs", "convert_to(user_id, 'UTF8')"),
        ] {
            let query = format!("SELECT {columns} FROM {schema}.{table}");
            let rows = self.as_administrator(async |client| client.query(&query, &[]).await);
            for row in rows.expect("the server is running") {
                for column in 0..row.len() {
                    written.extend_from_slice(row.get::<_, &[u8]>(column));
                }
            }
        }
        // Also what it has logged.
        written.extend(self.shared.server().log().into_bytes());
        Some(written)
    }
}
