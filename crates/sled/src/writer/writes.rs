//! What is written in one transaction.

use revocable_core::{ErrorKind, Record, SessionId};
use sled::transaction::{ConflictableTransactionError, TransactionError, Transactional};
use sled::{IVec, Tree};

use super::batch::Batch;
use crate::fault::{Fault, Result};
use crate::keys::Taken;
use crate::shared::{Before, COUNT, FLOOR, POSITION, Trees};

/// Numbers that are on the disk and nobody but the writer needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    /// No login that began before this position is let in.
    pub(crate) floor: u64,
    /// How many sessions there are: to count them takes long when there are
    /// many, and `revoke_everything` has to say it.
    pub(crate) count: u64,
}

/// What a transaction writes.
#[derive(Debug, Default)]
pub(super) struct Writes {
    pub(super) sessions: Vec<(SessionId, Option<IVec>)>,
    pub(super) by_user: Vec<(Vec<u8>, bool)>,
    pub(super) epochs: Vec<(Vec<u8>, Option<[u8; 16]>)>,
    pub(super) meta: Vec<(&'static str, u64)>,
}

impl Writes {
    pub(super) fn of(batch: &Batch<'_>, position: u64, floor: u64) -> Self {
        let record = |record: &Record| IVec::from(record.encode());
        let mut writes = Self {
            sessions: batch
                .sessions
                .iter()
                .map(|(id, staged)| (*id, staged.as_deref().map(record)))
                .collect(),
            by_user: batch
                .by_user
                .iter()
                .map(|(key, is_there)| (key.clone(), *is_there))
                .collect(),
            epochs: batch
                .epochs
                .iter()
                .map(|(key, taken)| (key.clone(), taken.map(Taken::encode)))
                .collect(),
            meta: Vec::new(),
        };
        if batch.position != position || batch.probe {
            writes.meta.push((POSITION, batch.position));
        }
        if batch.floor != floor {
            writes.meta.push((FLOOR, batch.floor));
        }
        writes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
            && self.by_user.is_empty()
            && self.epochs.is_empty()
            && self.meta.is_empty()
    }
}

/// All of it or nothing. Returns how many sessions there are then, and what was
/// there before. Inside the closure only the transaction's own trees may be
/// used: it holds a lock that any other call would wait for, for ever.
pub(super) fn transact(
    trees: &Trees,
    meta: &Tree,
    writes: &Writes,
    count: u64,
) -> Result<(u64, Before)> {
    let written = (&trees.sessions, &trees.by_user, &trees.epochs, meta).transaction(
        |(sessions, by_user, epochs, meta)| {
            let (mut there, mut before) = (count, Before::default());
            for (id, value) in &writes.sessions {
                let key = &id.as_bytes()[..];
                let old = match value {
                    Some(value) => sessions.insert(key, value)?,
                    None => sessions.remove(key)?,
                };
                match (&old, value) {
                    (None, Some(_)) => there = there.saturating_add(1),
                    (Some(_), None) => there = there.saturating_sub(1),
                    _ => {}
                }
                before.sessions.insert(*id, old);
            }
            for (key, is_there) in &writes.by_user {
                if *is_there {
                    by_user.insert(&key[..], &[])?;
                } else if by_user.remove(&key[..])?.is_some() {
                    before.by_user.insert(key.clone());
                }
            }
            for (key, value) in &writes.epochs {
                match value {
                    Some(value) => epochs.insert(&key[..], &value[..])?,
                    None => epochs.remove(&key[..])?,
                };
            }
            for (name, number) in &writes.meta {
                meta.insert(name.as_bytes(), &number.to_be_bytes())?;
            }
            if there != count {
                meta.insert(COUNT.as_bytes(), &there.to_be_bytes())?;
            }
            Ok::<_, ConflictableTransactionError<()>>((there, before))
        },
    );
    written.map_err(|error| match error {
        TransactionError::Storage(error) => error.into(),
        TransactionError::Abort(()) => {
            Fault::new(ErrorKind::Unavailable, "the transaction was given up")
        }
    })
}
