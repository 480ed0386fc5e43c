//! What checks are made of: stores called without `async`, users, records and
//! requests, the same in every run.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};

use revocable_core::{
    AtCap, Bucket, Cap, Change, ChangeKind, Client, CreateOutcome, CreateRequest, Digest,
    EndReason, Ended, Epoch, Liveness, Page, Record, Result, RevokeAllOutcome, RevokeAllRequest,
    SessionId, SessionStore, SweepCursor, SweepOutcome, SweepRequest, UpdateOutcome, UserId,
};

use crate::check::{Stop, ensure, ensure_eq};
use crate::harness::Harness;
use crate::random::Random;
use crate::schedule;

pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// What a check gets.
pub(crate) struct Context<'h> {
    pub(crate) harness: &'h dyn Harness,
    check: &'static str,
    opened: AtomicU32,
}

/// A store, called without `async`, and a source of users and records that it
/// has not seen yet. Threads may share it.
pub(crate) struct Store<'h> {
    harness: &'h dyn Harness,
    pub(crate) name: String,
    pub(crate) inner: Arc<dyn SessionStore>,
    /// When the check's time begins.
    pub(crate) base: i64,
    made: AtomicU64,
}

impl<'h> Context<'h> {
    pub(crate) fn new(harness: &'h dyn Harness, check: &'static str) -> Self {
        Self {
            harness,
            check,
            opened: AtomicU32::new(0),
        }
    }

    /// A fresh, empty store.
    pub(crate) fn open(&self) -> Result<Store<'h>> {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}_{number}", self.check);
        Ok(Store {
            harness: self.harness,
            inner: self.harness.open(&name)?,
            name,
            base: self.harness.now_ms(),
            made: AtomicU64::new(0),
        })
    }

    /// Closes a store and opens it again with its data.
    pub(crate) fn reopen(&self, store: Store<'h>) -> Result<Store<'h>, Stop> {
        let Store {
            name, inner, base, ..
        } = store;
        drop(inner);
        let inner = self
            .harness
            .reopen(&name)?
            .ok_or_else(|| Stop::skipped("the store's data ends with it"))?;
        Ok(Store {
            harness: self.harness,
            name,
            inner,
            base,
            made: store.made,
        })
    }

    /// How often to go round.
    pub(crate) fn rounds(&self) -> u64 {
        u64::from(self.harness.rounds().max(1))
    }
}

/// The store's verbs.
impl Store<'_> {
    pub(crate) fn ends_everything_at_once(&self) -> bool {
        self.harness.ends_everything_at_once()
    }

    pub(crate) fn block_on<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        schedule::block_on(self.harness, future)
    }

    /// As [`Harness::expires_by_itself`].
    pub(crate) fn expires_by_itself(&self) -> bool {
        self.harness.expires_by_itself()
    }

    pub(crate) fn create(&self, request: CreateRequest) -> Result<CreateOutcome> {
        self.block_on(self.inner.create(request))
    }

    pub(crate) fn lookup(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        self.block_on(self.inner.lookup(id))
    }

    pub(crate) fn update(&self, id: SessionId, change: Change) -> Result<UpdateOutcome> {
        self.block_on(self.inner.update(id, change))
    }

    pub(crate) fn revoke(&self, id: SessionId) -> Result<Option<Ended>> {
        self.block_on(self.inner.revoke(id, EndReason::LoggedOut))
    }

    pub(crate) fn revoke_all(&self, user: &UserId) -> Result<RevokeAllOutcome> {
        self.revoke_all_keep(user, None)
    }

    pub(crate) fn revoke_all_keep(
        &self,
        user: &UserId,
        keep: Option<SessionId>,
    ) -> Result<RevokeAllOutcome> {
        self.revoke_all_at(user, keep, self.base)
    }

    pub(crate) fn revoke_all_at(
        &self,
        user: &UserId,
        keep: Option<SessionId>,
        now_ms: i64,
    ) -> Result<RevokeAllOutcome> {
        let mut outcome = self.block_on(
            self.inner
                .revoke_all_for_user(revoke_all(user, keep, now_ms)),
        )?;
        outcome.ended.sort_unstable();
        Ok(outcome)
    }

    pub(crate) fn revoke_everything(&self) -> Result<u64> {
        self.block_on(self.inner.revoke_everything(EndReason::Administrator))
    }

    pub(crate) fn page(&self, user: &UserId, after: Option<SessionId>, limit: u32) -> Result<Page> {
        let limit = NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN);
        self.block_on(self.inner.list_for_user(user, after, limit))
    }

    pub(crate) fn epoch(&self, user: &UserId) -> Result<Epoch> {
        self.block_on(self.inner.epoch(user))
    }

    pub(crate) fn sweep_step(&self, request: SweepRequest) -> Result<SweepOutcome> {
        self.block_on(self.inner.sweep_expired(request))
    }
}

