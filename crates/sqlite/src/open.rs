//! How a file is found, judged and opened.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use revocable_core::ErrorKind;
use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use crate::fault::{Fault, Result};
use crate::schema::{self, Identity};

/// The first SQLite without the WAL-reset corruption bug, 3.51.3.
const OLDEST_SQLITE: i32 = 3_051_003;

fn is_too_old(sqlite: i32) -> bool {
    sqlite < OLDEST_SQLITE
}

/// The log is cut to this when it starts over, and is copied into the file when
/// it has grown beyond.
pub(crate) const WAL_LIMIT: u64 = 4 << 20;

/// Flags without `SQLITE_OPEN_URI`: a path is a path. Without
/// `SQLITE_OPEN_CREATE`: only this module creates a file. Each connection is
/// used by one thread at a time, so the engine's own mutexes are left out.
fn flags(access: OpenFlags) -> OpenFlags {
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// A file that may be opened, and how.
#[derive(Debug, Clone)]
pub(crate) struct Location {
    /// Absolute and without symbolic links.
    path: PathBuf,
    busy_timeout: Duration,
    max_bytes: Option<u64>,
}

/// The most pages that a database can have.
const MAX_PAGES: i64 = 0xffff_fffe;

impl Location {
    /// Finds the file, or makes an empty one that only its owner may read.
    pub(crate) fn find(
        path: &Path,
        busy_timeout: Duration,
        max_bytes: Option<u64>,
    ) -> Result<Self> {
        if is_too_old(rusqlite::version_number()) {
            return Err(Fault::configuration(format!(
                "SQLite {} can corrupt a database that several connections write to: link 3.51.3 \
                 or newer, or use the feature `bundled`",
                rusqlite::version()
            )));
        }
        let text = path.to_string_lossy();
        if text.is_empty() || text == ":memory:" || text.starts_with("file:") {
            return Err(Fault::configuration(
                "the path has to be that of a plain file, not empty, not `:memory:` and not a \
                 URI; for sessions in memory there is revocable-memory",
            ));
        }
        create_if_missing(path)?;
        let path = fs::canonicalize(path).map_err(|error| cannot("find", path, &error))?;
        Ok(Self {
            path,
            busy_timeout,
            max_bytes,
        })
    }

    /// A file beside the database, named as the engine names its own.
    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    pub(crate) fn busy_timeout(&self) -> Duration {
        self.busy_timeout
    }

    /// The size of the write-ahead log in bytes. Opens nothing: to close a
    /// file drops all of the process's locks on it.
    pub(crate) fn wal_len(&self) -> u64 {
        fs::metadata(self.beside("-wal")).map_or(0, |metadata| metadata.len())
    }

    /// Looks whose file it is, without writing to it.
    pub(crate) fn check(&self) -> Result<()> {
        if fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() == 0) {
            return Ok(());
        }
        let probe =
            Connection::open_with_flags(&self.path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY))
                .and_then(|connection| {
                    connection.busy_timeout(self.busy_timeout)?;
                    Identity::of(&connection)
                });
        match probe {
            Ok(identity) => identity.check(),
            // A crash while the file was made: it has to be rolled back first,
            // which a reader cannot do.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ReadOnly) => Ok(()),
            Err(error) => Err(Fault::from(error).at_open()),
        }
    }

    /// A connection that writes; makes the file current first.
    pub(crate) fn open_writer(&self) -> Result<Connection> {
        let connection = self.open(self.busy_timeout)?;
        if connection.is_readonly("main")? {
            return Err(Fault::configuration(
                "the file cannot be written to; give the process write permission to it and to \
                 its folder",
            ));
        }
        // A new file is filled before it is switched to WAL, so that its header
        // says at any time whose it is.
        schema::migrate(&connection)?;
        let mode = self.switch_to_wal(&connection)?;
        if mode != "wal" {
            return Err(Fault::configuration(
                "the file system does not support SQLite's write-ahead log; use a local one",
            ));
        }
        run_pragma(&connection, "PRAGMA cache_size = -16384")?;
        run_pragma(
            &connection,
            &format!("PRAGMA journal_size_limit = {WAL_LIMIT}"),
        )?;
        self.limit(&connection)?;
        Ok(connection)
    }

    /// The engine does not wait for others when it changes the mode, and others
    /// may be opening the file too: what it does wait for is to write, so that
    /// comes between two attempts.
    fn switch_to_wal(&self, connection: &Connection) -> Result<String> {
        let deadline = Instant::now() + self.busy_timeout;
        loop {
            let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
            match mode {
                Err(error)
                    if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                        && Instant::now() < deadline =>
                {
                    thread::yield_now();
                    connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
                }
                mode => return Ok(mode?),
            }
        }
    }

    /// Has the engine keep the file below its limit.
    pub(crate) fn limit(&self, connection: &Connection) -> rusqlite::Result<()> {
        let Some(bytes) = self.max_bytes else {
            return Ok(());
        };
        let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
        // 0 would mean something else to the engine.
        let pages = pages.clamp(1, MAX_PAGES);
        run_pragma(connection, &format!("PRAGMA max_page_count = {pages}"))
    }

    /// Has the engine forget the limit.
    pub(crate) fn unlimit(&self, connection: &Connection) -> rusqlite::Result<()> {
        run_pragma(connection, &format!("PRAGMA max_page_count = {MAX_PAGES}"))
    }

    /// A connection that reads.
    pub(crate) fn open_reader(&self, busy_timeout: Duration) -> Result<Connection> {
        let connection = self.open(busy_timeout)?;
        run_pragma(&connection, "PRAGMA cache_size = -4096")?;
        run_pragma(&connection, "PRAGMA query_only = ON")?;
        Ok(connection)
    }

    fn open(&self, busy_timeout: Duration) -> Result<Connection> {
        let connection =
            Connection::open_with_flags(&self.path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
        connection.busy_timeout(busy_timeout)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        for setting in SETTINGS {
            run_pragma(&connection, setting)?;
        }
        Ok(connection)
    }
}

