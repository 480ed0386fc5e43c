//! The extractors in an axum router.

#![allow(clippy::unwrap_used, reason = "what fails here is to fail the test")]

mod common;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Redirect, Sse, sse};
use axum::routing::{get, post};
use common::{Browser, RENEWAL, World, set_cookie};
use futures_executor::block_on;
use http::{Response, StatusCode, header};
use http_body_util::BodyExt;
use revocable_core::ErrorKind;
use revocable_http::{CsrfKey, CsrfPolicy};
use revocable_tower::axum::{
    CurrentSession, FormToken, Fresh, Session, SessionError, SessionRejection,
};
use revocable_tower::{CsrfLayer, SessionLayer};
use tower::ServiceExt;

const FIVE_MINUTES: u64 = 300;

async fn log_in(current: CurrentSession) -> Result<Redirect, SessionError> {
    current.log_in("alice").await?;
    Ok(Redirect::to("/"))
}

async fn log_out(current: CurrentSession) -> Result<Redirect, SessionError> {
    current.log_out().await?;
    Ok(Redirect::to("/"))
}

async fn log_out_everywhere(current: CurrentSession) -> Result<Redirect, SessionError> {
    current.log_out_everywhere().await?;
    Ok(Redirect::to("/"))
}

async fn step_up(current: CurrentSession) -> Result<Redirect, SessionError> {
    current.reauthenticated().await?;
    Ok(Redirect::to("/"))
}

async fn required(session: Session) -> String {
    session.user().to_string()
}

async fn optional(session: Option<Session>) -> String {
    session.map_or_else(|| "nobody".to_owned(), |session| session.user().to_string())
}

async fn fresh(session: Fresh<FIVE_MINUTES>) -> String {
    session.user().to_string()
}

async fn own_answer(session: Result<Session, SessionRejection>) -> Response<Body> {
    match session {
        Err(SessionRejection::NotLoggedIn(_)) => (StatusCode::IM_A_TEAPOT, "own").into_response(),
        Err(rejection) => rejection.into_response(),
        Ok(session) => session.user().to_string().into_response(),
    }
}

/// Asks four times.
async fn several(_: Session, _: Option<Session>, _: Fresh<FIVE_MINUTES>, _: FormToken) {}

async fn form_token(token: FormToken) -> String {
    token.0.expose().to_owned()
}

/// One event, and then none: the end has to wake who waits for the next.
struct Ticks(Option<sse::Event>);

impl futures_core::Stream for Ticks {
    type Item = Result<sse::Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.0.take() {
            Some(event) => Poll::Ready(Some(Ok(event))),
            None => Poll::Pending,
        }
    }
}

async fn live(session: Session) -> Result<impl IntoResponse, SessionError> {
    let ticks = Ticks(Some(sse::Event::default().data("tick")));
    Ok(Sse::new(session.until_ended(ticks).await?))
}

fn router() -> Router {
    Router::new()
        .route("/log-in", post(log_in))
        .route("/log-out", post(log_out))
        .route("/log-out-everywhere", post(log_out_everywhere))
        .route("/step-up", post(step_up))
        .route("/required", get(required).post(required))
        .route("/optional", get(optional))
        .route("/fresh", get(fresh))
        .route("/own-answer", get(own_answer))
        .route("/several", get(several))
        .route("/form-token", get(form_token))
        .route("/live", get(live))
        .route("/static", get(async || "nobody asks"))
}

fn csrf() -> CsrfLayer {
    let policy = CsrfPolicy::builder().origin("https://example.com");
    let policy = policy.key(CsrfKey::from_bytes([7; 32])).build().unwrap();
    CsrfLayer::new(policy)
}

impl World {
    fn app(&self) -> Router {
        router()
            .layer(csrf())
            .layer(SessionLayer::new(self.web.clone()))
    }

    fn send(&self, browser: &mut Browser, method: &str, path: &str) -> Response<Body> {
        send(self.app(), browser, method, path)
    }

    fn logged_in(&self) -> Browser {
        let mut browser = Browser::default();
        let response = self.send(&mut browser, "POST", "/log-in");
        assert_eq!(response.status(), 303);
        browser
    }
}

fn send(app: Router, browser: &mut Browser, method: &str, path: &str) -> Response<Body> {
    let request = browser.request(method, path).body(Body::empty()).unwrap();
    browser.receive(block_on(app.oneshot(request)).unwrap())
}

