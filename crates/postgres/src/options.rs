//! How a store is opened.

use std::fmt;
use std::time::Duration;

use deadpool_postgres::Pool;
use revocable_core::Result;
use revocable_remote::{Local, within};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::check::check;
use crate::connect::Place;
use crate::fault::{Failure, configuration};
use crate::link::{Limits, Link};
use crate::schema;
use crate::server::Server;
use crate::statements::Statements;
use crate::store::PostgresStore;

/// The schema, unless told otherwise.
const SCHEMA: &str = "revocable";

/// Settings for a [`PostgresStore`].
#[derive(Clone)]
pub struct PostgresStoreBuilder {
    from: From,
    schema: String,
    timeout: Duration,
    connections: usize,
    announcements: Option<String>,
    makes_schema: bool,
    is_pooled: bool,
    accepts_unsynced: bool,
}

/// Where connections come from.
#[derive(Clone)]
enum From {
    Address(String),
    Pool(Pool),
}

impl PostgresStoreBuilder {
    pub(crate) fn address(url: &str) -> Self {
        Self::from(From::Address(url.to_owned()))
    }

    pub(crate) fn pool(pool: Pool) -> Self {
        Self::from(From::Pool(pool))
    }

    fn from(from: From) -> Self {
        Self {
            from,
            schema: SCHEMA.into(),
            timeout: Duration::from_secs(1),
            connections: 8,
            announcements: None,
            makes_schema: true,
            is_pooled: false,
            accepts_unsynced: false,
        }
    }

    /// The schema in which the store's tables are, `revocable` unless told otherwise:
    /// 1 to 48 of `a-z 0-9 _`. Stores in the same schema of the same database are one.
    #[must_use]
    pub fn schema(mut self, name: &str) -> Self {
        name.clone_into(&mut self.schema);
        self
    }

