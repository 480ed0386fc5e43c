//! The reference model keeps its own contract.

use std::sync::Arc;

use revocable_conformance::{Harness, ModelStore, run};
use revocable_core::{Result, SessionStore};

struct Models;

impl Harness for Models {
    fn open(&self, _: &str) -> Result<Arc<dyn SessionStore>> {
        Ok(Arc::new(ModelStore::new()))
    }
}

#[test]
fn the_model_keeps_the_contract() {
    let report = run(&Models);
    println!("{report}");
    report.assert_ok();
}
