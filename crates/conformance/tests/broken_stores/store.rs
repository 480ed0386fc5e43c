//! A store that keeps the contract unless it is told to break it in one way.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, Weak};
use std::task::Poll;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use revocable_core::{
    Applied, Bucket, Change, ChangeKind, CreateOutcome, CreateRequest, Digest, EndListener,
    EndListeners, EndReason, Ended, Epoch, Error, ErrorKind, Liveness, Page, Record, Result,
    RevokeAllOutcome, RevokeAllRequest, SessionId, SessionStore, SweepCursor, SweepOutcome,
    SweepRequest, UpdateOutcome, UserId,
};

use crate::defect::Defect::{self, *};
use crate::tables::{Shared, Tables, Taken};

pub(crate) struct Store {
    tables: Arc<Shared>,
    listeners: EndListeners,
    bare_listeners: Mutex<Vec<Weak<dyn EndListener>>>,
    defect: Option<Defect>,
}

const AFTER_THE_LAST: [u8; SessionId::LEN] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x8f, 0xff, 0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
];

/// A place where another task or thread gets its turn.
async fn gap() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    for _ in 0..20 {
        std::thread::yield_now();
    }
}

fn corrupt() -> Error {
    Error::new(ErrorKind::Corrupt, "the row is damaged")
}

impl Store {
    pub(crate) fn new(tables: Arc<Shared>, defect: Option<Defect>) -> Self {
        Self {
            tables,
            listeners: EndListeners::new(),
            bare_listeners: Mutex::default(),
            defect,
        }
    }

    fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    fn lock(&self) -> Taken {
        self.tables.take()
    }

    fn read(&self) -> Result<Taken> {
        let tables = self.lock();
        if tables.broken {
            return Err(Error::new(ErrorKind::Unavailable, "the disk is gone"));
        }
        Ok(tables)
    }

    /// With the touches that waited applied.
    fn write(&self) -> Result<Taken> {
        let mut tables = self.read()?;
        for (id, change) in std::mem::take(&mut tables.queue) {
            match tables.rows.get(&id).map(|record| change.apply(record)) {
                Some(Applied::Changed(record)) => tables.insert_row(record),
                None if self.has(LateTouchRevives) => {
                    if let Some(record) = tables.graveyard.get(&id).cloned() {
                        tables.insert(self.key(&record.user), record);
                    }
                }
                _ => {}
            }
        }
        Ok(tables)
    }

    fn key(&self, user: &UserId) -> String {
        match self.has(FoldsCaseOfUsers) {
            true => user.as_str().to_lowercase(),
            false => user.as_str().to_owned(),
        }
    }

    fn tell(&self, ended: &[Ended]) {
        if ended.is_empty() || self.has(TellsNobody) {
            return;
        }
        if self.has(TellsLater) {
            return self.lock().untold.extend_from_slice(ended);
        }
        if self.has(ListenerCanPanic) {
            let listeners = self.bare_listeners.lock().unwrap().clone();
            for listener in listeners.iter().filter_map(Weak::upgrade) {
                listener.ended(ended);
            }
            return;
        }
        self.listeners.ended(ended);
        if self.has(TellsTwice) {
            self.listeners.ended(ended);
        }
    }

    async fn tell_at_once(&self, ended: &[Ended]) {
        if self.has(TellsOnlyWhoStays) {
            gap().await;
        }
        self.tell(ended);
    }

    fn tell_untold(&self) {
        let untold = std::mem::take(&mut self.lock().untold);
        self.listeners.ended(&untold);
    }

    /// Which of a user's sessions a cap has to end.
    fn to_end(&self, tables: &Tables, request: &CreateRequest) -> Option<Vec<SessionId>> {
        let Some(cap) = request.cap else {
            return Some(Vec::new());
        };
        let live: Vec<(SessionId, i64)> = tables
            .ids(&self.key(&request.record.user))
            .iter()
            .filter_map(|id| tables.rows.get(id))
            .filter(|record| !tables.damaged.contains(&record.id))
            .filter(|record| self.has(CapCountsExpired) || request.liveness.is_live(&***record))
            .map(|record| (record.id, record.last_seen_ms))
            .collect();
        if self.has(CapEndsTheNewest) {
            let over = (live.len() + 1).saturating_sub(cap.max.get() as usize);
            return Some(live.iter().rev().take(over).map(|(id, _)| *id).collect());
        }
        cap.make_room(live)
    }

