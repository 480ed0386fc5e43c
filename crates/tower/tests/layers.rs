//! The layers around plain services.

#![allow(clippy::unwrap_used, reason = "what fails here is to fail the test")]

mod common;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use common::{Browser, RENEWAL, World, set_cookie};
use futures_executor::block_on;
use http::{Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use revocable_core::ErrorKind;
use revocable_http::{CsrfKey, CsrfPolicy, CsrfRefusal, RequestSession, status};
use revocable_tower::{CsrfBody, CsrfLayer, SessionLayer, UntilEnded};
use tower::{Layer, Service, ServiceExt, service_fn};

type Body = Full<Bytes>;

fn body() -> Body {
    Full::default()
}

fn session<B>(request: &Request<B>) -> RequestSession {
    request
        .extensions()
        .get::<RequestSession>()
        .unwrap()
        .clone()
}

/// Does what the path says, and answers with the user.
async fn application<B>(request: Request<B>) -> Result<Response<Body>, Infallible> {
    let session = session(&request);
    let done = match request.uri().path() {
        "/untouched" => Ok("nobody asked".to_owned()),
        "/log-in" => session
            .log_in("alice")
            .await
            .map(|session| session.user().to_string()),
        "/log-out" => session.log_out().await.map(|ended| ended.to_string()),
        _ => session.session().await.map(|session| {
            session.map_or_else(|| "nobody".to_owned(), |session| session.user().to_string())
        }),
    };
    let mut response = Response::new(body());
    match done {
        Ok(text) => *response.body_mut() = Full::from(text),
        Err(error) => *response.status_mut() = status(&error),
    }
    if request.uri().path() == "/error" {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    Ok(response)
}

impl World {
    fn send(&self, browser: &mut Browser, path: &str) -> Response<Body> {
        let request = browser.request("GET", path).body(body()).unwrap();
        let service = SessionLayer::new(self.web.clone()).layer(service_fn(application));
        browser.receive(block_on(service.oneshot(request)).unwrap())
    }

    fn user(&self, browser: &Browser) -> String {
        text(self.send(&mut browser.clone(), "/"))
    }
}

fn text(response: Response<Body>) -> String {
    let body = block_on(response.into_body().collect()).unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[test]
fn a_session_lasts_from_login_to_logout() {
    let (world, mut browser) = (World::new(), Browser::default());
    assert_eq!(world.user(&browser), "nobody");
    let response = world.send(&mut browser, "/log-in");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    assert_eq!(world.user(&browser), "alice");
    let stolen = browser.clone();
    assert_eq!(text(world.send(&mut browser, "/log-out")), "true");
    assert_eq!(browser.cookie, None);
    assert_eq!(world.user(&stolen), "nobody");
}

#[test]
fn a_cookie_planted_before_a_login_is_not_the_session_after_it() {
    let world = World::new();
    let mut mallory = Browser::default();
    world.send(&mut mallory, "/log-in");
    let mut victim = mallory.clone();
    world.send(&mut victim, "/log-in");
    assert_ne!(victim.cookie, mallory.cookie);
    assert_eq!(world.user(&victim), "alice");
    assert_eq!(world.user(&mallory), "nobody");
}

#[test]
fn the_store_is_not_asked_where_nobody_asks() {
    let (world, mut browser) = (World::new(), Browser::default());
    world.send(&mut browser, "/log-in");
    world.clock.advance(RENEWAL);
    let before = world.store.lookups();
    let response = world.send(&mut browser, "/untouched");
    assert_eq!(world.store.lookups(), before);
    assert!(response.headers().is_empty(), "{response:?}");
}

#[test]
fn a_new_token_is_set_on_errors_too() {
    let (world, mut browser) = (World::new(), Browser::default());
    world.send(&mut browser, "/log-in");
    let before = browser.cookie.clone();
    world.clock.advance(RENEWAL);
    let response = world.send(&mut browser, "/error");
    assert_eq!(response.status(), 500);
    assert!(set_cookie(response.headers()).is_some());
    assert_ne!(browser.cookie, before);
    assert_eq!(world.user(&browser), "alice");
    assert!(set_cookie(world.send(&mut browser, "/error").headers()).is_none());
}

#[test]
fn a_store_that_is_down_is_503_and_leaves_the_cookie() {
    let (world, mut browser) = (World::new(), Browser::default());
    world.send(&mut browser, "/log-in");
    for kind in [ErrorKind::Unavailable, ErrorKind::Corrupt] {
        world.store.fail(kind);
        for path in ["/", "/log-in", "/log-out"] {
            let response = world.send(&mut browser, path);
            assert_eq!(response.status(), 503, "{path}");
            assert!(set_cookie(response.headers()).is_none(), "{path}");
        }
        world.store.fail(None);
        assert_eq!(world.user(&browser), "alice");
    }
}

#[test]
fn a_duplicate_cookie_is_nobody() {
    let (world, mut browser) = (World::new(), Browser::default());
    world.send(&mut browser, "/log-in");
    let cookie = browser.cookie.clone().unwrap();
    let before = world.store.lookups();
    browser.cookie = Some(format!("{cookie}; {cookie}"));
    let response = world.send(&mut browser, "/");
    assert!(set_cookie(response.headers()).is_none());
    assert_eq!(text(response), "nobody");
    assert_eq!(world.store.lookups(), before);
}

#[test]
fn an_error_of_the_inner_service_passes_through_and_renews_nothing() {
    let (world, mut browser) = (World::new(), Browser::default());
    world.send(&mut browser, "/log-in");
    world.clock.advance(RENEWAL);
    let failing = service_fn(async |request: Request<Body>| {
        session(&request).session().await.unwrap();
        Err::<Response<Body>, _>("broken")
    });
    let request = browser.request("GET", "/").body(body()).unwrap();
    let service = SessionLayer::new(world.web.clone()).layer(failing);
    assert_eq!(block_on(service.oneshot(request)).unwrap_err(), "broken");
    // The token is due as before.
    assert!(set_cookie(world.send(&mut browser, "/").headers()).is_some());
}

#[test]
fn a_request_that_is_given_up_changes_nothing() {
    let (world, mut browser) = (World::new(), Browser::default());
    world.send(&mut browser, "/log-in");
    world.clock.advance(RENEWAL);
    let hanging = service_fn(async |request: Request<Body>| {
        session(&request).session().await.unwrap();
        std::future::pending::<Result<Response<Body>, Infallible>>().await
    });
    let mut service = SessionLayer::new(world.web.clone()).layer(hanging);
    let request = browser.request("GET", "/").body(body()).unwrap();
    {
        let mut future = pin!(service.call(request));
        let mut context = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(world.user(&browser), "alice");
}

/// A service that has to be polled for readiness before each call, as those are
/// that hold a permit.
#[derive(Default)]
struct Strict {
    is_ready: AtomicBool,
    calls: Arc<AtomicUsize>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self {
            is_ready: AtomicBool::new(false),
            calls: self.calls.clone(),
        }
    }
}

impl<B> Service<Request<B>> for Strict {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready.store(true, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        assert!(self.is_ready.swap(false, Ordering::Relaxed), "not ready");
        self.calls.fetch_add(1, Ordering::Relaxed);
        ready(Ok(Response::new(body())))
    }
}

fn csrf() -> CsrfPolicy {
    let builder = CsrfPolicy::builder().origin("https://example.com");
    builder.key(CsrfKey::from_bytes([7; 32])).build().unwrap()
}

fn token_of(world: &World, browser: &Browser) -> String {
    let request = world
        .web
        .begin(browser.request("GET", "/").headers_ref().unwrap());
    let session = block_on(request.session()).unwrap().unwrap();
    csrf().token(session.id()).unwrap().expose().to_owned()
}

/// As a client sends it that says nothing of where the request comes from.
fn form(browser: &Browser, form: impl Into<Bytes>) -> Request<Body> {
    let mut request = browser
        .request("POST", "/")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::new(form.into()))
        .unwrap();
    request.headers_mut().remove("sec-fetch-site");
    request
}

#[test]
fn the_service_that_was_ready_is_the_one_that_is_called() {
    let (world, mut browser) = (World::new(), Browser::default());
    world.send(&mut browser, "/log-in");
    let strict = Strict::default();
    let calls = strict.calls.clone();
    let mut service =
        SessionLayer::new(world.web.clone()).layer(CsrfLayer::new(csrf()).layer(strict));
    let token = token_of(&world, &browser);
    for round in 0..3 {
        for request in [
            form(&browser, format!("csrf_token={token}")),
            browser.request("POST", "/").body(body()).unwrap(),
        ] {
            let ready = block_on(ServiceExt::<Request<Body>>::ready(&mut service)).unwrap();
            let response = block_on(ready.call(request)).unwrap();
            assert_eq!(response.status(), 200, "{round}");
        }
    }
    assert_eq!(calls.load(Ordering::Relaxed), 6);
}

/// Answers with the body that arrives.
async fn echo(request: Request<CsrfBody<Body>>) -> Result<Response<Body>, Infallible> {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    Ok(Response::new(Full::new(body)))
}

fn guarded(world: &World, layer: CsrfLayer, request: Request<Body>) -> Response<Body> {
    let service = SessionLayer::new(world.web.clone()).layer(layer.layer(service_fn(echo)));
    block_on(service.oneshot(request)).unwrap()
}

#[test]
fn requests_are_let_in_by_where_they_come_from() {
    let world = World::new();
    for (method, field, value, expected) in [
        ("GET", "sec-fetch-site", "cross-site", 200),
        ("POST", "sec-fetch-site", "same-origin", 200),
        ("POST", "sec-fetch-site", "none", 200),
        ("POST", "sec-fetch-site", "cross-site", 403),
        ("DELETE", "sec-fetch-site", "same-site", 403),
        ("POST", "origin", "https://example.com", 200),
        ("POST", "origin", "https://evil.example", 403),
        ("POST", "origin", "null", 403),
        ("POST", "accept", "*/*", 403),
    ] {
        let request = Request::builder().method(method).header(field, value);
        let request = request.body(body()).unwrap();
        let response = guarded(&world, CsrfLayer::new(csrf()), request);
        assert_eq!(response.status(), expected, "{method} {field}: {value}");
        let refusal = response.extensions().get::<CsrfRefusal>();
        assert_eq!(refusal.is_some(), expected == 403);
    }
    assert_eq!(world.store.lookups(), 0);
}

#[test]
fn the_authority_of_the_target_takes_the_place_of_the_host() {
    let world = World::new();
    let policy = CsrfPolicy::builder().compare_with_host().build().unwrap();
    for (uri, expected) in [
        ("https://example.com/", 200),
        ("https://other.example/", 403),
    ] {
        let request = Request::post(uri)
            .header("host", "other.example")
            .header("origin", "https://example.com");
        let request = request.body(body()).unwrap();
        let response = guarded(&world, CsrfLayer::new(policy.clone()), request);
        // Of HTTP/2 there is no other, of HTTP/1.1 the target comes first.
        assert_eq!(response.status(), expected, "{uri}");
    }
}

#[test]
fn a_form_with_the_sessions_token_passes_with_its_body_as_it_was() {
    let (world, mut browser) = (World::new(), Browser::default());
    world.send(&mut browser, "/log-in");
    let token = token_of(&world, &browser);
    let before = world.store.lookups();
    let whole = format!("csrf_token={token}&text={}", "x".repeat(100_000));
    let response = guarded(
        &world,
        CsrfLayer::new(csrf()),
        form(&browser, whole.clone()),
    );
    assert_eq!(response.status(), 200);
    assert_eq!(text(response), whole);
    assert_eq!(world.store.lookups(), before + 1);
}

#[test]
fn the_token_is_looked_for_in_the_field_first() {
    let (world, mut browser) = (World::new(), Browser::default());
    world.send(&mut browser, "/log-in");
    let token = token_of(&world, &browser);
    for (header, in_form, expected) in [
        (token.as_str(), "", 200),
        (token.as_str(), "csrf_token=wrong", 200),
        ("wrong", &format!("csrf_token={token}"), 403),
    ] {
        let mut request = form(&browser, in_form.to_owned());
        request
            .headers_mut()
            .insert("x-csrf-token", header.parse().unwrap());
        let response = guarded(&world, CsrfLayer::new(csrf()), request);
        assert_eq!(response.status(), expected, "{header} {in_form}");
    }
}

#[test]
fn a_token_that_is_not_the_sessions_is_refused() {
    let (world, mut browser, mut other) = (World::new(), Browser::default(), Browser::default());
    world.send(&mut browser, "/log-in");
    world.send(&mut other, "/log-in");
    let token = token_of(&world, &other);
    let good = token_of(&world, &browser);
    let nobody = Browser::default();
    for (browser, body) in [
        (&browser, format!("csrf_token={token}")),
        (&browser, format!("csrf_token={good}&csrf_token={good}")),
        (
            &browser,
            format!(
                "text={}&csrf_token={good}",
                "x".repeat(CsrfLayer::FORM_LIMIT)
            ),
        ),
        (&browser, "text=1".to_owned()),
        (&browser, String::new()),
        (&nobody, format!("csrf_token={good}")),
    ] {
        let response = guarded(&world, CsrfLayer::new(csrf()), form(browser, body));
        assert_eq!(response.status(), 403);
        assert!(set_cookie(response.headers()).is_none());
    }
    let layer = CsrfLayer::new(csrf()).form_limit(0);
    let response = guarded(&world, layer, form(&browser, format!("csrf_token={good}")));
    assert_eq!(response.status(), 403);
}

#[test]
fn a_store_that_is_down_while_a_token_is_checked_is_503() {
    let (world, mut browser) = (World::new(), Browser::default());
    world.send(&mut browser, "/log-in");
    let token = token_of(&world, &browser);
    world.store.fail(ErrorKind::Unavailable);
    let request = form(&browser, format!("csrf_token={token}"));
    let response = guarded(&world, CsrfLayer::new(csrf()), request);
    assert_eq!(response.status(), 503);
    assert!(set_cookie(response.headers()).is_none());
}

#[test]
fn a_policy_that_only_reports_lets_everything_in() {
    let world = World::new();
    let policy = CsrfPolicy::builder()
        .origin("https://example.com")
        .report_only();
    let policy = policy.key(CsrfKey::from_bytes([7; 32])).build().unwrap();
    let browser = Browser::default();
    let response = guarded(&world, CsrfLayer::new(policy), form(&browser, "a=1"));
    assert_eq!(text(response), "a=1");
}

#[test]
fn a_body_that_fails_is_given_on_with_its_error() {
    let (world, mut browser) = (World::new(), Browser::default());
    world.send(&mut browser, "/log-in");
    let policy = CsrfPolicy::builder()
        .origin("https://example.com")
        .report_only();
    let policy = policy.key(CsrfKey::from_bytes([7; 32])).build().unwrap();
    type Frames = frames::Frames;
    let inner = service_fn(async |request: Request<CsrfBody<StreamBody<Frames>>>| {
        let mut body = request.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "a=1&b=2");
        assert_eq!(body.frame().await.unwrap().unwrap_err(), "cut");
        Ok::<_, Infallible>(Response::new(Body::default()))
    });
    let frames = frames::Frames(vec![
        Err("cut"),
        Ok(Frame::data(Bytes::from("&b=2"))),
        Ok(Frame::data(Bytes::from("a=1"))),
    ]);
    let (parts, _) = form(&browser, "").into_parts();
    let request = Request::from_parts(parts, StreamBody::new(frames));
    let service = SessionLayer::new(world.web.clone()).layer(CsrfLayer::new(policy).layer(inner));
    assert_eq!(block_on(service.oneshot(request)).unwrap().status(), 200);
}

mod frames {
    use super::*;

    /// From the end.
    pub(super) struct Frames(pub(super) Vec<Result<Frame<Bytes>, &'static str>>);

    impl futures_core::Stream for Frames {
        type Item = Result<Frame<Bytes>, &'static str>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.pop())
        }
    }
}

#[test]
fn layers_in_the_wrong_order_are_500_from_the_first_request_on() {
    let world = World::new();
    let inner = SessionLayer::new(world.web.clone()).layer(service_fn(application));
    let service = CsrfLayer::new(csrf()).layer(inner);
    let request = Request::get("/").body(body()).unwrap();
    assert_eq!(block_on(service.oneshot(request)).unwrap().status(), 500);
}

#[test]
fn a_body_ends_the_moment_its_session_is_revoked() {
    let world = World::new();
    let (_, session) = block_on(world.sessions.create("alice")).unwrap();
    let (_, other) = block_on(world.sessions.create("bob")).unwrap();
    let watch = |id| block_on(world.sessions.watch(id)).unwrap();
    let long = || {
        let frames = (0..3).map(|_| Ok(Frame::data(Bytes::from("a"))));
        StreamBody::new(frames::Frames(frames.collect()))
    };
    let mut body = UntilEnded::new(long(), watch(session.id()));
    let mut others = UntilEnded::new(long(), watch(other.id()));
    assert!(block_on(body.frame()).is_some());
    block_on(world.sessions.revoke_all_for_user("alice")).unwrap();
    assert!(block_on(body.frame()).is_none());
    assert_eq!(body.ended().unwrap().as_str(), "logged_out_everywhere");
    assert!(block_on(others.frame()).is_some());
    assert_eq!(others.ended(), None);
}

#[test]
fn a_stream_that_always_has_something_ends_too() {
    let world = World::new();
    let (_, session) = block_on(world.sessions.create("alice")).unwrap();
    let watch = block_on(world.sessions.watch(session.id())).unwrap();
    let items = (0..3).map(|_| Err("item")).collect();
    let mut stream = UntilEnded::new(frames::Frames(items), watch);
    let mut next = || {
        let mut context = Context::from_waker(Waker::noop());
        futures_core::Stream::poll_next(Pin::new(&mut stream), &mut context)
    };
    assert!(matches!(next(), Poll::Ready(Some(_))));
    block_on(world.sessions.revoke(session.id())).unwrap();
    assert!(matches!(next(), Poll::Ready(None)));
    assert!(matches!(next(), Poll::Ready(None)));
}

#[test]
fn nothing_secret_is_shown() {
    let (world, mut browser) = (World::new(), Browser::default());
    world.send(&mut browser, "/log-in");
    let layer = SessionLayer::new(world.web.clone());
    let mut service = layer.layer(service_fn(application::<Body>));
    let request = browser.request("GET", "/").body(body()).unwrap();
    let shown = format!("{layer:?} {:?}", service.call(request));
    let cookie = browser.cookie.unwrap();
    assert!(!shown.contains(&cookie[cookie.len() - 40..]), "{shown}");
}
