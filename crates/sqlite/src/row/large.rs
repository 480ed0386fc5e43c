//! What of a session is kept outside its row, so that every row fits into its
//! page.

use revocable_core::{Record, SessionId};
use rusqlite::{Connection, params};

use crate::fault::Result;

/// A row that was left behind by a session whose end could not be read is
/// written over.
const PUT: &str = "INSERT OR REPLACE INTO large (id, client_user_agent, data) VALUES (?1, ?2, ?3)";

/// Removes what of a session is kept outside its row.
const REMOVE: &str = "DELETE FROM large WHERE id = ?1";

/// The longest user, client and data, in bytes, that stay in the row together.
/// Of a page of 4,096 bytes SQLite gives a row of a table WITHOUT ROWID 1,002,
/// ((4096 - 12) * 64 / 255) - 23, before it goes on elsewhere; all other columns
/// and the row's header take at the most 214. What stays in a large one, user
/// and label, has 383.
const IN_ROW_MAX: usize = 768;

/// Whether a session's user agent and data are kept outside its row. They do
/// not change together with anything else, so only a change of data moves them.
pub(crate) fn is_large(record: &Record) -> bool {
    let client = &record.client;
    let texts = [client.user_agent(), client.label()];
    let texts: usize = texts.into_iter().flatten().map(str::len).sum();
    record.user.as_str().len() + texts + record.data.len() > IN_ROW_MAX
}

/// The end of a row.
pub(super) struct Tail<'a> {
    pub(super) user_agent: Option<&'a str>,
    pub(super) data: &'a [u8],
    /// What is in the column of this name.
    pub(super) is_large: Option<i64>,
}

impl<'a> Tail<'a> {
    pub(super) fn of(record: &'a Record) -> Self {
        if is_large(record) {
            Self {
                user_agent: None,
                data: &[],
                is_large: Some(1),
            }
        } else {
            Self {
                user_agent: record.client.user_agent(),
                data: &record.data,
                is_large: None,
            }
        }
    }
}

/// Writes it, over what is there.
pub(super) fn put(connection: &Connection, record: &Record) -> rusqlite::Result<()> {
    connection.prepare_cached(PUT)?.execute(params![
        record.id.as_bytes(),
        record.client.user_agent(),
        &*record.data
    ])?;
    Ok(())
}

/// Reads all of what a session has outside its row, if it has: an error if that
/// could not be removed either.
pub(crate) fn read(connection: &Connection, id: SessionId) -> Result<bool> {
    let mut statement =
        connection.prepare_cached("SELECT client_user_agent, data FROM large WHERE id = ?1")?;
    let mut rows = statement.query([id.as_bytes().as_slice()])?;
    let Some(row) = rows.next()? else {
        return Ok(false);
    };
    row.get_ref(1)?;
    Ok(true)
}

/// Removes it.
pub(crate) fn remove(connection: &Connection, id: SessionId) -> rusqlite::Result<()> {
    connection
        .prepare_cached(REMOVE)?
        .execute([id.as_bytes()])?;
    Ok(())
}
