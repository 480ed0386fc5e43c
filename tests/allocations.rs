//! What a lookup allocates. One test in a process of its own, because the
//! allocator counts for all threads.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::alloc::System;

use futures_executor::block_on;
use revocable::{CachedStore, MemoryStore, Sessions, SqliteStore};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const LOOKUPS: usize = 1_000;

/// How often a lookup of a live session allocates. The threads of the test
/// runner may do so a few times meanwhile.
fn allocations(sessions: &Sessions) -> usize {
    let (token, _) = block_on(sessions.create("alice")).unwrap();
    let text = token.expose();
    let look_up = || assert!(block_on(sessions.lookup(&*text)).unwrap().is_some());
    look_up();
    look_up();
    let region = Region::new(ALLOCATOR);
    for _ in 0..LOOKUPS {
        look_up();
    }
    region.change().allocations / LOOKUPS
}

#[test]
fn a_lookup_from_memory_allocates_nothing() {
    let memory = Sessions::builder(MemoryStore::new()).build().unwrap();
    assert_eq!(allocations(&memory), 0, "memory");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    let behind = SqliteStore::builder(file).exclusive(true).open().unwrap();
    let cached = CachedStore::new(behind).unwrap();
    let cached = Sessions::builder(cached).build().unwrap();
    assert_eq!(allocations(&cached), 0, "cached");

    let file = folder.path().join("own.db");
    let sqlite = Sessions::builder(SqliteStore::open(file).unwrap());
    let each = allocations(&sqlite.build().unwrap());
    assert!(each <= 6, "SQLite: {each} a lookup");
}
