//! Requests of one browser, one after the other.

mod renewals;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, header};
use revocable_core::{AtCap, ErrorKind, ManualClock, Policy, Rejection, Sessions};

use super::*;
use crate::testing::{FaultyStore, Verb, block_on, clock};

/// A browser with one application.
struct Browser {
    store: Arc<FaultyStore>,
    clock: Arc<ManualClock>,
    web: WebSessions,
    cookie: Option<String>,
}

impl Browser {
    fn new() -> Self {
        Self::with(Policy::default())
    }

    fn with(policy: Policy) -> Self {
        let (store, clock) = (Arc::new(FaultyStore::default()), clock());
        let sessions = Sessions::builder(store.clone())
            .policy(policy)
            .clock(clock.clone())
            .build()
            .unwrap();
        let web = WebSessions::new(sessions, CookiePolicy::default());
        Self {
            store,
            clock,
            web,
            cookie: None,
        }
    }

    /// Another browser with the same application.
    fn another(&self) -> Self {
        Self {
            store: self.store.clone(),
            clock: self.clock.clone(),
            web: self.web.clone(),
            cookie: None,
        }
    }

    fn begin(&self) -> RequestSession {
        let mut headers = HeaderMap::new();
        if let Some(cookie) = &self.cookie {
            headers.insert("cookie", cookie.parse().unwrap());
        }
        self.web.begin(&headers)
    }

    /// The response arrives.
    fn end(&mut self, request: &RequestSession) -> HeaderMap {
        let mut response = HeaderMap::new();
        block_on(request.renew_if_due());
        request.apply(&mut response);
        if let Some(cookie) = response.get(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let pair = cookie.split(';').next().unwrap();
            self.cookie = (!cookie.contains("Max-Age=0")).then(|| pair.to_owned());
        }
        response
    }

    fn log_in(&mut self, user: &str) -> Session {
        let request = self.begin();
        let session = block_on(request.log_in(user)).unwrap();
        self.end(&request);
        session
    }

    fn user(&self) -> Option<String> {
        let session = block_on(self.begin().session()).unwrap();
        session.map(|session| session.user().to_string())
    }
}

fn changes_cookie(response: &HeaderMap) -> bool {
    response.contains_key(header::SET_COOKIE)
}

#[test]
fn a_login_lasts_until_the_logout() {
    let mut browser = Browser::new();
    assert_eq!(browser.user(), None);
    browser.log_in("alice");
    assert_eq!(browser.user().as_deref(), Some("alice"));
    let stolen = browser.cookie.clone();

    let request = browser.begin();
    assert!(block_on(request.log_out()).unwrap());
    assert!(block_on(request.session()).unwrap().is_none());
    let response = browser.end(&request);
    assert_eq!(browser.cookie, None);
    assert_eq!(response[header::CACHE_CONTROL], "no-store");
    assert!(response[header::SET_COOKIE].is_sensitive());

    browser.cookie = stolen;
    assert_eq!(browser.user(), None);
}

#[test]
fn a_login_ends_the_session_that_the_request_came_with() {
    let mut attacker = Browser::new();
    attacker.log_in("mallory");
    let mut victim = attacker.another();
    // Planted.
    victim.cookie = attacker.cookie.clone();
    victim.log_in("alice");
    assert_eq!(victim.user().as_deref(), Some("alice"));
    assert_ne!(victim.cookie, attacker.cookie);
    assert_eq!(attacker.user(), None);
}

#[test]
fn a_login_ends_no_session_by_its_public_id() {
    let mut alice = Browser::new();
    alice.log_in("alice");
    let mut mallory = alice.another();
    // The right ID with another secret.
    let cookie = alice.cookie.clone().unwrap();
    let (id, secret) = cookie.split_at(cookie.len() - 42);
    let forged: String = secret.chars().rev().collect();
    mallory.cookie = Some(format!("{id}{forged}"));
    let request = mallory.begin();
    block_on(request.log_in("mallory")).unwrap();
    assert_eq!(request.rejection(), None);
    let request = mallory.begin();
    assert!(!block_on(request.log_out()).unwrap());
    assert_eq!(alice.user().as_deref(), Some("alice"));
}

#[test]
fn a_login_that_fails_logs_nobody_out_and_in() {
    let mut browser = Browser::new();
    browser.log_in("alice");
    let before = browser.cookie.clone();
    for verb in [Verb::Create, Verb::Revoke, Verb::Lookup] {
        browser.store.fail(&[(verb, ErrorKind::Unavailable)]);
        let request = browser.begin();
        let error = block_on(request.log_in("bob")).unwrap_err();
        assert_eq!(crate::status(&error), 503, "{verb:?}");
        browser.store.fail(&[]);
        assert!(!changes_cookie(&browser.end(&request)), "{verb:?}");
        assert_eq!(browser.cookie, before);
        assert_eq!(browser.user().as_deref(), Some("alice"), "{verb:?}");
    }
}

