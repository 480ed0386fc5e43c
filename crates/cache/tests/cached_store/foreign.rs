//! Others at the same store.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use futures_executor::block_on;
use revocable_cache::CachedStore;
use revocable_core::{EndReason, ErrorKind, ManualClock, SessionStore, Sharing};

use crate::staged::*;

const LONGEST: Duration = Duration::from_secs(1);

struct Setup {
    clock: Arc<ManualClock>,
    store: Arc<Staged>,
    cached: Cached,
}

fn setup() -> Setup {
    let clock = Arc::new(ManualClock::new(SystemTime::now()));
    let store = Arc::new(Staged {
        sharing: Sharing::Counted,
        ..Staged::new()
    });
    let cached = CachedStore::builder(Arc::clone(&store))
        .max_staleness(LONGEST)
        .clock(Arc::clone(&clock))
        .build()
        .unwrap();
    Setup {
        clock,
        store,
        cached,
    }
}

impl Setup {
    fn counted(&self) -> u64 {
        self.store.counted.load(Ordering::SeqCst)
    }

    /// Another process revokes.
    fn revoke_elsewhere(&self, id: revocable_core::SessionId) {
        block_on(self.store.memory.revoke(id, EndReason::LoggedOut)).unwrap();
        self.store.foreign.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_store_that_others_may_write_to_is_not_cached_unawares() {
    for (sharing, word) in [
        (Sharing::Counted, "max_staleness"),
        (Sharing::Unknown, "sole_writer"),
    ] {
        let store = Arc::new(Staged {
            sharing,
            ..Staged::new()
        });
        let error = Cached::new(Arc::clone(&store)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(word), "{error}");
        let vouched = CachedStore::builder(Arc::clone(&store)).sole_writer();
        create_cached(&store, &vouched.build().unwrap(), "alice");
    }
    // What nothing tells of, no time bounds.
    let store = Arc::new(Staged {
        sharing: Sharing::Unknown,
        ..Staged::new()
    });
    let bounded = CachedStore::builder(store).max_staleness(LONGEST);
    assert!(bounded.build().is_err());
}

#[test]
fn a_cache_passes_on_what_its_store_says_of_others() {
    let setup = setup();
    assert_eq!(setup.cached.sharing(), Sharing::Counted);
    setup.store.foreign.store(7, Ordering::SeqCst);
    assert_eq!(block_on(setup.cached.foreign_changes()).unwrap(), 7);
}

#[test]
fn a_revocation_elsewhere_is_seen_when_the_time_is_over() {
    let setup = setup();
    let session = create_cached(&setup.store, &setup.cached, "alice");
    setup.clock.advance(LONGEST / 2);
    setup.revoke_elsewhere(session.id);
    // As documented.
    assert!(lookup(&setup.cached, session.id).is_some());
    setup.clock.advance(LONGEST / 2);
    assert_eq!(lookup(&setup.cached, session.id), None);
}

#[test]
fn the_store_is_asked_once_in_that_time_and_no_change_leaves_all_as_it_is() {
    let setup = setup();
    let session = create_cached(&setup.store, &setup.cached, "alice");
    assert_eq!(setup.counted(), 1);
    let loads = setup.store.loads();
    for asked in 2..5 {
        setup.clock.advance(LONGEST);
        for _ in 0..10 {
            assert!(lookup(&setup.cached, session.id).is_some());
        }
        assert_eq!(setup.counted(), asked);
    }
    assert_eq!(setup.store.loads(), loads);
}

#[test]
fn a_load_that_a_revocation_elsewhere_overtook_is_not_served_for_longer() {
    let setup = setup();
    let session = create(&setup.cached, "alice");
    lookup(&setup.cached, record("nobody").id);
    setup.store.loaded.close();
    let mut reader = setup.cached.lookup(session.id);
    assert!(poll(&mut reader).is_pending());
    setup.revoke_elsewhere(session.id);
    setup.store.loaded.open();
    assert!(poll(&mut reader).is_ready());
    setup.clock.advance(LONGEST);
    assert_eq!(lookup(&setup.cached, session.id), None);
}

#[test]
fn the_time_counts_from_before_the_question() {
    let setup = setup();
    let session = create_cached(&setup.store, &setup.cached, "alice");
    setup.clock.advance(LONGEST);
    setup.store.counting.close();
    assert!(lookup(&setup.cached, session.id).is_some());
    // Too late to be in the answer.
    setup.revoke_elsewhere(session.id);
    setup.clock.advance(LONGEST);
    setup.store.counting.open();
    assert_eq!(lookup(&setup.cached, session.id), None);
}

#[test]
fn no_lookup_waits_until_the_store_has_counted() {
    let setup = setup();
    let session = create_cached(&setup.store, &setup.cached, "alice");
    let (loads, counted) = (setup.store.loads(), setup.counted());
    setup.clock.advance(LONGEST);
    setup.store.counting.close();
    for asked in 1..=3 {
        let mut reader = setup.cached.lookup(session.id);
        assert!(poll(&mut reader).is_ready());
        assert_eq!(setup.store.loads(), loads + asked);
    }
    assert_eq!(setup.counted(), counted + 1);
    // The answer comes although nobody waits for it.
    setup.store.counting.open();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let loads = setup.store.loads();
        assert!(lookup(&setup.cached, session.id).is_some());
        if setup.store.loads() == loads {
            break;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "nobody went on asking"
        );
        std::thread::yield_now();
    }
    assert_eq!(setup.counted(), counted + 1);
}

#[test]
fn nothing_is_served_for_longer_while_the_store_cannot_answer() {
    let setup = setup();
    let session = create_cached(&setup.store, &setup.cached, "alice");
    Staged::set(&setup.store.broken, true);
    assert!(lookup(&setup.cached, session.id).is_some());
    setup.clock.advance(LONGEST);
    let error = block_on(setup.cached.lookup(session.id)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    Staged::set(&setup.store.broken, false);
    assert!(lookup(&setup.cached, session.id).is_some());
}

#[test]
fn a_clock_that_is_set_back_lengthens_nothing() {
    let setup = setup();
    let session = create_cached(&setup.store, &setup.cached, "alice");
    setup.revoke_elsewhere(session.id);
    setup.clock.advance(LONGEST);
    setup.clock.jump_to(SystemTime::UNIX_EPOCH);
    assert_eq!(lookup(&setup.cached, session.id), None);
}
