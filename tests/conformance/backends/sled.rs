//! Sled folders.

use std::path::PathBuf;
use std::sync::Arc;

use revocable::{Result, SessionStore, SledStore};
use revocable_conformance::Harness;
use tempfile::TempDir;

/// A folder with one database for each store.
pub(super) struct Sled {
    folder: TempDir,
}

impl Sled {
    pub(super) fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder can be made"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Harness for Sled {
    fn open(&self, name: &str) -> Result<Arc<dyn SessionStore>> {
        Ok(Arc::new(SledStore::open(self.path(name))?))
    }

    fn reopen(&self, name: &str) -> Result<Option<Arc<dyn SessionStore>>> {
        self.open(name).map(Some)
    }

    fn rounds(&self) -> u32 {
        // Each write waits for the disk.
        20
    }

    fn dump(&self, name: &str, _: &Arc<dyn SessionStore>) -> Option<Vec<u8>> {
        let mut written = Vec::new();
        let mut folders = vec![self.path(name)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("own folders can be read") {
                let path = entry.expect("own folders can be read").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    written.extend(std::fs::read(path).expect("own files can be read"));
                }
            }
        }
        Some(written)
    }
}
