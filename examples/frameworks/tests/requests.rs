//! The same requests to every framework, over sockets.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use revocable::{ManualClock, Policy, Sessions};
use revocable_frameworks::{Server, Site, on_hyper, on_poem, on_rocket, on_tiny_http};
use store::FaultyStore;

#[path = "../../../crates/actix/tests/actix/store.rs"]
mod store;

type Serve = fn(Site) -> io::Result<Server>;

#[test]
fn hyper_answers_as_all_do() {
    check(on_hyper::serve);
}

#[test]
fn poem_answers_as_all_do() {
    check(on_poem::serve);
}

#[test]
fn rocket_answers_as_all_do() {
    check(on_rocket::serve);
}

#[test]
fn tiny_http_answers_as_all_do() {
    check(on_tiny_http::serve);
}

fn check(serve: Serve) {
    a_login_lasts_until_the_logout(serve);
    logging_out_everywhere_ends_other_browsers_sessions(serve);
    a_planted_cookie_is_not_the_session_after_the_login(serve);
    two_session_cookies_are_refused(serve);
    another_site_cannot_log_anybody_out(serve);
    a_renewed_token_is_set(serve);
    a_store_that_fails_is_503_and_logs_nobody_out(serve);
    the_store_is_asked_once_and_only_where_somebody_asks(serve);
}

fn a_login_lasts_until_the_logout(serve: Serve) {
    let world = World::new(serve);
    let mut browser = world.browser();
    assert_eq!(browser.get("/private").status, 401);
    let login = browser.post("/login/alice");
    assert_eq!(login.status, 204);
    assert_eq!(login.field("cache-control"), ["no-store"]);
    assert_eq!(browser.get("/private").body, "alice");
    let mut thief = browser.clone();
    assert_eq!(browser.post("/logout").status, 204);
    assert_eq!(browser.cookie, None);
    assert_eq!(thief.get("/private").status, 401);
}

fn logging_out_everywhere_ends_other_browsers_sessions(serve: Serve) {
    let world = World::new(serve);
    let (mut first, mut second) = (world.browser(), world.browser());
    first.post("/login/alice");
    second.post("/login/alice");
    assert_eq!(first.post("/logout-everywhere").status, 204);
    assert_eq!(second.get("/private").status, 401);
}

fn a_planted_cookie_is_not_the_session_after_the_login(serve: Serve) {
    let world = World::new(serve);
    let mut attacker = world.browser();
    attacker.post("/login/mallory");
    let mut victim = attacker.clone();
    victim.post("/login/alice");
    assert_ne!(victim.cookie, attacker.cookie);
    assert_eq!(victim.get("/private").body, "alice");
    assert_eq!(attacker.get("/private").status, 401);
}

fn two_session_cookies_are_refused(serve: Serve) {
    let world = World::new(serve);
    let mut browser = world.browser();
    browser.post("/login/alice");
    let own = browser.cookie.clone().unwrap();
    let planted = "__Host-session=planted";
    // Whichever of the two fields comes first.
    for (first, second) in [(own.as_str(), planted), (planted, own.as_str())] {
        let mut browser = browser.clone();
        browser.cookie = Some(first.to_owned());
        let second = format!("cookie: {second}\r\n");
        assert_eq!(browser.send("GET", "/private", &second).status, 401);
    }
    assert_eq!(browser.get("/private").body, "alice");
}

fn another_site_cannot_log_anybody_out(serve: Serve) {
    let world = World::new(serve);
    let mut browser = world.browser();
    browser.post("/login/alice");
    for fields in [
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-site: same-site\r\n",
        "origin: https://evil.example\r\n",
        "",
    ] {
        for path in ["/logout", "/logout-everywhere", "/login/mallory"] {
            assert_eq!(browser.send("POST", path, fields).status, 403, "{fields}");
        }
    }
    assert_eq!(browser.get("/private").body, "alice");
    let older = browser.send("POST", "/logout", "origin: https://example.com\r\n");
    assert_eq!(older.status, 204);
}

