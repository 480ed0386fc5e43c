//! SQLite files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use revocable::{Result, SessionId, SessionStore, SqliteStore};
use revocable_conformance::Harness;
use tempfile::TempDir;

/// A folder with one file for each store.
pub(super) struct Sqlite {
    folder: TempDir,
    offload_reads: bool,
    exclusive: bool,
}

impl Sqlite {
    pub(super) fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder can be made"),
            offload_reads: false,
            exclusive: false,
        }
    }

    pub(super) fn offloaded() -> Self {
        Self {
            offload_reads: true,
            ..Self::new()
        }
    }

    /// With the file to itself.
    pub(super) fn exclusive() -> Self {
        Self {
            exclusive: true,
            ..Self::new()
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.db"))
    }

    fn execute(&self, name: &str, sql: &str, id: Option<SessionId>) -> usize {
        let connection = rusqlite::Connection::open(self.path(name)).expect("the file is there");
        match id {
            Some(id) => connection.execute(sql, [id.as_bytes()]),
            None => connection.execute(sql, []),
        }
        .expect("the schema is as this test knows it")
    }
}

impl Harness for Sqlite {
    fn open(&self, name: &str) -> Result<Arc<dyn SessionStore>> {
        let store = SqliteStore::builder(self.path(name))
            .offload_reads(self.offload_reads)
            .exclusive(self.exclusive)
            .open()?;
        Ok(Arc::new(store))
    }

    fn reopen(&self, name: &str) -> Result<Option<Arc<dyn SessionStore>>> {
        self.open(name).map(Some)
    }

    fn rounds(&self) -> u32 {
        // Each write waits for the disk.
        20
    }

    fn damage(&self, name: &str, _: &Arc<dyn SessionStore>, id: SessionId) -> bool {
        let sql = "UPDATE sessions SET created_ms = created_ms + 1 WHERE id = ?1";
        self.execute(name, sql, Some(id)) == 1
    }

    fn break_store(&self, name: &str, _: &Arc<dyn SessionStore>) -> bool {
        for table in ["sessions", "epochs", "meta"] {
            self.execute(
                name,
                &format!("ALTER TABLE {table} RENAME TO no_{table}"),
                None,
            );
        }
        true
    }

    fn dump(&self, name: &str, _: &Arc<dyn SessionStore>) -> Option<Vec<u8>> {
        let path = self.path(name);
        let mut written = Vec::new();
        for suffix in ["", "-wal", "-shm"] {
            let mut file = path.clone().into_os_string();
            file.push(suffix);
            if Path::new(&file).exists() {
                written.extend(std::fs::read(file).expect("own files can be read"));
            }
        }
        Some(written)
    }
}
