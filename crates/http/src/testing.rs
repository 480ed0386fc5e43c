//! What the tests of this crate share.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub(crate) use futures_executor::block_on;
use revocable_core::{ManualClock, Sessions};
use revocable_memory::MemoryStore;

/// Sessions in memory at a time that stands still.
pub(crate) fn sessions() -> Sessions {
    Sessions::builder(MemoryStore::new())
        .clock(clock())
        .build()
        .unwrap()
}

pub(crate) fn clock() -> Arc<ManualClock> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    Arc::new(ManualClock::new(now))
}
