//! The verbs that write one session.

use std::sync::Arc;

use revocable_core::{
    Applied, Change, CreateOutcome, CreateRequest, EndReason, Ended, Liveness, Record, SessionId,
    UpdateOutcome, UserId,
};
use rusqlite::params;

use super::task::{Ends, Tx, Verb};
use super::user;
use crate::fault::{Fault, Result};
use crate::row::{self, Found, large};

/// Inserts a session, if its ID is not there and the user may have it.
#[derive(Debug)]
pub(crate) struct Create(pub(crate) CreateRequest);

impl Verb for Create {
    type Output = CreateOutcome;

    fn run(&self, tx: &Tx<'_>) -> Result<CreateOutcome> {
        let CreateRequest {
            record,
            expected_epoch,
            cap,
            liveness,
        } = &self.0;
        // The insertion finds out by itself whether the ID is there. Only who
        // is to be told something else first has to look.
        let superseded = match expected_epoch {
            Some(expected) => !user::is_current(tx, &record.user, *expected)?,
            None => false,
        };
        if (superseded || cap.is_some())
            && let Some(existing) = row::read(tx.connection, record.id)?
        {
            return Ok(CreateOutcome::Exists(existing));
        }
        if superseded {
            return Ok(CreateOutcome::Superseded);
        }
        let mut ended = Vec::new();
        if let Some(cap) = cap {
            let live = live_sessions(tx, &record.user, liveness)?;
            let Some(to_end) = cap.make_room(live) else {
                return Ok(CreateOutcome::CapReached);
            };
            for id in to_end {
                ended.extend(remove(tx, id, EndReason::Cap)?);
            }
        }
        let inserted = row::insert(tx.connection, record)
            .map_err(|error| Fault::from(error).while_writing())?;
        if !inserted {
            // That it is there and cannot be found is damage.
            let existing = row::read(tx.connection, record.id)?;
            return existing
                .map(CreateOutcome::Exists)
                .ok_or_else(Fault::corrupt_record);
        }
        tx.write(
            // An entry may have been left behind by a session that was damaged.
            "INSERT OR IGNORE INTO by_user (user, id) VALUES (?1, ?2)",
            params![record.user.as_str(), record.id.as_bytes()],
        )?;
        Ok(CreateOutcome::Created { ended })
    }

    fn ends(&self, outcome: &CreateOutcome) -> Ends {
        Ends::Sessions(match outcome {
            CreateOutcome::Created { ended } => ended.clone(),
            _ => Vec::new(),
        })
    }
}

/// The sessions that a cap counts. A damaged one, or one that cannot be read,
/// nobody can present.
fn live_sessions(tx: &Tx<'_>, user: &UserId, liveness: &Liveness) -> Result<Vec<(SessionId, i64)>> {
    let mut live = Vec::new();
    for id in user::session_ids(tx.connection, user, None, -1)? {
        if let Some(Found::Whole(record)) = tx.find(id)?
            && record.user == *user
            && liveness.is_live(&*record)
        {
            live.push((id, record.last_seen_ms));
        }
    }
    Ok(live)
}

/// Applies changes to one session, one after the other. The last is the one
/// that somebody asks for.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) id: SessionId,
    /// Changes that were to come soon.
    pub(crate) before: Vec<Change>,
    pub(crate) change: Change,
}

impl Verb for Update {
    type Output = UpdateOutcome;

    fn run(&self, tx: &Tx<'_>) -> Result<UpdateOutcome> {
        let Some(stored) = row::read(tx.connection, self.id)? else {
            return Ok(UpdateOutcome::Absent);
        };
        let old = apply_all(&self.before, Arc::clone(&stored));
        let (new, outcome) = match self.change.apply(&old) {
            Applied::Changed(new) => (Arc::clone(&new), UpdateOutcome::Updated(new)),
            Applied::Unchanged => (Arc::clone(&old), UpdateOutcome::Unchanged(old)),
            Applied::Conflict => (Arc::clone(&old), UpdateOutcome::Conflict(old)),
            Applied::Expired => (old, UpdateOutcome::Absent),
        };
        write_changed(tx, &stored, &new)?;
        Ok(outcome)
    }
}

