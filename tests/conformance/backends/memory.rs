//! In memory: nothing to open again, nothing to damage.

use std::sync::Arc;

use revocable::{MemoryStore, MokaStore, Result, SessionStore};
use revocable_conformance::Harness;

pub(super) struct Memory;

impl Harness for Memory {
    fn open(&self, _: &str) -> Result<Arc<dyn SessionStore>> {
        Ok(Arc::new(MemoryStore::new()))
    }
}

/// With room to spare: what happens without is the store's own tests' matter.
pub(super) struct Moka;

impl Harness for Moka {
    fn open(&self, _: &str) -> Result<Arc<dyn SessionStore>> {
        Ok(Arc::new(MokaStore::with_capacity(1_000_000)))
    }
}
