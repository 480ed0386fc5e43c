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

/// Every pair of operations, which takes minutes on a cluster: there they run when the backend
/// is named. One server of it runs the same scripts, and is put through them each time.
const PAIRS: [&str; 5] = [
    "two_writes_at_once_are_as_one_after_the_other",
    "a_read_during_a_write_sees_before_or_after",
    "a_read_halted_half_way_undoes_no_write",
    "a_write_dropped_half_way_happens_whole_or_not_at_all",
    "a_read_after_a_dropped_write_sees_before_or_after",
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let leaves_out = |backend: &str, check: &str| {
        let is_named = arguments.filter.is_some();
        backend.ends_with("redis_cluster") && PAIRS.contains(&check) && !is_named
    };
    let trials = backends::all()
        .into_iter()
        .flat_map(|(backend, harness)| {
            checks().into_iter().map(move |check| {
                let harness = harness.clone();
                let name = format!("{backend}::{}", check.name());
                let left_out = leaves_out(backend, check.name());
                let run = move || match harness {
                    Ok(_) if left_out => {
                        Verdict::Skipped("takes minutes: name the backend to run it".into())
                    }
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
