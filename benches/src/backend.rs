//! The stores, one line each.

use std::path::Path;

use revocable::{CachedStore, MemoryStore, MokaStore, Result, Sessions, SledStore, SqliteStore};

use crate::workload::sessions;

/// A store that is measured.
#[derive(Debug)]
pub struct Backend {
    /// What it is called in the table and on the command line.
    pub name: &'static str,
    /// Where its sessions are.
    pub kept: Kept,
    /// In a folder of its own, for at most so many sessions.
    open: fn(&Path, usize) -> Result<Sessions>,
}

/// Where a store keeps sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// In memory alone.
    InMemory,
    /// On disk.
    OnDisk,
    /// On disk, by a store that is in the list too.
    BehindACache,
}

/// All of them, with the settings that they have unless told otherwise.
pub const BACKENDS: &[Backend] = &[
    Backend::new(
        "memory",
        Kept::InMemory,
        |_, _| sessions(MemoryStore::new()),
    ),
    Backend::new("moka", Kept::InMemory, |_, most| {
        sessions(MokaStore::with_capacity(most as u64))
    }),
    Backend::new("sqlite", Kept::OnDisk, |folder, _| {
        sessions(SqliteStore::open(folder.join("sessions.db"))?)
    }),
    Backend::new("cached-sqlite", Kept::BehindACache, |folder, _| {
        sessions(cached_sqlite(folder)?)
    }),
    Backend::new("sled", Kept::OnDisk, |folder, _| {
        sessions(SledStore::open(folder.join("sessions"))?)
    }),
    Backend::new("cached-sled", Kept::BehindACache, |folder, _| {
        let store = SledStore::open(folder.join("sessions"))?;
        sessions(CachedStore::new(store)?)
    }),
];

fn cached_sqlite(folder: &Path) -> Result<CachedStore<SqliteStore>> {
    let file = folder.join("sessions.db");
    CachedStore::new(SqliteStore::builder(file).exclusive(true).open()?)
}

impl Backend {
    const fn new(
        name: &'static str,
        kept: Kept,
        open: fn(&Path, usize) -> Result<Sessions>,
    ) -> Self {
        Self { name, kept, open }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        BACKENDS.iter().find(|backend| backend.name == name)
    }

    /// Opens the store in this folder, or a new one, with room for at least so
    /// many sessions.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn open(&self, folder: &Path, most: usize) -> Result<Sessions> {
        (self.open)(folder, most)
    }

    /// Its name with what an acknowledged write survives: the end of the
    /// *process* or less, or a power cut. Times of unlike guarantees are not to
    /// be compared.
    pub fn label(&self) -> String {
        let survives = if self.is_durable() {
            "durable"
        } else {
            "process"
        };
        format!("{} ({survives})", self.name)
    }

    /// Whether its sessions are there when it is opened again.
    pub fn is_durable(&self) -> bool {
        self.kept != Kept::InMemory
    }
}
