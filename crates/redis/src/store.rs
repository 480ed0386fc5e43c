//! The contract, kept on a server.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use revocable_core::{
    Bucket, Change, CreateOutcome, CreateRequest, EndListener, EndReason, Ended, Epoch, Feed, Page,
    Record, Result, RevokeAllOutcome, RevokeAllRequest, SessionId, SessionStore, Sharing,
    SweepOutcome, SweepRequest, UpdateOutcome, UserId,
};
use revocable_remote::{asked, carried, random, settle, touch_soon, within};

use crate::check::Durability;
use crate::create::create;
use crate::feed::{first_bucket, follow};
use crate::list::page;
use crate::options::RedisStoreBuilder;
use crate::reply;
use crate::revoke::{revoke, revoke_all, revoke_everything};
use crate::script::EPOCH;
use crate::server::{Server, seed};
use crate::sweep;
use crate::update::update;

/// Sessions on a Redis or Valkey server. Cheap to clone; all clones are one
/// store.
///
/// See the [crate's documentation](crate) for what it promises.
#[derive(Clone)]
pub struct RedisStore {
    server: Arc<Server>,
    durability: Durability,
}

impl RedisStore {
    /// Connects to the server at this address, with the usual settings:
    /// `redis://user:password@host:port/database`, or `rediss` for TLS, which
    /// takes the feature `tls`.
    ///
    /// # Errors
    ///
    /// As [`RedisStoreBuilder::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder(url).connect().await
    }

    /// Settings for a store on the server at this address.
    pub fn builder(url: &str) -> RedisStoreBuilder {
        RedisStoreBuilder::server(url)
    }

    /// Settings for a store on whichever server is the master of this name, as
    /// the Sentinels at these addresses say.
    pub fn sentinel<U: Into<String>>(
        sentinels: impl IntoIterator<Item = U>,
        name: &str,
    ) -> RedisStoreBuilder {
        let sentinels = sentinels.into_iter().map(Into::into).collect();
        RedisStoreBuilder::sentinel(sentinels, name)
    }

    /// Settings for a store on the cluster to which the servers at these
    /// addresses belong.
    pub fn cluster<U: Into<String>>(nodes: impl IntoIterator<Item = U>) -> RedisStoreBuilder {
        RedisStoreBuilder::cluster(nodes.into_iter().map(Into::into).collect())
    }

    pub(crate) fn new(server: Server, durability: Durability) -> Self {
        Self {
            server: Arc::new(server),
            durability,
        }
    }

    /// What an acknowledged write survives, as the server was set when the store
    /// was opened. Of a cluster it is known of all members whether they append, and
    /// of one of them how they sync: set all alike.
    pub fn durability(&self) -> Durability {
        self.durability
    }
}

#[async_trait]
impl SessionStore for RedisStore {
    async fn create(&self, request: CreateRequest) -> Result<CreateOutcome> {
        request.validate()?;
        let (id, has_cap) = (request.record.id, request.cap.is_some());
        let bucket = id.bucket();
        carried(&self.server, Some(bucket), async move |server| {
            let outcome = create(&server, request).await;
            let may_end = |other: SessionId| has_cap && other.bucket() == bucket && other != id;
            settle(&server, &outcome, EndReason::Cap, may_end);
            outcome
        })
        .await
    }

    async fn lookup(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        asked(&*self.server, Some(id.bucket()), self.server.find(id)).await
    }

    async fn update(&self, id: SessionId, change: Change) -> Result<UpdateOutcome> {
        change.validate()?;
        carried(&self.server, Some(id.bucket()), async move |server| {
            update(&server, id, &change).await
        })
        .await
    }

    fn update_soon(&self, id: SessionId, change: &Change) -> bool {
        touch_soon(&self.server, id, change);
        true
    }

    async fn revoke(&self, id: SessionId, reason: EndReason) -> Result<Option<Ended>> {
        carried(&self.server, Some(id.bucket()), async move |server| {
            let outcome = revoke(&server, id, reason).await;
            settle(&server, &outcome, reason, |other| other == id);
            outcome
        })
        .await
    }

    async fn revoke_all_for_user(&self, request: RevokeAllRequest) -> Result<RevokeAllOutcome> {
        let (bucket, keep, reason) = (Bucket::of(&request.user), request.keep, request.reason);
        carried(&self.server, Some(bucket), async move |server| {
            let outcome = revoke_all(&server, request).await;
            // Others of the bucket are there, and nobody is told of them.
            let may_end = |id: SessionId| id.bucket() == bucket && Some(id) != keep;
            settle(&server, &outcome, reason, may_end);
            outcome
        })
        .await
    }

    async fn revoke_everything(&self, reason: EndReason) -> Result<u64> {
        carried(&self.server, None, async move |server| {
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
        let call = self.server.call(&EPOCH, Bucket::of(user))?.arg(seed()?);
        let bucket = Some(Bucket::of(user));
        let position = asked(&*self.server, bucket, self.server.ask(&call)).await?;
        Ok(Epoch::from_number(reply::number(&reply::bytes(position)?)?))
    }

    async fn sweep_expired(&self, request: SweepRequest) -> Result<SweepOutcome> {
        carried(&self.server, None, async move |server| {
            sweep::step(&server, request).await
        })
        .await
    }

    async fn health(&self) -> Result<()> {
        let key = self.server.keys.health(first_bucket()?);
        let write = redis::cmd("SET").arg(key).arg(&random::<8>()?).take();
        within(&self.server.local.runtime, self.server.read(&write)).await?;
        Ok(())
    }

    fn sharing(&self) -> Sharing {
        Sharing::Announced
    }

    async fn follow(&self) -> Result<Box<dyn Feed>> {
        follow(&self.server).await
    }

    fn subscribe(&self, listener: Weak<dyn EndListener>) -> bool {
        self.server.local.listeners.add(listener);
        true
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}
