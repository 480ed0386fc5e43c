//! What is asked of sessions where tokens that nobody keeps a record of, such as
//! JWTs, have no answer.

#![allow(clippy::unwrap_used, reason = "what fails here is to fail the test")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use common::{Browser, RENEWAL, TestStore, World};
use futures_executor::block_on;
use http::StatusCode;
use revocable_core::{ErrorKind, Event, Policy, Rejection, Sessions};
use revocable_http::{CookiePolicy, WebSessions};
use revocable_tower::SessionLayer;
use revocable_tower::axum::{CurrentSession, Session, SessionError};
use tower::ServiceExt;

async fn log_in(current: CurrentSession) -> Result<(), SessionError> {
    current.log_in("alice").await?;
    Ok(())
}

async fn log_out(current: CurrentSession) -> Result<(), SessionError> {
    current.log_out().await?;
    Ok(())
}

async fn log_out_everywhere(current: CurrentSession) -> Result<(), SessionError> {
    current.log_out_everywhere().await?;
    Ok(())
}

/// Alice's role is in her session's data.
async fn administration(session: Session) -> Result<StatusCode, SessionError> {
    let role: String = session.data_as()?;
    let is_administrator = role == "administrator";
    Ok(if is_administrator {
        StatusCode::OK
    } else {
        StatusCode::FORBIDDEN
    })
}

fn send(web: &WebSessions, browser: &mut Browser, method: &str, path: &str) -> StatusCode {
    let app = Router::new()
        .route("/", get(async |_: Session| {}))
        .route("/log-in", post(log_in))
        .route("/log-out", post(log_out))
        .route("/log-out-everywhere", post(log_out_everywhere))
        .route("/administration", get(administration))
        .layer(SessionLayer::new(web.clone()));
    let request = browser.request(method, path).body(Body::empty()).unwrap();
    browser
        .receive(block_on(app.oneshot(request)).unwrap())
        .status()
}

fn logged_in(web: &WebSessions) -> Browser {
    let mut browser = Browser::default();
    assert_eq!(send(web, &mut browser, "POST", "/log-in"), 200);
    browser
}

#[test]
fn a_stolen_token_stops_working_the_moment_its_user_logs_out_everywhere() {
    let World { web, .. } = World::new();
    let mut alice = logged_in(&web);
    let mut thief = alice.clone();
    assert_eq!(send(&web, &mut thief, "GET", "/"), 200);
    send(&web, &mut alice, "POST", "/log-out-everywhere");
    assert_eq!(send(&web, &mut thief, "GET", "/"), 401);
}

#[test]
fn a_demoted_users_rights_stop_at_the_next_request() {
    let World { web, sessions, .. } = World::new();
    let mut alice = logged_in(&web);
    let set_role = |role: &str| {
        let page = block_on(sessions.list_for_user("alice", None, 10)).unwrap();
        for session in page.sessions {
            let change = |current: &mut String| role.clone_into(current);
            block_on(sessions.modify(session.id(), change))
                .unwrap()
                .unwrap();
        }
    };
    set_role("administrator");
    assert_eq!(send(&web, &mut alice, "GET", "/administration"), 200);
    set_role("reader");
    assert_eq!(send(&web, &mut alice, "GET", "/administration"), 403);
    // She is not logged out for it.
    assert_eq!(send(&web, &mut alice, "GET", "/"), 200);
}

#[test]
fn a_token_from_before_a_renewal_is_refused_and_reported() {
    let World { clock, .. } = World::new();
    let reported = Arc::new(Mutex::new(0));
    let policy = Policy::builder(Duration::from_secs(86_400)).renewal_interval(RENEWAL);
    let counter = reported.clone();
    let sessions = Sessions::builder(TestStore::default())
        .policy(policy)
        .clock(clock.clone())
        .observer(move |event: &Event<'_>| {
            if matches!(
                event,
                Event::Rejected {
                    rejection: Rejection::Reused,
                    ..
                }
            ) {
                *counter.lock().unwrap() += 1;
            }
        })
        .build()
        .unwrap();
    let web = WebSessions::new(sessions, CookiePolicy::default());

    let mut alice = logged_in(&web);
    let mut thief = alice.clone();
    clock.advance(RENEWAL);
    // Her response has the new token, her next request brings it.
    assert_eq!(send(&web, &mut alice, "GET", "/"), 200);
    assert_ne!(alice.cookie, thief.cookie);
    assert_eq!(send(&web, &mut alice, "GET", "/"), 200);
    clock.advance(Duration::from_secs(11)); // The overlap is over.
    assert_eq!(send(&web, &mut thief, "GET", "/"), 401);
    assert_eq!(*reported.lock().unwrap(), 1);
    // One of the two is a thief; nobody knows which, so both are out.
    assert_eq!(send(&web, &mut alice, "GET", "/"), 401);
}

#[test]
fn a_store_that_is_down_lets_nobody_in() {
    let World { web, store, .. } = World::new();
    let mut alice = logged_in(&web);
    let mut forger = Browser {
        cookie: Some(format!("__Host-session={}", "A".repeat(64))),
    };
    store.fail(ErrorKind::Unavailable);
    assert_eq!(send(&web, &mut alice, "GET", "/"), 503);
    assert_ne!(send(&web, &mut forger, "GET", "/"), 200);
    assert_eq!(send(&web, &mut forger, "POST", "/log-in"), 503);
    store.fail(None);
    assert_eq!(send(&web, &mut alice, "GET", "/"), 200);
}

#[test]
fn a_logout_that_only_forgets_the_cookie_is_none_and_a_real_one_is() {
    let World { web, .. } = World::new();
    let mut alice = logged_in(&web);
    let mut copy = alice.clone();
    // In the browser only: what was copied before is good still.
    alice.cookie = None;
    assert_eq!(send(&web, &mut alice, "GET", "/"), 401);
    assert_eq!(send(&web, &mut copy, "GET", "/"), 200);
    // Here it ends at the server.
    let mut another_copy = copy.clone();
    send(&web, &mut copy, "POST", "/log-out");
    assert_eq!(send(&web, &mut another_copy, "GET", "/"), 401);
}
