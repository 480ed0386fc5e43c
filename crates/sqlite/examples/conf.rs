use revocable_conformance::{Harness, run};
use revocable_core::{Result, SessionId, SessionStore};
use std::sync::Arc;
struct H(tempfile::TempDir, bool);
impl H {
    fn p(&self, n: &str) -> std::path::PathBuf {
        self.0.path().join(format!("{n}.db"))
    }
    fn o(&self, n: &str) -> Result<Arc<dyn SessionStore>> {
        Ok(Arc::new(
            revocable_sqlite::SqliteStore::builder(self.p(n))
                .reader_connections(3)
                .offload_reads(self.1)
                .open()?,
        ))
    }
}
impl Harness for H {
    fn open(&self, name: &str) -> Result<Arc<dyn SessionStore>> {
        self.o(name)
    }
    fn reopen(&self, name: &str) -> Result<Option<Arc<dyn SessionStore>>> {
        self.o(name).map(Some)
    }
    fn damage(&self, name: &str, _s: &Arc<dyn SessionStore>, id: SessionId) -> bool {
        let c = rusqlite::Connection::open(self.p(name)).unwrap();
        c.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        c.execute(
            "UPDATE sessions SET digest = zeroblob(32) WHERE id = ?1",
            [id.as_bytes()],
        )
        .unwrap()
            == 1
    }
    fn dump(&self, name: &str, _s: &Arc<dyn SessionStore>) -> Option<Vec<u8>> {
        let mut v = std::fs::read(self.p(name)).unwrap();
        v.extend(std::fs::read(self.0.path().join(format!("{name}.db-wal"))).unwrap_or_default());
        Some(v)
    }
}
fn main() {
    let off = std::env::args().nth(1).is_some();
    let r = run(&H(tempfile::tempdir().unwrap(), off));
    println!("{r}");
}
