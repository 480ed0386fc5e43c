//! How a store is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use revocable_core::{EndListeners, Result};

use crate::claim::Claim;
use crate::fault;
use crate::offload::Offload;
use crate::open::Location;
use crate::readers::Readers;
use crate::store::{Inner, SqliteStore};
use crate::writer::{Batches, Writer};

/// The longest that a read on the caller's thread waits for a lock. In WAL mode
/// there is one only while somebody recovers or closes the file.
const READ_BUSY_TIMEOUT: Duration = Duration::from_millis(250);

/// Opens a [`SqliteStore`] with other than the usual settings.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("sessions.db");
/// use std::time::Duration;
/// use revocable_sqlite::SqliteStore;
///
/// let store = SqliteStore::builder(path)
///     .reader_connections(4)
///     .busy_timeout(Duration::from_secs(2))
///     .open()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is opened before `open`"]
pub struct SqliteStoreBuilder {
    path: PathBuf,
    readers: usize,
    busy_timeout: Duration,
    offload_reads: bool,
    queue: usize,
    max_file_size: Option<u64>,
    exclusive: bool,
}

impl SqliteStoreBuilder {
    pub(crate) fn new(path: &Path) -> Self {
        let threads = std::thread::available_parallelism().map_or(4, usize::from);
        Self {
            path: path.to_owned(),
            readers: threads.clamp(2, 16),
            busy_timeout: Duration::from_secs(5),
            offload_reads: false,
            queue: 4_096,
            max_file_size: None,
            exclusive: false,
        }
    }

    /// How many reads may go on at the same time; at least 1. As many as the
    /// machine has threads, between 2 and 16, unless told otherwise. Each costs
    /// up to 4 MiB of cache, and so does one more, which is for sweeps.
    pub fn reader_connections(mut self, count: usize) -> Self {
        self.readers = count.max(1);
        self
    }

    /// How long a write waits while another process writes, and opening waits
    /// while another process opens; 5 seconds unless told otherwise. After that
    /// the answer is [`Unavailable`](revocable_core::ErrorKind::Unavailable).
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Reads on threads of the store's own instead of the caller's; as many as
    /// there are reader connections.
    ///
    /// Not so unless told: a lookup takes some microseconds, less than the way
    /// to another thread and back. Do it if the file is larger than the memory
    /// or the disk is slow, so that a read that has to wait for the disk does
    /// not hold up a thread of an async runtime.
    pub fn offload_reads(mut self, offload: bool) -> Self {
        self.offload_reads = offload;
        self
    }

    /// How many writes may wait for the writer, and how many reads for the
    /// reader threads, before more are refused as
    /// [`Unavailable`](revocable_core::ErrorKind::Unavailable); 4,096 unless
    /// told otherwise, at least 1.
    pub fn queue_bound(mut self, bound: usize) -> Self {
        self.queue = bound.max(1);
        self
    }

    /// The most bytes that the file may grow to, its write-ahead log aside; no
    /// limit unless told. At the limit writes that need more room are refused
    /// as [`Full`](revocable_core::ErrorKind::Full); revocations and sweeps
    /// are not. A file that is larger already stays as it is and does not grow.
    pub fn max_file_size(mut self, bytes: u64) -> Self {
        self.max_file_size = Some(bytes);
        self
    }

    /// Takes the file for this store alone; not so unless told. While it is
    /// open no other store can be opened on the file, in this process or
    /// another, and it cannot be opened while another is.
    ///
    /// All stores keep to this by a lock on a file of their own beside the
    /// database, `<name>-lock`, which the system releases when the process
    /// ends, however it ends. It does not stop other programs, such as the
    /// `sqlite3` shell: do not write with them. What they change, lookups may not see
    /// until this store has written something itself.
    ///
    /// A cache in front of the store then need not ask for the changes of
    /// others, and a lookup need not ask the system for a lock on the file if
    /// nothing was written since the lookup before.
    pub fn exclusive(mut self, exclusive: bool) -> Self {
        self.exclusive = exclusive;
        self
    }

    /// Opens the store; makes the file if it is not there, readable by its
    /// owner only. Blocks: it reads, and for a new file writes, the disk.
    ///
    /// # Errors
    ///
    /// `Configuration` if the path is not that of a plain file in a folder that
    /// exists, if the file is not a SQLite database, is another application's,
    /// or was written by a newer version, if the process may not write to it,
    /// or if the linked SQLite is too old. The message says what to do, and
    /// the file is left as it is.
    ///
    /// `Unavailable` if the file is locked for longer than the busy timeout,
    /// if another store has it [to itself](Self::exclusive) or this one cannot,
    /// or the disk fails, `Full` if it has no room, `Corrupt` if the file is damaged.
    pub fn open(self) -> Result<SqliteStore> {
        Ok(self.try_open()?)
    }

    fn try_open(self) -> fault::Result<SqliteStore> {
        let location = Location::find(&self.path, self.busy_timeout, self.max_file_size)?;
        location.check()?;
        let claim = Claim::take(&location, self.exclusive)?;
        let connection = location.open_writer().map_err(fault::Fault::at_open)?;
        let read_timeout = if self.offload_reads {
            self.busy_timeout
        } else {
            self.busy_timeout.min(READ_BUSY_TIMEOUT)
        };
        let open = |count| Readers::open(location.clone(), count, read_timeout);
        let readers = open(self.readers)?.keep_views(self.exclusive);
        let readers = [Arc::new(readers), Arc::new(open(1)?)];
        let offload = if self.offload_reads {
            Some(Offload::start(self.readers, self.queue)?)
        } else {
            None
        };
        let listeners = Arc::new(EndListeners::new());
        let batches = Batches::new(
            connection,
            location.clone(),
            Arc::clone(&listeners),
            Arc::clone(&readers[0]),
        );
        let writer = Writer::start(batches, location, self.queue, claim)?;
        Ok(SqliteStore::from_inner(Inner::new(
            readers,
            offload,
            writer,
            listeners,
            self.exclusive,
        )))
    }
}
