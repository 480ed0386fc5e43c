//! The example `login`, from outside: a process, and browsers as far as HTTP goes.

#![allow(clippy::unwrap_used, reason = "what fails here is to fail the test")]

mod browser;

use std::io::Write;

use browser::Browser;
use revocable_tests::demo::{self, Server};

const PASSWORD: &str = "correct horse";
/// More lines of a stream than come before the end of its session.
const MANY: usize = 60;
const CREDENTIALS: [(&str, &str); 2] = [("name", "alice"), ("password", PASSWORD)];

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Alice, who signs up first and so is the administrator.
fn alice(server: &Server) -> Browser {
    let mut browser = Browser::new(server, "Laptop");
    let response = browser.post("/sign-up", &CREDENTIALS);
    assert_eq!(
        (response.status, response.location()),
        (303, Some("/devices"))
    );
    browser
}

fn log_in(server: &Server, agent: &str) -> Browser {
    let mut browser = Browser::new(server, agent);
    assert_eq!(browser.post("/log-in", &CREDENTIALS).status, 303);
    browser
}

fn is_logged_in(browser: &mut Browser) -> bool {
    match browser.get("/devices") {
        page if page.status == 200 => true,
        page => {
            assert_eq!((page.status, page.location()), (303, Some("/log-in")));
            false
        }
    }
}

#[test]
fn logging_out_everywhere_ends_every_session_and_every_stream_at_once() {
    let folder = folder();
    let server = Server::start(&folder.path().join("login.db"));
    let mut laptop = alice(&server);
    let mut phone = log_in(&server, "<script>alert(\"phone\")</script>");

    let page = laptop.get("/devices");
    assert_eq!(page.body.matches("<li id=\"device-").count(), 2);
    assert_eq!(page.body.matches("This device").count(), 1);
    assert!(
        page.body.contains("&lt;script&gt;alert(&quot;phone&quot;)"),
        "{}",
        page.body
    );
    assert!(
        page.body
            .contains("<span class=\"address\">127.0.0.1</span>")
    );
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("default-src 'none'")
    );

    let mut events = phone.open("/live/events");
    assert_eq!(events.line().as_deref(), Some("event: tick"));
    let response = laptop.post("/devices/end-all", &[]);
    assert_eq!(
        (response.status, response.location()),
        (303, Some("/log-in"))
    );
    // To its end, which is there without anybody asking for anything. A stream that
    // went on would have more lines than these.
    let left = (0..MANY).take_while(|_| events.line().is_some()).count();
    assert!(left < MANY, "the stream goes on");

    assert!(laptop.cookie.is_none());
    assert!(!is_logged_in(&mut laptop));
    assert!(!is_logged_in(&mut phone));
    assert_eq!(phone.get("/live/session").status, 303);
    assert_eq!(phone.get("/live/events").status, 303);
}

#[test]
fn a_restart_keeps_users_and_sessions() {
    let folder = folder();
    let file = folder.path().join("login.db");
    let server = Server::start(&file);
    let laptop = alice(&server);
    let mut ended = log_in(&server, "Phone");
    assert_eq!(ended.clone().post("/log-out", &[]).status, 303);
    server.kill();

    let server = Server::start(&file);
    assert!(is_logged_in(&mut laptop.at(&server)));
    ended = ended.at(&server);
    assert!(!is_logged_in(&mut ended));
    assert!(is_logged_in(&mut log_in(&server, "Phone")));
}

#[test]
fn a_login_needs_the_right_password_and_a_name_that_is_there() {
    let folder = folder();
    let server = Server::start(&folder.path().join("login.db"));
    alice(&server);
    let mut browser = Browser::new(&server, "Phone");
    for (name, password) in [
        ("alice", "wrong horse"),
        ("bob", PASSWORD),
        ("", ""),
        ("alice", ""),
    ] {
        let page = browser.post("/log-in", &[("name", name), ("password", password)]);
        assert_eq!(page.status, 422);
        assert!(page.body.contains("Name or password is wrong."));
        assert!(browser.cookie.is_none());
    }
    for (name, password) in [
        ("alice", PASSWORD),
        ("a b", PASSWORD),
        ("bob", "short"),
        ("", ""),
    ] {
        let page = browser.post("/sign-up", &[("name", name), ("password", password)]);
        assert_eq!(page.status, 422, "{name}");
    }
    // What was typed stands there again, and does nothing.
    let page = browser.post("/log-in", &[("name", "\"><b>"), ("password", "x")]);
    assert!(
        page.body.contains("value=\"&quot;&gt;&lt;b&gt;\""),
        "{}",
        page.body
    );
}

#[test]
fn devices_are_ended_one_by_one_or_all_but_this() {
    let folder = folder();
    let server = Server::start(&folder.path().join("login.db"));
    let mut laptop = alice(&server);
    let mut mallory = Browser::new(&server, "Laptop");
    mallory.post("/sign-up", &[("name", "mallory"), ("password", PASSWORD)]);
    let [mut phone, mut tablet, mut watch] =
        ["Phone", "Tablet", "Watch"].map(|agent| log_in(&server, agent));

    let page = phone.get("/devices").body;
    let own = page
        .split("<li id=\"device-")
        .find(|item| item.contains("This device"));
    let id = own.unwrap().split('"').next().unwrap();
    // The ID is no secret, and no use to others.
    mallory.post("/devices/end", &[("id", id)]);
    assert!(is_logged_in(&mut phone));
    assert_eq!(laptop.post("/devices/end", &[("id", id)]).status, 303);
    assert!(!is_logged_in(&mut phone));
    assert_eq!(
        laptop.post("/devices/end", &[("id", "nonsense")]).status,
        400
    );

    assert!(is_logged_in(&mut tablet) && is_logged_in(&mut watch));
    assert_eq!(laptop.post("/devices/end-others", &[]).status, 303);
    assert!(!is_logged_in(&mut tablet) && !is_logged_in(&mut watch));
    assert!(is_logged_in(&mut laptop) && is_logged_in(&mut mallory));
}

