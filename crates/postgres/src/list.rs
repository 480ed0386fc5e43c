//! The sessions of a user.

use std::num::NonZeroU32;

use revocable_core::{Page, Result, SessionId, UserId};

use crate::fault::lost_meta;
use crate::server::{Found, Server, get};
use crate::stored::{LOWEST, Uuid};

pub(crate) async fn page(
    server: &Server,
    user: &UserId,
    after: Option<SessionId>,
    limit: NonZeroU32,
) -> Result<Page> {
    let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
    let mut found = sessions(server, user, after, Some(limit.saturating_add(1))).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let mut page = Page::default();
    for (id, found) in found {
        // The tables take no others.
        let Some(id) = id.session() else { continue };
        page.next = Some(id).filter(|_| more);
        match found.record(id) {
            Ok(record) if record.user == *user => page.records.push(record),
            _ => page.damaged.push(id),
        }
    }
    Ok(page)
}

/// What is stored of a user's sessions, in the order of their IDs.
pub(crate) async fn sessions(
    server: &Server,
    user: &UserId,
    after: Option<SessionId>,
    limit: Option<usize>,
) -> Result<Vec<(Uuid, Found)>> {
    let after = after.map_or(LOWEST, Uuid::of);
    let limit = limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = server
        .reads
        .read(&server.statements.list, &[&user.as_str(), &after, &limit])
        .await?;
    // Without a session there is a row of `meta` alone.
    if rows.is_empty() {
        return Err(lost_meta());
    }
    let mut sessions = Vec::new();
    for row in &rows {
        if let Some(id) = get(row, 0)?
            && let Some(found) = Found::in_row(row, 1)?
        {
            sessions.push((id, found));
        }
    }
    Ok(sessions)
}
