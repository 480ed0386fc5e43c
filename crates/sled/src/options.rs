//! How a store is opened.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use revocable_core::{ErrorKind, Result};

use crate::disk::{Disk, Sync};
use crate::fault::{self, Fault};
use crate::folder::Folder;
use crate::shared::{COUNT, FLOOR, GENERATION, POSITION, Shared, Trees, number};
use crate::store::SledStore;
use crate::watch::Watch;
use crate::writer::{Writer, Written};

/// How long opening waits for a lock. The engine lets go of a folder a moment
/// after its last handle was dropped, when its own threads have ended.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// Opens a [`SledStore`] with other than the usual settings.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("sessions");
/// use revocable_sled::SledStore;
///
/// let store = SledStore::builder(path).cache_capacity(256 << 20).open()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is opened before `open`"]
pub struct SledStoreBuilder {
    path: PathBuf,
    cache: u64,
    queue: usize,
    write_timeout: Duration,
}

impl SledStoreBuilder {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            cache: 64 << 20,
            queue: 4_096,
            write_timeout: Duration::from_secs(30),
        }
    }

    /// How many bytes of pages the engine keeps in memory; 64 MiB unless told
    /// otherwise. Beside them it keeps an index of all pages, in proportion to
    /// the database.
    pub fn cache_capacity(mut self, bytes: u64) -> Self {
        // Less and the engine has no room to work.
        self.cache = bytes.max(1 << 20);
        self
    }

    /// How many writes may wait for the writer before more are refused as
    /// [`Unavailable`](ErrorKind::Unavailable); 4,096 unless told otherwise, at
    /// least 1.
    pub fn queue_bound(mut self, bound: usize) -> Self {
        self.queue = bound.max(1);
        self
    }

    /// How long the disk may take over a write; 30 seconds unless told otherwise,
    /// at least one millisecond. After that who waits for it is told
    /// [`UnknownOutcome`](ErrorKind::UnknownOutcome), and everybody else
    /// [`Unavailable`](ErrorKind::Unavailable), lookups too, until the write comes
    /// to an end; a write that has only been waiting is then never carried out.
    /// If the end never comes, which the engine does not rule out after an error
    /// of the disk, only a new process can open the folder again.
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        // Longer than a day is for ever, and a sum must not overflow.
        let day = Duration::from_secs(86_400);
        self.write_timeout = timeout.clamp(Duration::from_millis(1), day);
        self
    }

    /// Opens the store; makes the folder if it is not there, accessible to its
    /// owner only. Blocks: it reads the database's log, which takes longer the
    /// larger it is.
    ///
    /// # Errors
    ///
    /// `Configuration` if the folder is not empty and not a session store's,
    /// was written by a newer version, or cannot be written to; it is left as it
    /// is. `Unavailable` if another store has it open or the disk fails, `Full`
    /// if it has no room, `Corrupt` if the database is damaged.
    pub fn open(self) -> Result<SledStore> {
        // The engine syncs when it is closed, here after an error, and panics if
        // the disk fails then.
        let opened = catch_unwind(AssertUnwindSafe(|| self.try_open(|disk| Box::new(disk))));
        let opened = opened.unwrap_or_else(|_| {
            Err(Fault::new(
                ErrorKind::Unavailable,
                "the engine panicked while it opened the database; look at the disk and the \
                 system's log",
            ))
        });
        Ok(opened?)
    }

    pub(crate) fn try_open(
        self,
        sync: impl FnOnce(Disk) -> Box<dyn Sync>,
    ) -> fault::Result<SledStore> {
        let mut folder = Folder::claim(&self.path)?;
        let database = self.open_database(&folder)?;
        folder.make_private()?;
        let meta = database.open_tree("meta")?;
        let position = match number(&meta, POSITION)? {
            Some(position) => position,
            None => begin(&meta)?,
        };
        let floor = number(&meta, FLOOR)?.unwrap_or(position);
        let generation = number(&meta, GENERATION)?.unwrap_or(0);
        let trees = Trees::open(&database, generation)?;
        let count = match number(&meta, COUNT) {
            Ok(Some(count)) => count,
            // Damaged, or of a version that did not write it.
            _ => count(&meta, &trees)?,
        };
        let garbage = trees.left_behind(&database)?;
        database.flush()?;
        let disk = sync(Disk::new(&folder)?);
        folder.finish()?;
        let watch = Arc::new(Watch::new(self.write_timeout));
        let shared = Arc::new(Shared::new(database, meta, trees, position, watch));
        let written = Written { floor, count };
        let writer = Writer::start(Arc::clone(&shared), disk, written, garbage, self.queue)?;
        Ok(SledStore::new(writer, shared))
    }

    fn open_database(&self, folder: &Folder) -> fault::Result<sled::Db> {
        let config = sled::Config::new()
            .path(folder.path())
            .cache_capacity(self.cache)
            // The writer flushes; a thread of the engine's own would do it
            // again, without waiting for the disk.
            .flush_every_ms(None);
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            match config.open() {
                Err(sled::Error::Io(error)) if is_locked(&error) => {
                    if Instant::now() >= deadline {
                        return Err(Fault::new(
                            ErrorKind::Unavailable,
                            "another store has the folder open; only one can at a time",
                        ));
                    }
                    std::thread::park_timeout(Duration::from_millis(5));
                }
                opened => return Ok(opened?),
            }
        }
    }
}

/// The engine says it in words only.
fn is_locked(error: &std::io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

/// A new store begins at a position at random, so that a login that began in
/// another life of it, such as one before the folder was removed, is refused.
fn begin(meta: &sled::Tree) -> fault::Result<u64> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| {
        Fault::new(
            ErrorKind::Unavailable,
            "the operating system gave no entropy",
        )
    })?;
    let position = u64::from_be_bytes(random) >> 2;
    meta.insert(FLOOR, &position.to_be_bytes())?;
    meta.insert(POSITION, &position.to_be_bytes())?;
    Ok(position)
}

/// Counts the sessions, once.
fn count(meta: &sled::Tree, trees: &Trees) -> fault::Result<u64> {
    let mut count = 0_u64;
    for key in trees.sessions.iter().keys() {
        key?;
        count += 1;
    }
    meta.insert(COUNT, &count.to_be_bytes())?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn new_stores_begin_at_different_positions_that_leave_room() {
        let database = sled::Config::new().temporary(true).open().unwrap();
        let positions: HashSet<_> = (0..64_u8)
            .map(|number| {
                let meta = database.open_tree([number]).unwrap();
                let position = begin(&meta).unwrap();
                for name in [POSITION, FLOOR] {
                    assert_eq!(number_in(&meta, name), position);
                }
                position
            })
            .collect();
        assert_eq!(positions.len(), 64);
        assert!(positions.iter().all(|position| *position < 1 << 62));
    }

    fn number_in(meta: &sled::Tree, name: &str) -> u64 {
        number(meta, name).unwrap().unwrap()
    }

    #[test]
    fn a_database_that_cannot_be_opened_is_not_one_that_is_in_use() {
        let folder = tempfile::tempdir().unwrap();
        drop(SledStore::open(folder.path()).unwrap());
        let log = folder.path().join("db");
        std::fs::remove_file(&log).unwrap();
        std::fs::create_dir(&log).unwrap();
        let error = SledStore::open(folder.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(!error.to_string().contains("another store"), "{error}");
    }
}
