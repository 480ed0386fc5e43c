//! Every backend through the whole conformance suite: one test for each
//! backend and check. A check that a backend has no use for shows as ignored, and
//! so do those of a backend whose server is not installed.
//!
//! ```sh
//! cargo test -p revocable-tests --test conformance               # all
//! cargo test -p revocable-tests --test conformance -- sqlite::   # one backend
//! ```

mod backends;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use revocable_conformance::{Verdict, checks};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = backends::all()
        .into_iter()
        .flat_map(|(backend, harness)| {
            checks().into_iter().map(move |check| {
                let harness = harness.clone();
                let name = format!("{backend}::{}", check.name());
                let run = move || match harness {
                    Ok(harness) => check.run(&*harness),
                    Err(missing) => Verdict::Skipped(missing.to_string()),
                };
                Trial::ignorable_test(name, move || match run() {
                    Verdict::Passed => Ok(libtest_mimic::Completion::Completed),
                    Verdict::Skipped(why) => Ok(libtest_mimic::Completion::ignored_with(why)),
                    Verdict::Failed(why) => Err(Failed::from(why)),
                })
            })
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
