//! Requests that other sites may have forged.

use actix_web::App;
use actix_web::dev::Service;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::test::{TestRequest, init_service};
use revocable_actix::{CsrfMiddleware, SessionMiddleware};
use revocable_http::{CsrfKey, CsrfPolicy, CsrfRefusal};

use crate::browser::{Answer, Browser, Site};

const FORM: &str = "application/x-www-form-urlencoded";

fn from(site: &str) -> TestRequest {
    TestRequest::post()
        .uri("/echo")
        .insert_header(("sec-fetch-site", site))
}

/// A form of a browser that says nothing about where it comes from.
fn form(media_type: &str, body: &str) -> TestRequest {
    TestRequest::post()
        .uri("/echo")
        .insert_header((CONTENT_TYPE, media_type))
        .set_payload(body.to_owned())
}

async fn logged_in() -> (Site, Browser, String) {
    let (site, mut browser) = (Site::new(), Browser::default());
    browser.log_in(&site, "alice").await;
    let token = browser.get(&site, "/form").await.body;
    site.store.take_lookups();
    (site, browser, token)
}

fn assert_refused(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (403, "Forbidden"));
}

#[actix_web::test]
async fn a_request_of_another_site_reaches_no_handler_and_no_store() {
    let (site, mut browser, _) = logged_in().await;
    assert_eq!(browser.send(&site, from("same-origin")).await.status, 200);
    assert_refused(&browser.send(&site, from("cross-site")).await);
    let logout = from("cross-site").uri("/logout");
    assert_refused(&browser.send(&site, logout).await);
    let websocket = TestRequest::get()
        .uri("/public")
        .insert_header(("upgrade", "websocket"))
        .insert_header(("origin", "https://evil.example"));
    assert_refused(&browser.send(&site, websocket).await);
    let older = TestRequest::post()
        .uri("/echo")
        .insert_header(("origin", "https://example.com"));
    assert_eq!(browser.send(&site, older).await.status, 200);
    assert_eq!(site.store.take_lookups(), 0);
    assert_eq!(browser.get(&site, "/private").await.body, "alice");
}

#[actix_web::test]
async fn a_form_with_the_sessions_token_passes_and_reaches_the_handler_whole() {
    let (site, mut browser, token) = logged_in().await;
    for media_type in [FORM, "Application/X-WWW-Form-Urlencoded; charset=UTF-8"] {
        let body = format!("name=A+B&csrf_token={token}&rest={}", "x".repeat(15_000));
        let answer = browser.send(&site, form(media_type, &body)).await;
        assert_eq!((answer.status, answer.body), (200, body));
        assert_eq!(site.store.take_lookups(), 1);
    }
    let scripted = TestRequest::post()
        .uri("/echo")
        .insert_header((CsrfPolicy::HEADER, token));
    assert_eq!(browser.send(&site, scripted).await.status, 200);
}

#[actix_web::test]
async fn a_form_without_the_sessions_token_is_refused() {
    let (site, mut browser, token) = logged_in().await;
    let (mut other, mut again) = (Browser::default(), Browser::default());
    other.log_in(&site, "mallory").await;
    let foreign = other.get(&site, "/form").await.body;
    again.log_in(&site, "alice").await;
    for body in [
        String::new(),
        "csrf_token=".to_owned(),
        format!("csrf_token={foreign}"),
        // Which of the two would the handler see?
        format!("csrf_token={token}&csrf_token={token}"),
        format!("CSRF_TOKEN={token}"),
        format!("rest=&csrf_token%00={token}"),
    ] {
        assert_refused(&browser.send(&site, form(FORM, &body)).await);
    }
    let body = format!("csrf_token={token}");
    // A session's token is that of no other of the same user, and of nobody.
    assert_refused(&again.send(&site, form(FORM, &body)).await);
    assert_refused(&Browser::default().send(&site, form(FORM, &body)).await);
    // A token does not redeem an origin.
    let elsewhere = form(FORM, &body).insert_header(("sec-fetch-site", "cross-site"));
    assert_refused(&browser.send(&site, elsewhere).await);
}

#[actix_web::test]
async fn no_form_is_read_that_may_be_too_long() {
    let (site, mut browser, token) = logged_in().await;
    let body = format!("csrf_token={token}&rest=");
    let longest = format!("{body}{}", "x".repeat(64 * 1024 - body.len()));
    assert_eq!(browser.send(&site, form(FORM, &longest)).await.status, 200);
    assert_refused(
        &browser
            .send(&site, form(FORM, &format!("{longest}x")))
            .await,
    );
    // It does not say how long it is.
    let chunked = form(FORM, &body).insert_header(("content-length", ""));
    assert_refused(&browser.send(&site, chunked).await);
    // It says less than there is.
    let more = form(FORM, &body).insert_header(("content-length", 5));
    assert_eq!(browser.send(&site, more).await.status, 413);
    assert_refused(
        &browser
            .send(&site, form("multipart/form-data", &body))
            .await,
    );
    let compressed = form(FORM, &body).insert_header(("content-encoding", "gzip"));
    assert_refused(&browser.send(&site, compressed).await);
    // Nobody's form is read, or this would be 413 too.
    let more = form(FORM, &body).insert_header(("content-length", 5));
    assert_refused(&Browser::default().send(&site, more).await);
}

#[actix_web::test]
async fn the_host_of_the_requests_target_takes_the_place_of_the_field() {
    let (mut site, mut browser, _) = logged_in().await;
    site.csrf = CsrfPolicy::builder().compare_with_host().build().unwrap();
    for (origin, status) in [("https://app.example", 200), ("https://evil.example", 403)] {
        let request = TestRequest::post()
            .uri("https://app.example/echo")
            .insert_header(("host", "evil.example"))
            .insert_header(("origin", origin));
        assert_eq!(
            browser.send(&site, request).await.status,
            status,
            "{origin}"
        );
    }
}

#[actix_web::test]
async fn a_store_that_fails_while_a_token_is_checked_is_503() {
    let (site, mut browser, token) = logged_in().await;
    site.store.set_down(true);
    let body = format!("csrf_token={token}");
    let answer = browser.send(&site, form(FORM, &body)).await;
    assert_eq!(answer.status, 503);
    assert!(!answer.changes_cookie());
}

#[actix_web::test]
async fn a_policy_that_only_reports_lets_everything_pass() {
    let (mut site, mut browser, token) = logged_in().await;
    site.csrf = CsrfPolicy::builder()
        .origin("https://example.com")
        .key(CsrfKey::from_bytes([7; 32]))
        .report_only()
        .build()
        .unwrap();
    assert_eq!(browser.send(&site, from("cross-site")).await.status, 200);
    let answer = browser.send(&site, form(FORM, "name=value")).await;
    assert_eq!(answer.body, "name=value");
    site.store.set_down(true);
    let body = format!("csrf_token={token}");
    let answer = browser.send(&site, form(FORM, &body)).await;
    assert_eq!((answer.status, answer.body), (200, body));
}

#[actix_web::test]
async fn middleware_outside_learns_why_a_request_was_refused() {
    let site = Site::new();
    let app = App::new()
        .wrap(CsrfMiddleware::new(site.csrf.clone()))
        .wrap(SessionMiddleware::new(site.web.clone()));
    let app = init_service(app).await;
    let response = app.call(from("cross-site").to_request()).await.unwrap();
    let error = response.response().error().unwrap();
    let error: &revocable_actix::Error = error.as_error().unwrap();
    assert_eq!(error.refusal(), Some(CsrfRefusal::CrossSite));
    assert!(error.failure().is_none());
}
