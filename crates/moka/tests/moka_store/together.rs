//! Many threads at the edge.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use futures_executor::block_on;
use revocable_core::{EndReason, SessionId, SessionStore};
use revocable_moka::MokaStore;

use crate::support::*;

/// Threads that create, use, change and revoke each other's sessions, among
/// readers that keep moka busy: each session that was created is there at the
/// end or was told as ended, exactly once, and what ended never comes back.
#[test]
fn each_session_stays_or_ends_exactly_once() {
    const THREADS: usize = 4;
    for capacity in [1, 5, 40] {
        let store = MokaStore::with_capacity(capacity);
        let told = Told::of(&store);
        let all = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for number in 0..THREADS {
                let (store, all) = (&store, &all);
                scope.spawn(move || {
                    for n in 0..400 {
                        let name = format!("user {}", (n + number) % 7);
                        let session = create(store, &name);
                        all.lock().unwrap().push(session.id);
                        let other: SessionId = {
                            let all = all.lock().unwrap();
                            all[(n * 31 + number) % all.len()]
                        };
                        block_on(store.lookup(other)).unwrap();
                        block_on(store.update(other, touch(3_000 + n as i64))).unwrap();
                        store.update_soon(other, &touch(4_000 + n as i64));
                        match n % 9 {
                            0 => drop(block_on(store.revoke(other, EndReason::LoggedOut))),
                            1 => drop(block_on(store.revoke_all_for_user(revoke_all(&name)))),
                            _ => {}
                        }
                        assert!(store.len() <= capacity as usize);
                    }
                });
            }
        });
        let told = told.0.lock().unwrap();
        let ended: HashSet<_> = told.iter().map(|ended| ended.id).collect();
        assert_eq!(ended.len(), told.len(), "told twice");
        let mut there = 0;
        for id in all.into_inner().unwrap() {
            let found = block_on(store.lookup(id)).unwrap().is_some();
            assert_ne!(found, ended.contains(&id), "there and ended, or neither");
            there += usize::from(found);
        }
        assert_eq!(there, store.len());
    }
}

/// Readers that use the only other session at the very moment at which somebody
/// logs in, so that moka may take the new one for the one to go.
#[test]
fn a_login_among_busy_readers_is_there() {
    let store = MokaStore::with_capacity(1);
    let current = Mutex::new(create(&store, "nobody").id);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let id = *current.lock().unwrap();
                    for _ in 0..50 {
                        block_on(store.lookup(id)).unwrap();
                    }
                }
            });
        }
        let _over = Over(&done);
        for n in 0..10_000 {
            // Of another part of the store than the one before, mostly: else
            // the readers would wait.
            let session = create(&store, &format!("user {n}"));
            assert!(is_there(&store, &session), "login {n}");
            assert_eq!(store.len(), 1);
            *current.lock().unwrap() = session.id;
        }
    });
    assert_eq!(store.evicted(), 10_000);
}
