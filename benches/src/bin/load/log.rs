//! SQLite's write-ahead log, seen from outside.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Where the number of its checkpoints stands in the header of the log, a
/// big-endian `u32` (SQLite's file format, 4.1).
const CHECKPOINTS: usize = 12;

/// How often the log in this folder has been copied into the database and
/// started over; `None` if there is no log.
///
/// The log can be read beside the store, which does not lock it. The database
/// could not: closing it would release the locks of the whole process.
pub(crate) fn started_over(folder: &Path) -> Option<u32> {
    let mut header = [0; 32];
    let mut log = File::open(folder.join("sessions.db-wal")).ok()?;
    log.read_exact(&mut header).ok()?;
    let number = header[CHECKPOINTS..].first_chunk()?;
    Some(u32::from_be_bytes(*number))
}
