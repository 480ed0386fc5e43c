//! The verbs that write all of a user's sessions, or everybody's.

use revocable_core::{
    EndReason, Ended, Epoch, RevokeAllOutcome, RevokeAllRequest, SessionId, UserId,
};
use rusqlite::{Connection, OptionalExtension, Rows, params};

use super::session::remove_large;
use super::task::{Ends, Tx, Verb};
use crate::fault::{Fault, Result};

/// Removes all sessions of a user, but perhaps one.
#[derive(Debug)]
pub(crate) struct RevokeAll(pub(crate) RevokeAllRequest);

impl Verb for RevokeAll {
    const MAY_EXCEED_LIMIT: bool = true;
    type Output = RevokeAllOutcome;

    fn run(&self, tx: &Tx<'_>) -> Result<RevokeAllOutcome> {
        let RevokeAllRequest {
            user, keep, now_ms, ..
        } = &self.0;
        let keep = keep.as_ref().map(SessionId::as_bytes);
        // Nothing but IDs is read: a damaged record goes with the others. (A
        // DELETE with RETURNING would read the whole row.)
        let ended = doomed(tx.connection, user, keep)?;
        for id in large_sessions(tx.connection, user, keep)? {
            remove_large(tx, id)?;
        }
        tx.write(
            "DELETE FROM sessions WHERE id IN
                 (SELECT id FROM by_user WHERE user = ?1 AND id IS NOT ?2)",
            params![user.as_str(), keep],
        )?;
        tx.write(
            "DELETE FROM by_user WHERE user = ?1 AND id IS NOT ?2",
            params![user.as_str(), keep],
        )?;
        let epoch = next_epoch(tx)?;
        tx.write(
            "INSERT INTO epochs (user, epoch, advanced_ms) VALUES (?1, ?2, ?3)
             ON CONFLICT (user) DO UPDATE SET epoch = excluded.epoch,
                 advanced_ms = max(advanced_ms, excluded.advanced_ms)",
            params![user.as_str(), epoch.get().cast_signed(), now_ms],
        )?;
        Ok(RevokeAllOutcome { ended, epoch })
    }

    fn ends(&self, outcome: &RevokeAllOutcome) -> Ends {
        let ended = outcome.ended.iter().map(|id| Ended {
            id: *id,
            user: Some(self.0.user.clone()),
            reason: self.0.reason,
        });
        Ends::Sessions(ended.collect())
    }
}

/// The sessions of a user that are there, but for one.
fn doomed(
    connection: &Connection,
    user: &UserId,
    keep: Option<&[u8; SessionId::LEN]>,
) -> Result<Vec<SessionId>> {
    let mut statement = connection.prepare_cached(
        "SELECT id FROM by_user WHERE user = ?1 AND id IS NOT ?2
             AND EXISTS (SELECT 1 FROM sessions WHERE sessions.id = by_user.id)
         ORDER BY id",
    )?;
    ids_of(statement.query(params![user.as_str(), keep])?)
}

/// Those of them, and of what they left behind, that have a part outside their
/// rows.
fn large_sessions(
    connection: &Connection,
    user: &UserId,
    keep: Option<&[u8; SessionId::LEN]>,
) -> Result<Vec<SessionId>> {
    let mut statement = connection.prepare_cached(
        "SELECT id FROM by_user WHERE user = ?1 AND id IS NOT ?2
             AND EXISTS (SELECT 1 FROM large WHERE large.id = by_user.id)",
    )?;
    ids_of(statement.query(params![user.as_str(), keep])?)
}

/// Removes everything.
#[derive(Debug)]
pub(crate) struct RevokeEverything(pub(crate) EndReason);

impl Verb for RevokeEverything {
    const MAY_EXCEED_LIMIT: bool = true;
    type Output = (u64, Epoch);

