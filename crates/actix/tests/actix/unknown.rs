//! The store fails: nobody is let in, and nobody is logged out.

use crate::browser::{Browser, Site};

#[actix_web::test]
async fn a_store_that_fails_is_503_and_logs_nobody_out() {
    let (site, mut browser) = (Site::new(), Browser::default());
    browser.log_in(&site, "alice").await;
    site.store.set_down(true);
    for path in [
        "/private",
        "/front",
        "/sensitive",
        "/pages/private",
        "/form",
        "/guarded",
    ] {
        let answer = browser.get(&site, path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(!answer.changes_cookie(), "{path}");
        // Nothing of what stands behind the application.
        assert_eq!(answer.body, "Service Unavailable", "{path}");
    }
    for path in ["/login/bob", "/logout", "/logout-everywhere", "/confirm"] {
        let answer = browser.post(&site, path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(!answer.changes_cookie(), "{path}");
    }
    assert_eq!(browser.get(&site, "/public").await.status, 200);
    site.store.set_down(false);
    assert_eq!(browser.get(&site, "/private").await.body, "alice");
}

#[actix_web::test]
async fn an_error_that_an_argument_swallows_logs_nobody_out() {
    let (site, mut browser) = (Site::new(), Browser::default());
    assert_eq!(browser.get(&site, "/trap").await.status, 401);
    assert_eq!(browser.get(&site, "/caught").await.body, "nobody");
    assert_eq!(browser.get(&site, "/users").await.status, 401);
    browser.log_in(&site, "alice").await;
    assert_eq!(browser.get(&site, "/trap").await.body, "alice");
    assert_eq!(browser.get(&site, "/users").await.body, "public");
    site.store.set_down(true);
    for path in ["/trap", "/caught", "/users"] {
        let answer = browser.get(&site, path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert_eq!(answer.body, "Service Unavailable", "{path}");
        assert!(!answer.changes_cookie(), "{path}");
    }
}

#[actix_web::test]
async fn without_a_cookie_no_store_is_needed() {
    let (site, mut browser) = (Site::new(), Browser::default());
    site.store.set_down(true);
    assert_eq!(browser.get(&site, "/front").await.body, "nobody");
    assert_eq!(browser.get(&site, "/private").await.status, 401);
}
