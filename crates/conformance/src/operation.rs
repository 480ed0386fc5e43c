//! The store's verbs as values, so that programs can be made of them, done by
//! a store or by the model, and the replies compared.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use revocable_core::{
    Change, CreateOutcome, CreateRequest, EndReason, Ended, Epoch, Liveness, Record, Result,
    RevokeAllRequest, SessionId, SessionStore, UpdateOutcome, UserId,
};

use crate::fixture::sweep;
use crate::model::Model;

/// Which of the epochs that were read a create expects. Epochs are numbers of
/// a store's own, so programs name them by the place where they were put.
pub(crate) type Slot = u8;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The slot, if any, takes the place of `expected_epoch`.
    Create(Box<CreateRequest>, Option<Slot>),
    Lookup(SessionId),
    Update(SessionId, Change),
    UpdateSoon(SessionId, Change),
    Revoke(SessionId),
    RevokeAll(RevokeAllRequest),
    RevokeEverything,
    List(UserId),
    Epoch(UserId, Slot),
    /// From beginning to end, so many at a time.
    Sweep {
        liveness: Liveness,
        forget_epochs_before_ms: i64,
        max_rows: u32,
    },
}

/// What came back, without what stores may choose: the order of what ended and
/// the numbers of epochs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Created(Vec<Ended>),
    Exists(Arc<Record>),
    Superseded,
    CapReached,
    Found(Option<Arc<Record>>),
    Updated(UpdateOutcome),
    /// Whether the store does it at all; nothing is known of when.
    Soon(bool),
    Revoked(Option<Ended>),
    RevokedAll(Vec<SessionId>),
    RevokedEverything(u64),
    Listed(Vec<Arc<Record>>),
    /// More than one page, so not one view.
    ListedInParts,
    Epoch,
    Swept(Vec<Ended>),
}

/// The epochs that were read from a store.
#[derive(Debug, Default)]
pub(crate) struct Epochs(Mutex<BTreeMap<Slot, Epoch>>);

impl Epochs {
    fn put(&self, slot: Slot, epoch: Epoch) {
        let mut epochs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        epochs.insert(slot, epoch);
    }

    fn get(&self, slot: Slot) -> Option<Epoch> {
        let epochs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        epochs.get(&slot).copied()
    }
}

/// The model, with the epochs that were read from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ModelState {
    pub(crate) model: Model,
    epochs: BTreeMap<Slot, Epoch>,
}

impl Operation {
    /// Has the store do it.
    pub(crate) async fn perform(
        self,
        store: Arc<dyn SessionStore>,
        epochs: &Epochs,
    ) -> Result<Reply> {
        Ok(match self {
            Self::Create(mut request, slot) => {
                if let Some(slot) = slot {
                    request.expected_epoch = epochs.get(slot);
                }
                created(store.create(*request).await?)
            }
            Self::Lookup(id) => Reply::Found(store.lookup(id).await?),
            Self::Update(id, change) => Reply::Updated(store.update(id, change).await?),
            Self::UpdateSoon(id, change) => Reply::Soon(store.update_soon(id, &change)),
            Self::Revoke(id) => Reply::Revoked(store.revoke(id, EndReason::LoggedOut).await?),
            Self::RevokeAll(request) => {
                let mut ended = store.revoke_all_for_user(request).await?.ended;
                ended.sort_unstable();
                Reply::RevokedAll(ended)
            }
            Self::RevokeEverything => {
                Reply::RevokedEverything(store.revoke_everything(EndReason::Administrator).await?)
            }
            Self::List(user) => {
                let limit = NonZeroU32::new(1_000).unwrap_or(NonZeroU32::MAX);
                let page = store.list_for_user(&user, None, limit).await?;
                match page.next {
                    None => Reply::Listed(page.records),
                    Some(_) => Reply::ListedInParts,
                }
            }
            Self::Epoch(user, slot) => {
                epochs.put(slot, store.epoch(&user).await?);
                Reply::Epoch
            }
            Self::Sweep {
                liveness,
                forget_epochs_before_ms,
                max_rows,
            } => {
                let (mut ended, mut cursor) = (Vec::new(), None);
                loop {
                    let request = sweep(liveness, forget_epochs_before_ms, cursor, max_rows);
                    let step = store.sweep_expired(request).await?;
                    ended.extend(step.ended);
                    cursor = step.cursor;
                    if cursor.is_none() {
                        break Reply::Swept(sorted(ended));
                    }
                }
            }
        })
    }
}

impl ModelState {
    /// Has the model do it.
    pub(crate) fn perform(&mut self, operation: &Operation) -> Result<Reply> {
        let model = &mut self.model;
        Ok(match operation {
            Operation::Create(request, slot) => {
                let mut request = (**request).clone();
                if let Some(slot) = slot {
                    request.expected_epoch = self.epochs.get(slot).copied();
                }
                created(model.create(request)?)
            }
            Operation::Lookup(id) => Reply::Found(model.lookup(*id)),
            Operation::Update(id, change) => Reply::Updated(model.update(*id, change)?),
            Operation::UpdateSoon(id, change) => {
                model.update(*id, change)?;
                Reply::Soon(true)
            }
            Operation::Revoke(id) => Reply::Revoked(model.revoke(*id, EndReason::LoggedOut)),
            Operation::RevokeAll(request) => {
                Reply::RevokedAll(model.revoke_all_for_user(request).ended)
            }
            Operation::RevokeEverything => Reply::RevokedEverything(model.revoke_everything()),
            Operation::List(user) => Reply::Listed(model.list_for_user(user, None, 1_000).records),
            Operation::Epoch(_, slot) => {
                self.epochs.insert(*slot, model.epoch());
                Reply::Epoch
            }
            Operation::Sweep {
                liveness,
                forget_epochs_before_ms,
                ..
            } => {
                let request = sweep(*liveness, *forget_epochs_before_ms, None, u32::MAX);
                Reply::Swept(sorted(model.sweep_expired(&request).ended))
            }
        })
    }
}

fn created(outcome: CreateOutcome) -> Reply {
    match outcome {
        CreateOutcome::Created { ended } => Reply::Created(sorted(ended)),
        CreateOutcome::Exists(there) => Reply::Exists(there),
        CreateOutcome::Superseded => Reply::Superseded,
        CreateOutcome::CapReached => Reply::CapReached,
    }
}

fn sorted(mut ended: Vec<Ended>) -> Vec<Ended> {
    ended.sort_unstable_by_key(|ended| ended.id);
    ended
}
