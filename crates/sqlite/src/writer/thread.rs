//! What the writer thread does between one batch and the next.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use revocable_core::{Change, ErrorKind, SessionId};

use super::batch::Batches;
use super::checkpoints::Checkpoints;
use super::queue::{Queue, Work};
use super::session::Soon;
use super::task::{Queued, Task};
use crate::claim::Claim;
use crate::fault::Fault;
use crate::open::{Location, run_pragma};

/// How long a checkpoint waits for readers, and so others for it.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(100);

/// How many rows have to go before it is worth to look for free pages.
const REMOVED_ROWS: u64 = 1_000;

/// How many pages are given back to the file system at a time.
const VACUUM_PAGES: u32 = 256;

/// The state of the writer thread.
pub(super) struct Thread {
    batches: Batches,
    queue: Arc<Queue>,
    location: Location,
    checkpoints: Checkpoints,
    /// Free pages are being given back.
    vacuuming: bool,
    /// Dropped last: until then nobody else may have the file to himself. It is
    /// this thread that ends last, also when it drops the store's last handle.
    _claim: Claim,
}

impl Thread {
    pub(super) fn new(
        batches: Batches,
        location: Location,
        queue: Arc<Queue>,
        claim: Claim,
    ) -> Self {
        Self {
            batches,
            queue,
            location,
            checkpoints: Checkpoints::new(),
            vacuuming: false,
            _claim: claim,
        }
    }

    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self) {
        loop {
            // A panic is a defect. It must not end the thread: who waits then
            // would wait for ever.
            match catch_unwind(AssertUnwindSafe(|| self.step())) {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => {
                    tracing::error!("the writer panicked");
                    self.batches.distrust();
                    self.vacuuming = false;
                }
            }
        }
        self.close();
    }

    /// Does what is next; whether there may be more.
    fn step(&mut self) -> bool {
        let wants_idle = self.vacuuming || self.checkpoints.is_due(self.location.wal_len());
        match self.queue.next(wants_idle) {
            Work::Count(askers) => {
                self.batches.count_foreign_changes(askers);
                return true;
            }
            Work::Requests(requests) => self.batches.run(requests),
            Work::Soon(changes) => self.run_soon(changes),
            Work::Idle => self.tidy(),
            Work::Closed => return false,
        }
        self.after_work();
        true
    }

    fn run_soon(&mut self, changes: Vec<(SessionId, Vec<Change>)>) {
        let count = changes.len();
        let (task, mut answered) = Task::new(Soon(changes));
        let task: Box<dyn Queued> = Box::new(task);
        self.batches.run(vec![task]);
        if !matches!(answered.try_recv(), Ok(Some(Ok(())))) {
            tracing::debug!(count, "touches were dropped: they could not be written");
        }
    }

    /// Keeps the log bounded when nobody ever stops writing.
    fn after_work(&mut self) {
        let len = self.location.wal_len();
        if self.checkpoints.is_urgent(len) {
            self.checkpoint(len);
        }
        if self.batches.removed_rows >= REMOVED_ROWS {
            self.batches.removed_rows = 0;
            self.vacuuming = true;
        }
    }

    /// One bounded step of what can wait until nobody else does.
    fn tidy(&mut self) {
        let len = self.location.wal_len();
        if self.checkpoints.is_due(len) {
            self.checkpoint(len);
        } else if self.vacuuming {
            self.vacuuming = self.vacuum().unwrap_or_else(|fault| {
                tracing::debug!(error = %revocable_core::Error::from(fault), "no vacuum");
                false
            });
        }
    }

    /// Copies the log into the file, so that the next commit can start it over.
    ///
    /// PASSIVE waits for nobody. It is the writer that does it, between
    /// batches, so that nothing is appended meanwhile and it can get to the
    /// end. A reader at just that time may still keep the log from starting
    /// over.
    fn checkpoint(&mut self, len: u64) {
        let mode = self.checkpoints.begin(len);
        let readers = self.batches.readers();
        let copied = readers.without_views(|| {
            readers.end_views();
            self.try_checkpoint(mode)
        });
        if let Err(fault) = copied {
            let error = revocable_core::Error::from(fault);
            tracing::warn!(wal_bytes = len, %error, "the write-ahead log cannot be copied");
        }
    }

    fn try_checkpoint(&mut self, mode: &str) -> Result<(), Fault> {
        let busy_timeout = self.location.busy_timeout();
        let connection = self.batches.connection()?;
        connection.busy_timeout(CHECKPOINT_WAIT.min(busy_timeout))?;
        let busy = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
            row.get::<_, bool>(0)
        });
        connection.busy_timeout(busy_timeout)?;
        if busy? {
            return Err(Fault::new(
                ErrorKind::Unavailable,
                "somebody reads or writes for a long time",
            ));
        }
        Ok(())
    }

    /// Gives some free pages back, if they are many; whether there may be more.
    /// Some are kept for the sessions to come.
    fn vacuum(&mut self) -> Result<bool, Fault> {
        let connection = self.batches.connection()?;
        let number = |name| -> rusqlite::Result<u32> {
            connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
        };
        let (free, all) = (number("freelist_count")?, number("page_count")?);
        if !are_many(free, all) {
            return Ok(false);
        }
        run_pragma(
            connection,
            &format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"),
        )?;
        // Somebody may have switched incremental vacuum off.
        Ok(number("freelist_count")? < free)
    }

    /// Leaves a single file behind, if nobody else has it open.
    fn close(mut self) {
        let closed = catch_unwind(AssertUnwindSafe(|| {
            if let Err(fault) = self.try_checkpoint("TRUNCATE") {
                let error = revocable_core::Error::from(fault);
                tracing::debug!(%error, "the write-ahead log was left for the next to open");
            }
            drop(self.batches);
        }));
        if closed.is_err() {
            tracing::error!("the writer panicked when it closed");
        }
    }
}

