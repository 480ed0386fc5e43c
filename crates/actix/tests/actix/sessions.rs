//! Logging in and out, arguments, and what the response says.

use std::time::Duration;

use actix_web::dev::Service;
use actix_web::test::TestRequest;
use actix_web::{App, test};
use revocable_actix::{CsrfMiddleware, SessionMiddleware};

use crate::browser::{Browser, Site};

#[actix_web::test]
async fn a_login_lasts_until_the_logout() {
    let (site, mut browser) = (Site::new(), Browser::default());
    assert_eq!(browser.get(&site, "/private").await.status, 401);
    browser.log_in(&site, "alice").await;
    assert_eq!(browser.get(&site, "/private").await.body, "alice");
    let mut thief = browser.clone();

    let answer = browser.post(&site, "/logout").await;
    assert_eq!(browser.cookie, None);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(thief.get(&site, "/private").await.status, 401);
}

#[actix_web::test]
async fn logging_out_everywhere_ends_the_sessions_of_other_browsers() {
    let site = Site::new();
    let (mut first, mut second, mut bob) = Default::default();
    Browser::log_in(&mut first, &site, "alice").await;
    Browser::log_in(&mut second, &site, "alice").await;
    Browser::log_in(&mut bob, &site, "bob").await;
    assert_eq!(first.post(&site, "/logout-everywhere").await.body, "2");
    assert_eq!(first.cookie, None);
    assert_eq!(second.get(&site, "/private").await.status, 401);
    assert_eq!(bob.get(&site, "/private").await.body, "bob");
}

#[actix_web::test]
async fn a_cookie_from_before_the_login_is_not_the_session_after_it() {
    let (site, mut attacker) = (Site::new(), Browser::default());
    attacker.log_in(&site, "mallory").await;
    let mut victim = attacker.clone(); // planted
    victim.log_in(&site, "alice").await;
    assert_ne!(victim.cookie, attacker.cookie);
    assert_eq!(victim.get(&site, "/private").await.body, "alice");
    assert_eq!(attacker.get(&site, "/private").await.status, 401);

    // Nor one that no server has made.
    let made_up = "__Host-session=AAAAAAAAgACAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let mut victim = Browser {
        cookie: Some(made_up.to_owned()),
    };
    victim.log_in(&site, "alice").await;
    assert_ne!(victim.cookie.as_deref(), Some(made_up));
}