    fn superseded(&self, tables: &Tables, request: &CreateRequest) -> bool {
        let Some(expected) = request.expected_epoch else {
            return false;
        };
        let own = tables.epochs.get(&request.record.user);
        let own = own.map_or(0, |(epoch, _)| *epoch);
        let last = match self.has(EveryRevocationSupersedes) {
            true => tables.position,
            false => own.max(tables.everything).max(tables.floor),
        };
        let ahead = expected.get() > tables.position && !self.has(AcceptsAnyPosition);
        last > expected.get() || ahead
    }

    fn apply(&self, record: &Record, change: &Change) -> Applied {
        let mut change = change.clone();
        let now_ms = change.liveness.now_ms;
        let wrapped = record.last_seen_ms.wrapping_add(record.idle_timeout_ms);
        match &mut change.kind {
            _ if self.has(ExpiresOneLate) => change.liveness.now_ms -= 1,
            _ if self.has(DeadlineOverflows) && now_ms >= wrapped => return Applied::Expired,
            ChangeKind::Touch if self.has(TouchMovesBack) && change.liveness.is_live(record) => {
                let last_seen_ms = now_ms;
                return Applied::Changed(Arc::new(Record {
                    last_seen_ms,
                    ..record.clone()
                }));
            }
            ChangeKind::Touch if self.has(TouchRevivesExpired) => {
                return Applied::Changed(Arc::new(Record {
                    last_seen_ms: record.last_seen_ms.max(now_ms),
                    ..record.clone()
                }));
            }
            ChangeKind::Renew { expected, .. } if self.has(RenewsUnconditionally) => {
                *expected = record.digest;
            }
            ChangeKind::Renew { expected, .. }
                if self.has(RenewsTheCurrentTokenOnly) && *expected != record.digest =>
            {
                // As a statement that compares the one column.
                *expected = Digest::from_bytes([0; Digest::LEN]);
            }
            ChangeKind::SetData {
                expected_version, ..
            } if self.has(SetsDataUnconditionally) => *expected_version = record.version,
            ChangeKind::Renew { .. } if self.has(ForgetsThePreviousToken) => {
                if let Applied::Changed(changed) = change.apply(record) {
                    return Applied::Changed(Arc::new(Record {
                        previous: None,
                        ..(*changed).clone()
                    }));
                }
            }
            ChangeKind::SetData { .. } if self.has(VersionStands) => {
                if let Applied::Changed(changed) = change.apply(record) {
                    return Applied::Changed(Arc::new(Record {
                        version: record.version,
                        ..(*changed).clone()
                    }));
                }
            }
            _ => {}
        }
        change.apply(record)
    }

    fn old_record(&self, tables: &Tables, id: SessionId, change: &Change) -> Option<Arc<Record>> {
        let renewal = matches!(change.kind, ChangeKind::Renew { .. });
        let revives = match renewal {
            true => self.has(RenewalRevives),
            false => self.has(UpdateRevives),
        };
        tables.graveyard.get(&id).filter(|_| revives).cloned()
    }
}