fn text(response: Response<Body>) -> String {
    let body = block_on(response.into_body().collect()).unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[test]
fn who_is_logged_in_gets_in_and_nobody_else() {
    let world = World::new();
    let mut browser = Browser::default();
    let response = world.send(&mut browser, "GET", "/required");
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Cookie");
    assert_eq!(response.headers()[header::VARY], "Cookie");
    assert_eq!(text(world.send(&mut browser, "GET", "/optional")), "nobody");

    let mut browser = world.logged_in();
    let response = world.send(&mut browser, "GET", "/required");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    assert_eq!(text(response), "alice");
    assert_eq!(text(world.send(&mut browser, "GET", "/optional")), "alice");

    world.send(&mut browser, "POST", "/log-out");
    assert_eq!(browser.cookie, None);
    assert_eq!(world.send(&mut browser, "GET", "/required").status(), 401);
}

#[test]
fn logging_out_everywhere_is_at_once_and_everywhere() {
    let world = World::new();
    let (mut laptop, mut phone) = (world.logged_in(), world.logged_in());
    world.send(&mut laptop, "POST", "/log-out-everywhere");
    assert_eq!(laptop.cookie, None);
    let response = world.send(&mut phone, "GET", "/required");
    assert_eq!(response.status(), 401);
    // Its cookie is not cleared: another response may just have set a new one.
    assert!(set_cookie(response.headers()).is_none());
}

#[test]
fn a_login_is_fresh_for_a_while_and_again_after_a_step_up() {
    let world = World::new();
    let mut browser = world.logged_in();
    assert_eq!(world.send(&mut browser, "GET", "/fresh").status(), 200);
    world.clock.advance(Duration::from_secs(FIVE_MINUTES + 1));
    assert_eq!(world.send(&mut browser, "GET", "/fresh").status(), 403);
    assert_eq!(world.send(&mut browser, "GET", "/required").status(), 200);
    let before = browser.clone();
    world.send(&mut browser, "POST", "/step-up");
    assert_eq!(world.send(&mut browser, "GET", "/fresh").status(), 200);
    // The token from before the step-up is dead.
    assert_eq!(
        world.send(&mut before.clone(), "GET", "/required").status(),
        401
    );
    let mut nobody = Browser::default();
    assert_eq!(world.send(&mut nobody, "GET", "/fresh").status(), 401);
}

#[test]
fn one_request_is_one_lookup_however_many_ask() {
    let world = World::new();
    let mut browser = world.logged_in();
    let before = world.store.lookups();
    assert_eq!(world.send(&mut browser, "GET", "/several").status(), 200);
    assert_eq!(world.store.lookups(), before + 1);
    world.send(&mut browser, "GET", "/static");
    world.send(&mut browser, "GET", "/nowhere");
    assert_eq!(world.store.lookups(), before + 1);
}

#[test]
fn a_store_that_is_down_lets_nobody_in_and_logs_nobody_out() {
    let world = World::new();
    let mut browser = world.logged_in();
    world.store.fail(ErrorKind::Unavailable);
    for (method, path) in [
        ("GET", "/required"),
        // Nobody knows, which is not "nobody".
        ("GET", "/optional"),
        ("GET", "/fresh"),
        ("GET", "/form-token"),
        ("GET", "/live"),
        ("GET", "/own-answer"),
        ("POST", "/log-in"),
        ("POST", "/log-out"),
        ("POST", "/log-out-everywhere"),
        ("POST", "/step-up"),
    ] {
        let response = world.send(&mut browser, method, path);
        assert_eq!(response.status(), 503, "{path}");
        assert!(set_cookie(response.headers()).is_none(), "{path}");
    }
    world.store.fail(None);
    assert_eq!(world.send(&mut browser, "GET", "/required").status(), 200);
}

#[test]
fn a_new_token_comes_with_a_page_that_is_not_there() {
    let world = World::new();
    let mut browser = world.logged_in();
    world
        .clock
        .advance(RENEWAL + Duration::from_secs(FIVE_MINUTES));
    let before = browser.cookie.clone();
    let response = world.send(&mut browser, "GET", "/fresh");
    assert_eq!(response.status(), 403);
    assert_ne!(browser.cookie, before);
    assert_eq!(world.send(&mut browser, "GET", "/required").status(), 200);
}

#[test]
fn browsers_are_sent_where_the_layer_says() {
    let world = World::new();
    let app = || {
        let layer = SessionLayer::new(world.web.clone());
        let layer = layer.log_in_at("/log-in").unwrap();
        router().layer(layer.step_up_at("/confirm?a=b").unwrap())
    };
    let mut nobody = Browser::default();
    for method in ["GET", "POST"] {
        let response = send(app(), &mut nobody, method, "/required");
        assert_eq!(response.status(), 303);
        assert_eq!(response.headers()[header::LOCATION], "/log-in");
    }
    let mut browser = world.logged_in();
    world.clock.advance(Duration::from_secs(FIVE_MINUTES + 1));
    let response = send(app(), &mut browser, "GET", "/fresh");
    assert_eq!(response.status(), 303);
    assert_eq!(response.headers()[header::LOCATION], "/confirm?a=b");
    // An error is no reason to log in.
    world.store.fail(ErrorKind::Unavailable);
    assert_eq!(send(app(), &mut browser, "GET", "/required").status(), 503);

    for nonsense in ["", "a b", "/\r\nset-cookie: a=b"] {
        let layer = SessionLayer::new(world.web.clone());
        let error = layer.log_in_at(nonsense).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}

#[test]
fn the_challenge_and_a_handlers_own_answer_can_be_chosen() {
    let world = World::new();
    let challenge = http::HeaderValue::from_static("Cookie realm=\"shop\"");
    let layer = SessionLayer::new(world.web.clone()).challenge(challenge);
    let mut nobody = Browser::default();
    let response = send(router().layer(layer), &mut nobody, "GET", "/required");
    assert_eq!(
        response.headers()[header::WWW_AUTHENTICATE],
        "Cookie realm=\"shop\""
    );
    let response = world.send(&mut nobody, "GET", "/own-answer");
    assert_eq!(response.status(), 418);
}

#[test]
fn a_layer_that_is_missing_is_500() {
    let mut browser = Browser::default();
    for path in ["/required", "/optional", "/fresh", "/live", "/form-token"] {
        assert_eq!(
            send(router(), &mut browser, "GET", path).status(),
            500,
            "{path}"
        );
    }
    // The wrong way round.
    let world = World::new();
    let app = router()
        .layer(SessionLayer::new(world.web.clone()))
        .layer(csrf());
    assert_eq!(send(app, &mut browser, "GET", "/static").status(), 500);
    let mut browser = world.logged_in();
    let app = router().layer(SessionLayer::new(world.web.clone()));
    assert_eq!(send(app, &mut browser, "GET", "/form-token").status(), 500);
}

#[test]
fn a_forged_request_does_nothing() {
    let world = World::new();
    let mut browser = world.logged_in();
    for path in ["/log-out", "/log-out-everywhere", "/log-in"] {
        let mut request = browser.request("POST", path).body(Body::empty()).unwrap();
        let site = "cross-site".parse().unwrap();
        request.headers_mut().insert("sec-fetch-site", site);
        let response = block_on(world.app().oneshot(request)).unwrap();
        assert_eq!(response.status(), 403);
        assert!(set_cookie(response.headers()).is_none());
    }
    assert_eq!(text(world.send(&mut browser, "GET", "/required")), "alice");
}

#[test]
fn a_pages_token_is_good_for_its_form() {
    let world = World::new();
    let mut browser = world.logged_in();
    let token = text(world.send(&mut browser, "GET", "/form-token"));
    for (form, expected) in [
        (format!("csrf_token={token}"), 200),
        ("a=1".to_owned(), 403),
    ] {
        let mut request = browser
            .request("POST", "/required")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form))
            .unwrap();
        request.headers_mut().remove("sec-fetch-site");
        let response = block_on(world.app().oneshot(request)).unwrap();
        assert_eq!(response.status(), expected);
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn an_event_stream_ends_when_its_session_does() {
    let world = World::new();
    let (mut laptop, mut phone) = (world.logged_in(), world.logged_in());
    let mut events = world.send(&mut laptop, "GET", "/live").into_body();
    let first = block_on(events.frame())
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    assert_eq!(first, "data: tick\n\n");

    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut frame = events.frame();
    let waiting = Pin::new(&mut frame).poll(&mut Context::from_waker(&waker));
    assert!(waiting.is_pending());
    world.send(&mut phone, "POST", "/log-out-everywhere");
    assert!(woken.0.load(Ordering::Relaxed));
    assert!(block_on(frame).is_none());
}
