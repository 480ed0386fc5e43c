//! A sweep that others disturb still visits whatever was there throughout.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use revocable_core::{
    Bucket, CreateRequest, EndReason, RevokeAllRequest, SessionId, SessionStore, UserId,
};
use revocable_memory::MemoryStore;

use crate::support::{
    Random, create, end_oldest, is_there, now, record, request, revoke_all, sweep, sweep_step, user,
};

/// Users of one bucket, who are neighbours in whatever tables the store has.
fn neighbours(count: usize) -> Vec<UserId> {
    let bucket = Bucket::of(&user(0));
    let users = (0..).map(user).filter(|user| Bucket::of(user) == bucket);
    users.take(count).collect()
}

/// A session that was there when the sweep began, and is still.
struct There {
    id: SessionId,
    user: UserId,
    expired: bool,
}

#[test]
fn creates_and_revokes_between_the_steps_hide_nothing_from_a_sweep() {
    let users = neighbours(12);
    for seed in 0..400 {
        let mut random = Random(seed);
        let store = MemoryStore::new();
        let mut number = 0;
        let mut new = |random: &mut Random| {
            number += 1;
            let expired = random.below(2) == 0;
            let user = users[random.below(12) as usize].clone();
            let new = record(&user, number, if expired { 10 } else { 100 });
            let id = create(&store, new).unwrap();
            There { id, user, expired }
        };
        let mut there: Vec<_> = (0..random.below(60)).map(|_| new(&mut random)).collect();
        let mut removed = BTreeSet::new();
        let mut cursor = None;
        loop {
            let step = sweep_step(&store, 10, cursor, 1 + random.below(5) as u32);
            removed.extend(step.ended.iter().map(|ended| ended.id));
            cursor = step.cursor;
            if cursor.is_none() {
                break;
            }
            for _ in 0..random.below(6) {
                if there.is_empty() || random.below(2) == 0 {
                    drop(new(&mut random));
                    continue;
                }
                let There { id, user, .. } = &there[random.below(there.len() as u64) as usize];
                let (id, user) = (*id, user.clone());
                if random.below(4) == 0 {
                    // The one that is kept was there throughout.
                    now(store.revoke_all_for_user(RevokeAllRequest {
                        user: user.clone(),
                        keep: Some(id),
                        reason: EndReason::LoggedOutEverywhere,
                        now_ms: 100,
                    }))
                    .unwrap();
                    there.retain(|there| there.user != user || there.id == id);
                } else {
                    now(store.revoke(id, EndReason::LoggedOut)).unwrap();
                    there.retain(|there| there.id != id);
                }
            }
        }
        for There { id, expired, .. } in there {
            assert_eq!(removed.contains(&id), expired, "seed {seed}");
            assert_eq!(is_there(&store, id), !expired, "seed {seed}");
        }
    }
}

#[test]
fn revocations_between_the_steps_hide_no_epoch_from_a_sweep() {
    let store = MemoryStore::new();
    for number in 0..1_000 {
        revoke_all(&store, &user(number), 5);
    }
    let (mut forgotten, mut cursor, mut renewed) = (0, None, 0);
    for number in 0.. {
        let step = sweep_step(&store, 10, cursor, 3);
        forgotten += step.epochs_forgotten;
        cursor = step.cursor;
        if cursor.is_none() {
            break;
        }
        // New ones, and old ones that become new.
        revoke_all(&store, &user(10_000 + number), 20);
        if number % 10 == 0 {
            revoke_all(&store, &user(999 - number), 20);
            renewed += 1;
        }
    }
    assert!(
        forgotten <= 1_000 && forgotten + renewed >= 1_000,
        "{forgotten} {renewed}"
    );
    let (_, rest) = sweep(&store, 10, 1_000);
    assert_eq!(rest, 0);
}

#[test]
fn a_sweep_beside_threads_that_create_and_revoke_is_complete() {
    let store = MemoryStore::new();
    let expired: Vec<_> = (0..20_000)
        .map(|n| create(&store, record(&user(n % 3), n, 10)).unwrap())
        .collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for t in 1..4 {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                for n in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let new = record(&user(n % 3), t * 1_000_000_000 + n, 100);
                    let id = create(store, new).unwrap();
                    now(store.revoke(id, EndReason::LoggedOut)).unwrap();
                }
            });
        }
        let (removed, _) = sweep(&store, 10, 50);
        done.store(true, Ordering::Relaxed);
        assert_eq!(removed, expired.len());
    });
    assert!(store.is_empty());
}

#[test]
fn what_a_sweep_removed_is_no_longer_listed_for_its_user() {
    let store = MemoryStore::new();
    for number in 0..40 {
        let expires_ms = if number % 2 == 0 { 10 } else { 100 };
        create(&store, record(&user(1), number, expires_ms)).unwrap();
    }
    assert_eq!(sweep(&store, 10, 7), (20, 0));
    let limit = NonZeroU32::new(100).unwrap();
    let page = now(store.list_for_user(&user(1), None, limit)).unwrap();
    assert_eq!(page.records.len(), 20);
    assert!(page.records.iter().all(|record| record.expires_ms == 100));
    // An index entry left behind would be ended, and counted, once more.
    assert_eq!(store.len(), 20);
    revoke_all(&store, &user(1), 0);
    assert_eq!(store.len(), 0);
}

#[test]
fn no_way_to_end_a_session_leaves_it_in_its_users_index() {
    let store = MemoryStore::new();
    let there = |expected: &[SessionId]| {
        let limit = NonZeroU32::new(1).unwrap();
        let page = now(store.list_for_user(&user(1), None, limit)).unwrap();
        let ids: Vec<_> = page.records.iter().map(|record| record.id).collect();
        // A dead entry after the last session would promise another page.
        assert_eq!((&ids[..], page.next), (expected, None));
    };
    let new = |number| create(&store, record(&user(1), number, 10)).unwrap();

    let ids = [new(1), new(2)];
    now(store.revoke(ids[0], EndReason::LoggedOut)).unwrap();
    there(&[ids[1]]);
    let capped = CreateRequest {
        cap: end_oldest(1),
        ..request(record(&user(1), 3, 10))
    };
    let third = capped.record.id;
    now(store.create(capped)).unwrap();
    there(&[third]);
    assert_eq!(sweep(&store, 10, 10), (1, 0));
    there(&[]);
    new(4);
    revoke_all(&store, &user(1), 0);
    there(&[]);
    new(5);
    now(store.revoke_everything(EndReason::Administrator)).unwrap();
    there(&[]);
}
