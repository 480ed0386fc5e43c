//! How much memory a session takes, and that it is given back. One test in a
//! process of its own, because the allocator counts for all threads.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::alloc::System;
use std::num::NonZeroU32;

use futures_executor::block_on;
use revocable_core::{
    Bucket, Client, CreateRequest, Digest, EndReason, Liveness, Record, RevokeAllRequest,
    SessionId, SessionStore, SweepRequest, UserId,
};
use revocable_memory::MemoryStore;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What the application asked to be kept: the user's name, and what a record says
/// of client and data.
const USER_CLIENT_DATA: usize = size_of::<UserId>() + size_of::<Client>() + size_of::<Box<[u8]>>();

fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

fn fill(store: &MemoryStore, sessions: u64, users: u64) {
    for number in 0..sessions {
        let user = UserId::from(number % users);
        let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        let record = Record {
            id: SessionId::new(0, Bucket::of(&user), random),
            user,
            digest: Digest::from_bytes([0; 32]),
            previous: None,
            created_ms: 0,
            authenticated_ms: 0,
            last_seen_ms: 0,
            expires_ms: 10,
            idle_timeout_ms: i64::MAX,
            version: 0,
            client: Client::new(),
            data: Box::default(),
        };
        let request = CreateRequest {
            record,
            expected_epoch: None,
            cap: None,
            liveness: Liveness::at(0),
        };
        block_on(store.create(request)).unwrap();
    }
}

/// Removes everything by sweeps.
fn sweep(store: &MemoryStore) {
    let mut request = SweepRequest {
        liveness: Liveness::at(10),
        forget_epochs_before_ms: 10,
        cursor: None,
        max_rows: NonZeroU32::new(1_000).unwrap(),
    };
    loop {
        request.cursor = block_on(store.sweep_expired(request.clone()))
            .unwrap()
            .cursor;
        if request.cursor.is_none() {
            break;
        }
    }
}

#[test]
fn memory_is_in_proportion_to_what_lives() {
    let start = allocated();
    let store = MemoryStore::new();
    let empty = allocated() - start;
    assert!(empty < 64 << 10, "an empty store takes {empty} bytes");

    // 60,000 is just after the tables doubled: the most room that is unused.
    for (sessions, users, bound) in [
        (60_000, 60_000, 330),
        (100_000, 100_000, 300),
        (100_000, 40_000, 300),
    ] {
        fill(&store, sessions, users);
        assert_eq!(store.len() as u64, sessions);
        let each = (allocated() - start - empty) / sessions as usize;
        let overhead = each - USER_CLIENT_DATA;
        println!(
            "{sessions} sessions of {users} users: {each} bytes each, {overhead} of them overhead"
        );
        assert!(overhead <= bound, "{overhead} bytes");
        sweep(&store);
        assert!(store.is_empty());
        let swept = allocated() - start;
        assert!(swept < empty + (160 << 10), "{swept} bytes after the sweep");
    }

    for user in 0..100_000_u64 {
        let request = RevokeAllRequest {
            user: UserId::from(user),
            keep: None,
            reason: EndReason::LoggedOut,
            now_ms: 0,
        };
        block_on(store.revoke_all_for_user(request)).unwrap();
    }
    let epochs = allocated() - start;
    assert!(
        epochs > 100_000 * 16,
        "so there is something to forget: {epochs}"
    );
    sweep(&store);
    let swept = allocated() - start;
    assert!(
        swept < empty + (160 << 10),
        "{swept} bytes after forgetting epochs"
    );

    fill(&store, 10_000, 10_000);
    block_on(store.revoke_everything(EndReason::Administrator)).unwrap();
    assert!(allocated() - start < empty + (16 << 10));
}
