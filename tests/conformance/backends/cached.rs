//! A cache in front of another backend.

use std::sync::Arc;
use std::time::Duration;

use revocable::{CachedStore, Result, SessionId, SessionStore};
use revocable_conformance::Harness;

pub(super) struct Cached<H> {
    behind: H,
    max_staleness: Option<Duration>,
}

impl<H: Harness> Cached<H> {
    /// In front of a store that has its data to itself.
    pub(super) fn alone(behind: H) -> Self {
        Self {
            behind,
            max_staleness: None,
        }
    }

    /// In front of one that others may write to. It is asked so often that the
    /// checks meet the cache before, while and after it is.
    pub(super) fn shared(behind: H) -> Self {
        Self {
            behind,
            max_staleness: Some(Duration::from_millis(1)),
        }
    }

    fn in_front_of(&self, store: Arc<dyn SessionStore>) -> Result<Arc<dyn SessionStore>> {
        let mut builder = CachedStore::builder(store);
        if let Some(longest) = self.max_staleness {
            builder = builder.max_staleness(longest);
        }
        Ok(Arc::new(builder.build()?))
    }
}

impl<H: Harness> Harness for Cached<H> {
    fn open(&self, name: &str) -> Result<Arc<dyn SessionStore>> {
        self.in_front_of(self.behind.open(name)?)
    }

    fn reopen(&self, name: &str) -> Result<Option<Arc<dyn SessionStore>>> {
        let store = self.behind.reopen(name)?;
        store.map(|store| self.in_front_of(store)).transpose()
    }

    fn rounds(&self) -> u32 {
        self.behind.rounds()
    }

    fn damage(&self, name: &str, store: &Arc<dyn SessionStore>, id: SessionId) -> bool {
        self.behind.damage(name, store, id)
    }

    fn break_store(&self, name: &str, store: &Arc<dyn SessionStore>) -> bool {
        self.behind.break_store(name, store)
    }

    fn dump(&self, name: &str, store: &Arc<dyn SessionStore>) -> Option<Vec<u8>> {
        self.behind.dump(name, store)
    }
}
