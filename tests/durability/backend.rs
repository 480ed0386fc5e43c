//! The durable stores.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use revocable::{Result, SessionStore, SledStore, SqliteStore};

/// Which store a test is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// [`SqliteStore`] with the settings that it has unless told otherwise.
    Sqlite,
    /// [`SledStore`] likewise.
    Sled,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Sled];

    /// The name, for a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Sled => "sled",
        }
    }

    /// The store with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|backend| backend.name() == name)
    }

    /// Opens the store that is in this folder, or a new one.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn open(self, folder: &Path) -> Result<Arc<dyn SessionStore>> {
        let path = folder.join("sessions");
        Ok(match self {
            Self::Sqlite => Arc::new(SqliteStore::open(path)?),
            // A disk that hangs is noticed while a test still waits.
            Self::Sled => Arc::new(
                SledStore::builder(path)
                    .write_timeout(Duration::from_secs(5))
                    .open()?,
            ),
        })
    }
}
