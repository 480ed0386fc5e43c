//! Every page on a small screen.
//!
//! With `REVOCABLE_SCREENSHOTS=FOLDER` pictures are left there, as PNG; README.md shows two of
//! them, from `docs`.

use crate::demo::{Demo, LAPTOP, PASSWORD, PHONE, fill_in, fill_in_password};
use crate::programs::Programs;
use crate::webdriver::Browser;

/// In CSS pixels, those of many phones.
const SIZE: (u32, u32) = (390, 844);

pub(crate) fn every_page(programs: &Programs) {
    let demo = Demo::start();
    let [laptop, phone] = [LAPTOP, PHONE].map(|agent| Browser::start(programs, agent));
    phone.become_phone(SIZE.0, SIZE.1);
    demo.open(&phone, "/");
    check(&phone, "log-in");
    fill_in(&phone, "log-in", "alice", PASSWORD);
    check(&phone, "log-in-error");
    phone.follow("#to-sign-up");
    check(&phone, "sign-up");
    fill_in(&phone, "sign-up", "alice", PASSWORD);
    demo.log_in(&laptop, "alice");

    for page in ["devices", "password", "confirm", "admin", "nothing"] {
        demo.open(&phone, &format!("/{page}"));
        check(&phone, page);
    }
    demo.open(&phone, "/confirm");
    fill_in_password(&phone, "confirm", "wrong horse");
    check(&phone, "confirm-error");
    demo.open(&phone, "/live");
    phone.wait_until("document.querySelector('#live-status[data-state=live]')");
    check(&phone, "live");
    laptop.follow("#end-all-button");
    phone.wait_until("document.querySelector('#live-status[data-state=ended]')");
    check(&phone, "live-ended");

    // The longest name there may be, without a place to break it.
    demo.sign_up(&phone, &"m".repeat(40));
    check(&phone, "devices-of-a-long-name");
}

fn check(phone: &Browser, page: &str) {
    let width = phone.script("return document.scrollingElement.scrollWidth");
    assert_eq!(width, SIZE.0, "{page}");
    if let Some(folder) = std::env::var_os("REVOCABLE_SCREENSHOTS") {
        let file = std::path::Path::new(&folder).join(format!("{page}.png"));
        std::fs::write(file, phone.screenshot("main")).unwrap();
    }
}
