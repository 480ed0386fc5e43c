//! What the cache holds, and the stamps over it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, UnitWeighter};
use revocable_core::{Bucket, Clock, EndListener, EndReason, Ended, Liveness, Record, SessionId};

use crate::capacity::Capacity;
use crate::lease::{Instants, Term};
use crate::stamps::{Stamp, Stamps};
use crate::sweeps::Sweeps;

/// How many touches are remembered; some 4 MiB at the most. One that is
/// forgotten shows late, and nothing else.
const MAX_TOUCHES: usize = 65_536;

/// How much of the cache is for sessions that were used more than once. The
/// rest is for those that came last: a session that logs in now will be used, so
/// it has to stay until then, and it must not take many others to a full cache
/// to push it out. Those in constant use are not pushed out by a flood of
/// logins.
const USED_OFTEN: f64 = 0.75;

/// A record as it was loaded.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) record: Arc<Record>,
    loaded: Loading,
}

/// What was so when a load began.
#[derive(Clone)]
pub(crate) struct Loading {
    stamp: Stamp,
    /// Where entries get old.
    at: Option<Instants>,
}

/// The entries. All that is told of a change passes here.
pub(crate) struct Entries {
    cache: Cache<SessionId, Entry, Capacity, RandomState>,
    /// When sessions were touched, until the store shows it.
    touches: Cache<SessionId, i64, UnitWeighter, RandomState>,
    pub(crate) stamps: Stamps,
    pub(crate) sweeps: Sweeps,
    clock: Arc<dyn Clock>,
    /// For how long an entry is used; `None` for as long as it is known to be right.
    longest: Option<Term>,
}

impl Entries {
    pub(crate) fn new(
        capacity: Capacity,
        clock: Arc<dyn Clock>,
        longest: Option<Duration>,
    ) -> Self {
        let options = OptionsBuilder::new()
            .weight_capacity(capacity.bound())
            .estimated_items_capacity(capacity.sessions())
            .hot_allocation(USED_OFTEN)
            .build()
            .expect("both capacities are set");
        let (hash, lifecycle) = (RandomState::default(), DefaultLifecycle::default());
        Self {
            cache: Cache::with_options(options, capacity, hash, lifecycle),
            touches: Cache::with(
                MAX_TOUCHES,
                MAX_TOUCHES as u64,
                UnitWeighter,
                RandomState::default(),
                DefaultLifecycle::default(),
            ),
            stamps: Stamps::new(),
            sweeps: Sweeps::default(),
            longest: longest.map(|longest| Term::new(longest, Arc::clone(&clock))),
            clock,
        }
    }

    /// The record, if the cache may answer.
    pub(crate) fn hit(&self, id: SessionId) -> Option<Arc<Record>> {
        let Entry { record, loaded } = self.cache.get(&id)?;
        // One that looks expired is read again before anybody is told so: it
        // may have been touched past this cache. So is one that is over by the
        // policy alone, which the manager knows: `lookup_fresh`.
        let may_answer = self.sweeps.spare(&record)
            && self.is_young(&loaded)
            && self.stamps.is_current(id, &loaded.stamp)
            && self.looks_live(&record);
        may_answer.then_some(record)
    }

    /// What has to be taken before a load.
    pub(crate) fn begin_load(&self, id: SessionId) -> Loading {
        Loading {
            stamp: self.stamps.take(id),
            at: self.longest.as_ref().map(Term::now),
        }
    }

    /// Whether what was revoked elsewhere since may not be seen yet.
    fn is_young(&self, loaded: &Loading) -> bool {
        match (&self.longest, loaded.at) {
            (Some(longest), Some(at)) => longest.is_not_over(at, longest.now()),
            (longest, _) => longest.is_none(),
        }
    }

    /// Keeps a record whose load began so.
    pub(crate) fn fill(&self, record: &Arc<Record>, loaded: Loading) {
        if !self.looks_live(record) || self.awaits_touch(record) {
            return;
        }
        let entry = Entry {
            record: Arc::clone(record),
            loaded,
        };
        self.cache.insert(record.id, entry);
        // Touched since: either the touch took this entry out, or it is seen
        // here.
        if self.awaits_touch(record) {
            self.cache.remove(&record.id);
        } else if self.touches.contains_key(&record.id) {
            self.touches.remove(&record.id);
        }
    }

    /// The store does not have this session. That is no change, so no stamp
    /// advances.
    pub(crate) fn remove(&self, id: SessionId) {
        self.cache.remove(&id);
    }

    /// The session was used, and the store will say so sooner or later. Until
    /// it does the session is not kept: an entry from before would go on to
    /// show the older time when the store no longer does. An entry that slips
    /// in all the same is right in all else, so no stamp advances.
    pub(crate) fn touched(&self, id: SessionId, now_ms: i64) {
        self.touches.insert(id, now_ms);
        self.cache.remove(&id);
    }

    /// Whether the record is from before a touch.
    fn awaits_touch(&self, record: &Record) -> bool {
        let touched = self.touches.peek(&record.id);
        touched.is_some_and(|now_ms| record.last_seen_ms < now_ms)
    }

    /// This session may have changed.
    pub(crate) fn forget(&self, id: SessionId) {
        self.stamps.advance_session(id);
        self.cache.remove(&id);
    }

    /// Sessions of a user of this bucket may have ended; these did.
    pub(crate) fn forget_user(&self, bucket: Bucket, ended: &[SessionId]) {
        self.stamps.advance_bucket(bucket);
        for id in ended {
            self.cache.remove(id);
        }
    }

    /// Anything may have changed.
    pub(crate) fn forget_everything(&self) {
        self.stamps.advance_everybody();
        self.cache.clear();
    }

    /// How many there are, dead ones that were not yet removed included.
    pub(crate) fn len(&self) -> usize {
        self.cache.len()
    }

    fn looks_live(&self, record: &Record) -> bool {
        let since = self.clock.now().duration_since(std::time::UNIX_EPOCH);
        let now_ms = since.map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        });
        Liveness::at(now_ms).is_live(record)
    }
}

/// The store tells of what ended, also of what was not ended through this
/// cache, before it acknowledges.
impl EndListener for Entries {
    fn ended(&self, ended: &[Ended]) {
        for ended in ended {
            self.forget(ended.id);
        }
    }

    fn everything_ended(&self, _: u64, _: EndReason) {
        self.forget_everything();
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entries")
    }
}
