//! How a cache is built.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use revocable_core::{
    Clock, EndListener, EndListeners, Error, ErrorKind, Result, SessionStore, Sharing, SystemClock,
};

use crate::cached::{CachedStore, Others};
use crate::capacity::Capacity;
use crate::carry::Finisher;
use crate::entries::Entries;
use crate::foreign::Foreign;
use crate::keeper::Announced;
use crate::lease::Lease;

/// Builds a [`CachedStore`].
#[must_use = "nothing is built before `build`"]
pub struct CachedStoreBuilder<S> {
    store: S,
    capacity: Capacity,
    max_staleness: Option<Duration>,
    sole_writer: bool,
    read_again_after: Option<Duration>,
    finisher: Finisher,
    clock: Arc<dyn Clock>,
}

impl<S: SessionStore> CachedStoreBuilder<S> {
    pub(crate) fn new(store: S) -> Self {
        Self {
            store,
            capacity: Capacity::Bytes(64 << 20),
            max_staleness: None,
            sole_writer: false,
            read_again_after: None,
            finisher: Finisher::own_thread(),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// The most sessions that are kept. Each takes some 500 bytes, and its data.
    pub fn max_sessions(mut self, count: u64) -> Self {
        self.capacity = Capacity::Sessions(count);
        self
    }

    /// The most bytes that are kept, counted per session as its data, its
    /// user's and its client's, and 512 more; 64 MiB unless told otherwise.
    ///
    /// They are divided among several times as many parts as the machine has
    /// threads. A session that is larger than three quarters of a part is not
    /// kept, and every lookup of it goes to the store: so give more for sessions
    /// with much data.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.capacity = Capacity::Bytes(bytes);
        self
    }

    /// For a store that others may write to: how late a change of theirs may be
    /// seen.
    ///
    /// A lookup that starts later than this after another process's revocation
    /// returned never finds the session. The store is asked for such changes at
    /// most once in this time, and each that there were empties the cache. So
    /// it should be long against the time between two writes of others; a
    /// second is a good beginning. Without effect if nobody else writes.
    ///
    /// For a store that announces what others change, this is how long the cache
    /// may answer after what it heard last, see
    /// [`keep_lease`](CachedStore::keep_lease); two seconds is a good beginning.
    /// Zero keeps it from ever answering: every lookup goes to the store, and
    /// watches hear of what other machines end all the same.
    pub fn max_staleness(mut self, longest: Duration) -> Self {
        self.max_staleness = Some(longest);
        self
    }

    /// Says that nobody but this cache writes to the store, whatever the store
    /// itself knows. If that is wrong, sessions that others revoke stay live
    /// here for as long as they are in the cache.
    pub fn sole_writer(mut self) -> Self {
        self.sole_writer = true;
        self
    }

    /// Has a session read from the store again when it has been in the cache for so long, and
    /// does not ask or listen what others do: for a store that does not tell.
    ///
    /// A lookup that starts later than this after another process's revocation was committed
    /// never finds the session, whatever happens to clocks and connections: both clocks have to
    /// agree that a session was read less than this ago. A session in use is read once in this
    /// time, so it should be long against the time between two requests; two seconds take most
    /// of the lookups of a page that sends twenty requests. Watches do not hear of what other
    /// processes end. Zero keeps the cache from ever answering.
    ///
    /// It takes the place of [`max_staleness`](Self::max_staleness), and goes before
    /// [`sole_writer`](Self::sole_writer).
    pub fn read_again_after(mut self, longest: Duration) -> Self {
        self.read_again_after = Some(longest);
        self
    }

    /// Where a write goes on whose caller went away, and the question about the
    /// changes of others, for stores that only work inside a runtime: a function
    /// that hands a future to it, such as `move |work| { handle.spawn(work); }`.
    /// It must not drop the future before it is ready; what the write is about
    /// is served by the store until then.
    ///
    /// Unless told otherwise it is a thread of the cache's own.
    pub fn finish_with(
        mut self,
        spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    ) -> Self {
        self.finisher = Finisher::runtime(spawn);
        self
    }

    /// The clock by which sessions in the cache expire and staleness is
    /// measured; the system's unless told otherwise. A session that looks
    /// expired is read from the store again, so a clock that is wrong costs
    /// time and nothing else.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Builds the cache.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) if others may write to the
    /// store and nothing was said about that. The message says what to do.
    pub fn build(self) -> Result<CachedStore<S>> {
        let sharing = if self.sole_writer {
            Sharing::Sole
        } else {
            self.store.sharing()
        };
        let others = match (sharing, self.max_staleness) {
            _ if self.read_again_after.is_some() => Others::Ageing,
            (Sharing::Sole, _) => Others::None,
            (Sharing::Counted, Some(longest)) => {
                Others::Counted(Arc::new(Foreign::new(longest, Arc::clone(&self.clock))))
            }
            (Sharing::Announced, Some(longest)) => Others::Announced(Arc::new(Announced {
                lease: Lease::new(longest, Arc::clone(&self.clock)),
                listeners: EndListeners::new(),
            })),
            (Sharing::Announced, None) => {
                return Err(refused(
                    "other machines may write to this store: say by `max_staleness` how late \
                     their revocations may be seen, and run `keep_lease`",
                ));
            }
            (Sharing::Counted, None) => {
                return Err(refused(
                    "other processes may write to this store: open it exclusively, or say by \
                     `max_staleness` how late their revocations may be seen",
                ));
            }
            (_, _) => {
                return Err(refused(
                    "this store does not tell whether others write to it, so a cache could serve \
                     what they revoked: use it without, say by `read_again_after` for how long, \
                     or vouch for it by `sole_writer`",
                ));
            }
        };
        let entries = Arc::new(Entries::new(
            self.capacity,
            self.clock,
            self.read_again_after,
        ));
        // Before any other listener, so that who is told that a session ended
        // no longer finds it.
        let weak = Arc::downgrade(&entries);
        let listener: Weak<dyn EndListener> = weak;
        self.store.subscribe(listener);
        Ok(CachedStore::from_parts(
            self.store,
            entries,
            others,
            self.finisher,
        ))
    }
}

impl<S> std::fmt::Debug for CachedStoreBuilder<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CachedStoreBuilder")
            .field("capacity", &self.capacity)
            .field("max_staleness", &self.max_staleness)
            .field("sole_writer", &self.sole_writer)
            .field("read_again_after", &self.read_again_after)
            .field("finisher", &self.finisher)
            .finish_non_exhaustive()
    }
}

fn refused(message: &'static str) -> Error {
    Error::new(ErrorKind::Configuration, message)
}
