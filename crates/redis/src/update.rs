//! Changes of sessions that are there.

use std::sync::Arc;

use revocable_core::{Applied, Change, Record, Result, SessionId, UpdateOutcome};
use revocable_remote::random;

use crate::fault::unexpected;
use crate::keys::{Stored, corrupt};
use crate::reply;
use crate::script::UPDATE;
use crate::server::{Server, overtaken};

/// How often others may change the same session first.
const ATTEMPTS: usize = 256;

/// Reads the session, applies the change, and writes it if nobody else has
/// written it meanwhile; else all of it again.
pub(crate) async fn update(
    server: &Server,
    id: SessionId,
    change: &Change,
) -> Result<UpdateOutcome> {
    let waiting = server.local.touches.take(id);
    for _ in 0..ATTEMPTS {
        let Some(value) = server.value(id).await? else {
            return Ok(UpdateOutcome::Absent);
        };
        let stored = Stored::parse(&value).ok_or_else(corrupt)?;
        let there = stored.record(id)?;
        let used = match waiting.as_ref().map(|touch| touch.apply(&there)) {
            Some(Applied::Changed(used)) => used,
            _ => Arc::clone(&there),
        };
        let (new, outcome) = match change.apply(&used) {
            Applied::Changed(new) => (Arc::clone(&new), UpdateOutcome::Updated(new)),
            Applied::Unchanged => (Arc::clone(&used), UpdateOutcome::Unchanged(used)),
            Applied::Conflict => (Arc::clone(&used), UpdateOutcome::Conflict(used)),
            Applied::Expired => (used, UpdateOutcome::Absent),
        };
        if new == there || write(server, &stored, &there, &new).await? {
            return Ok(outcome);
        }
    }
    Err(overtaken())
}

/// Whether it was still as it was read.
async fn write(server: &Server, stored: &Stored<'_>, there: &Record, new: &Record) -> Result<bool> {
    let only_used = *new
        == Record {
            last_seen_ms: new.last_seen_ms,
            ..there.clone()
        };
    // When it was last used a cache elsewhere need not know: before it says that
    // a session has expired it looks.
    let told = if only_used {
        &[][..]
    } else {
        new.id.as_bytes()
    };
    let call = server
        .call(&UPDATE, new.id.bucket())?
        .key(server.keys.session(new.id))
        .arg(stored.head)
        .arg(stored.changed(new, random()?))
        .arg(told);
    let mut answer = reply::array(server.write(&call).await?)?;
    match &reply::bytes(reply::next(&mut answer)?)?[..] {
        b"updated" => Ok(true),
        b"again" => Ok(false),
        _ => Err(unexpected()),
    }
}