#[async_trait]
impl SessionStore for Store {
    async fn create(&self, mut request: CreateRequest) -> Result<CreateOutcome> {
        self.tell_untold();
        if !self.has(ValidatesNothing) {
            request.validate()?;
        }
        if self.has(ShortensNumbers) {
            request.record.version = request.record.version.min(i64::MAX as u64);
        }
        let id = request.record.id;
        let key = self.key(&request.record.user);
        let mut ended = Vec::new();
        let record;
        {
            let mut tables = self.write()?;
            if self.has(CapBeforeId) || self.has(CapBeforeEpoch) && !tables.rows.contains_key(&id) {
                for id in self.to_end(&tables, &request).unwrap_or_default() {
                    ended.extend(tables.remove(id, EndReason::Cap));
                }
            }
            if let Some(there) = tables.rows.get(&id) {
                if tables.damaged.contains(&id) {
                    return Err(corrupt());
                }
                if self.has(DuplicateSaysCreated) {
                    return Ok(CreateOutcome::Created { ended });
                }
                if !self.has(CreateOverwrites) {
                    return Ok(CreateOutcome::Exists(there.clone()));
                }
            }
            drop(tables);
            if self.has(ChecksIdThenInserts) {
                gap().await;
            }
            let mut tables = self.write()?;
            if let Some(there) = tables.rows.get(&id)
                && !self.has(ChecksIdThenInserts)
                && !self.has(CreateOverwrites)
            {
                return Ok(CreateOutcome::Exists(there.clone()));
            }
            let mut superseded = self.superseded(&tables, &request);
            let mut to_end = self.to_end(&tables, &request);
            if self.has(ChecksEpochThenInserts) || self.has(ChecksCapThenInserts) {
                drop(tables);
                gap().await;
                tables = self.write()?;
                if !self.has(ChecksEpochThenInserts) {
                    superseded = self.superseded(&tables, &request);
                } else {
                    to_end = self.to_end(&tables, &request);
                }
                if let Some(there) = tables.rows.get(&id) {
                    return Ok(CreateOutcome::Exists(there.clone()));
                }
            }
            if superseded {
                return Ok(CreateOutcome::Superseded);
            }
            let Some(to_end) = to_end else {
                if self.has(RefusalStores) {
                    tables.insert(key, Arc::new(request.record));
                }
                return Ok(CreateOutcome::CapReached);
            };
            for id in to_end {
                ended.extend(tables.remove(id, EndReason::Cap));
            }
            record = Arc::new(request.record);
            if !self.has(RowThenIndex) {
                tables.insert(key.clone(), record.clone());
            } else {
                tables.insert_row(record.clone());
            }
        }
        if self.has(RowThenIndex) {
            gap().await;
            self.lock().insert(key, record);
        }
        if self.has(CapTellsNobody) {
            ended.clear();
        }
        self.tell_at_once(&ended).await;
        Ok(CreateOutcome::Created { ended })
    }

    async fn lookup(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        if self.has(FillsCacheLate) {
            if let Some(cached) = self.lock().cache.get(&id) {
                return Ok(Some(cached.clone()));
            }
            let found = self.read()?.rows.get(&id).cloned();
            gap().await;
            if let Some(found) = &found {
                self.lock().cache.insert(id, found.clone());
            }
            return Ok(found);
        }
        let mut tables = match self.read() {
            Err(_) if self.has(FailureIsNone) => return Ok(None),
            tables => tables?,
        };
        if tables.damaged.contains(&id) {
            return match self.has(DamageIsNone) {
                true => Ok(None),
                false => Err(corrupt()),
            };
        }
        if self.has(LookupTouches)
            && let Some(record) = tables.rows.get_mut(&id)
        {
            let last_seen_ms = record.expires_ms;
            Arc::make_mut(record).last_seen_ms = last_seen_ms;
        }
        if self.has(LookupJudges)
            && let Some(record) = tables.rows.get(&id)
            && !Liveness::at(now_ms()).is_live(&**record)
        {
            tables.remove(id, EndReason::Expired);
        }
        if self.has(LookupCreates) && !tables.rows.contains_key(&id) {
            tables.everything += 1;
            tables.position += 1;
        }
        let found = tables.rows.get(&id).cloned();
        if self.has(LookupNowRemembers)
            && let Some(found) = &found
        {
            tables.remembered.insert(id, found.clone());
        }
        Ok(found)
    }

    fn lookup_now(&self, id: SessionId) -> Option<Result<Option<Arc<Record>>>> {
        if !self.has(LookupNowRemembers) {
            return None;
        }
        let remembered = self.lock().remembered.get(&id).cloned()?;
        Some(Ok(Some(remembered)))
    }

