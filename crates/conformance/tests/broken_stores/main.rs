//! The suite against stores with one deliberate defect each: every one is
//! caught, and every check catches one.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod defect;
mod store;
mod tables;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use revocable_conformance::{Harness, Verdict, checks, run};
use revocable_core::{Result, SessionId, SessionStore};

use crate::defect::{CAUGHT, CAUGHT_BY_NO_STORE, Defect};
use crate::store::Store;
use crate::tables::Shared;

#[derive(Default)]
struct Stores {
    defect: Option<Defect>,
    /// What the disk is to others.
    disk: Mutex<BTreeMap<String, Arc<Shared>>>,
}

impl Stores {
    fn tables(&self, name: &str) -> Arc<Shared> {
        self.disk.lock().unwrap()[name].clone()
    }
}

impl Harness for Stores {
    fn open(&self, name: &str) -> Result<Arc<dyn SessionStore>> {
        let tables = Arc::<Shared>::default();
        let before = self
            .disk
            .lock()
            .unwrap()
            .insert(name.into(), tables.clone());
        assert!(before.is_none(), "{name} was opened twice");
        Ok(Arc::new(Store::new(tables, self.defect)))
    }

    fn reopen(&self, name: &str) -> Result<Option<Arc<dyn SessionStore>>> {
        let tables = self.tables(name);
        assert_eq!(Arc::strong_count(&tables), 2, "{name} is still open");
        tables.take().reopen(self.defect);
        Ok(Some(Arc::new(Store::new(tables, self.defect))))
    }

    /// Enough for a race that threads lose once in a hundred rounds; a check
    /// ends with the first.
    fn rounds(&self) -> u32 {
        if self.defect.is_some() { 2_000 } else { 100 }
    }

    fn damage(&self, name: &str, _: &Arc<dyn SessionStore>, id: SessionId) -> bool {
        self.tables(name).take().damaged.insert(id)
    }

    fn break_store(&self, name: &str, _: &Arc<dyn SessionStore>) -> bool {
        self.tables(name).take().broken = true;
        true
    }

    fn dump(&self, name: &str, _: &Arc<dyn SessionStore>) -> Option<Vec<u8>> {
        let tables = self.tables(name);
        let tables = tables.take();
        Some(tables.rows.values().flat_map(|row| row.encode()).collect())
    }
}

#[test]
fn the_store_without_a_defect_passes() {
    let report = run(&Stores::default());
    report.assert_ok();
    assert_eq!(report.skipped().count(), 0, "{report}");
}

#[test]
fn every_defect_is_caught() {
    let checks: BTreeMap<&str, _> = checks().into_iter().map(|c| (c.name(), c)).collect();
    let mut missed = Vec::new();
    for (defect, names) in CAUGHT {
        for name in *names {
            let stores = Stores {
                defect: Some(*defect),
                ..Stores::default()
            };
            let check = checks[name];
            match check.run(&stores) {
                Verdict::Failed(why) => println!("{defect:?} is caught by {name}: {why}\n"),
                other => missed.push(format!("{defect:?} is not caught by {name}: {other:?}")),
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// A check that cannot fail is a defect itself.
#[test]
fn every_check_catches_a_defect() {
    let idle: Vec<&str> = checks()
        .iter()
        .map(|check| check.name())
        .filter(|name| !CAUGHT_BY_NO_STORE.contains(name))
        .filter(|name| !CAUGHT.iter().any(|(_, names)| names.contains(name)))
        .collect();
    assert_eq!(idle, Vec::<&str>::new(), "not seen to fail");
}

#[test]
fn names_can_be_files_and_schemas() {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    for check in checks() {
        // With a number behind it, at most 63.
        assert!(check.name().len() <= 60, "{} is too long", check.name());
        assert!(check.name().chars().all(allowed), "{}", check.name());
    }
}