/// What every connection is told, readers too: the last one to close copies the
/// log into the file.
const SETTINGS: [&str; 9] = [
    // NORMAL does not sync at a commit in WAL mode: an acknowledged revocation
    // could be undone by a power cut.
    "PRAGMA synchronous = FULL",
    // macOS: fsync alone does not reach the medium.
    "PRAGMA fullfsync = 1",
    "PRAGMA checkpoint_fullfsync = 1",
    "PRAGMA wal_autocheckpoint = 0",
    // An I/O error in a mapping is a signal, not an error.
    "PRAGMA mmap_size = 0",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA secure_delete = FAST",
    "PRAGMA cell_size_check = ON",
    "PRAGMA trusted_schema = OFF",
];

/// Runs a pragma to its end, whether or not it has an answer.
pub(crate) fn run_pragma(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// Between the creation of a file and the closing of the handle that created
/// it, another thread's engine may have locked it: the close would drop that
/// lock, as POSIX has it.
static CREATING: Mutex<()> = Mutex::new(());

fn create_if_missing(path: &Path) -> Result<()> {
    let _guard = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(created) => created
            .sync_all()
            .and_then(|()| sync_folder(path))
            .map_err(|error| cannot("create", path, &error)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if path.is_dir() {
                return Err(Fault::configuration(format!(
                    "{} is a folder; name a file in it",
                    path.display()
                )));
            }
            warn_if_others_may_read(path);
            Ok(())
        }
        Err(error) => Err(cannot("create", path, &error)),
    }
}

/// Makes the new name survive a power cut. The engine does so for its own
/// files.
fn sync_folder(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match File::open(folder)?.sync_all() {
        // Some file systems cannot, and need not.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

#[cfg(unix)]
fn warn_if_others_may_read(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0) {
        tracing::warn!(path = %path.display(), "others may read the session store: chmod 600");
    }
}

#[cfg(not(unix))]
fn warn_if_others_may_read(_: &Path) {}

/// A file that cannot be found or made: a person has to do something, save for
/// a full disk.
fn cannot(what: &str, path: &Path, error: &io::Error) -> Fault {
    let shown = path.display();
    let folder = path.parent().unwrap_or(path).display();
    let (kind, advice) = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => (
            ErrorKind::Configuration,
            format!("make the folder {folder} first"),
        ),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => (
            ErrorKind::Configuration,
            format!("give the process write permission to the folder {folder}"),
        ),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::Full, "free some space".to_owned())
        }
        io::ErrorKind::InvalidInput
        | io::ErrorKind::InvalidFilename
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::Unsupported => (ErrorKind::Configuration, "check the path".to_owned()),
        _ => (
            ErrorKind::Unavailable,
            "look at the disk and the system's log".to_owned(),
        ),
    };
    Fault::new(kind, format!("cannot {what} {shown} ({error}): {advice}"))
}

#[cfg(test)]
mod tests;
