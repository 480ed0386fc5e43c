//! The protocol that keeps a cache from serving what was revoked.
//!
//! ```text
//! sessions[part of the ID]   advances with every change of such a session
//! users[bucket of the ID]    advances when all sessions of a user end
//! everybody                  advances when all sessions end, or nobody knows what changed
//! pending[bucket], [all]     how many writes are under way
//!
//! fill    stamp = (sessions, users, everybody); load the row; keep it with the stamp
//! hit     pending is 0, then the stamp is what it was, in this order
//! write   pending += 1; the store commits; advance; pending -= 1; only then answer
//! ```
//!
//! A fill that took its stamp before the write advanced it leaves an entry that
//! nobody will use. One that took it afterwards loaded after the commit. Neither
//! depends on the order in which entries are put into the cache and taken out.
//! `pending` keeps the entry from being used between the commit and the advance,
//! when somebody else may have seen the commit in the store.
//!
//! Several IDs share a place in `sessions`, several users a bucket: then an
//! entry goes to waste, and is read again.

use std::sync::atomic::{AtomicU64, Ordering};

use revocable_core::{Bucket, SessionId};

/// A counter that threads share. A trait, so that all interleavings can be
/// tried on the very code that runs.
pub(crate) trait Counter {
    fn zero() -> Self;
    fn get(&self) -> u64;
    fn add(&self);
    fn subtract(&self);
}

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

/// What an entry was loaded under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    session: u64,
    user: u64,
    everybody: u64,
}

/// Whose entries a write may make wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those of a user of this bucket.
    Bucket(Bucket),
    /// Anybody's.
    All,
}

/// The counters.
#[derive(Debug)]
pub(crate) struct Stamps<C = AtomicU64> {
    sessions: Box<[C]>,
    users: Box<[OfBucket<C>]>,
    everybody: C,
    pending_all: C,
}

/// Beside each other, since a hit looks at both.
#[derive(Debug)]
struct OfBucket<C> {
    pending: C,
    ended: C,
}

impl Stamps {
    /// 16,384 places for sessions: 128 KiB. With 100,000 entries a write costs
    /// about six others another load.
    pub(crate) fn new() -> Self {
        Self::with_places(1 << 14, Bucket::COUNT)
    }
}

impl<C: Counter> Stamps<C> {
    /// So many of each, both powers of two.
    fn with_places(sessions: usize, buckets: usize) -> Self {
        debug_assert!(sessions.is_power_of_two() && buckets.is_power_of_two());
        Self {
            sessions: (0..sessions).map(|_| C::zero()).collect(),
            users: (0..buckets)
                .map(|_| OfBucket {
                    pending: C::zero(),
                    ended: C::zero(),
                })
                .collect(),
            everybody: C::zero(),
            pending_all: C::zero(),
        }
    }

    fn session(&self, id: SessionId) -> &C {
        // The last bytes of an ID are random.
        let [.., a, b] = *id.as_bytes();
        let place = usize::from(u16::from_be_bytes([a, b]));
        &self.sessions[place & (self.sessions.len() - 1)]
    }

    fn bucket(&self, bucket: Bucket) -> &OfBucket<C> {
        &self.users[bucket.index() & (self.users.len() - 1)]
    }

    /// What a fill takes before it loads.
    pub(crate) fn take(&self, id: SessionId) -> Stamp {
        Stamp {
            session: self.session(id).get(),
            user: self.bucket(id.bucket()).ended.get(),
            everybody: self.everybody.get(),
        }
    }

    /// Whether an entry with this stamp may be used now.
    pub(crate) fn is_current(&self, id: SessionId, stamp: &Stamp) -> bool {
        // First. After the advance it is too late to look whether a write was
        // under way: it may have begun, committed and gone in between.
        let bucket = self.bucket(id.bucket());
        if bucket.pending.get() != 0 || self.pending_all.get() != 0 {
            return false;
        }
        stamp.session == self.session(id).get()
            && stamp.user == bucket.ended.get()
            && stamp.everybody == self.everybody.get()
    }

    /// Before a write is handed to the store.
    pub(crate) fn hold(&self, reach: Reach) {
        self.pending(reach).add();
    }

    /// When the outcome of a write is known, and not before: advances what it
    /// may have changed, and only then lets the cache answer again.
    pub(crate) fn settle(&self, reach: Reach, advance: impl FnOnce()) {
        advance();
        self.pending(reach).subtract();
    }

    fn pending(&self, reach: Reach) -> &C {
        match reach {
            Reach::Bucket(bucket) => &self.bucket(bucket).pending,
            Reach::All => &self.pending_all,
        }
    }

    /// This session may have changed.
    pub(crate) fn advance_session(&self, id: SessionId) {
        self.session(id).add();
    }

    /// Sessions of a user of this bucket may have ended.
    pub(crate) fn advance_bucket(&self, bucket: Bucket) {
        self.bucket(bucket).ended.add();
    }

    /// Anything may have changed.
    pub(crate) fn advance_everybody(&self) {
        self.everybody.add();
    }
}

#[cfg(test)]
mod interleavings;