    async fn update(&self, id: SessionId, change: Change) -> Result<UpdateOutcome> {
        self.tell_untold();
        let mut tables = self.write()?;
        if tables.damaged.contains(&id) {
            return Err(corrupt());
        }
        let there = tables.rows.get(&id).cloned();
        let old = || self.old_record(&tables, id, &change);
        let Some(record) = there.or_else(old) else {
            if self.has(UpdateOfAbsentIsAnError) {
                return Err(Error::new(ErrorKind::Corrupt, "no such row"));
            }
            return Ok(UpdateOutcome::Absent);
        };
        if let ChangeKind::SetData { data, .. } = &change.kind
            && data.len() > Record::MAX_DATA_LEN
        {
            if self.has(OversizedDataDamages) {
                tables.damaged.insert(id);
            }
            return Err(Error::new(ErrorKind::InvalidInput, "too much data"));
        }
        let applied = self.apply(&record, &change);
        if self.has(SavesTheRowItRead) {
            drop(tables);
            gap().await;
            tables = self.write()?;
        }
        if self.has(WritesBackOnlyIfThere) {
            drop(tables);
            gap().await;
            tables = self.write()?;
            if !tables.rows.contains_key(&id) {
                return Ok(UpdateOutcome::Absent);
            }
        }
        Ok(match applied {
            Applied::Changed(changed) => {
                tables.cache.remove(&id);
                let as_created = tables.as_created.get(&id).cloned();
                tables.insert(self.key(&changed.user), changed.clone());
                if let Some(as_created) = as_created {
                    tables.as_created.insert(id, as_created);
                }
                UpdateOutcome::Updated(changed)
            }
            Applied::Unchanged => UpdateOutcome::Unchanged(record),
            Applied::Conflict => UpdateOutcome::Conflict(record),
            Applied::Expired => UpdateOutcome::Absent,
        })
    }

    fn update_soon(&self, id: SessionId, change: &Change) -> bool {
        self.lock().queue.push((id, change.clone()));
        true
    }

    async fn revoke(&self, id: SessionId, reason: EndReason) -> Result<Option<Ended>> {
        self.tell_untold();
        let ended = {
            let mut tables = self.write()?;
            if tables.damaged.contains(&id) && self.has(RevokeDecodes) {
                return Err(corrupt());
            }
            if self.has(RevokeAsksForALiveOne)
                && let Some(record) = tables.rows.get(&id)
                && !Liveness::at(now_ms()).is_live(&**record)
            {
                return Ok(None);
            }
            if self.has(RevokeLeavesTheRow) {
                return Ok(tables.rows.get(&id).map(|record| Ended {
                    id,
                    user: Some(record.user.clone()),
                    reason,
                }));
            }
            if self.has(RevokeEndsAllOfTheUser)
                && let Some(record) = tables.rows.get(&id).cloned()
            {
                for other in tables.ids(&self.key(&record.user)) {
                    if other != id {
                        tables.remove(other, reason);
                    }
                }
            }
            if self.has(IndexThenRow) {
                for ids in tables.index.values_mut() {
                    ids.remove(&id);
                }
                drop(tables);
                gap().await;
                tables = self.write()?;
            }
            if self.has(RevokedTwiceIsTwiceTold) {
                let record = tables.rows.get(&id).cloned();
                drop(tables);
                gap().await;
                self.write()?.remove(id, reason);
                record.map(|record| Ended {
                    id,
                    user: Some(record.user.clone()),
                    reason,
                })
            } else {
                tables.remove(id, reason)
            }
        };
        if self.has(TellsWhatDidNotEnd) && ended.is_none() {
            self.listeners.ended(&[Ended {
                id,
                user: None,
                reason,
            }]);
        }
        self.tell_at_once(ended.as_slice()).await;
        Ok(ended)
    }

