//! The contract as a sequential program, obviously right.

use std::collections::BTreeMap;
use std::sync::Arc;

use revocable_core::{
    Applied, Change, CreateOutcome, CreateRequest, EndReason, Ended, Epoch, Page, Record, Result,
    RevokeAllOutcome, RevokeAllRequest, SessionId, SweepCursor, SweepOutcome, SweepRequest,
    UpdateOutcome, UserId,
};

/// The reference: what every store has to answer when nothing happens at the
/// same time. One map of sessions, searched through whenever a user's are
/// wanted: there is no index that could be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    sessions: BTreeMap<SessionId, Arc<Record>>,
    /// The last revoke-all of a user, and when it was.
    epochs: BTreeMap<UserId, (Epoch, i64)>,
    /// The last revoke-everything.
    everything: Epoch,
    /// The highest epoch of a user that was forgotten.
    floor: Epoch,
    /// The last position taken.
    position: Epoch,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            sessions: BTreeMap::new(),
            epochs: BTreeMap::new(),
            everything: Epoch::ZERO,
            floor: Epoch::ZERO,
            position: Epoch::ZERO,
        }
    }
}

impl Model {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`SessionStore::create`](revocable_core::SessionStore::create).
    ///
    /// # Errors
    ///
    /// `InvalidInput`.
    pub fn create(&mut self, request: CreateRequest) -> Result<CreateOutcome> {
        request.validate()?;
        let record = request.record;
        if let Some(there) = self.sessions.get(&record.id) {
            return Ok(CreateOutcome::Exists(there.clone()));
        }
        if let Some(expected) = request.expected_epoch
            && (self.last_revocation(&record.user) > expected || expected > self.position)
        {
            return Ok(CreateOutcome::Superseded);
        }
        let mut ended = Vec::new();
        if let Some(cap) = request.cap {
            let live = self
                .of_user(&record.user)
                .filter(|other| request.liveness.is_live(&***other))
                .map(|other| (other.id, other.last_seen_ms))
                .collect();
            let Some(to_end) = cap.make_room(live) else {
                return Ok(CreateOutcome::CapReached);
            };
            for id in to_end {
                ended.extend(self.revoke(id, EndReason::Cap));
            }
        }
        self.sessions.insert(record.id, Arc::new(record));
        Ok(CreateOutcome::Created { ended })
    }

    /// As [`SessionStore::lookup`](revocable_core::SessionStore::lookup).
    pub fn lookup(&self, id: SessionId) -> Option<Arc<Record>> {
        self.sessions.get(&id).cloned()
    }

    /// As [`SessionStore::update`](revocable_core::SessionStore::update).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there is more data than any store takes.
    pub fn update(&mut self, id: SessionId, change: &Change) -> Result<UpdateOutcome> {
        change.validate()?;
        let Some(record) = self.sessions.get_mut(&id) else {
            return Ok(UpdateOutcome::Absent);
        };
        Ok(match change.apply(record) {
            Applied::Changed(changed) => {
                *record = changed.clone();
                UpdateOutcome::Updated(changed)
            }
            Applied::Unchanged => UpdateOutcome::Unchanged(record.clone()),
            Applied::Conflict => UpdateOutcome::Conflict(record.clone()),
            Applied::Expired => UpdateOutcome::Absent,
        })
    }

    /// As [`SessionStore::revoke`](revocable_core::SessionStore::revoke).
    pub fn revoke(&mut self, id: SessionId, reason: EndReason) -> Option<Ended> {
        let record = self.sessions.remove(&id)?;
        Some(Ended {
            id,
            user: Some(record.user.clone()),
            reason,
        })
    }

    /// As [`SessionStore::revoke_all_for_user`](revocable_core::SessionStore::revoke_all_for_user).
    pub fn revoke_all_for_user(&mut self, request: &RevokeAllRequest) -> RevokeAllOutcome {
        let ended: Vec<SessionId> = self
            .of_user(&request.user)
            .map(|record| record.id)
            .filter(|id| request.keep != Some(*id))
            .collect();
        for id in &ended {
            self.sessions.remove(id);
        }
        self.position = self.position.next();
        let epoch = self.position;
        self.epochs
            .insert(request.user.clone(), (epoch, request.now_ms));
        RevokeAllOutcome { ended, epoch }
    }

    /// As [`SessionStore::revoke_everything`](revocable_core::SessionStore::revoke_everything).
    pub fn revoke_everything(&mut self) -> u64 {
        self.position = self.position.next();
        self.everything = self.position;
        std::mem::take(&mut self.sessions).len() as u64
    }

    /// As [`SessionStore::list_for_user`](revocable_core::SessionStore::list_for_user).
    pub fn list_for_user(&self, user: &UserId, after: Option<SessionId>, limit: usize) -> Page {
        let mut records: Vec<Arc<Record>> = self
            .of_user(user)
            .filter(|record| Some(record.id) > after)
            .take(limit + 1)
            .cloned()
            .collect();
        let more = records.len() > limit;
        records.truncate(limit);
        Page {
            next: records.last().filter(|_| more).map(|record| record.id),
            records,
            damaged: Vec::new(),
        }
    }

    /// As [`SessionStore::epoch`](revocable_core::SessionStore::epoch).
    pub fn epoch(&self) -> Epoch {
        self.position
    }

    /// As [`SessionStore::sweep_expired`](revocable_core::SessionStore::sweep_expired).
    pub fn sweep_expired(&mut self, request: &SweepRequest) -> SweepOutcome {
        let max = request.max_rows.get() as usize;
        let after = request
            .cursor
            .as_ref()
            .and_then(|cursor| SessionId::from_slice(cursor.as_bytes()));
        let examined: Vec<(SessionId, bool)> = self
            .sessions
            .values()
            .filter(|record| Some(record.id) > after)
            .take(max)
            .map(|record| (record.id, request.liveness.is_live(&**record)))
            .collect();
        let ended: Vec<Ended> = examined
            .iter()
            .filter(|(_, live)| !live)
            .filter_map(|(id, _)| self.revoke(*id, EndReason::Expired))
            .collect();
        let last = examined.last().map(|(id, _)| *id).or(after);

        let old = |epochs: &BTreeMap<UserId, (Epoch, i64)>| -> Vec<UserId> {
            epochs
                .iter()
                .filter(|(_, (_, taken_ms))| *taken_ms < request.forget_epochs_before_ms)
                .map(|(user, _)| user.clone())
                .collect()
        };
        let mut forgotten = old(&self.epochs);
        forgotten.truncate(max);
        for user in &forgotten {
            if let Some((epoch, _)) = self.epochs.remove(user) {
                self.floor = self.floor.max(epoch);
            }
        }

        let more_sessions = self.sessions.keys().any(|id| Some(*id) > last);
        let more = more_sessions || !old(&self.epochs).is_empty();
        SweepOutcome {
            examined: examined.len() as u64,
            ended,
            epochs_forgotten: forgotten.len() as u64,
            cursor: more
                .then(|| SweepCursor::new(last.map_or(Vec::new(), |id| id.as_bytes().to_vec()))),
        }
    }

    fn of_user<'a>(&'a self, user: &'a UserId) -> impl Iterator<Item = &'a Arc<Record>> {
        self.sessions
            .values()
            .filter(move |record| record.user == *user)
    }

    /// The last revocation that may have been meant for this user's logins.
    fn last_revocation(&self, user: &UserId) -> Epoch {
        let own = self
            .epochs
            .get(user)
            .map_or(Epoch::ZERO, |(epoch, _)| *epoch);
        own.max(self.everything).max(self.floor)
    }
}