/// The verbs as checks mostly need them.
impl Store<'_> {
    /// Creates a session, which must succeed and end nothing.
    pub(crate) fn created(&self, record: &Record) -> Result<(), Stop> {
        self.created_by(self.request(record.clone()))
    }

    pub(crate) fn created_by(&self, request: CreateRequest) -> Result<(), Stop> {
        match self.create(request)? {
            CreateOutcome::Created { ended } if ended.is_empty() => Ok(()),
            other => Err(Stop::failed(format!("create: got {other:?}"))),
        }
    }

    /// A new session of the user, which is there.
    pub(crate) fn session(&self, user: &UserId) -> Result<Record, Stop> {
        let record = self.record(user);
        self.created(&record)?;
        Ok(record)
    }

    /// All pages of a user's list, a thousand at a time.
    pub(crate) fn list(&self, user: &UserId) -> Result<Vec<Arc<Record>>, Stop> {
        let (mut records, mut after) = (Vec::new(), None);
        loop {
            let page = self.page(user, after, 1_000)?;
            ensure(page.damaged.is_empty(), "a listing names damaged sessions")?;
            records.extend(page.records);
            match page.next {
                None => return Ok(records),
                next if next <= after => return Err(Stop::failed("a listing goes back")),
                next => after = next,
            }
        }
    }

    pub(crate) fn listed_ids(&self, user: &UserId) -> Result<Vec<SessionId>, Stop> {
        Ok(self.list(user)?.iter().map(|record| record.id).collect())
    }

    /// Sweeps from beginning to end, a few at a time; what was removed.
    pub(crate) fn sweep(&self, liveness: Liveness) -> Result<Vec<Ended>, Stop> {
        self.sweep_by(liveness, i64::MIN, 3)
    }

    pub(crate) fn sweep_by(
        &self,
        liveness: Liveness,
        forget_epochs_before_ms: i64,
        max_rows: u32,
    ) -> Result<Vec<Ended>, Stop> {
        let (mut ended, mut cursor) = (Vec::new(), None);
        // No store of these checks holds so many sessions.
        for _ in 0..100_000 {
            let step =
                self.sweep_step(sweep(liveness, forget_epochs_before_ms, cursor, max_rows))?;
            ended.extend(step.ended);
            cursor = step.cursor;
            if cursor.is_none() {
                ended.sort_unstable_by_key(|ended| ended.id);
                return Ok(ended);
            }
        }
        Err(Stop::failed("a sweep does not come to its end"))
    }

    /// The session is there, just so, by ID and in the user's list.
    #[track_caller]
    pub(crate) fn ensure_there(&self, expected: &Record, when: &str) -> Result<(), Stop> {
        let found = self.lookup(expected.id)?;
        let found = found.ok_or_else(|| Stop::failed(format!("{when}: not found")))?;
        ensure_eq(&*found, expected, when)?;
        let listed = self.list(&expected.user)?;
        let listed = listed.iter().find(|record| record.id == expected.id);
        let listed = listed.ok_or_else(|| Stop::failed(format!("{when}: found but not listed")))?;
        ensure_eq(&**listed, expected, when)
    }

    /// The session is not there, neither by ID nor in the user's list.
    #[track_caller]
    pub(crate) fn ensure_gone(&self, record: &Record, when: &str) -> Result<(), Stop> {
        let found = self.lookup(record.id)?;
        ensure(found.is_none(), format!("{when}: still found"))?;
        let listed = self.listed_ids(&record.user)?;
        ensure(
            !listed.contains(&record.id),
            format!("{when}: not found but listed"),
        )
    }
}