    async fn revoke_all_for_user(&self, request: RevokeAllRequest) -> Result<RevokeAllOutcome> {
        self.tell_untold();
        let key = self.key(&request.user);
        let mut tables = self.write()?;
        let bucket = Bucket::of(&request.user);
        let rows = tables.rows.values();
        let others: Vec<SessionId> = rows
            .filter(|row| {
                self.has(UsersByPrefix) && row.user.as_str().starts_with(&key)
                    || self.has(RevokesTheWholeBucket) && row.id.bucket() == bucket
            })
            .map(|row| row.id)
            .collect();
        let mut ids = match others.is_empty() {
            true => tables.ids(&key),
            false => others,
        };
        if self.has(RevokeAllAtMost1000) {
            ids.truncate(1_000);
        }
        if !self.has(KeepIsIgnored) {
            ids.retain(|id| request.keep != Some(*id));
        }
        if self.has(RevokeAllDecodes) && ids.iter().any(|id| tables.damaged.contains(id)) {
            return Err(corrupt());
        }
        if self.has(RevokeAllSparesTheNewest) {
            ids.pop();
        }
        let idle = self.has(RevokeAllAdvancesNothing)
            || self.has(EmptyRevokeAllAdvancesNothing) && ids.is_empty();
        if self.has(EpochsStartAgain) {
            let own = tables.epochs.get(&request.user);
            tables.position = own.map_or(0, |(epoch, _)| *epoch);
        }
        let epoch = match idle {
            true => tables.position,
            false => tables.next_position(),
        };
        if !idle {
            let taken = (epoch, request.now_ms);
            tables.epochs.insert(request.user.clone(), taken);
        }
        if self.has(ListsThenDeletes) {
            drop(tables);
            gap().await;
            tables = self.write()?;
        }
        let listed = ids.clone();
        let ended: Vec<Ended> = ids
            .into_iter()
            .filter_map(|id| tables.remove(id, request.reason))
            .collect();
        drop(tables);
        self.tell_at_once(&ended).await;
        Ok(RevokeAllOutcome {
            ended: match self.has(SweepForgetsTheIndex) {
                true => listed,
                false => ended.into_iter().map(|ended| ended.id).collect(),
            },
            epoch: Epoch::from_number(epoch),
        })
    }

    async fn revoke_everything(&self, reason: EndReason) -> Result<u64> {
        self.tell_untold();
        let mut tables = self.write()?;
        let position = tables.next_position();
        if !self.has(EverythingAdvancesNothing) {
            tables.everything = position;
        }
        let ids: Vec<SessionId> = tables.rows.keys().copied().collect();
        if self.has(EverythingInParts) {
            drop(tables);
            gap().await;
            tables = self.write()?;
        }
        let spare = usize::from(self.has(EverythingSparesOne) && ids.len() > 5);
        let ended = ids.iter().skip(spare);
        let count = ended.filter_map(|id| tables.remove(*id, reason)).count() as u64;
        drop(tables);
        if self.has(ListenerCanPanic) {
            for listener in self.bare_listeners.lock().unwrap().iter() {
                if let Some(listener) = listener.upgrade() {
                    listener.everything_ended(count, reason);
                }
            }
            return Ok(count);
        }
        self.listeners.everything_ended(count, reason);
        Ok(count)
    }

    async fn list_for_user(
        &self,
        user: &UserId,
        after: Option<SessionId>,
        limit: NonZeroU32,
    ) -> Result<Page> {
        let tables = self.read()?;
        let limit = limit.get() as usize;
        let ids = tables.ids(&self.key(user));
        let ids: Vec<SessionId> = ids.into_iter().filter(|id| Some(*id) > after).collect();
        let mut page = Page::default();
        for id in ids.iter().take(limit) {
            match tables.rows.get(id) {
                _ if tables.damaged.contains(id) => page.damaged.push(*id),
                Some(record) => page.records.push(record.clone()),
                None => {}
            }
        }
        let more = match self.has(ListAnnouncesTooMuch) {
            true => ids.len() >= limit,
            false => ids.len() > limit,
        };
        page.next = ids.iter().take(limit).next_back().copied().filter(|_| more);
        if self.has(ListSkipsOneAtTheEdge) && more {
            page.next = ids.get(limit).copied();
        }
        if self.has(ListIsUnsorted) {
            page.records.reverse();
        }
        Ok(page)
    }

    async fn epoch(&self, user: &UserId) -> Result<Epoch> {
        let tables = self.read()?;
        let own = tables.epochs.get(user).map_or(0, |(epoch, _)| *epoch);
        Ok(Epoch::from_number(match self.defect {
            Some(EpochsStartAgain) => own,
            Some(EpochReadsBehind) => tables.position.saturating_sub(1),
            _ => tables.position,
        }))
    }

