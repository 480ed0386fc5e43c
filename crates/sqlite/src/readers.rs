//! A pool of connections that read.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use revocable_core::ErrorKind;
use rusqlite::Connection;

use crate::fault::{Fault, Result};
use crate::open::Location;

/// Connections that read, each behind a lock that is held for one read. A
/// reader in WAL mode waits for no writer, and sees every commit that was
/// acknowledged before it began.
#[derive(Debug)]
pub(crate) struct Readers {
    location: Location,
    busy_timeout: Duration,
    /// Nobody else writes to the file: so a lookup may use the view of the one
    /// before, as long as this store has committed nothing since.
    keep_views: bool,
    /// Twice how often that may have been, and odd while it may be happening.
    /// Read before a view begins: so a view whose count is still the present one
    /// has everything that was acknowledged, and, since it is odd from before
    /// a commit can be seen, everything that any other lookup has seen.
    commits: AtomicU64,
    /// `None` after a failure, until the next use opens another, and after
    /// the close.
    slots: Box<[Mutex<Option<Reader>>]>,
}

/// A connection and, while it is open, its read transaction.
#[derive(Debug)]
struct Reader {
    connection: Connection,
    /// The commits that there were before the transaction began.
    view: Option<u64>,
}

impl Reader {
    /// Sees to a view that has all of these commits. To begin and end one takes
    /// two locks on a file, more than a third of what a lookup takes.
    fn keep_view(&mut self, commits: u64) -> Result<()> {
        if self.view != Some(commits) {
            self.end_view()?;
            self.connection.prepare_cached("BEGIN")?.execute([])?;
            self.view = Some(commits);
        }
        Ok(())
    }

    fn end_view(&mut self) -> Result<()> {
        if self.view.is_some() {
            self.connection.prepare_cached("COMMIT")?.execute([])?;
            self.view = None;
        }
        Ok(())
    }
}

thread_local! {
    /// Where this thread begins to look for a free slot: threads spread out, and
    /// each finds its statements and pages warm.
    static START: Cell<Option<usize>> = const { Cell::new(None) };
}

fn start() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    START.with(|start| {
        start.get().unwrap_or_else(|| {
            let next = NEXT.fetch_add(1, Ordering::Relaxed);
            start.set(Some(next));
            next
        })
    })
}

impl Readers {
    pub(crate) fn open(location: Location, count: usize, busy_timeout: Duration) -> Result<Self> {
        let mut readers = Self {
            location,
            busy_timeout,
            keep_views: false,
            commits: AtomicU64::new(0),
            slots: [].into(),
        };
        readers.slots = (0..count.max(1))
            .map(|_| Ok(Mutex::new(Some(readers.connect()?))))
            .collect::<Result<_>>()?;
        Ok(readers)
    }

    /// For a file that nobody else writes to.
    pub(crate) fn keep_views(mut self, keep: bool) -> Self {
        self.keep_views = keep;
        self
    }

    /// Runs what may commit, or what views would be in the way of. Meanwhile
    /// every lookup has a view of its own: one that began before a commit would
    /// still find what another lookup has seen revoked already.
    pub(crate) fn without_views<T>(&self, change: impl FnOnce() -> T) -> T {
        self.commits.fetch_or(1, Ordering::SeqCst);
        let changed = change();
        self.committed();
        changed
    }

    /// The writer has committed, or may have.
    pub(crate) fn committed(&self) {
        // Also if it was odd, and also if a panic has left it so.
        self.commits.fetch_or(1, Ordering::SeqCst);
        self.commits.fetch_add(1, Ordering::SeqCst);
    }

