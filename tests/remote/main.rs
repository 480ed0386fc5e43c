//! Stores on servers that are stopped, killed and cut off, and two machines on
//! one of them: typed errors while it lasts, nothing acknowledged lost, no
//! revoked session served, and service again afterwards.
//!
//! Listed at run time: what needs a server that is not installed shows as
//! ignored, with the reason.

#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "the tests of the example use more of it, and fail by it"
)]
#[path = "../login/browser.rs"]
mod browser;
mod demo;
mod machines;
mod postgres;
mod redis;
mod tls;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use revocable_test_servers::Missing;

/// A test with a runtime of its own.
type Run = fn(&tokio::runtime::Runtime) -> Result<(), Failed>;

fn main() {
    if tls::is_client() {
        return tls::client();
    }
    let arguments = Arguments::from_args();
    let of = |trials: &[(&str, Run)], missing: Option<Missing>| -> Vec<Trial> {
        let trial = |(name, run): &(&str, Run)| trial(name, *run, missing.clone());
        trials.iter().map(trial).collect()
    };
    let mut trials = of(redis::TRIALS, redis::missing());
    trials.extend(of(redis::SMALL, redis::missing_for_small()));
    trials.extend(of(demo::REDIS, redis::missing()));
    trials.extend(of(postgres::TRIALS, postgres::missing()));
    trials.extend(of(postgres::POOLED, postgres::missing_for_pooled()));
    trials.extend(of(postgres::SMALL, postgres::missing_for_small()));
    trials.extend(of(demo::POSTGRES, postgres::missing()));
    trials.extend(of(tls::REDIS, redis::missing().or_else(tls::missing)));
    trials.extend(of(tls::POSTGRES, postgres::missing().or_else(tls::missing)));
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(name: &str, run: Run, missing: Option<Missing>) -> Trial {
    Trial::ignorable_test(name, move || match missing {
        Some(missing) => Ok(Completion::ignored_with(missing.to_string())),
        None => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()?;
            run(&runtime)?;
            Ok(Completion::Completed)
        }
    })
}