/// Changes that nobody waits for: what cannot be applied is left out.
#[derive(Debug)]
pub(super) struct Soon(pub(super) Vec<(SessionId, Vec<Change>)>);

impl Verb for Soon {
    type Output = ();

    fn run(&self, tx: &Tx<'_>) -> Result<()> {
        for (id, changes) in &self.0 {
            apply_soon(tx, *id, changes)?;
        }
        Ok(())
    }
}

/// Applies changes to a session if it is there and not damaged.
pub(super) fn apply_soon(tx: &Tx<'_>, id: SessionId, changes: &[Change]) -> Result<()> {
    if let Some(Found::Whole(stored)) = tx.find(id)? {
        let new = apply_all(changes, Arc::clone(&stored));
        write_changed(tx, &stored, &new)?;
    }
    Ok(())
}

fn apply_all(changes: &[Change], record: Arc<Record>) -> Arc<Record> {
    changes
        .iter()
        .fold(record, |record, change| match change.apply(&record) {
            Applied::Changed(new) => new,
            Applied::Unchanged | Applied::Conflict | Applied::Expired => record,
        })
}

fn write_changed(tx: &Tx<'_>, stored: &Record, new: &Record) -> Result<()> {
    if stored == new {
        return Ok(());
    }
    row::update(tx.connection, stored, new).map_err(|error| Fault::from(error).while_writing())
}

/// Removes one session.
#[derive(Debug)]
pub(crate) struct Revoke {
    pub(crate) id: SessionId,
    pub(crate) reason: EndReason,
}

impl Verb for Revoke {
    const MAY_EXCEED_LIMIT: bool = true;
    type Output = Option<Ended>;

    fn run(&self, tx: &Tx<'_>) -> Result<Option<Ended>> {
        remove(tx, self.id, self.reason)
    }

    fn ends(&self, ended: &Option<Ended>) -> Ends {
        Ends::Sessions(ended.iter().cloned().collect())
    }
}

/// Removes a session, damaged or not.
pub(super) fn remove(tx: &Tx<'_>, id: SessionId, reason: EndReason) -> Result<Option<Ended>> {
    let Some(found) = tx.find(id)? else {
        return Ok(None);
    };
    if let Some(scout) = tx.scout {
        row::seek(scout, id)?;
    }
    let key = id.as_bytes();
    if tx.write("DELETE FROM sessions WHERE id = ?1", params![key])? == 0 {
        return Ok(None);
    }
    if !matches!(&found, Found::Whole(record) if !large::is_large(record)) {
        remove_large(tx, id)?;
    }
    let (listed_under, user) = match found {
        Found::Whole(record) => (Some(record.user.clone()), Some(record.user.clone())),
        // Most probably this; if it is not, the entry stays behind, where a
        // listing passes over it and the user's next revoke-all removes it.
        Found::Damaged(user) => (user, None),
    };
    if let Some(user) = listed_under {
        tx.write(
            "DELETE FROM by_user WHERE user = ?1 AND id = ?2",
            params![user.as_str(), key],
        )?;
    }
    Ok(Some(Ended { id, user, reason }))
}

/// Removes what of a session is outside its row. What cannot be read cannot be
/// removed either: it stays behind, where nothing refers to it.
pub(super) fn remove_large(tx: &Tx<'_>, id: SessionId) -> Result<()> {
    // Before it is written to: damage that the engine meets while it writes may
    // be everybody's.
    match large::read(tx.scout.unwrap_or(tx.connection), id) {
        Err(fault) if fault.is_structural() && tx.scout.is_some() => Ok(()),
        Err(fault) => Err(fault),
        Ok(false) => Ok(()),
        Ok(true) => {
            large::remove(tx.connection, id).map_err(|error| Fault::from(error).while_writing())
        }
    }
}
