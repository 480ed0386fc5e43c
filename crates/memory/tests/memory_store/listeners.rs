//! Each end is told exactly once, whoever caused it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use revocable_core::{
    CreateOutcome, CreateRequest, EndListener, EndReason, Ended, SessionId, SessionStore,
};
use revocable_memory::MemoryStore;

use crate::support::{
    Random, create, end_oldest, is_there, now, record, request, revoke_all, sweep, user,
};

#[derive(Default)]
struct Tally {
    ended: Mutex<Vec<Ended>>,
    everything: AtomicU64,
}

impl EndListener for Tally {
    fn ended(&self, ended: &[Ended]) {
        self.ended.lock().unwrap().extend_from_slice(ended);
    }

    fn everything_ended(&self, count: u64, _: EndReason) {
        self.everything.fetch_add(count, Ordering::Relaxed);
    }
}

fn listen(store: &MemoryStore) -> Arc<Tally> {
    let tally = Arc::new(Tally::default());
    let listener: Arc<dyn EndListener> = tally.clone();
    assert!(store.subscribe(Arc::downgrade(&listener)));
    tally
}

#[test]
fn every_way_to_end_tells_its_reason() {
    let store = MemoryStore::new();
    let tally = listen(&store);
    let told = || {
        let told: Vec<_> = std::mem::take(&mut *tally.ended.lock().unwrap());
        let told = told.into_iter();
        told.map(|ended| (ended.id, ended.user, ended.reason))
            .collect::<Vec<_>>()
    };
    let alice = || Some(user(1));

    let id = create(&store, record(&user(1), 1, 10)).unwrap();
    let ended = now(store.revoke(id, EndReason::LoggedOut)).unwrap();
    assert_eq!(ended.map(|ended| ended.id), Some(id));
    assert_eq!(told(), [(id, alice(), EndReason::LoggedOut)]);
    assert_eq!(now(store.revoke(id, EndReason::Reuse)).unwrap(), None);
    assert_eq!(told(), []);

    let id = create(&store, record(&user(1), 2, 10)).unwrap();
    revoke_all(&store, &user(1), 0);
    assert_eq!(told(), [(id, alice(), EndReason::LoggedOutEverywhere)]);

    let id = create(&store, record(&user(1), 3, 10)).unwrap();
    let capped = CreateRequest {
        cap: end_oldest(1),
        ..request(record(&user(1), 4, 10))
    };
    let fourth = capped.record.id;
    now(store.create(capped)).unwrap();
    assert_eq!(told(), [(id, alice(), EndReason::Cap)]);

    assert_eq!(sweep(&store, 10, 100), (1, 1));
    assert_eq!(told(), [(fourth, alice(), EndReason::Expired)]);

    create(&store, record(&user(1), 5, 10)).unwrap();
    now(store.revoke_everything(EndReason::Administrator)).unwrap();
    assert_eq!(told(), []);
    assert_eq!(tally.everything.load(Ordering::Relaxed), 1);
}

#[test]
fn a_session_that_many_try_to_end_is_told_once() {
    const SESSIONS: u64 = 4_000;
    let store = MemoryStore::new();
    let tally = listen(&store);
    let ids: Vec<SessionId> = (0..SESSIONS)
        .map(|n| create(&store, record(&user(n / 4), n, 10)).unwrap())
        .collect();
    thread::scope(|scope| {
        for seed in 0..4 {
            let (store, ids) = (&store, &ids);
            scope.spawn(move || {
                let mut random = Random(seed);
                for _ in 0..SESSIONS {
                    let n = random.below(SESSIONS);
                    match random.below(3) {
                        0 => {
                            now(store.revoke(ids[n as usize], EndReason::LoggedOut)).unwrap();
                        }
                        1 => {
                            revoke_all(store, &user(n / 4), 0);
                        }
                        _ if random.below(500) == 0 => {
                            sweep(store, 10, 64);
                        }
                        _ => {
                            let again = request(record(&user(n / 4), SESSIONS + n, 10));
                            let capped = CreateRequest {
                                cap: end_oldest(2),
                                ..again
                            };
                            let _: CreateOutcome = now(store.create(capped)).unwrap();
                        }
                    }
                }
            });
        }
    });
    let mut times = HashMap::new();
    for ended in tally.ended.lock().unwrap().iter() {
        *times.entry(ended.id).or_insert(0) += 1;
    }
    for id in ids {
        let told = times.get(&id).copied().unwrap_or(0);
        assert_eq!(told, usize::from(!is_there(&store, id)), "{id}");
    }
}

#[test]
fn a_listener_may_use_the_store_that_tells_it() {
    struct LooksUp(Arc<MemoryStore>, Mutex<Vec<bool>>);
    impl EndListener for LooksUp {
        fn ended(&self, ended: &[Ended]) {
            let there = is_there(&self.0, ended[0].id);
            // Takes the same lock for writing: it is not held any more.
            revoke_all(&self.0, &user(1), 0);
            self.1.lock().unwrap().push(there);
        }
        fn everything_ended(&self, _: u64, _: EndReason) {
            sweep(&self.0, 0, 10);
        }
    }
    let store = Arc::new(MemoryStore::new());
    let looks = Arc::new(LooksUp(store.clone(), Mutex::default()));
    let listener: Arc<dyn EndListener> = looks.clone();
    store.subscribe(Arc::downgrade(&listener));
    let id = create(&store, record(&user(1), 1, 10)).unwrap();
    now(store.revoke(id, EndReason::LoggedOut)).unwrap();
    create(&store, record(&user(1), 2, 10)).unwrap();
    now(store.revoke_everything(EndReason::Administrator)).unwrap();
    assert_eq!(*looks.1.lock().unwrap(), [false], "told after the removal");
}

/// Others may log in between the revocation and the telling.
#[test]
fn who_is_told_that_everything_ended_can_ask_what_was_created_since() {
    struct Asks(Arc<MemoryStore>, SessionId, Mutex<Vec<bool>>);
    impl EndListener for Asks {
        fn ended(&self, _: &[Ended]) {}
        fn everything_ended(&self, _: u64, _: EndReason) {
            panic!("told without the means to ask");
        }
        fn everything_before_ended(
            &self,
            count: u64,
            _: EndReason,
            is_there: &dyn Fn(SessionId) -> bool,
        ) {
            let since = create(&self.0, record(&user(1), 2, 10)).unwrap();
            let mut answers = self.2.lock().unwrap();
            answers.extend([count == 1, is_there(self.1), is_there(since)]);
        }
    }
    let store = Arc::new(MemoryStore::new());
    let old = create(&store, record(&user(1), 1, 10)).unwrap();
    let asks = Arc::new(Asks(store.clone(), old, Mutex::default()));
    let listener: Arc<dyn EndListener> = asks.clone();
    store.subscribe(Arc::downgrade(&listener));
    now(store.revoke_everything(EndReason::Administrator)).unwrap();
    assert_eq!(*asks.2.lock().unwrap(), [true, false, true]);
}
