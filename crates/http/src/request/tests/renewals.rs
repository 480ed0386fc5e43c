//! Requests whose token is due for renewal, or was replaced.

use super::*;

fn renewing() -> Browser {
    let policy = Policy::builder(Duration::from_secs(3_600))
        .renewal_interval(Duration::from_secs(60))
        .build()
        .unwrap();
    Browser::with(policy)
}

#[test]
fn a_token_is_renewed_when_it_is_time() {
    let mut browser = renewing();
    let session = browser.log_in("alice");
    let before = browser.cookie.clone();
    browser.clock.advance(Duration::from_secs(61));
    // Nobody asks for the session: nothing happens.
    let request = browser.begin();
    assert!(!changes_cookie(&browser.end(&request)));

    let request = browser.begin();
    assert!(!request.is_renewal_due());
    block_on(request.session()).unwrap();
    assert!(request.is_renewal_due());
    assert!(changes_cookie(&browser.end(&request)));
    assert!(!request.is_renewal_due());
    assert_ne!(browser.cookie, before);
    let found = block_on(browser.begin().session()).unwrap().unwrap();
    assert_eq!(found.id(), session.id());
    let request = browser.begin();
    block_on(request.session()).unwrap();
    assert!(!changes_cookie(&browser.end(&request)));
}

#[test]
fn a_renewal_that_fails_makes_no_difference() {
    let mut browser = renewing();
    browser.log_in("alice");
    browser.clock.advance(Duration::from_secs(61));
    let request = browser.begin();
    block_on(request.session()).unwrap();
    browser
        .store
        .fail(&[(Verb::Update, ErrorKind::Unavailable)]);
    assert!(!changes_cookie(&browser.end(&request)));
    browser.store.fail(&[]);
    assert_eq!(browser.user().as_deref(), Some("alice"));
}

#[test]
fn a_renewal_does_not_undo_what_the_handler_did() {
    let mut browser = renewing();
    browser.log_in("alice");
    browser.clock.advance(Duration::from_secs(61));
    let request = browser.begin();
    block_on(request.session()).unwrap();
    block_on(request.log_out()).unwrap();
    browser.end(&request);
    assert_eq!(browser.cookie, None);
    // Ended by somebody else while the handler ran.
    let session = browser.log_in("alice");
    browser.clock.advance(Duration::from_secs(61));
    let request = browser.begin();
    block_on(request.session()).unwrap();
    block_on(browser.web.sessions().revoke(session.id())).unwrap();
    assert!(!changes_cookie(&browser.end(&request)));
}

#[test]
fn a_step_up_gives_another_token_and_the_old_one_is_dead() {
    let mut browser = Browser::new();
    let session = browser.log_in("alice");
    let before = browser.cookie.clone();
    browser.clock.advance(Duration::from_secs(5));
    let request = browser.begin();
    let fresh = block_on(request.reauthenticated()).unwrap().unwrap();
    assert_eq!(fresh.id(), session.id());
    assert!(fresh.authenticated_at() > session.authenticated_at());
    // Twice in one request: from the token that the first one made.
    assert!(block_on(request.renew_now()).unwrap().is_some());
    browser.end(&request);
    assert_eq!(browser.user().as_deref(), Some("alice"));
    browser.cookie = before;
    assert_eq!(browser.user(), None);
    assert!(
        block_on(browser.begin().reauthenticated())
            .unwrap()
            .is_none()
    );
    browser.cookie = None;
    assert!(block_on(browser.begin().renew_now()).unwrap().is_none());
}

#[test]
fn what_happened_last_in_a_request_counts() {
    let mut browser = Browser::new();
    let request = browser.begin();
    block_on(request.log_in("alice")).unwrap();
    block_on(request.log_out()).unwrap();
    // There was no cookie, so there is none to clear.
    assert!(!changes_cookie(&browser.end(&request)));
    assert_eq!(
        block_on(browser.web.sessions().revoke_all_for_user("alice")).unwrap(),
        0
    );

    let request = browser.begin();
    block_on(request.log_in("alice")).unwrap();
    block_on(request.log_in("bob")).unwrap();
    browser.end(&request);
    assert_eq!(browser.user().as_deref(), Some("bob"));
    assert_eq!(
        block_on(browser.web.sessions().revoke_all_for_user("alice")).unwrap(),
        0
    );
}
