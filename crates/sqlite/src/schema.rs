//! What a file holds, and how an older one becomes a current one.

use rusqlite::Connection;

use crate::fault::{Fault, Result};

/// "rvok": says in the file's header that it is one of ours.
pub(crate) const APPLICATION_ID: i32 = 0x7276_6f6b;

/// Each entry takes a file from the version that is its index to the next.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql"), include_str!("large.sql")];

/// The version that this crate writes.
pub(crate) const VERSION: i32 = MIGRATIONS.len() as i32;

/// What a file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    application_id: i32,
    version: i32,
    /// Nobody has written a table yet.
    empty: bool,
}

impl Identity {
    /// One view: somebody else may be making the file just now.
    pub(crate) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let _view = connection.unchecked_transaction()?;
        Self::in_transaction(connection)
    }

    fn in_transaction(connection: &Connection) -> rusqlite::Result<Self> {
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        Ok(Self {
            application_id: number("application_id")?,
            version: number("user_version")?,
            empty: connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
                row.get::<_, i64>(0)
            })? == 0,
        })
    }

    /// Whether the file may be opened; it is not written to before.
    pub(crate) fn check(self) -> Result<()> {
        if self.application_id != APPLICATION_ID && !self.is_new() {
            return Err(Fault::configuration(
                "the file is a database of another application: give the session store a file of \
                 its own",
            ));
        }
        if self.version > VERSION {
            return Err(Fault::configuration(format!(
                "the file has schema version {}, written by a newer revocable-sqlite, and this \
                 one knows up to {VERSION}: upgrade it, or use another file",
                self.version
            )));
        }
        Ok(())
    }

    fn is_new(self) -> bool {
        self.application_id == 0 && self.version == 0 && self.empty
    }

    pub(crate) fn is_current(self) -> bool {
        self.application_id == APPLICATION_ID && self.version == VERSION
    }
}

/// Makes the file current, in one transaction. Other processes may be doing
/// the same.
pub(crate) fn migrate(connection: &Connection) -> Result<()> {
    let identity = Identity::of(connection)?;
    identity.check()?;
    if identity.is_current() {
        return Ok(());
    }
    if identity.is_new() {
        // Has an effect only before the first table.
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL")?;
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let migrated = run_migrations(connection);
    let end = if migrated.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    };
    let ended = connection.execute_batch(end);
    migrated?;
    Ok(ended?)
}

fn run_migrations(connection: &Connection) -> Result<()> {
    let identity = Identity::in_transaction(connection)?;
    identity.check()?;
    let done = usize::try_from(identity.version).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(done) {
        connection.execute_batch(migration)?;
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", VERSION)?;
    Ok(())
}
