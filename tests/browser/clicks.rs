//! What the demo is for, in two profiles of a browser.

use crate::demo::{Demo, LAPTOP, PASSWORD, PHONE, fill_in, fill_in_password, this_device, token};
use crate::programs::Programs;
use crate::webdriver::Browser;

const IS_LIVE: &str = "document.querySelector('#live-status[data-state=live]')";
const HAS_ENDED: &str = "document.querySelector('#live-status[data-state=ended]')";

fn start(programs: &Programs) -> (Demo, Browser, Browser) {
    let demo = Demo::start();
    let [laptop, phone] = [LAPTOP, PHONE].map(|agent| Browser::start(programs, agent));
    demo.sign_up(&laptop, "alice");
    (demo, laptop, phone)
}

pub(crate) fn logging_out_everywhere(programs: &Programs) {
    let (demo, laptop, phone) = start(programs);
    demo.open(&phone, "/");
    fill_in(&phone, "log-in", "alice", "wrong horse");
    assert_eq!(phone.text("#error"), "Name or password is wrong.");
    assert_eq!(phone.text("h1"), "Log in");
    assert_eq!(token(&phone), None);
    demo.log_in(&phone, "alice");
    assert_eq!(phone.count("#devices li"), 2);
    assert_eq!(phone.count(".this-device"), 1);
    assert_eq!(phone.text(".this-device .agent"), PHONE);
    assert_eq!(phone.text(".other-device .agent"), LAPTOP);
    assert_eq!(phone.text(".other-device .address"), "127.0.0.1");

    phone.follow("#nav-live");
    phone.wait_until(IS_LIVE);
    laptop.follow("#nav-devices");
    assert_eq!(laptop.count("#devices li"), 2);
    laptop.follow("#end-all-button");
    assert_eq!(laptop.path(), "/log-in");
    // Nobody touches the phone.
    phone.wait_until(HAS_ENDED);
    assert_eq!(phone.text("#live-status"), "You have been logged out.");
    assert_eq!(phone.path(), "/live");

    phone.follow("#nav-devices");
    assert_eq!(phone.path(), "/log-in");
    assert!(!demo.is_logged_in(&laptop) && !demo.is_logged_in(&phone));
    assert_eq!(token(&laptop), None);
}

pub(crate) fn ending_devices(programs: &Programs) {
    let (demo, laptop, phone) = start(programs);
    demo.log_in(&phone, "alice");
    let id = this_device(&phone);
    phone.follow("#nav-live");
    phone.wait_until(IS_LIVE);
    laptop.follow("#nav-devices");
    laptop.follow(&format!("#end-{id}-button"));
    assert_eq!(laptop.path(), "/devices");
    assert_eq!(laptop.count("#devices li"), 1);
    assert!(!laptop.has(&format!("#device-{id}")));
    phone.wait_until(HAS_ENDED);
    assert!(!demo.is_logged_in(&phone));

    demo.log_in(&phone, "alice");
    laptop.follow("#nav-devices");
    assert_eq!(laptop.count("#devices li"), 2);
    laptop.follow("#end-others-button");
    assert_eq!(laptop.count("#devices li"), 1);
    assert!(demo.is_logged_in(&laptop) && !demo.is_logged_in(&phone));
}

pub(crate) fn changing_the_password(programs: &Programs) {
    let (demo, laptop, phone) = start(programs);
    demo.log_in(&phone, "alice");
    phone.follow("#nav-password");
    // It was typed a moment ago.
    assert_eq!(phone.path(), "/password");
    demo.open(&phone, "/confirm");
    let before = token(&phone);
    fill_in_password(&phone, "confirm", "wrong horse");
    assert_eq!(phone.text("#error"), "That is not your password.");
    assert_eq!(token(&phone), before);
    fill_in_password(&phone, "confirm", PASSWORD);
    assert_eq!(phone.path(), "/password");
    assert_ne!(token(&phone), before);

    assert!(demo.is_logged_in(&laptop));
    phone.write("#password [name=current]", PASSWORD);
    fill_in_password(&phone, "password", "battery staple");
    assert_eq!(phone.path(), "/devices");
    assert_eq!(phone.count("#devices li"), 1);
    assert!(!demo.is_logged_in(&laptop));
    fill_in(&laptop, "log-in", "alice", PASSWORD);
    assert!(laptop.has("#error"));
    assert!(!demo.is_logged_in(&laptop));
    fill_in(&laptop, "log-in", "alice", "battery staple");
    assert!(demo.is_logged_in(&laptop) && demo.is_logged_in(&phone));
}

pub(crate) fn administration(programs: &Programs) {
    let (demo, alice, bob) = start(programs);
    demo.sign_up(&bob, "bob");
    assert!(!bob.has("#nav-admin"));
    demo.open(&bob, "/admin");
    assert!(bob.has("#message") && !bob.has("#users"));
    bob.open(&format!("{}/live", demo.origin()));
    bob.wait_until(IS_LIVE);

    alice.follow("#nav-admin");
    assert_eq!(alice.count("#users li"), 2);
    assert_eq!(alice.text("#user-2 .sessions"), "1");
    alice.follow("#end-user-2-button");
    assert_eq!(alice.text("#user-2 .sessions"), "0");
    bob.wait_until(HAS_ENDED);
    assert!(!demo.is_logged_in(&bob));

    demo.log_in(&bob, "bob");
    alice.follow("#nav-admin");
    alice.follow("#end-everything-button");
    assert_eq!(alice.path(), "/log-in");
    assert!(!demo.is_logged_in(&alice) && !demo.is_logged_in(&bob));
}

pub(crate) fn back_button(programs: &Programs) {
    let (demo, laptop, phone) = start(programs);
    laptop.follow("#nav-password");
    laptop.follow("#nav-devices");
    laptop.follow("#log-out-button");
    assert_eq!(laptop.path(), "/log-in");
    for _ in 0..3 {
        goes_back_to_nothing(&laptop);
    }

    // Nor if it was another device that ended the session.
    demo.log_in(&phone, "alice");
    demo.log_in(&laptop, "alice");
    phone.follow("#nav-password");
    laptop.follow("#nav-devices");
    laptop.follow("#end-others-button");
    phone.follow("#nav-devices");
    assert_eq!(phone.path(), "/log-in");
    for _ in 0..2 {
        goes_back_to_nothing(&phone);
    }
}

/// Back to what was a private page, of which nothing is to be seen: not kept, nor
/// before it is asked for again.
fn goes_back_to_nothing(browser: &Browser) {
    browser.back();
    assert!(!browser.has("#user"), "{}", browser.text("body"));
    browser.wait_until("location.pathname === '/log-in' && document.querySelector('#log-in')");
    assert!(!browser.has("#user"));
}
