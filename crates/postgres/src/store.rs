//! The contract, kept in a database.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use deadpool_postgres::Pool;
use revocable_core::{
    Bucket, Change, CreateOutcome, CreateRequest, EndListener, EndReason, Ended, Epoch, Feed, Page,
    Record, Result, RevokeAllOutcome, RevokeAllRequest, SessionId, SessionStore, Sharing,
    SweepOutcome, SweepRequest, UpdateOutcome, UserId,
};
use revocable_remote::{asked, carried, settle, touch_soon, within};

use crate::check::Durability;
use crate::create::create;
use crate::fault::lost_meta;
use crate::feed::{follow, not_followed};
use crate::list::page;
use crate::options::PostgresStoreBuilder;
use crate::revoke::{epoch, revoke, revoke_everything, revoke_user};
use crate::schema;
use crate::server::{Server, get};
use crate::sweep;
use crate::update::{Kind, update};

/// Sessions in a PostgreSQL database. Cheap to clone; all clones are one store.
///
/// See the [crate's documentation](crate) for what it promises.
#[derive(Clone)]
pub struct PostgresStore {
    server: Arc<Server>,
    durability: Durability,
}

impl PostgresStore {
    /// Connects to the database at this address, with the usual settings:
    /// `postgresql://user:password@host:port/database`. With `?sslmode=require` the
    /// connection is encrypted and the server's certificate checked against those of the
    /// system, host name too; that takes the feature `tls`. Otherwise it is not
    /// encrypted.
    ///
    /// # Errors
    ///
    /// As [`PostgresStoreBuilder::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder(url).connect().await
    }

    /// Settings for a store in the database at this address.
    pub fn builder(url: &str) -> PostgresStoreBuilder {
        PostgresStoreBuilder::address(url)
    }

    /// Settings for a store that takes its connections from the application's own
    /// pool. Lookups then wait where others hold its connections. What a connection is
    /// told by the application stays: its transactions have to be READ COMMITTED, and
    /// a `statement_timeout` is advisable.
    ///
    /// **No connection may come back to the pool with an open transaction** (`BEGIN` sent
    /// as text, and the future dropped before `COMMIT`; the client's own `transaction()` ends
    /// it). What is written in one is committed by nobody. The store refuses to write in
    /// one that has written already, and to read in one that sees the past (`REPEATABLE READ`), and
    /// ends such a connection; it cannot tell of others.
    pub fn with_pool(pool: Pool) -> PostgresStoreBuilder {
        PostgresStoreBuilder::pool(pool)
    }

    /// The SQL that makes the store's tables and functions in a schema of this name,
    /// for who applies it by other means than [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// [`Configuration`](revocable_core::ErrorKind::Configuration) for a name of another
    /// form than [`schema`](PostgresStoreBuilder::schema) takes.
    pub fn schema_sql(schema: &str) -> Result<String> {
        schema::check_name(schema)?;
        Ok(schema::sql(schema))
    }

    pub(crate) fn new(server: Server, durability: Durability) -> Self {
        Self {
            server: Arc::new(server),
            durability,
        }
    }

    /// What an acknowledged write survives, as the server was set when the store was
    /// opened.
    pub fn durability(&self) -> Durability {
        self.durability
    }
}

#[async_trait]
impl SessionStore for PostgresStore {
    async fn create(&self, request: CreateRequest) -> Result<CreateOutcome> {
        request.validate()?;
        let (id, has_cap) = (request.record.id, request.cap.is_some());
        let bucket = id.bucket();
        carried(
            &self.server,
            Some(bucket),
            async move |server: Arc<Server>| {
                let outcome = create(&server, request).await;
                let may_end = |other: SessionId| has_cap && other.bucket() == bucket && other != id;
                settle(&server, &outcome, EndReason::Cap, may_end);
                outcome
            },
        )
        .await
    }

    async fn lookup(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        asked(&*self.server, Some(id.bucket()), self.server.find(id)).await
    }

    async fn update(&self, id: SessionId, change: Change) -> Result<UpdateOutcome> {
        change.validate()?;
        let bucket = Some(id.bucket());
        carried(&self.server, bucket, async move |server: Arc<Server>| {
            update(&server, id, &change, Kind::Durable).await
        })
        .await
    }

    fn update_soon(&self, id: SessionId, change: &Change) -> bool {
        touch_soon(&self.server, id, change);
        true
    }

    async fn revoke(&self, id: SessionId, reason: EndReason) -> Result<Option<Ended>> {
        let bucket = Some(id.bucket());
        carried(&self.server, bucket, async move |server: Arc<Server>| {
            let outcome = revoke(&server, id, reason).await;
            settle(&server, &outcome, reason, |other| other == id);
            outcome
        })
        .await
    }

    async fn revoke_all_for_user(&self, request: RevokeAllRequest) -> Result<RevokeAllOutcome> {
        let (bucket, keep, reason) = (Bucket::of(&request.user), request.keep, request.reason);
        carried(
            &self.server,
            Some(bucket),
            async move |server: Arc<Server>| {
                let outcome = revoke_user(&server, request).await;
                // Others of the bucket are there, and nobody is told of them.
                let may_end = |id: SessionId| id.bucket() == bucket && Some(id) != keep;
                settle(&server, &outcome, reason, may_end);
                outcome
            },
        )
        .await
    }

    async fn revoke_everything(&self, reason: EndReason) -> Result<u64> {
        carried(&self.server, None, async move |server: Arc<Server>| {
            let outcome = revoke_everything(&server, reason).await;
            settle(&server, &outcome, reason, |_| true);
            outcome
        })
        .await
    }

    async fn list_for_user(
        &self,
        user: &UserId,
        after: Option<SessionId>,
        limit: NonZeroU32,
    ) -> Result<Page> {
        let bucket = Some(Bucket::of(user));
        asked(
            &*self.server,
            bucket,
            page(&self.server, user, after, limit),
        )
        .await
    }

    async fn epoch(&self, user: &UserId) -> Result<Epoch> {
        let statement = &self.server.statements.epoch;
        let bucket = Some(Bucket::of(user));
        let rows = asked(
            &*self.server,
            bucket,
            self.server.reads.read(statement, &[]),
        );
        get(rows.await?.first().ok_or_else(lost_meta)?, 0).map(epoch)
    }

    async fn sweep_expired(&self, request: SweepRequest) -> Result<SweepOutcome> {
        carried(&self.server, None, async move |server: Arc<Server>| {
            sweep::step(&server, request).await
        })
        .await
    }

    async fn health(&self) -> Result<()> {
        let (server, statement) = (&self.server, &self.server.statements.health);
        let work = async { server.writes.write(statement, &[&server.patience]).await };
        let rows = within(&server.local.runtime, work).await?;
        match rows.first().map_or(Ok(false), |row| get(row, 0))? {
            true => Ok(()),
            false => Err(lost_meta()),
        }
    }

    fn sharing(&self) -> Sharing {
        if self.server.announces.is_some() {
            Sharing::Announced
        } else {
            Sharing::Unknown
        }
    }

    async fn follow(&self) -> Result<Box<dyn Feed>> {
        if self.server.announces.is_none() {
            return Err(not_followed());
        }
        follow(&self.server).await
    }

    fn subscribe(&self, listener: Weak<dyn EndListener>) -> bool {
        self.server.local.listeners.add(listener);
        true
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("schema", &self.server.schema)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}
