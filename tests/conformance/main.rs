//! Every backend through the whole conformance suite: one test for each
//! backend and check. A check that a backend has no use for shows as ignored.
//!
//! ```sh
//! cargo test -p revocable-tests --test conformance               # all
//! cargo test -p revocable-tests --test conformance -- sqlite::   # one backend
//! ```

mod backends;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use revocable_conformance::{Harness, Verdict, checks};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = backends::all()
        .into_iter()
        .flat_map(|(backend, harness)| {
            checks().into_iter().map(move |check| {
                let harness: Arc<dyn Harness> = harness.clone();
                let name = format!("{backend}::{}", check.name());
                Trial::ignorable_test(name, move || match check.run(&*harness) {
                    Verdict::Passed => Ok(libtest_mimic::Completion::Completed),
                    Verdict::Skipped(why) => Ok(libtest_mimic::Completion::ignored_with(why)),
                    Verdict::Failed(why) => Err(Failed::from(why)),
                })
            })
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