#[test]
fn a_changed_password_logs_the_other_devices_out() {
    let folder = folder();
    let server = Server::start(&folder.path().join("login.db"));
    let mut laptop = alice(&server);
    let mut phone = log_in(&server, "Phone");

    let page = laptop.post("/confirm", &[("password", "wrong horse")]);
    assert_eq!(page.status, 422);
    let mut before = laptop.clone();
    let response = laptop.post("/confirm", &[("password", PASSWORD)]);
    assert_eq!(
        (response.status, response.location()),
        (303, Some("/password"))
    );
    assert_ne!(laptop.cookie, before.cookie);
    assert!(!is_logged_in(&mut before));

    assert_eq!(
        laptop
            .post("/password", &[("current", PASSWORD), ("password", "short")])
            .status,
        422
    );
    assert!(is_logged_in(&mut phone));
    assert_eq!(
        laptop
            .post(
                "/password",
                &[("current", "wrong horse"), ("password", "battery staple")]
            )
            .status,
        422
    );
    assert!(is_logged_in(&mut phone));
    let new = [("current", PASSWORD), ("password", "battery staple")];
    assert_eq!(laptop.post("/password", &new).status, 303);
    assert!(is_logged_in(&mut laptop));
    assert!(!is_logged_in(&mut phone));
    assert_eq!(phone.post("/log-in", &CREDENTIALS).status, 422);
    let new = [("name", "alice"), ("password", "battery staple")];
    assert_eq!(phone.post("/log-in", &new).status, 303);
}

#[test]
fn a_form_that_is_held_back_changes_nothing_after_the_session_has_ended() {
    let folder = folder();
    let server = Server::start(&folder.path().join("login.db"));
    let mut laptop = alice(&server);
    let mut thief = laptop.clone();
    let form = "current=correct+horse&password=battery+staple";
    let mut held = thief.begin_post("/password", form.len());
    assert_eq!(laptop.post("/devices/end-all", &[]).status, 303);
    held.write_all(form.as_bytes()).unwrap();
    let response = thief.receive(held);
    assert_eq!(
        (response.status, response.location()),
        (303, Some("/log-in"))
    );
    log_in(&server, "Laptop");
}

#[cfg(unix)]
#[test]
fn its_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = folder();
    let server = Server::start(&folder.path().join("login.db"));
    alice(&server);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", file.path().display());
    }
}

#[test]
fn sessions_of_users_that_are_gone_end_when_it_starts() {
    let folder = folder();
    let file = folder.path().join("login.db");
    let before = {
        let server = Server::start(&file);
        alice(&server)
    };
    for users in std::fs::read_dir(folder.path()).unwrap() {
        let users = users.unwrap();
        if users.file_name().to_string_lossy().contains("users") {
            std::fs::remove_file(users.path()).unwrap();
        }
    }
    let server = Server::start(&file);
    // The first user again, and so the administrator, with the same number.
    alice(&server);
    assert!(!is_logged_in(&mut before.at(&server)));
}

#[test]
fn the_administrator_ends_a_users_sessions_or_everybodys() {
    let folder = folder();
    let server = Server::start(&folder.path().join("login.db"));
    let mut alice = alice(&server);
    let mut bob = Browser::new(&server, "Phone");
    let credentials = [("name", "bob"), ("password", PASSWORD)];
    bob.post("/sign-up", &credentials);

    assert_eq!(bob.get("/admin").status, 403);
    for path in ["/admin/end-user", "/admin/end-everything"] {
        assert_eq!(bob.post(path, &[("id", "1")]).status, 403);
    }
    assert!(is_logged_in(&mut alice));

    assert!(alice.get("/admin").body.contains("<li id=\"user-2\">bob"));
    assert_eq!(alice.post("/admin/end-user", &[("id", "2")]).status, 303);
    assert!(is_logged_in(&mut alice) && !is_logged_in(&mut bob));
    assert_eq!(bob.post("/log-in", &credentials).status, 303);
    assert_eq!(alice.post("/admin/end-everything", &[]).status, 303);
    assert!(!is_logged_in(&mut alice) && !is_logged_in(&mut bob));
}

#[test]
fn a_request_that_another_site_has_forged_does_nothing() {
    let folder = folder();
    let server = Server::start(&folder.path().join("login.db"));
    let mut laptop = alice(&server);
    let page = laptop.get("/devices").body;
    let token = page.split("name=\"csrf_token\" value=\"").nth(1).unwrap();
    let token = token.split('"').next().unwrap().to_owned();

    laptop.origin = Some("https://evil.example".to_owned());
    for path in ["/devices/end-all", "/log-out", "/log-in", "/sign-up"] {
        let response = laptop.post(path, &[("csrf_token", token.as_str())]);
        assert_eq!(response.status, 403, "{path}");
        assert!(response.header("set-cookie").is_none());
    }
    // Nothing says where it comes from.
    laptop.origin = None;
    assert_eq!(laptop.post("/devices/end-others", &[]).status, 403);
    assert!(is_logged_in(&mut laptop));
    let response = laptop.post("/devices/end-others", &[("csrf_token", token.as_str())]);
    assert_eq!(response.status, 303);
}

#[test]
fn help_is_no_error() {
    let output = demo::command(&["--help"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("--file"));
}

#[test]
fn an_option_that_is_not_there_is_an_error_that_names_those_that_are() {
    let output = demo::command(&["--nonsense"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    for word in ["--nonsense", "--port", "--file"] {
        assert!(error.contains(word), "{error}");
    }
}
