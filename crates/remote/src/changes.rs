//! What becomes of a session.

use std::sync::Arc;

use revocable_core::{Applied, Change, EndReason, Ended, Record, SessionId, UpdateOutcome, UserId};

/// What a record is after a touch that waits for it, if any, and this change, and what
/// is to be said of the change.
pub fn changed(
    there: &Arc<Record>,
    waiting: Option<&Change>,
    change: &Change,
) -> (Arc<Record>, UpdateOutcome) {
    let used = match waiting.map(|touch| touch.apply(there)) {
        Some(Applied::Changed(used)) => used,
        _ => Arc::clone(there),
    };
    match change.apply(&used) {
        Applied::Changed(new) => (Arc::clone(&new), UpdateOutcome::Updated(new)),
        Applied::Unchanged => (Arc::clone(&used), UpdateOutcome::Unchanged(used)),
        Applied::Conflict => (Arc::clone(&used), UpdateOutcome::Conflict(used)),
        Applied::Expired => (used, UpdateOutcome::Absent),
    }
}

/// Whether nothing but the time of the last use has changed. A cache elsewhere need
/// not know of that: before it says that a session has expired it looks.
pub fn was_only_used(there: &Record, new: &Record) -> bool {
    *new == Record {
        last_seen_ms: new.last_seen_ms,
        ..there.clone()
    }
}

/// Sessions of one user that have ended.
pub fn ended_of(
    user: &UserId,
    reason: EndReason,
    ids: impl IntoIterator<Item = SessionId>,
) -> Vec<Ended> {
    let ended = ids.into_iter().map(|id| Ended {
        id,
        user: Some(user.clone()),
        reason,
    });
    ended.collect()
}