/// Whether free pages are so many that some are given back.
fn are_many(free: u32, all: u32) -> bool {
    free >= VACUUM_PAGES && free >= all / 4
}

#[cfg(test)]
mod tests {
    use revocable_core::EndListeners;
    use tempfile::TempDir;

    use super::*;
    use crate::readers::Readers;

    fn thread() -> (TempDir, Thread) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let location = Location::find(&path, Duration::ZERO, None).unwrap();
        let claim = Claim::take(&location, false).unwrap();
        let readers = Readers::idle(&location);
        let connection = location.open_writer().unwrap();
        let listeners = Arc::new(EndListeners::new());
        let batches = Batches::new(connection, location.clone(), listeners, readers);
        let thread = Thread::new(batches, location, Arc::new(Queue::new(1)), claim);
        (folder, thread)
    }

    #[test]
    fn free_pages_are_looked_for_when_many_rows_have_gone() {
        let (_folder, mut thread) = thread();
        thread.batches.removed_rows = REMOVED_ROWS - 1;
        thread.after_work();
        assert!(!thread.vacuuming);
        thread.batches.removed_rows += 1;
        thread.after_work();
        assert_eq!((thread.vacuuming, thread.batches.removed_rows), (true, 0));
    }

    #[test]
    fn a_quarter_of_the_file_and_256_pages_are_many() {
        assert!(are_many(256, 1_024) && are_many(300, 1_200));
        assert!(!are_many(255, 300) && !are_many(299, 1_200));
    }

    #[test]
    fn a_file_that_cannot_shrink_is_let_be() {
        let (_folder, mut thread) = thread();
        let free_pages = "CREATE TABLE bulk (data BLOB);
             INSERT INTO bulk VALUES (zeroblob(2000000)); DROP TABLE bulk";
        let connection = thread.batches.connection().unwrap();
        connection.execute_batch(free_pages).unwrap();
        assert!(thread.vacuum().unwrap());
        while thread.vacuum().unwrap() {}

        let connection = thread.batches.connection().unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = NONE; VACUUM")
            .unwrap();
        connection.execute_batch(free_pages).unwrap();
        assert!(!thread.vacuum().unwrap());
    }
}
