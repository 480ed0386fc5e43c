//! Changes of sessions that are there.

use revocable_core::{Change, Record, Result, SessionId, UpdateOutcome};
use revocable_remote::{changed, random, was_only_used};

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
        let (new, outcome) = changed(&there, waiting.as_ref(), change);
        if new == there || write(server, &stored, &there, &new).await? {
            return Ok(outcome);
        }
    }
    Err(overtaken())
}

/// Whether it was still as it was read.
async fn write(server: &Server, stored: &Stored<'_>, there: &Record, new: &Record) -> Result<bool> {
    let told = if was_only_used(there, new) {
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
