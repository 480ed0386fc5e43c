//! Requests with everything that a test does not care about filled in.

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use revocable_core::EndReason;
use revocable_core::{
    AtCap, Bucket, Cap, Client, CreateOutcome, CreateRequest, Digest, Epoch, Liveness, Record,
    Result, RevokeAllRequest, SessionId, SessionStore, SweepCursor, SweepOutcome, SweepRequest,
    UserId,
};
use revocable_memory::MemoryStore;

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// The output of a future that is ready at once, as all of a `MemoryStore` are.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a call of a memory store waits"),
    }
}

pub(crate) fn user(number: u64) -> UserId {
    UserId::from(number)
}

/// A session that expires at `expires_ms`.
pub(crate) fn record(user: &UserId, number: u64, expires_ms: i64) -> Record {
    Record {
        id: SessionId::new(0, Bucket::of(user), Random(number).next().to_be_bytes()),
        user: user.clone(),
        digest: Digest::from_bytes([0; 32]),
        previous: None,
        created_ms: 0,
        authenticated_ms: 0,
        last_seen_ms: 0,
        expires_ms,
        idle_timeout_ms: i64::MAX,
        version: 0,
        client: Client::new(),
        data: Box::default(),
    }
}

pub(crate) fn request(record: Record) -> CreateRequest {
    CreateRequest {
        record,
        expected_epoch: None,
        cap: None,
        liveness: Liveness::at(0),
    }
}

pub(crate) fn end_oldest(max: u32) -> Option<Cap> {
    Some(Cap {
        max: NonZeroU32::new(max).unwrap(),
        at_cap: AtCap::EndOldest,
    })
}

pub(crate) fn create(store: &MemoryStore, record: Record) -> Result<SessionId> {
    let id = record.id;
    match now(store.create(request(record)))? {
        CreateOutcome::Created { .. } => Ok(id),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn is_there(store: &MemoryStore, id: SessionId) -> bool {
    now(store.lookup(id)).unwrap().is_some()
}

pub(crate) fn log_in(store: &MemoryStore, record: Record, began: Epoch) -> CreateOutcome {
    now(store.create(CreateRequest {
        expected_epoch: Some(began),
        ..request(record)
    }))
    .unwrap()
}

pub(crate) fn revoke_all(store: &MemoryStore, user: &UserId, now_ms: i64) -> Epoch {
    now(store.revoke_all_for_user(RevokeAllRequest {
        user: user.clone(),
        keep: None,
        reason: EndReason::LoggedOutEverywhere,
        now_ms,
    }))
    .unwrap()
    .epoch
}

pub(crate) fn sweep_step(
    store: &MemoryStore,
    now_ms: i64,
    cursor: Option<SweepCursor>,
    max_rows: u32,
) -> SweepOutcome {
    now(store.sweep_expired(SweepRequest {
        liveness: Liveness::at(now_ms),
        forget_epochs_before_ms: now_ms,
        cursor,
        max_rows: NonZeroU32::new(max_rows).unwrap(),
    }))
    .unwrap()
}

/// A whole sweep: how many sessions it removed and how many epochs it forgot.
pub(crate) fn sweep(store: &MemoryStore, now_ms: i64, max_rows: u32) -> (usize, u64) {
    let (mut removed, mut forgotten, mut cursor) = (0, 0, None);
    loop {
        let step = sweep_step(store, now_ms, cursor, max_rows);
        assert!(step.examined <= u64::from(max_rows));
        assert!(step.epochs_forgotten <= u64::from(max_rows));
        removed += step.ended.len();
        forgotten += step.epochs_forgotten;
        match step.cursor {
            Some(next) => cursor = Some(next),
            None => return (removed, forgotten),
        }
    }
}
