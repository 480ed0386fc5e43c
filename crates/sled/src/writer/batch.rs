//! Requests, carried out one after the other on what is in the trees and what
//! the ones before them have staged; nothing is written before all are done.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use revocable_core::{
    Applied, Change, CreateOutcome, CreateRequest, EndReason, Ended, Epoch, Liveness, Record,
    RevokeAllOutcome, RevokeAllRequest, SessionId, UpdateOutcome, UserId,
};

use crate::fault::Result;
use crate::keys::{self, Taken};
use crate::shared::{Found, Trees};

#[cfg(test)]
mod tests;

/// What is to be written, over what is there.
///
/// A verb reads all that it needs before it stages anything: reading can fail,
/// and what is staged is written with the rest of the batch whatever became of
/// the verb.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    trees: &'a Trees,
    /// `None` for what is to be removed.
    pub(super) sessions: HashMap<SessionId, Option<Arc<Record>>>,
    /// Whether the key is to be there.
    pub(super) by_user: BTreeMap<Vec<u8>, bool>,
    pub(super) epochs: HashMap<Vec<u8>, Option<Taken>>,
    pub(super) position: u64,
    pub(super) floor: u64,
    /// Somebody asked whether writing works.
    pub(super) probe: bool,
}

impl<'a> Batch<'a> {
    pub(super) fn new(trees: &'a Trees, position: u64, floor: u64) -> Self {
        Self {
            trees,
            sessions: HashMap::new(),
            by_user: BTreeMap::new(),
            epochs: HashMap::new(),
            position,
            floor,
            probe: false,
        }
    }

    fn find(&self, id: SessionId) -> Result<Option<Found>> {
        match self.sessions.get(&id) {
            Some(staged) => Ok(staged.clone().map(Found::Whole)),
            None => self.trees.find(id),
        }
    }

    fn is_there(&self, id: SessionId) -> Result<bool> {
        match self.sessions.get(&id) {
            Some(staged) => Ok(staged.is_some()),
            None => Ok(self.trees.sessions.contains_key(id.as_bytes())?),
        }
    }

    /// A user's sessions, in the order of their IDs.
    fn ids(&self, user: &UserId) -> Result<BTreeSet<SessionId>> {
        let mut ids = self
            .trees
            .ids(user, None)
            .collect::<Result<BTreeSet<_>>>()?;
        let prefix = keys::of_user(user);
        let staged = self.by_user.range(prefix.clone()..);
        for (key, is_there) in staged.take_while(|(key, _)| key.starts_with(&prefix)) {
            if let Some(id) = keys::id_of(key) {
                if *is_there {
                    ids.insert(id);
                } else {
                    ids.remove(&id);
                }
            }
        }
        Ok(ids)
    }

    pub(super) fn create(&mut self, request: CreateRequest) -> Result<CreateOutcome> {
        let CreateRequest {
            record,
            expected_epoch,
            cap,
            liveness,
        } = request;
        if let Some(there) = self.find(record.id)? {
            return Ok(CreateOutcome::Exists(there.whole()?));
        }
        if let Some(began) = expected_epoch
            && self.supersedes(&record.user, began)?
        {
            return Ok(CreateOutcome::Superseded);
        }
        let mut ending = Vec::new();
        if let Some(cap) = cap {
            let mut live = Vec::new();
            for id in self.ids(&record.user)? {
                // A damaged one nobody can present.
                if let Some(Found::Whole(other)) = self.find(id)?
                    && liveness.is_live(&*other)
                {
                    live.push((id, other.last_seen_ms));
                }
            }
            match cap.make_room(live) {
                None => return Ok(CreateOutcome::CapReached),
                Some(ids) => ending = ids,
            }
        }
        for id in &ending {
            self.stage_removal(*id, &record.user);
        }
        let user = record.user.clone();
        self.by_user.insert(keys::by_user(&user, record.id), true);
        self.sessions.insert(record.id, Some(Arc::new(record)));
        let ended = ending.into_iter().map(|id| Ended {
            id,
            user: Some(user.clone()),
            reason: EndReason::Cap,
        });
        Ok(CreateOutcome::Created {
            ended: ended.collect(),
        })
    }

    /// Whether a login of this user that began there came too late, or from
    /// another life of the store.
    fn supersedes(&self, user: &UserId, began: Epoch) -> Result<bool> {
        let key = keys::of_user(user);
        let own = match self.epochs.get(&key) {
            Some(staged) => *staged,
            // What cannot be read could be the latest.
            None => self.trees.epochs.get(&key)?.map(|value| {
                Taken::decode(&value).unwrap_or(Taken {
                    position: self.position,
                    at_ms: i64::MAX,
                })
            }),
        };
        let last = own.map_or(0, |taken| taken.position).max(self.floor);
        Ok(!(last..=self.position).contains(&began.get()))
    }

    /// Applies changes that were to come soon, and then the one that somebody
    /// asks for.
    pub(super) fn update(
        &mut self,
        id: SessionId,
        before: &[Change],
        change: &Change,
    ) -> Result<UpdateOutcome> {
        let Some(found) = self.find(id)? else {
            return Ok(UpdateOutcome::Absent);
        };
        let stored = found.whole()?;
        let old = apply_all(before, Arc::clone(&stored));
        let (new, outcome) = match change.apply(&old) {
            Applied::Changed(new) => (Arc::clone(&new), UpdateOutcome::Updated(new)),
            Applied::Unchanged => (Arc::clone(&old), UpdateOutcome::Unchanged(old)),
            Applied::Conflict => (Arc::clone(&old), UpdateOutcome::Conflict(old)),
            Applied::Expired => (old, UpdateOutcome::Absent),
        };
        self.stage_change(&stored, new);
        Ok(outcome)
    }