/// Threads.
impl Store<'_> {
    /// Calls from several threads that begin together; the results by thread.
    pub(crate) fn at_once<T: Send>(
        &self,
        threads: usize,
        call: impl Fn(usize) -> Result<T> + Sync,
    ) -> Result<Vec<T>, Stop> {
        let start = Barrier::new(threads);
        let results: Vec<_> = std::thread::scope(|scope| {
            let (call, start) = (&call, &start);
            let threads: Vec<_> = (0..threads)
                .map(|thread| {
                    scope.spawn(move || {
                        start.wait();
                        call(thread)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join()).collect()
        });
        results
            .into_iter()
            .map(|result| match result {
                Ok(result) => result.map_err(Stop::from),
                Err(_) => Err(Stop::failed("a thread panicked")),
            })
            .collect()
    }
}

/// Users, records and requests.
impl Store<'_> {
    fn number(&self) -> u64 {
        self.made.fetch_add(1, Ordering::Relaxed)
    }

    /// A user that the store has not seen yet.
    pub(crate) fn user(&self) -> UserId {
        user(&format!("user-{}", self.number()))
    }

    /// A record with a new ID, higher than those before, that lives for a day
    /// and an hour without use.
    pub(crate) fn record(&self, user: &UserId) -> Record {
        new_record(self.base, self.number(), user)
    }

    /// To create this record unconditionally.
    pub(crate) fn request(&self, record: Record) -> CreateRequest {
        CreateRequest {
            record,
            expected_epoch: None,
            cap: None,
            liveness: Liveness::at(self.base),
        }
    }

    /// To create this record if the epoch still holds.
    pub(crate) fn login(&self, record: &Record, epoch: Epoch) -> CreateRequest {
        CreateRequest {
            expected_epoch: Some(epoch),
            ..self.request(record.clone())
        }
    }

    /// To create this record under a cap.
    pub(crate) fn capped(&self, record: &Record, max: u32, at_cap: AtCap) -> CreateRequest {
        CreateRequest {
            cap: Some(cap(max, at_cap)),
            ..self.request(record.clone())
        }
    }
}

/// A user by key.
pub(crate) fn user(key: &str) -> UserId {
    UserId::new(key).expect("the checks use keys that are allowed")
}

pub(crate) fn cap(max: u32, at_cap: AtCap) -> Cap {
    Cap {
        max: NonZeroU32::new(max).unwrap_or(NonZeroU32::MIN),
        at_cap,
    }
}

pub(crate) fn revoke_all(user: &UserId, keep: Option<SessionId>, now_ms: i64) -> RevokeAllRequest {
    RevokeAllRequest {
        user: user.clone(),
        keep,
        reason: EndReason::LoggedOutEverywhere,
        now_ms,
    }
}

pub(crate) fn sweep(
    liveness: Liveness,
    forget_epochs_before_ms: i64,
    cursor: Option<SweepCursor>,
    max_rows: u32,
) -> SweepRequest {
    SweepRequest {
        liveness,
        forget_epochs_before_ms,
        cursor,
        max_rows: NonZeroU32::new(max_rows).unwrap_or(NonZeroU32::MIN),
    }
}

/// A change at this time, by the session's own deadlines.
pub(crate) fn change(now_ms: i64, kind: ChangeKind) -> Change {
    Change {
        liveness: Liveness::at(now_ms),
        kind,
    }
}

/// A digest that is no other's.
pub(crate) fn digest(number: u64) -> Digest {
    Digest::from_bytes(Random::new(number ^ 0x00d1_6e57).bytes())
}

/// The IDs, in order.
pub(crate) fn ids<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<SessionId> {
    let mut ids: Vec<_> = records.into_iter().map(|record| record.id).collect();
    ids.sort_unstable();
    ids
}

/// A session of the user that is like no other with another number: created
/// at `base`, live for an hour without use and a day at the most.
pub(crate) fn new_record(base: i64, number: u64, user: &UserId) -> Record {
    Record {
        id: SessionId::new(
            base.saturating_add_unsigned(number),
            Bucket::of(user),
            Random::new(number).bytes(),
        ),
        user: user.clone(),
        digest: digest(number),
        previous: None,
        created_ms: base,
        authenticated_ms: base,
        last_seen_ms: base,
        expires_ms: base.saturating_add(DAY),
        idle_timeout_ms: HOUR,
        version: 0,
        client: Client::new(),
        data: Box::default(),
    }
}
