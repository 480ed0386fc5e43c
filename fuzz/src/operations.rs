//! Programs of all verbs on all embedded stores at once, which have to reply
//! alike.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use revocable::{
    CachedStore, ManualClock, MemoryStore, MokaStore, SessionStore, SledStore, SqliteStore,
};
use revocable_conformance::run_program;

/// One of each embedded store. Their files are in a folder of their own, which
/// goes with this; a fuzzer that ends by a signal leaves it in the folder for
/// temporary files.
pub struct Stores {
    stores: Vec<(&'static str, Arc<dyn SessionStore>)>,
    _folder: tempfile::TempDir,
}

impl Stores {
    /// Opens them, new and empty, with their files in a folder for temporary
    /// ones, which may be in memory: nothing here is about durability.
    ///
    /// # Panics
    ///
    /// If there is no room for their files.
    pub fn open(temporary: &Path) -> Self {
        let folder = tempfile::tempdir_in(temporary).expect("a temporary folder can be made");
        let path = |name| folder.path().join(name);
        let sqlite = |name| SqliteStore::builder(path(name)).exclusive(true).open();
        let sqlite = |name| sqlite(name).expect("a new file can be made");
        let sled = |name| SledStore::open(path(name)).expect("a new folder can be made");
        let stores: Vec<(_, Arc<dyn SessionStore>)> = vec![
            ("memory", Arc::new(MemoryStore::new())),
            ("moka", Arc::new(MokaStore::with_capacity(1_000))),
            ("sqlite", Arc::new(sqlite("sqlite.db"))),
            ("sled", Arc::new(sled("sled"))),
            ("cached memory", Arc::new(cached(MemoryStore::new()))),
            ("cached sqlite", Arc::new(cached(sqlite("cached.db")))),
            ("cached sled", Arc::new(cached(sled("cached_sled")))),
        ];
        Self {
            stores,
            _folder: folder,
        }
    }

    /// Runs the program that the bytes stand for, see [`run_program`].
    ///
    /// # Panics
    ///
    /// If a store does otherwise than the model.
    pub fn check(&self, data: &[u8]) {
        if let Err(why) = run_program(data, &self.stores) {
            panic!("{why}");
        }
    }
}

/// A cache whose clock shows the programs' time, so that it takes their
/// sessions for live ones.
fn cached<S: SessionStore>(store: S) -> CachedStore<S> {
    let day = Duration::from_secs(24 * 3_600);
    CachedStore::builder(store)
        .clock(ManualClock::new(SystemTime::UNIX_EPOCH + day))
        .build()
        .expect("nobody else writes to the store")
}
