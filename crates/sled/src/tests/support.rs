use std::sync::atomic::{AtomicU64, Ordering};

use futures_executor::block_on;
use revocable_core::{
    Bucket, Client, CreateOutcome, CreateRequest, Digest, EndReason, Liveness, Record,
    RevokeAllRequest, SessionId, SessionStore, UserId,
};

use crate::SledStore;

pub(crate) fn record(name: &str) -> Record {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let user = UserId::new(name).unwrap();
    let mut digest = [7; 32];
    digest[..8].copy_from_slice(&n.to_be_bytes());
    Record {
        id: SessionId::new(1_000 + n as i64, Bucket::of(&user), n.to_be_bytes()),
        user,
        digest: Digest::from_bytes(digest),
        previous: None,
        created_ms: 1_000,
        authenticated_ms: 1_000,
        last_seen_ms: 1_000,
        expires_ms: 1_000_000,
        idle_timeout_ms: 100_000,
        version: 0,
        client: Client::new(),
        data: b"some data".as_slice().into(),
    }
}

pub(crate) fn request(record: &Record) -> CreateRequest {
    CreateRequest {
        record: record.clone(),
        expected_epoch: None,
        cap: None,
        liveness: Liveness::at(2_000),
    }
}

pub(crate) fn create(store: &SledStore, name: &str) -> Record {
    let record = record(name);
    let created = block_on(store.create(request(&record))).unwrap();
    assert_eq!(created, CreateOutcome::Created { ended: vec![] });
    record
}

pub(crate) fn is_there(store: &SledStore, record: &Record) -> bool {
    block_on(store.lookup(record.id)).unwrap().is_some()
}

pub(crate) fn revoke_all(name: &str) -> RevokeAllRequest {
    RevokeAllRequest {
        user: UserId::new(name).unwrap(),
        keep: None,
        reason: EndReason::LoggedOutEverywhere,
        now_ms: 2_000,
    }
}
