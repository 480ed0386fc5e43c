//! A store that counts lookups and fails when it is told to.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use revocable_core::{
    Change, CreateOutcome, CreateRequest, EndReason, Ended, Epoch, Error, ErrorKind, Page, Record,
    Result, RevokeAllOutcome, RevokeAllRequest, SessionId, SessionStore, SweepOutcome,
    SweepRequest, UpdateOutcome, UserId,
};
use revocable_memory::MemoryStore;

#[derive(Default)]
pub(crate) struct FaultyStore {
    inner: MemoryStore,
    down: AtomicBool,
    lookups: AtomicUsize,
}

impl FaultyStore {
    /// From now on everything fails, or nothing.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    /// How many lookups there were since the last time.
    pub(crate) fn take_lookups(&self) -> usize {
        self.lookups.swap(0, Ordering::Relaxed)
    }

    fn check(&self) -> Result<()> {
        if self.down.load(Ordering::Relaxed) {
            let message = "the disk named /srv/private is on fire";
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        Ok(())
    }
}

#[async_trait]
impl SessionStore for FaultyStore {
    async fn create(&self, request: CreateRequest) -> Result<CreateOutcome> {
        self.check()?;
        self.inner.create(request).await
    }

    async fn lookup(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        self.check()?;
        self.inner.lookup(id).await
    }

    async fn update(&self, id: SessionId, change: Change) -> Result<UpdateOutcome> {
        self.check()?;
        self.inner.update(id, change).await
    }

    async fn revoke(&self, id: SessionId, reason: EndReason) -> Result<Option<Ended>> {
        self.check()?;
        self.inner.revoke(id, reason).await
    }

    async fn revoke_all_for_user(&self, request: RevokeAllRequest) -> Result<RevokeAllOutcome> {
        self.check()?;
        self.inner.revoke_all_for_user(request).await
    }

    async fn revoke_everything(&self, reason: EndReason) -> Result<u64> {
        self.check()?;
        self.inner.revoke_everything(reason).await
    }

    async fn list_for_user(
        &self,
        user: &UserId,
        after: Option<SessionId>,
        limit: NonZeroU32,
    ) -> Result<Page> {
        self.check()?;
        self.inner.list_for_user(user, after, limit).await
    }

    async fn epoch(&self, user: &UserId) -> Result<Epoch> {
        self.check()?;
        self.inner.epoch(user).await
    }

    async fn sweep_expired(&self, request: SweepRequest) -> Result<SweepOutcome> {
        self.check()?;
        self.inner.sweep_expired(request).await
    }

    async fn health(&self) -> Result<()> {
        self.check()
    }
}
