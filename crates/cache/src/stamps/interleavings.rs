//! Every interleaving of a reader that fills the cache, one that hits it, and
//! a writer that revokes: on the very counters of the cache, over a store and a
//! map that are each one lock. Then the same with the protocol broken in each
//! way that looks harmless, and that has to be found.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use revocable_core::{Bucket, SessionId, UserId};

use super::{Counter, Reach, Stamp, Stamps};

impl Counter for AtomicU64 {
    fn zero() -> Self {
        Self::new(0)
    }

    fn get(&self) -> u64 {
        self.load(Ordering::SeqCst)
    }

    fn add(&self) {
        self.fetch_add(1, Ordering::SeqCst);
    }

    fn subtract(&self) {
        self.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutation {
    None,
    /// A fill takes its stamp when it has the row.
    StampAfterLoad,
    /// A hit looks last whether a write is under way.
    PendingLast,
    /// A write is no longer under way when the stamps advance.
    ReleaseBeforeAdvance,
    /// A write that failed advances nothing; but it did take effect.
    NoAdvanceOnError,
    /// A caller that goes away advances and releases; the write comes later.
    AdvanceWhenDropped,
}

/// How the session ends.
#[derive(Debug, Clone, Copy)]
enum Verb {
    Revoke,
    RevokeAll,
    RevokeEverything,
}

struct World {
    mutation: Mutation,
    verb: Verb,
    id: SessionId,
    stamps: Stamps<AtomicU64>,
    /// Whether the row is there.
    store: Mutex<bool>,
    /// The entry, by its stamp.
    cache: Mutex<Option<Stamp>>,
}

impl World {
    fn new(mutation: Mutation, verb: Verb) -> Self {
        let user = UserId::new("alice").unwrap();
        Self {
            mutation,
            verb,
            id: SessionId::new(0, Bucket::of(&user), [0; 8]),
            stamps: Stamps::with_places(1, 1),
            store: Mutex::new(true),
            cache: Mutex::new(None),
        }
    }

    fn is_in_store(&self) -> bool {
        *self.store.lock().unwrap()
    }

    fn commit(&self) {
        *self.store.lock().unwrap() = false;
    }

    /// A lookup that misses.
    fn fill(&self) {
        let mut stamp = self.stamps.take(self.id);
        let found = self.is_in_store();
        if self.mutation == Mutation::StampAfterLoad {
            stamp = self.stamps.take(self.id);
        }
        if found {
            *self.cache.lock().unwrap() = Some(stamp);
        }
    }

    /// Whether a lookup is answered from the cache.
    fn hit(&self) -> bool {
        let Some(stamp) = *self.cache.lock().unwrap() else {
            return false;
        };
        if self.mutation == Mutation::PendingLast {
            let bucket = self.stamps.bucket(self.id.bucket());
            return stamp == self.stamps.take(self.id)
                && bucket.pending.get() == 0
                && self.stamps.pending_all.get() == 0;
        }
        self.stamps.is_current(self.id, &stamp)
    }

    fn reach(&self) -> Reach {
        match self.verb {
            Verb::Revoke | Verb::RevokeAll => Reach::Bucket(self.id.bucket()),
            Verb::RevokeEverything => Reach::All,
        }
    }

    fn advance(&self) {
        match self.verb {
            Verb::Revoke => self.stamps.advance_session(self.id),
            Verb::RevokeAll => self.stamps.advance_bucket(self.id.bucket()),
            Verb::RevokeEverything => self.stamps.advance_everybody(),
        }
    }

    /// As `CachedStore::write` does it.
    fn end(&self) {
        self.stamps.hold(self.reach());
        if self.mutation == Mutation::AdvanceWhenDropped {
            self.stamps.settle(self.reach(), || self.advance());
            return self.commit();
        }
        self.commit();
        match self.mutation {
            Mutation::ReleaseBeforeAdvance => {
                self.stamps.settle(self.reach(), || ());
                self.advance();
            }
            Mutation::NoAdvanceOnError => self.stamps.settle(self.reach(), || ()),
            _ => self.stamps.settle(self.reach(), || {
                self.advance();
                self.cache.lock().unwrap().take();
            }),
        }
    }
}

/// All interleavings; panics at the first that serves what was revoked.
fn explore(mutation: Mutation, verb: Verb) {
    loom::model(move || {
        let world = Arc::new(World::new(mutation, verb));
        let filler = thread::spawn({
            let world = Arc::clone(&world);
            move || world.fill()
        });
        let hitter = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                // What was seen to be gone is gone, acknowledged or not.
                let gone = !world.is_in_store();
                assert!(!(gone && world.hit()), "served after it was gone");
            }
        });
        world.end();
        assert!(!world.hit(), "served after the acknowledgement");
        filler.join().unwrap();
        hitter.join().unwrap();
        assert!(!world.hit(), "served when all was over");
    });
}

/// The same with an entry that is there from the beginning, and nobody who
/// fills: so the hitter gets further.
fn explore_cached(mutation: Mutation, verb: Verb) {
    loom::model(move || {
        let world = Arc::new(World::new(mutation, verb));
        world.fill();
        let hitter = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                let gone = !world.is_in_store();
                assert!(!(gone && world.hit()), "served after it was gone");
            }
        });
        world.end();
        assert!(!world.hit(), "served after the acknowledgement");
        hitter.join().unwrap();
    });
}

const VERBS: [Verb; 3] = [Verb::Revoke, Verb::RevokeAll, Verb::RevokeEverything];

#[test]
fn no_interleaving_serves_a_session_that_was_revoked() {
    for verb in VERBS {
        explore(Mutation::None, verb);
        explore_cached(Mutation::None, verb);
    }
}

#[test]
fn every_broken_protocol_is_found_out() {
    for mutation in [
        Mutation::StampAfterLoad,
        Mutation::PendingLast,
        Mutation::ReleaseBeforeAdvance,
        Mutation::NoAdvanceOnError,
        Mutation::AdvanceWhenDropped,
    ] {
        for verb in VERBS {
            let found = |explore: fn(Mutation, Verb)| {
                catch_unwind(AssertUnwindSafe(|| explore(mutation, verb))).is_err()
            };
            assert!(
                found(explore) || found(explore_cached),
                "{mutation:?} of {verb:?} serves nothing that it should not"
            );
        }
    }
}
