//! What became of commits that failed half-way.

use revocable_core::{EndListeners, EndReason, Ended};
use rusqlite::{Connection, OptionalExtension};

use super::task::Ends;
use crate::fault::{Fault, Result};

/// What commits of unknown outcome may have ended.
#[derive(Debug, Default)]
pub(super) struct Unsettled(Vec<Ends>);

impl Unsettled {
    pub(super) fn add(&mut self, ends: impl Iterator<Item = Ends>) {
        self.0.extend(ends);
    }

    /// Tells the listeners what did end. An ID never comes back: a session that
    /// is not there has ended. What lies where the file is damaged stays
    /// unknown: it must not hold up every write.
    pub(super) fn settle(
        &mut self,
        connection: &Connection,
        listeners: &EndListeners,
    ) -> Result<()> {
        let mut exists = connection.prepare("SELECT 1 FROM sessions WHERE id = ?1")?;
        let mut floor = connection.prepare("SELECT value FROM meta WHERE name = 'floor'")?;
        let mut everything: Vec<(u64, EndReason)> = Vec::new();
        let mut gone: Vec<Ended> = Vec::new();
        for ends in &self.0 {
            match ends {
                Ends::Sessions(ended) => {
                    for ended in ended {
                        let id = ended.id.as_bytes().as_slice();
                        let found = exists.query_row([id], |_| Ok(())).optional();
                        if unless_damaged(found)? == Some(None) {
                            gone.push(ended.clone());
                        }
                    }
                }
                Ends::Everything {
                    count,
                    reason,
                    epoch,
                } => {
                    let floor = unless_damaged(floor.query_row([], |row| row.get::<_, i64>(0)))?;
                    if floor.is_some_and(|floor| floor.cast_unsigned() >= epoch.get()) {
                        everything.push((*count, *reason));
                    }
                }
            }
        }
        self.0.clear();
        listeners.ended(&gone);
        for (count, reason) in everything {
            listeners.everything_ended(count, reason);
        }
        Ok(())
    }
}

/// What was read, unless the file is damaged there.
fn unless_damaged<T>(read: rusqlite::Result<T>) -> Result<Option<T>> {
    match read.map_err(Fault::from) {
        Ok(value) => Ok(Some(value)),
        Err(fault) if fault.is_structural() => Ok(None),
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    /// A disk that fails may come back, and then the listeners are told.
    #[test]
    fn only_what_is_damaged_stays_unknown() {
        let engine = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        assert_eq!(unless_damaged(Ok(1)).unwrap(), Some(1));
        let read = unless_damaged::<i32>(Err(engine(ffi::SQLITE_CORRUPT)));
        assert_eq!(read.unwrap(), None);
        assert!(unless_damaged::<i32>(Err(engine(ffi::SQLITE_IOERR))).is_err());
        assert!(unless_damaged::<i32>(Err(engine(ffi::SQLITE_BUSY))).is_err());
    }
}
