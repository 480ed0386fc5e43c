//! What a session weighs, counted byte by byte.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::alloc::System;

use futures_executor::block_on;
use revocable_cache::CachedStore;
use revocable_core::{
    Bucket, Client, CreateRequest, Digest, Liveness, Record, SessionId, SessionStore, UserId,
};
use revocable_memory::MemoryStore;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SESSIONS: u64 = 20_000;

/// With nothing that is counted apart.
fn request(n: u64) -> CreateRequest {
    let user = UserId::new(format!("{n:05}")).unwrap();
    CreateRequest {
        record: Record {
            id: SessionId::new(1_000, Bucket::of(&user), (n << 16 | n).to_be_bytes()),
            user,
            digest: Digest::from_bytes([7; 32]),
            previous: None,
            created_ms: 1_000,
            authenticated_ms: 1_000,
            last_seen_ms: 1_000,
            expires_ms: 1 << 50,
            idle_timeout_ms: 1 << 50,
            version: 0,
            client: Client::new(),
            data: Box::default(),
        },
        expected_epoch: None,
        cap: None,
        liveness: Liveness::at(2_000),
    }
}

fn bytes_since(region: &Region<'_, System>) -> u64 {
    let stats = region.change();
    let bytes = stats.bytes_allocated as i64 + stats.bytes_reallocated as i64
        - stats.bytes_deallocated as i64;
    u64::try_from(bytes).unwrap()
}

/// In one test, so that nobody else allocates meanwhile.
#[test]
fn a_session_costs_no_more_than_it_is_counted_as() {
    let memory = MemoryStore::new();
    for n in 0..SESSIONS {
        block_on(memory.create(request(n))).unwrap();
    }
    let cached = CachedStore::builder(memory)
        .max_sessions(2 * SESSIONS)
        .build()
        .unwrap();
    let region = Region::new(ALLOCATOR);
    for n in 0..SESSIONS {
        assert!(
            block_on(cached.lookup(request(n).record.id))
                .unwrap()
                .is_some()
        );
    }
    assert_eq!(cached.cached_sessions() as u64, SESSIONS);
    // The record is the store's here, and shared; behind a file it is not.
    let each = bytes_since(&region) / SESSIONS + size_of::<Record>() as u64 + 32;
    println!("CachedStore: {each} bytes a session");
    assert!((300..=512).contains(&each), "CachedStore: {each}");
}
