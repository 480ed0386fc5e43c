//! The end of everything, as it is told in the process that did it.

use std::collections::HashSet;

use futures_util::stream::{self, StreamExt};
use revocable_core::{EndReason, SessionId};

use crate::local::Remote;

/// Watched sessions looked up at a time.
const LOOKUPS_AT_A_TIME: usize = 64;

/// Tells the listeners that everything has ended. Sessions may have been created
/// since, and are not meant.
pub async fn tell_of_everything<S: Remote>(server: &S, count: u64, reason: EndReason) {
    let listeners = &server.local().listeners;
    let there: HashSet<SessionId> = stream::iter(listeners.watched())
        .map(async |id| {
            // Where the server cannot say it, it has ended: nobody gets in.
            matches!(server.is_there(id).await, Ok(true)).then_some(id)
        })
        .buffer_unordered(LOOKUPS_AT_A_TIME)
        .filter_map(async |id| id)
        .collect()
        .await;
    listeners.everything_before_ended(count, reason, |id| there.contains(&id));
}