#[actix_web::test]
async fn a_renewed_token_is_set_whatever_the_answer_is() {
    for (path, status) in [
        ("/private", 200),
        ("/private-and-fail", 418),
        // An error that is no response yet where the session's middleware is.
        ("/guarded", 418),
    ] {
        let (site, mut browser) = (Site::new(), Browser::default());
        browser.log_in(&site, "alice").await;
        let old = browser.cookie.clone();
        site.clock.advance(Duration::from_secs(601));
        let answer = browser.get(&site, path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.changes_cookie(), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_ne!(browser.cookie, old, "{path}");
        assert_eq!(browser.get(&site, "/private").await.body, "alice");
    }
}

#[actix_web::test]
async fn the_token_of_a_login_is_set_on_an_error_too() {
    let (site, mut browser) = (Site::new(), Browser::default());
    let answer = browser.post(&site, "/login-and-fail").await;
    assert_eq!(answer.status, 418);
    assert_eq!(answer.body, "short and stout");
    assert_eq!(browser.get(&site, "/private").await.body, "alice");
}

#[actix_web::test]
async fn the_store_is_asked_once_a_request_however_many_ask() {
    let (site, mut browser) = (Site::new(), Browser::default());
    browser.log_in(&site, "alice").await;
    site.store.take_lookups();
    let answer = browser.get(&site, "/thrice").await;
    assert_eq!(answer.body, "alice");
    assert_eq!(site.store.take_lookups(), 1);
    assert_eq!(answer.header("vary"), Some("Cookie"));
}

#[actix_web::test]
async fn the_store_is_not_asked_where_nobody_asks() {
    let (site, mut browser) = (Site::new(), Browser::default());
    browser.log_in(&site, "alice").await;
    site.store.take_lookups();
    for answer in [
        browser.get(&site, "/public").await,
        browser.post(&site, "/echo").await,
        browser.get(&site, "/none").await,
    ] {
        assert_eq!(site.store.take_lookups(), 0);
        assert!(!answer.headers.contains_key("vary"));
        assert!(!answer.headers.contains_key("cache-control"));
    }
    assert!(site.store.take_lookups() == 0);
}

#[actix_web::test]
async fn of_two_session_cookies_none_is_taken() {
    let (site, mut browser) = (Site::new(), Browser::default());
    browser.log_in(&site, "alice").await;
    let own = browser.cookie.clone().unwrap();
    site.store.take_lookups();
    let twice = TestRequest::get()
        .uri("/private")
        .insert_header(("cookie", format!("{own}; {own}")));
    assert_eq!(Browser::default().send(&site, twice).await.status, 401);
    let two_fields = TestRequest::get()
        .uri("/private")
        .append_header(("cookie", own.as_str()))
        .append_header(("cookie", "__Host-session=planted"));
    assert_eq!(Browser::default().send(&site, two_fields).await.status, 401);
    assert_eq!(site.store.take_lookups(), 0);
}

#[actix_web::test]
async fn a_request_without_a_session_is_challenged_or_sent_to_the_login() {
    let (site, mut browser) = (Site::new(), Browser::default());
    let answer = browser.get(&site, "/private").await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("www-authenticate"), Some("Cookie"));
    assert_eq!(answer.body, "Unauthorized");

    let answer = browser.get(&site, "/pages/private").await;
    assert_eq!(answer.status, 303);
    assert_eq!(answer.header("location"), Some("/login"));
    assert!(!answer.headers.contains_key("www-authenticate"));
    // It would be another answer with a session.
    assert_eq!(answer.header("vary"), Some("Cookie"));
}

#[actix_web::test]
async fn a_login_that_is_too_long_ago_has_to_be_confirmed() {
    let (site, mut browser) = (Site::new(), Browser::default());
    assert_eq!(browser.get(&site, "/sensitive").await.status, 401);
    browser.log_in(&site, "alice").await;
    assert_eq!(browser.get(&site, "/sensitive").await.body, "alice");
    site.clock.advance(Duration::from_secs(300));
    assert_eq!(browser.get(&site, "/sensitive").await.status, 200);
    site.clock.advance(Duration::from_secs(1));
    assert_eq!(browser.get(&site, "/sensitive").await.status, 403);
    let answer = browser.get(&site, "/pages/sensitive").await;
    assert_eq!(answer.status, 303);
    assert_eq!(answer.header("location"), Some("/confirm"));

    let mut thief = browser.clone();
    browser.post(&site, "/confirm").await;
    assert_eq!(browser.get(&site, "/sensitive").await.body, "alice");
    assert_eq!(thief.get(&site, "/private").await.status, 401);
}

#[actix_web::test]
async fn a_route_without_the_middleware_lets_nobody_in() {
    let app = test::init_service(App::new().configure(crate::browser::routes)).await;
    for path in ["/private", "/front", "/sensitive", "/form"] {
        let request = TestRequest::get().uri(path).to_request();
        let status = app.call(request).await.unwrap().status();
        assert_eq!(status, 500, "{path}");
    }
}

#[actix_web::test]
async fn middleware_in_the_wrong_order_shows_from_the_first_request_on() {
    let site = Site::new();
    let app = App::new()
        .configure(crate::browser::routes)
        .wrap(SessionMiddleware::new(site.web.clone()))
        .wrap(CsrfMiddleware::new(site.csrf.clone()));
    let app = test::init_service(app).await;
    let request = TestRequest::get().uri("/public").to_request();
    assert_eq!(app.call(request).await.unwrap().status(), 500);
}