    fn run(&self, tx: &Tx<'_>) -> Result<(u64, Epoch)> {
        let count = tx.write("DELETE FROM sessions", [])?;
        tx.write("DELETE FROM large", [])?;
        tx.write("DELETE FROM by_user", [])?;
        let epoch = next_epoch(tx)?;
        tx.write("DELETE FROM epochs", [])?;
        raise_floor(tx, epoch.get().cast_signed())?;
        Ok((count as u64, epoch))
    }

    fn ends(&self, &(count, epoch): &(u64, Epoch)) -> Ends {
        Ends::Everything {
            count,
            reason: self.0,
            epoch,
        }
    }
}

/// Tries to write, so that a full disk or a file that became read-only shows.
#[derive(Debug)]
pub(crate) struct Health;

impl Verb for Health {
    const IS_TRIAL: bool = true;
    type Output = ();

    fn run(&self, tx: &Tx<'_>) -> Result<()> {
        // The engine does not write a row that stays the same.
        tx.write("UPDATE meta SET value = value + 1 WHERE name = 'epoch'", [])?;
        Ok(())
    }
}

/// The position of the store's last revocation.
pub(crate) fn current_epoch(connection: &Connection) -> Result<Epoch> {
    meta(connection, "epoch")
}

/// Whether a login that began at this position may go on: nothing of this user
/// was revoked since, and the position is one that this store has given.
pub(super) fn is_current(tx: &Tx<'_>, user: &UserId, began: Epoch) -> Result<bool> {
    Ok(last_epoch(tx, user)? <= began && began <= current_epoch(tx.connection)?)
}

/// The position of the last revocation that may have been of this user.
fn last_epoch(tx: &Tx<'_>, user: &UserId) -> Result<Epoch> {
    let own: Option<i64> = tx
        .connection
        .prepare_cached("SELECT epoch FROM epochs WHERE user = ?1")?
        .query_row([user.as_str()], |row| row.get(0))
        .optional()?;
    let own = Epoch::from_number(own.unwrap_or(0).cast_unsigned());
    Ok(own.max(meta(tx.connection, "floor")?))
}

/// The IDs of a user's sessions in their order, after this one, up to a limit;
/// below zero for none.
pub(crate) fn session_ids(
    connection: &Connection,
    user: &UserId,
    after: Option<SessionId>,
    limit: i64,
) -> Result<Vec<SessionId>> {
    let after = after.as_ref().map_or(&[][..], |id| id.as_bytes());
    let mut statement = connection.prepare_cached(
        "SELECT id FROM by_user WHERE user = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
    )?;
    ids_of(statement.query(params![user.as_str(), after, limit])?)
}

/// The first column of all rows, but for what is no ID.
fn ids_of(mut rows: Rows<'_>) -> Result<Vec<SessionId>> {
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        ids.extend(
            row.get_ref(0)?
                .as_blob()
                .ok()
                .and_then(SessionId::from_slice),
        );
    }
    Ok(ids)
}

pub(super) fn raise_floor(tx: &Tx<'_>, to: i64) -> Result<()> {
    tx.write(
        "UPDATE meta SET value = max(value, ?1) WHERE name = 'floor'",
        [to],
    )?;
    Ok(())
}

fn next_epoch(tx: &Tx<'_>) -> Result<Epoch> {
    let taken: Vec<i64> = tx.write_returning(
        "UPDATE meta SET value = value + 1 WHERE name = 'epoch' RETURNING value",
        [],
    )?;
    match taken[..] {
        [position] => Ok(Epoch::from_number(position.cast_unsigned())),
        _ => Err(meta_is_missing()),
    }
}

fn meta(connection: &Connection, name: &str) -> Result<Epoch> {
    let value: Option<i64> = connection
        .prepare_cached("SELECT value FROM meta WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    value
        .map(|value| Epoch::from_number(value.cast_unsigned()))
        .ok_or_else(meta_is_missing)
}

fn meta_is_missing() -> Fault {
    Fault::new(
        revocable_core::ErrorKind::Corrupt,
        "the file has lost its epochs; remove it, which ends all sessions",
    )
}
