//! The sessions that moka holds, never more than fit.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use revocable_core::{Record, SessionId};

use crate::weight::weight;

/// How much may be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Capacity {
    Sessions(u64),
    Bytes(u64),
}

/// A record, and the life of the store that it belongs to: when everything is
/// revoked, all entries of the life before are dead at once.
#[derive(Clone)]
struct Entry {
    record: Arc<Record>,
    life: u64,
}

/// A moka cache that is kept in order by its only writer: between two writes
/// nothing waits in moka's queues that could evict, so that no read evicts
/// either, and what is checked under the writer's lock stays true under it.
pub(super) struct Held {
    cache: Cache<SessionId, Entry, RandomState>,
    capacity: Capacity,
    life: AtomicU64,
    /// What moka had to evict. It may do so on any thread that comes by while
    /// the writer works; then the writer waits for that thread, and finds it
    /// here.
    evicted: Arc<Mutex<Vec<Arc<Record>>>>,
}

impl Held {
    pub(super) fn new(capacity: Capacity) -> Self {
        let evicted: Arc<Mutex<Vec<Arc<Record>>>> = Arc::default();
        let told = Arc::clone(&evicted);
        // Least recently used: moka's usual policy refuses new entries when it
        // is full, and a login must not be what is refused.
        let cache = Cache::builder()
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(move |_, entry: Entry, cause| {
                if cause == RemovalCause::Size {
                    let mut evicted = told.lock().unwrap_or_else(PoisonError::into_inner);
                    evicted.push(entry.record);
                }
            });
        let cache = match capacity {
            Capacity::Sessions(count) => cache.max_capacity(count),
            Capacity::Bytes(bytes) => cache
                .max_capacity(bytes)
                .weigher(|_, entry: &Entry| weight(&entry.record)),
        };
        Self {
            cache: cache.build_with_hasher(RandomState::default()),
            capacity,
            life: AtomicU64::new(0),
            evicted,
        }
    }

    /// In sessions or in bytes.
    pub(super) fn capacity(&self) -> u64 {
        let (Capacity::Sessions(most) | Capacity::Bytes(most)) = self.capacity;
        most
    }

    /// The record; it counts as used.
    pub(super) fn get(&self, id: SessionId) -> Option<Arc<Record>> {
        let Entry { record, life } = self.cache.get(&id)?;
        (life == self.life.load(Ordering::Acquire)).then_some(record)
    }

    /// Whether it would fit if nothing else were there.
    pub(super) fn has_room_for(&self, record: &Record) -> bool {
        match self.capacity {
            Capacity::Sessions(count) => count > 0,
            Capacity::Bytes(bytes) => u64::from(weight(record)) <= bytes,
        }
    }

    /// Whether others may have to go if the one record takes the other's place.
    pub(super) fn grows(&self, from: &Record, to: &Record) -> bool {
        matches!(self.capacity, Capacity::Bytes(_)) && weight(from) < weight(to)
    }

    /// Holds a record that [fits](Self::has_room_for), new or in the place of
    /// an older one, and returns what had to go for it. For the writer. If
    /// something had to go, the record may have been out for a moment, which
    /// no lookup must see.
    pub(super) fn put(&self, record: &Arc<Record>) -> Vec<Arc<Record>> {
        let mut gone = Vec::new();
        loop {
            self.cache.insert(
                record.id,
                Entry {
                    record: Arc::clone(record),
                    life: self.life.load(Ordering::Acquire),
                },
            );
            self.settle();
            gone.extend(self.take_evicted());
            // If all others are just being read, moka may take the new one for
            // the one that was not used for longest.
            let count = gone.len();
            gone.retain(|evicted| evicted.id != record.id);
            if gone.len() == count {
                return gone;
            }
        }
    }

    /// For the writer.
    pub(super) fn remove(&self, id: SessionId) {
        self.cache.invalidate(&id);
    }

    /// From now on nothing is there. For the writer, who then removes what is
    /// dead.
    pub(super) fn begin_next_life(&self) {
        self.life.fetch_add(1, Ordering::AcqRel);
    }

    /// Has moka do all that it has put off.
    pub(super) fn settle(&self) {
        loop {
            self.cache.run_pending_tasks();
            // A session weighs 1 where sessions are counted.
            if self.cache.weighted_size() <= self.capacity() {
                return;
            }
            // It passes over what is just being read; then there is another.
            std::thread::yield_now();
        }
    }

    fn take_evicted(&self) -> Vec<Arc<Record>> {
        std::mem::take(&mut *self.evicted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
