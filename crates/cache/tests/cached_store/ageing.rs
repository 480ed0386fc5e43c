//! A store that does not tell what others do: each session is read again after a while.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_executor::block_on;
use revocable_cache::CachedStore;
use revocable_core::{Clock, EndReason, ManualClock, SessionId, SessionStore, Sharing};

use crate::staged::*;

const LONGEST: Duration = Duration::from_secs(2);

struct Setup {
    clock: Arc<ManualClock>,
    store: Arc<Staged>,
    cached: Cached,
}

fn setup(longest: Duration) -> Setup {
    let clock = Arc::new(ManualClock::new(SystemTime::now()));
    let store = Arc::new(Staged {
        sharing: Sharing::Unknown,
        ..Staged::new()
    });
    let cached = CachedStore::builder(Arc::clone(&store))
        .read_again_after(longest)
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
    /// Another process revokes, and nobody is told.
    fn revoke_elsewhere(&self, id: SessionId) {
        block_on(self.store.memory.revoke(id, EndReason::LoggedOut)).unwrap();
    }

    fn is_there(&self, id: SessionId) -> bool {
        lookup(&self.cached, id).is_some()
    }
}

#[test]
fn a_session_is_read_once_in_that_time() {
    let setup = setup(LONGEST);
    let session = create(&setup.cached, "alice");
    for reads in 1..4 {
        for _ in 0..10 {
            assert!(setup.is_there(session.id));
            setup.clock.advance(LONGEST / 20);
        }
        assert_eq!(setup.store.loads(), reads);
        setup.clock.advance(LONGEST / 2);
    }
}

#[test]
fn a_revocation_elsewhere_is_seen_when_the_time_is_over() {
    let setup = setup(LONGEST);
    let session = create(&setup.cached, "alice");
    assert!(setup.is_there(session.id));
    setup.revoke_elsewhere(session.id);
    setup.clock.advance(LONGEST / 2);
    // As documented. That it was used makes it no younger.
    assert!(setup.is_there(session.id));
    setup.clock.advance(LONGEST / 2);
    assert!(!setup.is_there(session.id));
}

#[test]
fn the_time_counts_from_before_the_session_was_read() {
    let setup = setup(LONGEST);
    let session = create(&setup.cached, "alice");
    setup.store.loaded.close();
    let mut reader = setup.cached.lookup(session.id);
    assert!(poll(&mut reader).is_pending());
    setup.revoke_elsewhere(session.id);
    setup.clock.advance(LONGEST);
    setup.store.loaded.open();
    // Whoever began before it may see it.
    assert!(poll(&mut reader).is_ready());
    assert!(!setup.is_there(session.id));
}

#[test]
fn either_clock_ends_the_time() {
    let setup = setup(LONGEST);
    let session = create(&setup.cached, "alice");
    let wall = setup.clock.now();
    assert!(setup.is_there(session.id));
    setup.revoke_elsewhere(session.id);
    // Suspended: measured time stands still.
    setup.clock.jump_to(wall + LONGEST);
    assert!(!setup.is_there(session.id));

    let session = create(&setup.cached, "alice");
    assert!(setup.is_there(session.id));
    setup.revoke_elsewhere(session.id);
    let wall = setup.clock.now();
    setup.clock.advance(LONGEST);
    setup.clock.jump_to(wall);
    assert!(!setup.is_there(session.id));
}

#[test]
fn what_is_revoked_here_is_gone_at_once() {
    let setup = setup(LONGEST);
    let session = create(&setup.cached, "alice");
    assert!(setup.is_there(session.id));
    block_on(setup.cached.revoke(session.id, EndReason::LoggedOut)).unwrap();
    assert!(!setup.is_there(session.id));
}

#[test]
fn without_any_time_the_store_is_always_asked() {
    let setup = setup(Duration::ZERO);
    let session = create(&setup.cached, "alice");
    for reads in 1..5 {
        assert!(setup.is_there(session.id));
        assert_eq!(setup.store.loads(), reads);
    }
}
