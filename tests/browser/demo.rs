//! The demo, and what its users do there, by clicks.

use revocable_tests::demo::Server;
use tempfile::TempDir;

use crate::webdriver::Browser;

pub(crate) const LAPTOP: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:152.0) Gecko/20100101 Firefox/152.0";
pub(crate) const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) \
     AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1";

pub(crate) const PASSWORD: &str = "correct horse";

/// With files of its own. Ends with this value.
pub(crate) struct Demo {
    server: Server,
    _folder: TempDir,
}

impl Demo {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            server: Server::start(&folder.path().join("login.db")),
            _folder: folder,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port
    }

    /// Without a slash behind.
    pub(crate) fn origin(&self) -> String {
        format!("http://localhost:{}", self.port())
    }

    pub(crate) fn open(&self, browser: &Browser, path: &str) {
        browser.open(&(self.origin() + path));
    }

    /// From the first page on. Who is first is the administrator.
    pub(crate) fn sign_up(&self, browser: &Browser, name: &str) {
        self.open(browser, "/");
        browser.follow("#to-sign-up");
        fill_in(browser, "sign-up", name, PASSWORD);
        assert_eq!(browser.path(), "/devices");
        assert_eq!(browser.text("#user"), name);
    }

    /// From the first page on.
    pub(crate) fn log_in(&self, browser: &Browser, name: &str) {
        self.open(browser, "/");
        fill_in(browser, "log-in", name, PASSWORD);
        assert_eq!(browser.path(), "/devices");
        assert_eq!(browser.text("#user"), name);
    }

    /// Asks the server: the other one is `/log-in`.
    pub(crate) fn is_logged_in(&self, browser: &Browser) -> bool {
        self.open(browser, "/devices");
        match browser.path().as_str() {
            "/devices" => true,
            path => {
                assert_eq!(path, "/log-in");
                assert!(!browser.has("#devices") && !browser.has("#user"));
                false
            }
        }
    }
}

/// Sends one of the forms that take a name and a password.
pub(crate) fn fill_in(browser: &Browser, form: &str, name: &str, password: &str) {
    assert_eq!(browser.path(), format!("/{form}"));
    browser.write(&format!("#{form} [name=name]"), name);
    fill_in_password(browser, form, password);
}

/// Sends one of the forms that take a password.
pub(crate) fn fill_in_password(browser: &Browser, form: &str, password: &str) {
    browser.write(&format!("#{form} [name=password]"), password);
    browser.follow(&format!("#{form}-button"));
}

/// The ID of the device that the page calls this one.
pub(crate) fn this_device(browser: &Browser) -> String {
    let id = browser.script("return document.querySelector('.this-device').id");
    id.as_str()
        .unwrap()
        .strip_prefix("device-")
        .unwrap()
        .to_owned()
}

pub(crate) const COOKIE: &str = "__Host-session";

/// The value of the session's cookie, which WebDriver sees though scripts do not.
pub(crate) fn token(browser: &Browser) -> Option<String> {
    let cookies = browser.cookies();
    let cookie = cookies.iter().find(|cookie| cookie["name"] == COOKIE)?;
    Some(cookie["value"].as_str().unwrap().to_owned())
}
