//! What the tests of this crate share.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
pub(crate) use futures_executor::block_on;
use revocable_core::{
    Change, CreateOutcome, CreateRequest, EndReason, Ended, Epoch, Error, ErrorKind, ManualClock,
    Page, Record, Result, RevokeAllOutcome, RevokeAllRequest, SessionId, SessionStore, Sessions,
    SweepOutcome, SweepRequest, UpdateOutcome, UserId,
};
use revocable_memory::MemoryStore;

/// Sessions in memory at a time that stands still.
pub(crate) fn sessions() -> Sessions {
    Sessions::builder(MemoryStore::new())
        .clock(clock())
        .build()
        .unwrap()
}

pub(crate) fn clock() -> Arc<ManualClock> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    Arc::new(ManualClock::new(now))
}

/// The verbs that a test makes fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Lookup,
    Update,
    Revoke,
}

/// A store in memory that counts lookups and fails where it is told to.
#[derive(Default)]
pub(crate) struct FaultyStore {
    inner: MemoryStore,
    failing: Mutex<Vec<(Verb, ErrorKind)>>,
    lookups: AtomicUsize,
}

impl FaultyStore {
    /// From now on these verbs fail, and no others.
    pub(crate) fn fail(&self, verbs: &[(Verb, ErrorKind)]) {
        *self.failing.lock().unwrap() = verbs.to_vec();
    }

    pub(crate) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::Relaxed)
    }

    fn check(&self, verb: Verb) -> Result<()> {
        let failing = self.failing.lock().unwrap();
        match failing.iter().find(|(failing, _)| *failing == verb) {
            Some((_, kind)) => Err(Error::new(*kind, "as the test says")),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl SessionStore for FaultyStore {
    async fn create(&self, request: CreateRequest) -> Result<CreateOutcome> {
        self.check(Verb::Create)?;
        self.inner.create(request).await
    }

    async fn lookup(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        self.check(Verb::Lookup)?;
        self.inner.lookup(id).await
    }

    async fn update(&self, id: SessionId, change: Change) -> Result<UpdateOutcome> {
        self.check(Verb::Update)?;
        self.inner.update(id, change).await
    }

    async fn revoke(&self, id: SessionId, reason: EndReason) -> Result<Option<Ended>> {
        self.check(Verb::Revoke)?;
        self.inner.revoke(id, reason).await
    }

    async fn revoke_all_for_user(&self, request: RevokeAllRequest) -> Result<RevokeAllOutcome> {
        self.check(Verb::Revoke)?;
        self.inner.revoke_all_for_user(request).await
    }

    async fn revoke_everything(&self, reason: EndReason) -> Result<u64> {
        self.inner.revoke_everything(reason).await
    }

    async fn list_for_user(
        &self,
        user: &UserId,
        after: Option<SessionId>,
        limit: NonZeroU32,
    ) -> Result<Page> {
        self.inner.list_for_user(user, after, limit).await
    }

    async fn epoch(&self, user: &UserId) -> Result<Epoch> {
        self.inner.epoch(user).await
    }

    async fn sweep_expired(&self, request: SweepRequest) -> Result<SweepOutcome> {
        self.inner.sweep_expired(request).await
    }

    async fn health(&self) -> Result<()> {
        self.inner.health().await
    }
}
