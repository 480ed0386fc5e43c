//! The example `login` in chromium, by clicks: two profiles of a browser, pages of
//! another origin, the screen of a phone.
//!
//! Where chromium or chromedriver is not installed the tests show as ignored.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod attacks;
mod clicks;
mod demo;
mod hostile;
mod phone;
mod programs;
mod webdriver;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Trial};
use programs::Programs;

/// Fails by a panic.
type Test = fn(&Programs);

const TESTS: [(&str, Test); 9] = [
    (
        "logging_out_everywhere_ends_the_other_browsers_requests_and_its_stream",
        clicks::logging_out_everywhere,
    ),
    (
        "devices_are_ended_one_by_one_or_all_but_this",
        clicks::ending_devices,
    ),
    (
        "a_changed_password_logs_the_other_browser_out",
        clicks::changing_the_password,
    ),
    (
        "the_administrator_ends_a_users_sessions_or_everybodys",
        clicks::administration,
    ),
    (
        "the_back_button_after_logout_shows_no_private_page",
        clicks::back_button,
    ),
    ("no_script_sees_the_token", attacks::script),
    (
        "a_cookie_that_was_planted_is_not_the_session_after_login",
        attacks::planted_cookie,
    ),
    (
        "a_form_of_another_origin_is_refused_with_and_without_fetch_metadata",
        attacks::forged_forms,
    ),
    ("no_page_is_wider_than_a_phone", phone::every_page),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = TESTS.map(|(name, test)| {
        Trial::ignorable_test(name, move || match Programs::find() {
            Ok(programs) => {
                test(&programs);
                Ok(Completion::Completed)
            }
            Err(missing) => Ok(Completion::ignored_with(format!("there is no {missing}"))),
        })
    });
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}