    async fn sweep_expired(&self, request: SweepRequest) -> Result<SweepOutcome> {
        self.tell_untold();
        let mut liveness = request.liveness;
        if self.has(SweepIgnoresThePolicy) {
            liveness = Liveness::at(liveness.now_ms);
        }
        if self.has(SweepsOneLate) {
            liveness.now_ms = liveness.now_ms.saturating_sub(1);
        }
        let mut tables = self.write()?;
        if self.has(SweepDiesOnDamage) && !tables.damaged.is_empty() {
            return Err(corrupt());
        }
        let max = match self.has(SweepIsUnbounded) {
            true => usize::MAX,
            false => request.max_rows.get() as usize,
        };
        let cursor = request.cursor.as_ref().map(SweepCursor::as_bytes);
        let mut expired_then: Option<Vec<SessionId>> = None;
        let (examined, last): (Vec<SessionId>, Option<Box<[u8]>>) = if self.has(SweepsByPosition) {
            let place = cursor.map_or(0, |bytes| usize::from(bytes[0]));
            let rows = tables.rows.keys().skip(place).take(max);
            let examined: Vec<_> = rows.copied().collect();
            let next = place + examined.len();
            let more = next < tables.rows.len();
            (examined, more.then(|| Box::from([next as u8])))
        } else if self.has(SweepListsOnce) {
            let list: Vec<u8> = match cursor {
                Some(bytes) => bytes.to_vec(),
                None => (tables.rows.values())
                    .filter(|record| !liveness.is_live(&***record))
                    .flat_map(|record| *record.id.as_bytes())
                    .collect(),
            };
            let ids = list
                .chunks(SessionId::LEN)
                .filter_map(SessionId::from_slice);
            let examined: Vec<_> = ids.take(max).collect();
            expired_then = Some(examined.clone());
            let rest = &list[(examined.len() * SessionId::LEN)..];
            (examined, (!rest.is_empty()).then(|| rest.into()))
        } else {
            let after = cursor.and_then(SessionId::from_slice);
            let rows = tables.rows.keys().filter(|id| Some(**id) > after);
            let examined: Vec<_> = rows.take(max).copied().collect();
            let last = examined.last().copied().or(after);
            let more = tables.rows.keys().any(|id| Some(*id) > last);
            let place = last.map_or(Box::from([0]), |last| Box::from(*last.as_bytes()));
            (examined, more.then_some(place))
        };
        let expired: Vec<SessionId> = expired_then.unwrap_or_else(|| {
            let ids = examined.iter().copied();
            ids.filter(|id| !tables.damaged.contains(id))
                .filter(|id| {
                    let record = tables.rows.get(id);
                    record.is_some_and(|record| !liveness.is_live(&**record))
                })
                .collect()
        });

        let before_ms = match self.has(ForgetsRecentEpochs) {
            true => request.forget_epochs_before_ms.saturating_add(1),
            false => request.forget_epochs_before_ms,
        };
        let old = |tables: &Tables| -> Vec<UserId> {
            let epochs = tables.epochs.iter();
            let old = epochs.filter(|(_, (_, taken_ms))| *taken_ms < before_ms);
            old.map(|(user, _)| user.clone()).collect()
        };
        let mut forgotten = old(&tables);
        if !self.has(ForgetsEpochsAtOnce) {
            forgotten.truncate(max);
        }
        for user in &forgotten {
            if let Some((epoch, _)) = tables.epochs.remove(user)
                && !self.has(ForgetsWithoutFloor)
                && !self.has(EpochsStartAgain)
            {
                tables.floor = tables.floor.max(epoch);
            }
        }
        let more_epochs = !old(&tables).is_empty();
        if self.has(SweepDoesNotLookAgain) {
            drop(tables);
            gap().await;
            tables = self.write()?;
        }
        let mut ended = Vec::new();
        for id in expired {
            ended.extend(match self.has(SweepForgetsTheIndex) {
                true => tables.remove_row(id, EndReason::Expired),
                false => tables.remove(id, EndReason::Expired),
            });
        }
        drop(tables);
        self.tell_at_once(&ended).await;
        Ok(SweepOutcome {
            examined: examined.len() as u64,
            ended,
            epochs_forgotten: forgotten.len() as u64,
            cursor: match last {
                Some(place) => Some(SweepCursor::new(place)),
                None => more_epochs.then(|| SweepCursor::new(AFTER_THE_LAST)),
            },
        })
    }

    async fn health(&self) -> Result<()> {
        self.read().map(drop)
    }

    fn subscribe(&self, listener: Weak<dyn EndListener>) -> bool {
        self.bare_listeners.lock().unwrap().push(listener.clone());
        self.listeners.add(listener);
        true
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_millis() as i64
}