#[test]
fn the_old_session_makes_room_for_its_successor_at_the_cap() {
    let policy = Policy::builder(Duration::from_secs(3_600))
        .max_sessions_per_user(1, AtCap::Refuse)
        .build()
        .unwrap();
    let mut browser = Browser::with(policy);
    let first = browser.log_in("alice");
    let second = browser.log_in("alice");
    assert_ne!(first.id(), second.id());
    assert_eq!(browser.user().as_deref(), Some("alice"));
    // That of another user does not.
    let mut other = browser.another();
    other.log_in("bob");
    let error = block_on(other.begin().log_in("alice")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooManySessions);
    assert_eq!(other.user().as_deref(), Some("bob"));
    assert_eq!(browser.user().as_deref(), Some("alice"));
}

#[test]
fn an_error_is_no_logout_and_leaves_the_cookie() {
    let mut browser = Browser::new();
    browser.log_in("alice");
    browser
        .store
        .fail(&[(Verb::Lookup, ErrorKind::Unavailable)]);
    let request = browser.begin();
    assert!(block_on(request.session()).is_err());
    assert!(block_on(request.log_out()).is_err());
    assert!(block_on(request.log_out_everywhere()).is_err());
    let response = browser.end(&request);
    assert!(!changes_cookie(&response));
    // The store is back within the request.
    browser
        .store
        .fail(&[(Verb::Revoke, ErrorKind::Unavailable)]);
    assert!(block_on(request.session()).unwrap().is_some());
    assert!(block_on(request.log_out()).is_err());
    assert!(!changes_cookie(&browser.end(&request)));
    browser.store.fail(&[]);
    assert_eq!(browser.user().as_deref(), Some("alice"));
}

#[test]
fn a_damaged_session_stands_in_the_way_of_no_login_and_no_logout() {
    let mut browser = Browser::new();
    let damaged = browser.log_in("alice");
    browser.store.fail(&[(Verb::Lookup, ErrorKind::Corrupt)]);
    let request = browser.begin();
    assert!(block_on(request.session()).is_err());
    assert!(block_on(request.log_out()).unwrap());
    assert!(changes_cookie(&browser.end(&request)));
    browser.store.fail(&[]);
    let sessions = browser.web.sessions().clone();
    assert!(!block_on(sessions.revoke(damaged.id())).unwrap());

    browser.log_in("alice");
    browser.store.fail(&[(Verb::Lookup, ErrorKind::Corrupt)]);
    browser.log_in("alice");
    browser.store.fail(&[]);
    assert_eq!(browser.user().as_deref(), Some("alice"));
    assert_eq!(block_on(sessions.revoke_all_for_user("alice")).unwrap(), 1);
}

/// As one on a destroyed page of a file.
#[test]
fn a_session_that_damage_keeps_from_being_ended_keeps_nobody_out() {
    let mut browser = Browser::new();
    browser.log_in("alice");
    let damaged = [Verb::Lookup, Verb::Revoke].map(|verb| (verb, ErrorKind::Corrupt));
    browser.store.fail(&damaged);
    let request = browser.begin();
    assert!(block_on(request.log_out()).is_err());
    assert!(!changes_cookie(&browser.end(&request)));
    browser.log_in("bob");
    browser.store.fail(&[]);
    assert_eq!(browser.user().as_deref(), Some("bob"));

    // What can be read can be used, so it has to be ended.
    browser.store.fail(&damaged[1..]);
    let request = browser.begin();
    assert!(block_on(request.log_in("carol")).is_err());
    assert!(!changes_cookie(&browser.end(&request)));
}

#[test]
fn logging_out_with_two_cookies_ends_the_session_of_each() {
    let mut alice = Browser::new();
    alice.log_in("alice");
    let mut mallory = alice.another();
    mallory.log_in("mallory");
    let mut both = alice.another();
    let pairs = [&mallory.cookie, &alice.cookie].map(|cookie| cookie.clone().unwrap());
    both.cookie = Some(pairs.join(&format!("{}; ", "; __Host-session=x".repeat(60))));
    // Not while it cannot be done.
    alice.store.fail(&[(Verb::Revoke, ErrorKind::Unavailable)]);
    let request = both.begin();
    assert!(block_on(request.log_out()).is_err());
    assert!(!changes_cookie(&both.end(&request)));
    alice.store.fail(&[]);
    let request = both.begin();
    assert!(block_on(request.log_out()).unwrap());
    assert!(changes_cookie(&both.end(&request)));
    assert_eq!((alice.user(), mallory.user()), (None, None));
}

#[test]
fn logging_in_with_two_cookies_ends_the_session_of_each() {
    let mut alice = Browser::new();
    alice.log_in("alice");
    let mut mallory = alice.another();
    mallory.log_in("mallory");
    let mut both = alice.another();
    let pairs = [&mallory.cookie, &alice.cookie].map(|cookie| cookie.clone().unwrap());
    both.cookie = Some(pairs.join("; "));
    both.log_in("bob");
    assert_eq!(both.user().as_deref(), Some("bob"));
    assert_eq!((alice.user(), mallory.user()), (None, None));
}

