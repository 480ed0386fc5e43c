//! The contract of every store, with room to spare.

use std::sync::Arc;

use revocable_conformance::{Harness, run};
use revocable_core::{Result, SessionStore};
use revocable_moka::MokaStore;

use crate::support::memory_to_oneself;

struct Counted;

impl Harness for Counted {
    fn open(&self, _: &str) -> Result<Arc<dyn SessionStore>> {
        Ok(Arc::new(MokaStore::with_capacity(1_000_000)))
    }
}

struct Weighed;

impl Harness for Weighed {
    fn open(&self, _: &str) -> Result<Arc<dyn SessionStore>> {
        Ok(Arc::new(MokaStore::with_weight(1 << 30)))
    }

    fn rounds(&self) -> u32 {
        20
    }
}

#[test]
fn a_store_bounded_by_number_keeps_the_contract() {
    let _memory = memory_to_oneself();
    let report = run(&Counted);
    println!("{report}");
    report.assert_ok();
}

#[test]
fn a_store_bounded_by_weight_keeps_the_contract() {
    let _memory = memory_to_oneself();
    let report = run(&Weighed);
    println!("{report}");
    report.assert_ok();
}
