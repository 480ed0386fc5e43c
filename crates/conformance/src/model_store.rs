//! The reference model as a store.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use revocable_core::{
    Change, CreateOutcome, CreateRequest, EndListener, EndListeners, EndReason, Ended, Epoch, Page,
    Record, Result, RevokeAllOutcome, RevokeAllRequest, SessionId, SessionStore, Sharing,
    SweepOutcome, SweepRequest, UpdateOutcome, UserId,
};

use crate::model::Model;

/// The [`Model`] behind one lock: right, and slow in many sessions.
///
/// To compare a store with, or to stand in for one in tests.
#[derive(Debug, Default)]
pub struct ModelStore {
    model: Mutex<Model>,
    listeners: EndListeners,
}

impl ModelStore {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SessionStore for ModelStore {
    async fn create(&self, request: CreateRequest) -> Result<CreateOutcome> {
        let outcome = self.model().create(request)?;
        if let CreateOutcome::Created { ended } = &outcome {
            self.listeners.ended(ended);
        }
        Ok(outcome)
    }

    async fn lookup(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        Ok(self.model().lookup(id))
    }

    async fn update(&self, id: SessionId, change: Change) -> Result<UpdateOutcome> {
        self.model().update(id, &change)
    }

    async fn revoke(&self, id: SessionId, reason: EndReason) -> Result<Option<Ended>> {
        let ended = self.model().revoke(id, reason);
        self.listeners.ended(ended.as_slice());
        Ok(ended)
    }

    async fn revoke_all_for_user(&self, request: RevokeAllRequest) -> Result<RevokeAllOutcome> {
        let outcome = self.model().revoke_all_for_user(&request);
        let ended = outcome.ended.iter().map(|id| Ended {
            id: *id,
            user: Some(request.user.clone()),
            reason: request.reason,
        });
        self.listeners.ended(&ended.collect::<Vec<_>>());
        Ok(outcome)
    }

    async fn revoke_everything(&self, reason: EndReason) -> Result<u64> {
        let count = self.model().revoke_everything();
        self.listeners.everything_ended(count, reason);
        Ok(count)
    }

    async fn list_for_user(
        &self,
        user: &UserId,
        after: Option<SessionId>,
        limit: NonZeroU32,
    ) -> Result<Page> {
        Ok(self
            .model()
            .list_for_user(user, after, limit.get() as usize))
    }

    async fn epoch(&self, _: &UserId) -> Result<Epoch> {
        Ok(self.model().epoch())
    }

    async fn sweep_expired(&self, request: SweepRequest) -> Result<SweepOutcome> {
        let outcome = self.model().sweep_expired(&request);
        self.listeners.ended(&outcome.ended);
        Ok(outcome)
    }

    async fn health(&self) -> Result<()> {
        Ok(())
    }

    fn sharing(&self) -> Sharing {
        Sharing::Sole
    }

    fn subscribe(&self, listener: Weak<dyn EndListener>) -> bool {
        self.listeners.add(listener);
        true
    }
}
