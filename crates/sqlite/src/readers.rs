//! A pool of connections that read.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use revocable_core::ErrorKind;
use rusqlite::Connection;

use crate::fault::{Fault, Result};
use crate::open::Location;

/// Connections that read, each behind a lock that is held for one read. A
/// reader in WAL mode waits for no writer, and sees every commit that was
/// acknowledged before it began; no read transaction is held any longer.
#[derive(Debug)]
pub(crate) struct Readers {
    location: Location,
    busy_timeout: Duration,
    /// `None` after a failure, until the next use opens another, and after
    /// the close.
    slots: Box<[Mutex<Option<Connection>>]>,
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
        let slots = (0..count.max(1))
            .map(|_| Ok(Mutex::new(Some(location.open_reader(busy_timeout)?))))
            .collect::<Result<_>>()?;
        Ok(Self {
            location,
            busy_timeout,
            slots,
        })
    }

    /// Reads with a free connection, or waits for one: as long as another
    /// read takes.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let mut slot = self.free_slot();
        let connection = match &mut *slot {
            Some(connection) => connection,
            closed => closed.insert(self.reopen()?),
        };
        let result = read(connection);
        if result.as_ref().is_err_and(Self::may_pass_with_a_new_one) {
            *slot = None;
        }
        result
    }

    fn reopen(&self) -> Result<Connection> {
        self.location
            .open_reader(self.busy_timeout)
            .map_err(Fault::into_unavailable)
    }

    /// Whether the connection, or what it has cached, may be at fault.
    fn may_pass_with_a_new_one(fault: &Fault) -> bool {
        fault.is_structural() || fault.kind() == ErrorKind::Unavailable
    }

    fn free_slot(&self) -> MutexGuard<'_, Option<Connection>> {
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
    fn renewed(mut slot: MutexGuard<'_, Option<Connection>>) -> MutexGuard<'_, Option<Connection>> {
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
            let is_open = |slot: &&Mutex<Option<Connection>>| slot.lock().unwrap().is_some();
            readers.slots.iter().filter(is_open).count()
        };
        assert_eq!(open(&readers), 3);
        readers.close();
        assert_eq!(open(&readers), 0);
    }
}
