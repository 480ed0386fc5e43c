//! The contract of [`SessionStore`](revocable_core::SessionStore) as checks
//! that any store can run, also one that lives in a crate of its own.
//!
//! # On your own store
//!
//! Say how a fresh, empty store is opened, and run everything in a test:
//!
//! ```
//! use std::sync::Arc;
//!
//! use revocable_conformance::Harness;
//! use revocable_core::{Result, SessionStore};
//! # use revocable_conformance::ModelStore as MyStore;
//!
//! struct MyStores;
//!
//! impl Harness for MyStores {
//!     fn open(&self, _name: &str) -> Result<Arc<dyn SessionStore>> {
//!         Ok(Arc::new(MyStore::new()))
//!     }
//! }
//!
//! // #[test]
//! fn my_store_keeps_the_contract() {
//!     let report = revocable_conformance::run(&MyStores);
//!     println!("{report}");
//!     report.assert_ok();
//! }
//! # my_store_keeps_the_contract();
//! ```
//!
//! The report names each check that failed, the clause of the contract that is
//! broken, where that bug has been seen before, and what was observed. It also
//! names each check that was *skipped*, because the harness does not offer
//! what it takes; implement more of [`Harness`] and they run:
//!
//! - [`reopen`](Harness::reopen): a durable store is closed and opened again
//!   with its data. The name stands for the data: with files,
//!   `open(dir.join(name))` in both.
//! - [`damage`](Harness::damage), [`break_store`](Harness::break_store):
//!   damage one stored session, or take the whole store away.
//! - [`dump`](Harness::dump): everything that was written, for a search for
//!   secrets.
//! - [`block_on`](Harness::block_on): for a store that needs a runtime, as in
//!   `self.runtime.block_on(task)`.
//! - [`rounds`](Harness::rounds): how much chance is given to races.
//!
//! To have each check show as a test of its own, make a test list of
//! [`checks`] with a harness such as `libtest-mimic`:
//!
//! ```
//! use revocable_conformance::{Harness, Verdict, checks};
//!
//! fn list(harness: &dyn Harness) {
//!     for check in checks() {
//!         match check.run(harness) {
//!             Verdict::Passed => println!("ok {}", check.name()),
//!             Verdict::Skipped(why) => println!("ignored {}: {why}", check.name()),
//!             Verdict::Failed(why) => println!("FAILED {}: {why}", check.name()),
//!         }
//!     }
//! }
//! # struct Models;
//! # impl Harness for Models {
//! #     fn open(&self, _: &str) -> revocable_core::Result<std::sync::Arc<dyn revocable_core::SessionStore>> {
//! #         Ok(std::sync::Arc::new(revocable_conformance::ModelStore::new()))
//! #     }
//! #     fn rounds(&self) -> u32 { 1 }
//! # }
//! # list(&Models);
//! ```
//!
//! # What is checked, and how
//!
//! - Each clause, C1 to C12, with examples, limits and hostile input. One
//!   clause may hold for several reasons; a check's
//!   [`about`](Check::about) says which bug, seen where, it looks for.
//! - **Races** by threads that begin together, [`rounds`](Harness::rounds)
//!   times.
//! - **Histories**: random programs of all verbs run concurrently, by threads
//!   and by tasks that switch at each await point; every reply is written down,
//!   and there must be an order of the operations in which the reference
//!   [`Model`] gives the same replies.
//! - **Interleavings**: every pair of writes, the first halted at each of its
//!   await points while the second runs from its beginning to its end. Then
//!   the first goes on, or is dropped. Replies and everything that can be seen
//!   afterwards must be as the model has it in one of the two orders (or
//!   without the one that was dropped).
//!
//! For fuzzing, [`run_program`] makes such a program from bytes.
//!
//! Nothing sleeps and no check reads a clock to decide anything; seeds are
//! fixed, and a failure shows its seed and its history. Only the threads'
//! timing is not the same in each run.
//!
//! [`ModelStore`] is the reference model as a store. The tests of this crate
//! run the suite against stores with one deliberate defect each, and each is
//! caught.

mod check;
mod checks;
mod fixture;
mod harness;
mod linearize;
mod model;
mod model_store;
mod operation;
mod program;
mod random;
mod report;
mod schedule;

pub use check::{Check, Clause, Verdict};
pub use checks::checks;
pub use harness::{Harness, Task};
pub use model::Model;
pub use model_store::ModelStore;
pub use program::run_program;
pub use report::{Report, run};

/// The README's code is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