    /// Changes that nobody waits for: what cannot be applied is left out.
    pub(super) fn apply_soon(&mut self, id: SessionId, changes: &[Change]) -> Result<()> {
        if let Some(Found::Whole(stored)) = self.find(id)? {
            let new = apply_all(changes, Arc::clone(&stored));
            self.stage_change(&stored, new);
        }
        Ok(())
    }

    fn stage_change(&mut self, stored: &Record, new: Arc<Record>) {
        if *stored != *new {
            self.sessions.insert(new.id, Some(new));
        }
    }

    pub(super) fn revoke(&mut self, id: SessionId, reason: EndReason) -> Result<Option<Ended>> {
        let user = match self.find(id)? {
            None => return Ok(None),
            Some(Found::Whole(record)) => {
                self.stage_removal(id, &record.user);
                Some(record.user.clone())
            }
            Some(Found::Damaged) => {
                let keys = self.keys_of(id)?;
                self.by_user
                    .extend(keys.into_iter().map(|key| (key, false)));
                self.sessions.insert(id, None);
                None
            }
        };
        Ok(Some(Ended { id, user, reason }))
    }

    /// Where the index has a session whose record is damaged. Whose it was only
    /// the index knows, and that is in the order of users. It is long, and
    /// damage is rare.
    fn keys_of(&self, id: SessionId) -> Result<Vec<Vec<u8>>> {
        let mut found = Vec::new();
        for key in self.trees.by_user.iter().keys() {
            let key = key?;
            if keys::id_of(&key) == Some(id) {
                found.push(key.to_vec());
            }
        }
        Ok(found)
    }

    fn stage_removal(&mut self, id: SessionId, user: &UserId) {
        self.sessions.insert(id, None);
        self.by_user.insert(keys::by_user(user, id), false);
    }

    pub(super) fn revoke_all(&mut self, request: &RevokeAllRequest) -> Result<RevokeAllOutcome> {
        // Nothing but IDs is read: a damaged record goes with the others.
        let mut ids = self.ids(&request.user)?;
        if let Some(keep) = &request.keep {
            ids.remove(keep);
        }
        let mut ended = Vec::new();
        for id in &ids {
            if self.is_there(*id)? {
                ended.push(*id);
            }
        }
        let key = keys::of_user(&request.user);
        let before = self.taken(&key)?;
        for id in ids {
            self.stage_removal(id, &request.user);
        }
        self.position = self.position.saturating_add(1);
        let taken = Taken {
            position: self.position,
            // A clock that was set back must not have it forgotten early.
            at_ms: before.map_or(request.now_ms, |before| before.at_ms.max(request.now_ms)),
        };
        self.epochs.insert(key, Some(taken));
        Ok(RevokeAllOutcome {
            ended,
            epoch: Epoch::from_number(self.position),
        })
    }

    /// When a user's sessions were last revoked all at once, if that can be
    /// read.
    fn taken(&self, key: &[u8]) -> Result<Option<Taken>> {
        match self.epochs.get(key) {
            Some(staged) => Ok(*staged),
            None => {
                let value = self.trees.epochs.get(key)?;
                Ok(value.and_then(|value| Taken::decode(&value)))
            }
        }
    }

    pub(super) fn expire(&mut self, ids: &[SessionId], liveness: Liveness) -> Result<Vec<Ended>> {
        let mut ending = Vec::new();
        for id in ids {
            if let Some(Found::Whole(record)) = self.find(*id)?
                && !liveness.is_live(&*record)
            {
                ending.push(record);
            }
        }
        let mut ended = Vec::new();
        for record in ending {
            self.stage_removal(record.id, &record.user);
            ended.push(Ended {
                id: record.id,
                user: Some(record.user.clone()),
                reason: EndReason::Expired,
            });
        }
        Ok(ended)
    }

    pub(super) fn forget(&mut self, users: &[Vec<u8>], before_ms: i64) -> Result<u64> {
        let mut forgotten = Vec::new();
        for key in users {
            if let Some(taken) = self.taken(key)?
                && taken.at_ms < before_ms
            {
                forgotten.push((key.clone(), taken));
            }
        }
        let count = forgotten.len() as u64;
        for (key, taken) in forgotten {
            // A login from before it is refused all the same.
            self.floor = self.floor.max(taken.position);
            self.epochs.insert(key, None);
        }
        Ok(count)
    }

    /// Whether all trees can be read; and has something written.
    pub(super) fn probe(&mut self) -> Result<()> {
        for tree in self.trees.all() {
            tree.contains_key([])?;
        }
        self.probe = true;
        Ok(())
    }
}

fn apply_all(changes: &[Change], record: Arc<Record>) -> Arc<Record> {
    changes
        .iter()
        .fold(record, |record, change| match change.apply(&record) {
            Applied::Changed(new) => new,
            Applied::Unchanged | Applied::Conflict | Applied::Expired => record,
        })
}
