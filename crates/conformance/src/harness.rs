//! What a store's author implements.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use revocable_core::{Result, SessionId, SessionStore};

/// A future that the harness drives to its end.
pub type Task<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// How the checks get at a store. Only [`open`](Self::open) has to be written;
/// everything else says what the store can do beyond that, and each `false`
/// shows in the report as a check that was skipped, with the reason.
///
/// A name stands for one store's data: ASCII lower-case letters, digits and
/// underscores, at most 63 characters, so that it can be a file, a schema or a
/// key prefix. The checks never use two handles of one name at a time, and
/// never a name twice but to [`reopen`](Self::reopen) it.
pub trait Harness: Send + Sync {
    /// A fresh, empty store under this name.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from being opened; the check fails with it.
    fn open(&self, name: &str) -> Result<Arc<dyn SessionStore>>;

    /// Opens the store of this name again with the data that it had; all
    /// handles of it were dropped before. `None` for a store whose data ends
    /// with it.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    fn reopen(&self, name: &str) -> Result<Option<Arc<dyn SessionStore>>> {
        let _ = name;
        Ok(None)
    }

    /// The Unix millisecond at which the checks' own time begins. They wait
    /// for nothing and tell the store what time it is; but a server that
    /// removes sessions by its own clock must not find them expired earlier
    /// than the checks do, so this should be the real time.
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
    }

    /// Whether the store removes expired sessions by a clock of its own, as a
    /// Redis does. Then a session whose deadline is over in real time may be
    /// gone at any moment.
    fn expires_by_itself(&self) -> bool {
        false
    }

    /// Whether `revoke_everything` is one step, as a cluster's cannot be: there it ends one
    /// user's sessions after the other's, and all have ended when it returns. Then it is not
    /// run beside other calls.
    fn ends_everything_at_once(&self) -> bool {
        true
    }

    /// Drives a future to its end. Called from many threads at once. For a
    /// store that needs a runtime: enter it here.
    fn block_on(&self, task: Task<'_>) {
        futures_executor::block_on(task);
    }

    /// How often checks that depend on chance or on threads go round. Fewer
    /// for a store whose writes are slow.
    fn rounds(&self) -> u32 {
        100
    }

    /// Damages what is stored of this session, so that it can no longer be
    /// read. Returns whether that was done.
    fn damage(&self, name: &str, store: &Arc<dyn SessionStore>, id: SessionId) -> bool {
        let _ = (name, store, id);
        false
    }

    /// Makes the store unable to answer (takes its file or server away, fills
    /// its disk). Returns whether that was done.
    fn break_store(&self, name: &str, store: &Arc<dyn SessionStore>) -> bool {
        let _ = (name, store);
        false
    }

    /// Everything that the store has written or sent, for a search for
    /// secrets in it. `None` for a store that writes nothing.
    fn dump(&self, name: &str, store: &Arc<dyn SessionStore>) -> Option<Vec<u8>> {
        let _ = (name, store);
        None
    }
}