    /// Reads with a free connection, or waits for one: as long as another
    /// read takes. No transaction is open before it or after.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.with(|reader| {
            reader.end_view()?;
            read(&reader.connection)
        })
    }

    /// As [`read`](Self::read), for one statement: if nothing was written since
    /// the one before, in the transaction of that.
    pub(crate) fn look_up<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        if !self.keep_views {
            return self.read(read);
        }
        self.with(|reader| {
            match self.commits.load(Ordering::SeqCst) {
                commits if commits.is_multiple_of(2) => reader.keep_view(commits)?,
                _ => reader.end_view()?,
            }
            read(&reader.connection)
        })
    }

    /// Ends all views: an old one keeps the log from being copied, and one from
    /// before it was copied keeps it from starting over. Waits for the reads
    /// that are going on. [Meanwhile](Self::without_views) no other should begin.
    pub(crate) fn end_views(&self) {
        if !self.keep_views {
            return;
        }
        for slot in &self.slots {
            let mut slot = slot.lock().unwrap_or_else(|poisoned| {
                slot.clear_poison();
                Self::renewed(poisoned.into_inner())
            });
            if let Some(reader) = &mut *slot
                && reader.end_view().is_err()
            {
                *slot = None;
            }
        }
    }

    fn with<T>(&self, read: impl FnOnce(&mut Reader) -> Result<T>) -> Result<T> {
        let mut slot = self.free_slot();
        let reader = match &mut *slot {
            Some(reader) => reader,
            closed => closed.insert(self.connect().map_err(Fault::into_unavailable)?),
        };
        let result = read(reader);
        if let Err(fault) = &result
            && (Self::may_pass_with_a_new_one(fault) || reader.end_view().is_err())
        {
            *slot = None;
        }
        result
    }

    fn connect(&self) -> Result<Reader> {
        Ok(Reader {
            connection: self.location.open_reader(self.busy_timeout)?,
            view: None,
        })
    }

    /// Whether the connection, or what it has cached, may be at fault.
    fn may_pass_with_a_new_one(fault: &Fault) -> bool {
        fault.is_structural() || fault.kind() == ErrorKind::Unavailable
    }

    fn free_slot(&self) -> MutexGuard<'_, Option<Reader>> {
        let start = start() % self.slots.len();
        let (before, from) = self.slots.split_at(start);
        for slot in from.iter().chain(before) {
            match slot.try_lock() {
                Ok(guard) => return guard,
                Err(TryLockError::Poisoned(poisoned)) => {
                    slot.clear_poison();
                    return Self::renewed(poisoned.into_inner());
                }
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.slots[start].lock().unwrap_or_else(|poisoned| {
            self.slots[start].clear_poison();
            Self::renewed(poisoned.into_inner())
        })
    }

    /// After a panic while it was held: what state it is in nobody knows.
    fn renewed(mut slot: MutexGuard<'_, Option<Reader>>) -> MutexGuard<'_, Option<Reader>> {
        *slot = None;
        slot
    }

    /// Closes all. To be called when nobody reads any more.
    pub(crate) fn close(&self) {
        for slot in &self.slots {
            slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

#[cfg(test)]
impl Readers {
    /// Where nobody reads: with no connection open.
    pub(crate) fn idle(location: &Location) -> std::sync::Arc<Self> {
        let readers = Self::open(location.clone(), 1, Duration::ZERO).unwrap();
        readers.close();
        std::sync::Arc::new(readers)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::schema;

    fn readers(count: usize) -> (tempfile::TempDir, Readers) {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::find(&folder.path().join("s.db"), Duration::ZERO, None).unwrap();
        location.open_writer().unwrap();
        let readers = Readers::open(location, count, Duration::ZERO).unwrap();
        (folder, readers)
    }

    fn version(connection: &Connection) -> Result<i32> {
        Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
    }

    #[test]
    fn a_panic_while_reading_disables_no_connection() {
        let (_folder, readers) = readers(1);
        for _ in 0..3 {
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                readers.read(|_| -> Result<()> { panic!("a defect") })
            }));
            assert!(panicked.is_err());
            assert_eq!(readers.read(version).unwrap(), schema::VERSION);
        }
    }

    fn advance(location: &Location) {
        let writer = location.open_writer().unwrap();
        let advanced = writer.execute("UPDATE meta SET value = value + 1", []);
        assert_eq!(advanced.unwrap(), 2);
    }

    fn epoch(connection: &Connection) -> Result<i64> {
        let epoch = "SELECT value FROM meta WHERE name = 'epoch'";
        Ok(connection.query_row(epoch, [], |row| row.get(0))?)
    }

    #[test]
    fn a_view_is_kept_until_the_next_commit() {
        let (_folder, readers) = readers(1);
        let readers = readers.keep_views(true);
        let before = readers.look_up(epoch).unwrap();
        advance(&readers.location);
        // Nobody has said that there was a commit.
        assert_eq!(readers.look_up(epoch).unwrap(), before);
        readers.committed();
        assert_eq!(readers.look_up(epoch).unwrap(), before + 1);
        advance(&readers.location);
        // Other reads keep none and use none.
        assert_eq!(readers.read(epoch).unwrap(), before + 2);
        assert_eq!(readers.look_up(epoch).unwrap(), before + 2);
    }

    /// As another thread does, which begins with another connection.
    fn elsewhere<T: Send>(read: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(read).join().unwrap())
    }

    #[test]
    fn what_one_lookup_has_seen_no_later_one_misses() {
        let (_folder, readers) = readers(2);
        let readers = readers.keep_views(true);
        // Both connections have a view of the time before.
        let before = readers.look_up(epoch).unwrap();
        let inner = readers.look_up(|_| readers.look_up(epoch)).unwrap();
        assert_eq!(inner, before);
        readers.without_views(|| {
            advance(&readers.location);
            // Nobody was told of the commit, but it shows.
            for _ in 0..4 {
                assert_eq!(readers.look_up(epoch).unwrap(), before + 1);
                assert_eq!(elsewhere(|| readers.look_up(epoch)).unwrap(), before + 1);
            }
        });
        assert_eq!(readers.look_up(epoch).unwrap(), before + 1);
    }

    #[test]
    fn views_are_kept_again_after_a_panic() {
        let (_folder, readers) = readers(1);
        let readers = readers.keep_views(true);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            readers.without_views(|| panic!("a defect"));
        }));
        assert!(panicked.is_err());
        let before = readers.look_up(epoch).unwrap();
        advance(&readers.location);
        assert_eq!(readers.look_up(epoch).unwrap(), before + 1);
        readers.without_views(|| readers.committed());
        readers.look_up(epoch).unwrap();
        advance(&readers.location);
        assert_eq!(readers.look_up(epoch).unwrap(), before + 1);
    }

    #[test]
    fn no_view_is_kept_of_a_file_that_others_write_to() {
        let (_folder, readers) = readers(1);
        let before = readers.look_up(epoch).unwrap();
        advance(&readers.location);
        assert_eq!(readers.look_up(epoch).unwrap(), before + 1);
    }

    #[test]
    fn no_view_is_kept_after_a_failure() {
        let (_folder, readers) = readers(1);
        let readers = readers.keep_views(true);
        let before = readers.look_up(epoch).unwrap();
        let failed = readers.look_up(|_| -> Result<()> { Err(Fault::corrupt_record()) });
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Corrupt);
        advance(&readers.location);
        assert_eq!(readers.look_up(epoch).unwrap(), before + 1);
    }

    #[test]
    fn a_view_that_was_ended_does_not_keep_the_log_from_starting_over() {
        let (_folder, readers) = readers(2);
        let readers = readers.keep_views(true);
        readers.look_up(epoch).unwrap();
        let writer = readers.location.open_writer().unwrap();
        let checkpoint = || -> (bool, i64, i64) {
            let result = writer.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            });
            result.unwrap()
        };
        advance(&readers.location);
        let (busy, ..) = checkpoint();
        assert!(busy);
        readers.without_views(|| {
            readers.end_views();
            // A lookup that comes in between is not in the way.
            readers.look_up(epoch).unwrap();
            let (busy, frames, copied) = checkpoint();
            assert!(!busy && frames == copied);
        });
        // And lookups go on.
        readers.look_up(epoch).unwrap();
    }

    #[test]
    fn a_second_read_at_the_same_time_has_a_connection_of_its_own() {
        let (_folder, readers) = readers(2);
        let inner = readers.read(|_| readers.read(version)).unwrap();
        assert_eq!(inner, schema::VERSION);
    }

    #[test]
    fn readers_cannot_write() {
        let (_folder, readers) = readers(1);
        let written = readers.read(|reader| Ok(reader.execute("DELETE FROM meta", [])?));
        assert_eq!(written.unwrap_err().kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn a_connection_that_may_be_at_fault_is_replaced() {
        use rusqlite::ffi;
        let engine =
            |code| Fault::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        let cache_size = |reader: &Connection| -> Result<i64> {
            Ok(reader.query_row("PRAGMA cache_size", [], |row| row.get(0))?)
        };
        let (_folder, readers) = readers(1);
        let usual = readers.read(cache_size).unwrap();
        for (fault, replaced) in [
            (engine(ffi::SQLITE_IOERR), true),
            (engine(ffi::SQLITE_CORRUPT), true),
            (Fault::corrupt_record(), false),
        ] {
            let kind = fault.kind();
            let failed = readers.read(|reader| -> Result<()> {
                reader.execute_batch("PRAGMA cache_size = 77")?;
                Err(fault)
            });
            assert_eq!(failed.unwrap_err().kind(), kind);
            let expected = if replaced { usual } else { 77 };
            assert_eq!(readers.read(cache_size).unwrap(), expected, "{kind:?}");
        }
    }

    #[test]
    fn a_closed_pool_lets_go_of_its_connections() {
        let (_folder, readers) = readers(3);
        let open = |readers: &Readers| {
            let is_open = |slot: &&Mutex<Option<Reader>>| slot.lock().unwrap().is_some();
            readers.slots.iter().filter(is_open).count()
        };
        assert_eq!(open(&readers), 3);
        readers.close();
        assert_eq!(open(&readers), 0);
    }
}
