use super::*;
use futures_executor::block_on;
use revocable_core::{ChangeKind, Client, Digest, Liveness};

#[test]
fn touches_are_recorded_after_a_panic_under_the_lock() {
    let user = UserId::from(1_u64);
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
    let store = MokaStore::with_capacity(10);
    let request = CreateRequest {
        record,
        expected_epoch: None,
        cap: None,
        liveness: Liveness::at(0),
    };
    block_on(store.create(request)).unwrap();
    let panicked = std::thread::scope(|scope| {
        let panics = || {
            let _index = store.lock();
            panic!("a defect, before the first change");
        };
        scope.spawn(panics).join()
    });
    assert!(panicked.is_err());
    assert!(store.index.is_poisoned());

    let touch = |now_ms| Change {
        liveness: Liveness::at(now_ms),
        kind: ChangeKind::Touch,
    };
    let last_seen_ms = || block_on(store.lookup(id)).unwrap().unwrap().last_seen_ms;
    assert!(store.update_soon(id, &touch(5)));
    assert_eq!(last_seen_ms(), 5);
    // One that would have to wait is still dropped.
    let index = store.lock();
    assert!(store.update_soon(id, &touch(6)));
    drop(index);
    assert_eq!(last_seen_ms(), 5);
}
