//! How each backend is opened, opened again, damaged and read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use revocable::{MemoryStore, Result, SessionId, SessionStore, SqliteStore};
use revocable_conformance::Harness;
use tempfile::TempDir;

/// The backends by name.
pub(crate) fn all() -> Vec<(&'static str, Arc<dyn Harness>)> {
    vec![
        ("memory", Arc::new(Memory)),
        ("memory_behind_a_pointer", Arc::new(BehindAPointer(Memory))),
        ("sqlite", Arc::new(Sqlite::new(false))),
        ("sqlite_offloaded", Arc::new(Sqlite::new(true))),
        (
            "sqlite_behind_a_pointer",
            Arc::new(BehindAPointer(Sqlite::new(false))),
        ),
    ]
}

struct Memory;

impl Harness for Memory {
    fn open(&self, _: &str) -> Result<Arc<dyn SessionStore>> {
        Ok(Arc::new(MemoryStore::new()))
    }
}

/// A folder with one file for each store.
struct Sqlite {
    folder: TempDir,
    offload_reads: bool,
}

impl Sqlite {
    fn new(offload_reads: bool) -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder can be made"),
            offload_reads,
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
        let builder = SqliteStore::builder(self.path(name));
        let store = if self.offload_reads {
            builder.offload_reads(true).open()?
        } else {
            builder.open()?
        };
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

/// The same backend, passed on as applications do that choose at run time.
struct BehindAPointer<H>(H);

impl<H: Harness> Harness for BehindAPointer<H> {
    fn open(&self, name: &str) -> Result<Arc<dyn SessionStore>> {
        let store: Box<dyn SessionStore> = Box::new(self.0.open(name)?);
        Ok(Arc::new(store))
    }

    fn reopen(&self, name: &str) -> Result<Option<Arc<dyn SessionStore>>> {
        self.0.reopen(name)
    }

    fn rounds(&self) -> u32 {
        self.0.rounds()
    }

    fn damage(&self, name: &str, store: &Arc<dyn SessionStore>, id: SessionId) -> bool {
        self.0.damage(name, store, id)
    }

    fn break_store(&self, name: &str, store: &Arc<dyn SessionStore>) -> bool {
        self.0.break_store(name, store)
    }

    fn dump(&self, name: &str, store: &Arc<dyn SessionStore>) -> Option<Vec<u8>> {
        self.0.dump(name, store)
    }
}