#[test]
fn logging_out_with_a_token_that_was_replaced_ends_its_session() {
    let mut browser = Browser::new();
    browser.log_in("alice");
    let other_tab = browser.another();
    let mut other_tab = Browser {
        cookie: browser.cookie.clone(),
        ..other_tab
    };
    let request = browser.begin();
    block_on(request.reauthenticated()).unwrap();
    browser.end(&request);
    assert_eq!(browser.user().as_deref(), Some("alice"));
    let request = other_tab.begin();
    assert!(block_on(request.log_out()).unwrap());
    other_tab.end(&request);
    assert_eq!(browser.user(), None);
}

#[test]
fn logging_out_everywhere_ends_every_session() {
    let mut browser = Browser::new();
    let mut other = browser.another();
    browser.log_in("alice");
    other.log_in("alice");
    let request = browser.begin();
    assert_eq!(block_on(request.log_out_everywhere()).unwrap(), 2);
    browser.end(&request);
    assert_eq!(browser.cookie, None);
    assert_eq!(other.user(), None);
    assert_eq!(block_on(other.begin().log_out_everywhere()).unwrap(), 0);
}

#[test]
fn the_store_is_asked_when_the_session_is_and_once() {
    let mut browser = Browser::new();
    browser.log_in("alice");
    let before = browser.store.lookups();
    let request = browser.begin();
    let response = browser.end(&request);
    assert_eq!(browser.store.lookups(), before);
    assert!(response.is_empty(), "{response:?}");
    for _ in 0..3 {
        assert!(block_on(request.clone().session()).unwrap().is_some());
    }
    assert_eq!(browser.store.lookups(), before + 1);
    let response = browser.end(&request);
    assert_eq!(response[header::VARY], "Cookie");
    assert_eq!(response[header::CACHE_CONTROL], "no-store");
}

#[test]
fn what_is_no_token_asks_no_store_and_is_left_alone() {
    let mut browser = Browser::new();
    browser.log_in("alice");
    let own = browser.cookie.clone().unwrap();
    for cookie in ["__Host-session=x".to_owned(), format!("{own}; {own}")] {
        browser.cookie = Some(cookie);
        let before = browser.store.lookups();
        let request = browser.begin();
        assert_eq!(request.rejection(), None);
        assert!(block_on(request.session()).unwrap().is_none());
        assert_eq!(request.rejection(), Some(Rejection::Malformed));
        assert_eq!(browser.store.lookups(), before);
        let response = browser.end(&request);
        assert!(!changes_cookie(&response));
        assert_eq!(response[header::VARY], "Cookie");
        assert!(!response.contains_key(header::CACHE_CONTROL));
    }
}

#[test]
fn a_token_that_is_refused_is_not_cleared() {
    let mut browser = Browser::new();
    let session = browser.log_in("alice");
    block_on(browser.web.sessions().revoke(session.id())).unwrap();
    let request = browser.begin();
    assert!(block_on(request.session()).unwrap().is_none());
    assert_eq!(request.rejection(), Some(Rejection::Unknown));
    assert!(!changes_cookie(&browser.end(&request)));
}

#[test]
fn cookies_and_caching_of_the_application_are_kept() {
    let browser = Browser::new();
    let request = browser.begin();
    block_on(request.log_in("alice")).unwrap();
    let mut response = HeaderMap::new();
    response.insert(header::SET_COOKIE, "theme=dark".parse().unwrap());
    response.insert(header::VARY, "Accept".parse().unwrap());
    response.insert(header::CACHE_CONTROL, "public, max-age=60".parse().unwrap());
    request.apply(&mut response);
    assert_eq!(response.get_all(header::SET_COOKIE).iter().count(), 2);
    assert_eq!(response[header::VARY], "Accept, Cookie");
    assert_eq!(response[header::CACHE_CONTROL], "no-store");
}

#[test]
fn futures_can_be_sent_and_nothing_secret_is_shown() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let mut browser = Browser::new();
    browser.log_in("alice");
    let request = browser.begin();
    block_on(is_send(request.session())).unwrap();
    block_on(is_send(request.renew_if_due()));
    block_on(is_send(request.log_in("alice"))).unwrap();
    block_on(is_send(request.log_out())).unwrap();
    let cookie = browser.cookie.clone().unwrap();
    let secret = &cookie[cookie.len() - 42..];
    let mut response = HeaderMap::new();
    let login = browser.begin();
    block_on(login.log_in("alice")).unwrap();
    login.apply(&mut response);
    let made = response[header::SET_COOKIE].to_str().unwrap()[37..79].to_owned();
    let shown = format!("{request:?} {login:?} {:?} {response:?}", browser.web);
    assert!(!shown.contains(secret) && !shown.contains(&made), "{shown}");
}
