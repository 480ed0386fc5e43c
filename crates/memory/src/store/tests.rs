use super::*;
use futures_executor::block_on;
use revocable_core::{Client, Digest, Liveness};
use std::sync::TryLockError;
use std::thread;

fn create(store: &MemoryStore, user: UserId) -> SessionId {
    let record = Record {
        id: SessionId::new(0, Bucket::of(&user), [1; 8]),
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
    let id = record.id;
    let request = CreateRequest {
        record,
        expected_epoch: None,
        cap: None,
        liveness: Liveness::at(0),
    };
    block_on(store.create(request)).unwrap();
    id
}

#[test]
fn revoking_everything_shows_nothing_before_it_has_everything() {
    let store = MemoryStore::new();
    let ids: Vec<_> = (0_u64..1_000)
        .map(|n| create(&store, UserId::from(n)))
        .collect();
    let somewhere_else = |id: &&SessionId| MemoryStore::of(id.bucket()) != 77;
    let others: Vec<_> = ids.iter().filter(somewhere_else).collect();
    thread::scope(|scope| {
        let one = store.shards[77].0.write().unwrap();
        scope.spawn(|| block_on(store.revoke_everything(EndReason::Administrator)).unwrap());
        // Until it waits for the one shard with another locked: nobody who can
        // look finds anything gone.
        let mut waits = false;
        while !waits {
            for id in &others {
                match store.shards[MemoryStore::of(id.bucket())].0.try_read() {
                    Ok(shard) => assert!(shard.lookup(**id).is_some(), "gone before the rest"),
                    Err(TryLockError::WouldBlock) => waits = true,
                    Err(TryLockError::Poisoned(_)) => panic!("poisoned"),
                }
            }
        }
        drop(one);
    });
    assert!(store.is_empty());
    assert!(
        ids.iter()
            .all(|id| block_on(store.lookup(*id)).unwrap().is_none())
    );
}

#[test]
fn a_panic_under_a_lock_takes_nobody_out() {
    let store = MemoryStore::new();
    let id = create(&store, UserId::from(1_u64));
    let panicked = thread::scope(|scope| {
        let panics = || {
            let _shard = store.write(id.bucket());
            panic!("a defect, before the first change");
        };
        scope.spawn(panics).join()
    });
    assert!(panicked.is_err());
    assert!(store.shards[MemoryStore::of(id.bucket())].0.is_poisoned());
    assert!(block_on(store.lookup(id)).unwrap().is_some());
    assert!(
        block_on(store.revoke(id, EndReason::LoggedOut))
            .unwrap()
            .is_some()
    );
    assert_eq!(
        block_on(store.revoke_everything(EndReason::Administrator)).unwrap(),
        0
    );
}
