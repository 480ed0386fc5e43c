//! The contract of every store.

use std::sync::Arc;

use revocable_conformance::{Harness, run};
use revocable_core::{Result, SessionStore};
use revocable_memory::MemoryStore;

struct Memory;

impl Harness for Memory {
    fn open(&self, _: &str) -> Result<Arc<dyn SessionStore>> {
        Ok(Arc::new(MemoryStore::new()))
    }
}

#[test]
fn a_memory_store_keeps_the_contract() {
    let report = run(&Memory);
    println!("{report}");
    report.assert_ok();
}