fn a_renewed_token_is_set(serve: Serve) {
    let world = World::new(serve);
    let mut browser = world.browser();
    browser.post("/login/alice");
    let old = browser.cookie.clone();
    world.clock.advance(Duration::from_secs(601));
    assert_eq!(browser.get("/private").body, "alice");
    assert_ne!(browser.cookie, old);
    assert_eq!(browser.get("/private").body, "alice");
}

fn a_store_that_fails_is_503_and_logs_nobody_out(serve: Serve) {
    let world = World::new(serve);
    let mut browser = world.browser();
    browser.post("/login/alice");
    world.store.set_down(true);
    for answer in [
        browser.get("/private"),
        browser.post("/logout"),
        browser.post("/logout-everywhere"),
        browser.post("/login/bob"),
    ] {
        assert_eq!(answer.status, 503);
        assert!(answer.field("set-cookie").is_empty());
        assert!(!answer.body.contains("/srv/private"), "{}", answer.body);
    }
    world.store.set_down(false);
    assert_eq!(browser.get("/private").body, "alice");
}

fn the_store_is_asked_once_and_only_where_somebody_asks(serve: Serve) {
    let world = World::new(serve);
    let mut browser = world.browser();
    browser.post("/login/alice");
    world.store.take_lookups();
    let answer = browser.get("/private");
    assert_eq!(world.store.take_lookups(), 1);
    let vary = answer.field("vary");
    assert_eq!(vary, ["Cookie"]);
    let answer = browser.get("/nowhere");
    assert_eq!(answer.status, 404);
    assert!(answer.field("vary").is_empty());
    assert_eq!(world.store.take_lookups(), 0);
}

/// A server and what it stands on.
struct World {
    store: Arc<FaultyStore>,
    clock: Arc<ManualClock>,
    server: Server,
}

impl World {
    fn new(serve: Serve) -> Self {
        let store = Arc::new(FaultyStore::default());
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let clock = Arc::new(ManualClock::new(now));
        let policy = Policy::builder(Duration::from_secs(86_400))
            .renewal_interval(Duration::from_secs(600))
            .build()
            .unwrap();
        let sessions = Sessions::builder(store.clone())
            .policy(policy)
            .clock(clock.clone())
            .build()
            .unwrap();
        let server = serve(Site::new(sessions).unwrap()).unwrap();
        Self {
            store,
            clock,
            server,
        }
    }

    fn browser(&self) -> Browser {
        Browser {
            address: self.server.address(),
            cookie: None,
        }
    }
}

#[derive(Clone)]
struct Browser {
    address: SocketAddr,
    cookie: Option<String>,
}

struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn field(&self, name: &str) -> Vec<&str> {
        let has_name = self.fields.iter().filter(|(field, _)| field == name);
        has_name.map(|(_, value)| value.as_str()).collect()
    }
}

impl Browser {
    fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, "")
    }

    /// As a page of the site does it.
    fn post(&mut self, path: &str) -> Answer {
        self.send("POST", path, "sec-fetch-site: same-origin\r\n")
    }

    fn send(&mut self, method: &str, path: &str, fields: &str) -> Answer {
        let mut connection = TcpStream::connect(self.address).unwrap();
        // So that a server that does not answer fails the test.
        let timeout = Some(Duration::from_secs(30));
        connection.set_read_timeout(timeout).unwrap();
        let cookie = match &self.cookie {
            Some(cookie) => format!("cookie: {cookie}\r\n"),
            None => String::new(),
        };
        write!(
            connection,
            "{method} {path} HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\
             content-length: 0\r\n{cookie}{fields}\r\n",
        )
        .unwrap();
        let mut text = String::new();
        connection.read_to_string(&mut text).unwrap();
        let answer = parse(&text);
        if let [cookie] = answer.field("set-cookie")[..] {
            let pair = cookie.split(';').next().unwrap();
            self.cookie = (!cookie.contains("Max-Age=0")).then(|| pair.to_owned());
        }
        answer
    }
}

fn parse(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_lowercase(), value.trim().to_owned())
    };
    Answer {
        status: status.parse().unwrap(),
        fields: lines.map(field).collect(),
        body: body.to_owned(),
    }
}
