//! How much a cache holds, and what a session counts.

use std::sync::Arc;

use quick_cache::Weighter;
use revocable_core::{Record, SessionId};

use crate::entries::Entry;

/// How much a cache may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capacity {
    Sessions(u64),
    Bytes(u64),
}

/// What a session costs in memory beside its own bytes: the record's fixed
/// part, counts, the map's nodes, ghosts of what was there. Measured by the test
/// `size`, and rounded up.
pub(crate) const OVERHEAD: u64 = 512;

impl Capacity {
    /// The bound, in what [`weight`](Weighter::weight) counts.
    pub(crate) fn bound(self) -> u64 {
        match self {
            Self::Sessions(bound) | Self::Bytes(bound) => bound,
        }
    }

    /// About so many sessions.
    pub(crate) fn sessions(self) -> usize {
        let sessions = match self {
            Self::Sessions(sessions) => sessions,
            Self::Bytes(bytes) => bytes / OVERHEAD,
        };
        usize::try_from(sessions).unwrap_or(usize::MAX)
    }
}

impl Weighter<SessionId, Entry> for Capacity {
    fn weight(&self, _: &SessionId, entry: &Entry) -> u64 {
        match self {
            Self::Sessions(_) => 1,
            Self::Bytes(_) => OVERHEAD + own_bytes(&entry.record),
        }
    }
}

fn own_bytes(record: &Arc<Record>) -> u64 {
    let text = |text: Option<&str>| text.map_or(0, str::len);
    let bytes = record.user.as_str().len()
        + record.data.len()
        + text(record.client.user_agent())
        + text(record.client.label());
    bytes as u64
}