    /// How long is waited for a connection, and how long the server may take for an
    /// answer; a second unless told otherwise. The server gives up by itself, so that it
    /// is known that nothing was changed; whoever gets no answer at all waits a
    /// quarter longer, and then the outcome of a write is not known. So one question takes
    /// at most two and a quarter times as long. A lookup that loses its connection is tried
    /// once more, one that is late is not: at most four and a half times. A create with a
    /// cap and a change ask twice, and again for each time that others are faster.
    ///
    /// A connection on which an answer is late is not used for anything else until it has
    /// come, or for 16 times this time: when all of them wait, so does everybody, and is told
    /// `Unavailable`. More than an hour is an hour.
    ///
    /// From an address, connections also have a keep-alive of 4 seconds, and end when
    /// nothing of what was sent is acknowledged for twice this time, or 2 seconds if that is
    /// longer; and of several addresses each has its part of the time until it accepts a
    /// connection. (One that accepts it and then says nothing, as a server that is stopped, is not
    /// passed by.) The address may say otherwise (`keepalives_idle`, `tcp_user_timeout`,
    /// `connect_timeout`).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(Duration::from_secs(60 * 60));
        self
    }

    /// How many connections there are at most for lookups, and as many again for writes;
    /// 8 unless told otherwise. A `CachedStore` in front takes two more. They are made
    /// when they are needed. Not with a pool of the application's own.
    #[must_use]
    pub fn connections(mut self, most: usize) -> Self {
        self.connections = most.max(1);
        self
    }

    /// Where the announcements of other machines come from, for a `CachedStore` in
    /// front: an address of the same database's primary that is not PgBouncer's. It is
    /// known already if the store was opened by an address without
    /// [`behind_pgbouncer`](Self::behind_pgbouncer).
    #[must_use]
    pub fn announcements(mut self, url: &str) -> Self {
        self.announcements = Some(url.to_owned());
        self
    }

    /// The connections are those of a PgBouncer that pools transactions. Nothing is left
    /// on a connection then: no prepared statements, no settings. That costs the
    /// server the planning of each statement, and a time-out of the server's own: set
    /// `statement_timeout` for the store's user.
    #[must_use]
    pub fn behind_pgbouncer(mut self) -> Self {
        self.is_pooled = true;
        self
    }

    /// Whether the schema, its tables and functions are made or renewed if need be; they
    /// are unless told otherwise. If not, apply what
    /// [`schema_sql`](PostgresStore::schema_sql) returns.
    #[must_use]
    pub fn make_schema(mut self, makes: bool) -> Self {
        self.makes_schema = makes;
        self
    }

    /// Takes a server whose `fsync` is off. A loss of power brings sessions back that
    /// were revoked, or damages all of them.
    #[must_use]
    pub fn accept_unsynced(mut self) -> Self {
        self.accepts_unsynced = true;
        self
    }

    /// Connects, makes the schema if need be, and asks the server how it is set. Inside
    /// of a tokio runtime, in which the connections live from then on; the store
    /// itself may be used from anywhere for as long as the runtime lives.
    ///
    /// # Errors
    ///
    /// [`Configuration`](revocable_core::ErrorKind::Configuration) for an address that
    /// cannot be read, a password that is wrong, a user without the rights, a schema of
    /// another version, a replica, a server that is too old or set so that
    /// revocations could be undone; the message says what to do.
    /// [`Unavailable`](revocable_core::ErrorKind::Unavailable) if it cannot be reached.
    pub async fn connect(self) -> Result<PostgresStore> {
        let runtime = Handle::try_current().map_err(|_| {
            configuration("the store has to be connected inside of a tokio runtime")
        })?;
        schema::check_name(&self.schema)?;
        let limits = Limits {
            timeout: self.timeout,
            prepares: !self.is_pooled,
        };
        let (reads, writes, marks, own) = match &self.from {
            From::Pool(pool) => (pool.clone(), pool.clone(), pool.clone(), None),
            From::Address(url) => {
                let place = Place::parse(url)?.with_bounds(self.timeout);
                let (made, own) = if self.is_pooled {
                    (place, None)
                } else {
                    (place.clone().with_session(self.timeout), Some(place))
                };
                let pool = || made.pool(self.connections);
                (pool()?, pool()?, made.pool(1)?, own)
            }
        };
        let announces = match &self.announcements {
            Some(url) => Some(Place::parse(url)?.with_bounds(self.timeout)),
            None => own,
        };
        let ms = self.timeout.as_millis().clamp(1, 1 << 30);
        let preparing = schema::prepare(&writes, &self.schema, self.makes_schema);
        // Several that start at the same time make the schema one after the other.
        within(&runtime, async {
            timeout(8 * self.timeout, preparing).await
        })
        .await
        .unwrap_or_else(|_| Err(Failure::connecting_took_too_long().reading()))?;
        let server = Server {
            statements: Statements::of(&self.schema),
            reads: Link::new(reads, limits, runtime.clone()),
            writes: Link::new(writes, limits, runtime.clone()),
            marks: Link::new(marks, limits, runtime.clone()),
            marking: Mutex::default(),
            patience: ms.to_string(),
            limits,
            announces,
            schema: self.schema,
            local: Local::new(runtime.clone())?,
        };
        let durability = within(&runtime, check(&server, self.accepts_unsynced)).await?;
        Ok(PostgresStore::new(server, durability))
    }
}

impl fmt::Debug for PostgresStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Addresses have passwords in them.
        let from = match &self.from {
            From::Address(_) => "address",
            From::Pool(_) => "pool",
        };
        f.debug_struct("PostgresStoreBuilder")
            .field("from", &from)
            .field("schema", &self.schema)
            .field("timeout", &self.timeout)
            .field("connections", &self.connections)
            .field("has_announcements", &self.announcements.is_some())
            .field("makes_schema", &self.makes_schema)
            .field("is_pooled", &self.is_pooled)
            .field("accepts_unsynced", &self.accepts_unsynced)
            .finish()
    }
}
