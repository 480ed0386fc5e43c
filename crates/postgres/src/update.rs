//! Changes of sessions that are there.

use revocable_core::{Change, Record, Result, SessionId, UpdateOutcome};
use revocable_remote::{changed, was_only_used};

use crate::server::{Found, Server, get, overtaken, stamp};
use crate::stored::{Stored, Uuid, without_data};

/// How often others may change the same session first.
const ATTEMPTS: usize = 256;

/// Whether a change is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is on the disk when this returns.
    Durable,
    /// A touch that nobody waits for: a crash may undo the last.
    MayBeLost,
}

/// Reads the session, applies the change, and writes it if nobody else has
/// written it meanwhile; else all of it again.
pub(crate) async fn update(
    server: &Server,
    id: SessionId,
    change: &Change,
    kind: Kind,
) -> Result<UpdateOutcome> {
    let waiting = server.local.touches.take(id);
    for _ in 0..ATTEMPTS {
        let Some(found) = server.value(id).await? else {
            return Ok(UpdateOutcome::Absent);
        };
        let there = found.record(id)?;
        let (new, outcome) = changed(&there, waiting.as_ref(), change);
        if new == there || write(server, &found, &there, &new, kind).await? {
            return Ok(outcome);
        }
    }
    Err(overtaken())
}

/// Whether it was still as it was read.
async fn write(
    server: &Server,
    found: &Found,
    there: &Record,
    new: &Record,
    kind: Kind,
) -> Result<bool> {
    let only_used = was_only_used(there, new);
    let (is_told, is_touch) = (!only_used, only_used && kind == Kind::MayBeLost);
    let (record, data) = if new.data == there.data {
        (without_data(new), None)
    } else {
        let stored = Stored::of(new);
        (stored.record, Some(stored.data))
    };
    let rows = server
        .writes
        .write(
            &server.statements.update,
            &[
                &server.patience,
                &Uuid::of(new.id),
                &found.stamp,
                &stamp()?,
                &record,
                &data,
                &is_touch,
                &is_told,
            ],
        )
        .await?;
    rows.first().map_or(Ok(false), |row| get(row, 0))
}
