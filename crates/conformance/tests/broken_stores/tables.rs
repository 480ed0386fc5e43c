//! What the store keeps: rows, and beside them an index by user that has to
//! stay in step. The parts of which its verbs are made.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use crate::defect::Defect;
use revocable_core::{Change, EndReason, Ended, Record, SessionId, UserId};

#[derive(Clone, Default)]
pub(crate) struct Tables {
    pub(crate) rows: BTreeMap<SessionId, Arc<Record>>,
    pub(crate) index: BTreeMap<String, BTreeSet<SessionId>>,
    pub(crate) epochs: BTreeMap<UserId, (u64, i64)>,
    pub(crate) everything: u64,
    pub(crate) floor: u64,
    pub(crate) position: u64,
    pub(crate) damaged: BTreeSet<SessionId>,
    pub(crate) broken: bool,
    /// Touches that come soon.
    pub(crate) queue: Vec<(SessionId, Change)>,
    /// What some defects hold on to: sessions that ended, or as they were.
    pub(crate) graveyard: BTreeMap<SessionId, Arc<Record>>,
    pub(crate) as_created: BTreeMap<SessionId, Arc<Record>>,
    pub(crate) cache: BTreeMap<SessionId, Arc<Record>>,
    pub(crate) remembered: BTreeMap<SessionId, Arc<Record>>,
    /// Ends that nobody was told of yet.
    pub(crate) untold: Vec<Ended>,
}

impl Tables {
    pub(crate) fn insert(&mut self, key: String, record: Arc<Record>) {
        self.index.entry(key).or_default().insert(record.id);
        self.as_created.insert(record.id, record.clone());
        self.insert_row(record);
    }

    pub(crate) fn insert_row(&mut self, record: Arc<Record>) {
        self.rows.insert(record.id, record);
    }

    pub(crate) fn remove(&mut self, id: SessionId, reason: EndReason) -> Option<Ended> {
        for ids in self.index.values_mut() {
            ids.remove(&id);
        }
        self.remove_row(id, reason)
    }

    pub(crate) fn remove_row(&mut self, id: SessionId, reason: EndReason) -> Option<Ended> {
        let record = self.rows.remove(&id)?;
        let user = record.user.clone();
        self.graveyard.insert(id, record);
        self.cache.remove(&id);
        let damaged = self.damaged.remove(&id);
        Some(Ended {
            id,
            user: (!damaged).then_some(user),
            reason,
        })
    }

    pub(crate) fn ids(&self, key: &str) -> Vec<SessionId> {
        let ids = self.index.get(key);
        ids.into_iter().flatten().copied().collect()
    }

    pub(crate) fn next_position(&mut self) -> u64 {
        self.position += 1;
        self.position
    }

    /// The store was closed and is opened again.
    pub(crate) fn reopen(&mut self, defect: Option<Defect>) {
        match defect {
            Some(Defect::ReopensAsCreated) => {
                for (id, record) in &mut self.rows {
                    record.clone_from(&self.as_created[id]);
                }
            }
            Some(Defect::ReopensTheGraveyard) => {
                for record in std::mem::take(&mut self.graveyard).into_values() {
                    self.insert(record.user.as_str().to_owned(), record);
                }
            }
            Some(Defect::ReopensWithoutEpochs) => {
                self.epochs.clear();
                (self.everything, self.floor, self.position) = (0, 0, 0);
            }
            Some(Defect::ReopensWithoutIndex) => self.index.clear(),
            _ => {}
        }
    }
}

/// Tables for one at a time. What is taken may be sent to another thread, as a
/// mutex's guard may not: so a verb can give them back, wait and take them
/// again.
pub(crate) struct Shared(Mutex<Option<Tables>>);

impl Default for Shared {
    fn default() -> Self {
        Self(Mutex::new(Some(Tables::default())))
    }
}

impl Shared {
    pub(crate) fn take(self: &Arc<Self>) -> Taken {
        loop {
            let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            if taken.is_some() {
                return Taken {
                    tables: taken,
                    home: self.clone(),
                };
            }
            std::thread::yield_now();
        }
    }
}

pub(crate) struct Taken {
    tables: Option<Tables>,
    home: Arc<Shared>,
}

impl Deref for Taken {
    type Target = Tables;
    fn deref(&self) -> &Tables {
        self.tables.as_ref().unwrap()
    }
}

impl DerefMut for Taken {
    fn deref_mut(&mut self) -> &mut Tables {
        self.tables.as_mut().unwrap()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut home = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        *home = self.tables.take();
    }
}
