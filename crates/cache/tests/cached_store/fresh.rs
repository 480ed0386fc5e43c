//! Reads past the cache, and what `Sessions` makes of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use futures_executor::block_on;
use revocable_cache::CachedStore;
use revocable_core::{
    EndReason, Lookup, ManualClock, Policy, PolicyBuilder, Rejection, SessionStore, Sessions,
    Sharing, Token,
};

use crate::staged::*;

const LONGEST: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Two processes at one store, the first with a cache.
struct Two {
    clock: Arc<ManualClock>,
    store: Arc<Staged>,
    cached: Arc<Cached>,
    here: Sessions,
    there: Sessions,
}

fn two(here: PolicyBuilder, there: PolicyBuilder) -> Two {
    let clock = Arc::new(ManualClock::new(SystemTime::now()));
    let store = Arc::new(Staged {
        sharing: Sharing::Counted,
        ..Staged::new()
    });
    let cached = CachedStore::builder(Arc::clone(&store))
        .max_staleness(LONGEST)
        .clock(Arc::clone(&clock))
        .build();
    let cached = Arc::new(cached.unwrap());
    let sessions = |store: Arc<dyn SessionStore>, policy| {
        let builder = Sessions::builder(store).clock(Arc::clone(&clock));
        builder.policy(policy).build().unwrap()
    };
    Two {
        here: sessions(cached.clone(), here),
        there: sessions(store.clone(), there),
        clock,
        store,
        cached,
    }
}

impl Two {
    /// The cache has the session and has just asked whether others wrote.
    fn keep(&self, token: &Token) {
        for _ in 0..2 {
            assert!(lookup(&*self.cached, token.id()).is_some());
        }
        let loads = self.store.loads();
        assert!(lookup(&*self.cached, token.id()).is_some());
        assert_eq!(self.store.loads(), loads, "not in the cache");
    }

    /// The other process wrote.
    fn wrote(&self) {
        self.store.foreign.fetch_add(1, Ordering::SeqCst);
    }

    fn rejection(&self, token: &Token) -> Option<Rejection> {
        match block_on(self.here.inspect(token)).unwrap() {
            Lookup::Live(_) => None,
            Lookup::Rejected(rejection) => Some(rejection),
        }
    }
}

fn idle_after(minutes: u32) -> PolicyBuilder {
    Policy::builder(1_000 * MINUTE).idle_timeout(minutes * MINUTE)
}

/// The session's own idle timeout is not over, so the cache serves its record;
/// but the policy was tightened, and by that record the session is.
#[test]
fn a_session_in_use_elsewhere_is_not_over_for_a_tightened_policy() {
    let two = two(idle_after(30), idle_after(60));
    let (token, _) = block_on(two.there.create("alice")).unwrap();
    let watch = block_on(two.here.watch(token.id())).unwrap();
    two.clock.advance(30 * MINUTE - LONGEST / 2);
    two.keep(&token);
    assert!(block_on(two.there.lookup(&token)).unwrap().is_some());
    two.wrote();
    two.clock.advance(LONGEST * 3 / 4);
    assert_eq!(two.rejection(&token), None);
    assert!(poll(&mut (Box::pin(watch) as _)).is_pending());
}

/// Who renews again with the old token gets the same new one, until that has
/// been presented; and here the other process knows.
#[test]
fn a_renewal_hands_out_no_token_that_was_presented_elsewhere() {
    let two = two(idle_after(60), idle_after(60));
    let (token, _) = block_on(two.there.create("alice")).unwrap();
    let renewed = block_on(two.there.renew(&token)).unwrap().unwrap();
    two.keep(&token);
    let successor = renewed.token.unwrap();
    assert!(block_on(two.there.lookup(&successor)).unwrap().is_some());
    two.wrote();
    let again = block_on(two.here.renew(&token)).unwrap().unwrap();
    assert!(again.token.is_none());
}

/// The other process renewed, and the client comes here with what it got.
#[test]
fn a_token_that_another_process_just_made_is_no_forgery() {
    let two = two(idle_after(60), idle_after(60));
    let (token, _) = block_on(two.there.create("alice")).unwrap();
    two.keep(&token);
    let renewed = block_on(two.there.renew(&token)).unwrap().unwrap();
    two.wrote();
    assert_eq!(two.rejection(&renewed.token.unwrap()), None);
}

#[test]
fn a_fresh_read_asks_the_store_and_is_kept() {
    let (store, cached) = cached();
    let session = create(&cached, "alice");
    let fresh = || block_on(cached.lookup_fresh(session.id)).unwrap();
    assert_eq!(fresh().as_deref(), Some(&session));
    let loads = store.loads();
    assert!(lookup(&cached, session.id).is_some());
    assert_eq!(store.loads(), loads, "not kept");
    assert!(fresh().is_some());
    assert_eq!(store.loads(), loads + 1);
    // As a change past the cache left it; and so the cache has it from then on.
    block_on(store.memory.update(session.id, set_data(0, b"new"))).unwrap();
    assert_eq!(&*fresh().unwrap().data, b"new");
    assert_eq!(&*lookup(&cached, session.id).unwrap().data, b"new");
    assert_eq!(store.loads(), loads + 2);
}

#[test]
fn a_fresh_read_that_a_revocation_overtakes_is_not_kept() {
    let (store, cached) = cached();
    let session = create(&cached, "alice");
    store.loaded.close();
    let mut reader = cached.lookup_fresh(session.id);
    assert!(poll(&mut reader).is_pending());
    block_on(cached.revoke(session.id, EndReason::LoggedOut)).unwrap();
    store.loaded.open();
    assert!(poll(&mut reader).is_ready());
    assert_eq!(lookup(&cached, session.id), None);
}

#[test]
fn what_a_fresh_read_does_not_find_the_cache_does_not_serve_either() {
    let two = two(idle_after(60), idle_after(60));
    let (token, _) = block_on(two.there.create("alice")).unwrap();
    two.keep(&token);
    block_on(two.there.revoke(token.id())).unwrap();
    two.wrote();
    let fresh = block_on(two.cached.lookup_fresh(token.id())).unwrap();
    assert_eq!(fresh, None);
    assert_eq!(lookup(&*two.cached, token.id()), None);
}
