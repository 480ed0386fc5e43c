//! The verbs that remove what has had its time.

use revocable_core::{Change, EndReason, Ended, Liveness, SessionId};
use rusqlite::params;

use super::session::{apply_soon, remove};
use super::task::{Ends, Tx, Verb};
use super::user::raise_floor;
use crate::fault::Result;
use crate::row::Found;

/// Removes these sessions, if they are not live.
#[derive(Debug)]
pub(crate) struct Expire {
    /// Each with the changes that were to come soon: one may have been used
    /// just now.
    pub(crate) sessions: Vec<(SessionId, Vec<Change>)>,
    pub(crate) liveness: Liveness,
}

impl Verb for Expire {
    const MAY_EXCEED_LIMIT: bool = true;
    type Output = Vec<Ended>;

    fn run(&self, tx: &Tx<'_>) -> Result<Vec<Ended>> {
        let mut ended = Vec::new();
        for (id, before) in &self.sessions {
            apply_soon(tx, *id, before)?;
            // Whole and not live. What is damaged may be live in truth.
            if let Some(Found::Whole(record)) = tx.find(*id)?
                && !self.liveness.is_live(&*record)
            {
                ended.extend(remove(tx, *id, EndReason::Expired)?);
            }
        }
        Ok(ended)
    }

    fn ends(&self, ended: &Vec<Ended>) -> Ends {
        Ends::Sessions(ended.clone())
    }
}

/// Forgets the oldest epochs, up to a position: one that was taken so long ago
/// that no login from before it may go on.
#[derive(Debug)]
pub(crate) struct ForgetEpochs {
    pub(crate) through: i64,
    pub(crate) limit: u32,
}

impl Verb for ForgetEpochs {
    const MAY_EXCEED_LIMIT: bool = true;
    type Output = u64;

    fn run(&self, tx: &Tx<'_>) -> Result<u64> {
        let forgotten: Vec<i64> = tx.write_returning(
            "DELETE FROM epochs WHERE user IN
                 (SELECT user FROM epochs WHERE epoch <= ?1 ORDER BY epoch LIMIT ?2)
             RETURNING epoch",
            params![self.through, self.limit],
        )?;
        // A login from before what was forgotten is refused: it could have been
        // meant.
        if let Some(highest) = forgotten.iter().max() {
            raise_floor(tx, *highest)?;
        }
        Ok(forgotten.len() as u64)
    }
}
