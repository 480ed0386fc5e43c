//! A stream of events ends with the session.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::MessageBody;
use actix_web::dev::Service;
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse};
use futures_core::Stream;
use revocable_actix::{CurrentSession, Result, SessionMiddleware};

use crate::browser::{Browser, Site};

/// News that never end: one event, then none for a long time.
struct News {
    told: bool,
}

impl Stream for News {
    type Item = Result<Bytes, actix_web::Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::replace(&mut self.told, true) {
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(Bytes::from_static(b"data: hello\n\n"))))
    }
}

pub(crate) async fn events(request: CurrentSession) -> Result<HttpResponse> {
    let events = request.until_ended(News { told: false }).await?;
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .streaming(events))
}

#[actix_web::test]
async fn an_event_stream_ends_when_the_session_is_revoked() {
    let (site, mut browser) = (Site::new(), Browser::default());
    browser.log_in(&site, "alice").await;
    let app = App::new()
        .route("/events", web::get().to(events))
        .wrap(SessionMiddleware::new(site.web.clone()));
    let worker = init_service(app).await;
    let ask = |cookie: Option<&String>| {
        let request = TestRequest::get().uri("/events");
        match cookie {
            Some(cookie) => request.insert_header(("cookie", cookie.as_str())),
            None => request,
        }
        .to_request()
    };
    let response = worker.call(ask(browser.cookie.as_ref())).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = Box::pin(response.into_body());
    let mut next = async || poll_fn(|context| Poll::Ready(body.as_mut().poll_next(context))).await;

    assert!(matches!(next().await, Poll::Ready(Some(Ok(event))) if event == "data: hello\n\n"));
    assert!(next().await.is_pending());
    site.sessions.revoke_all_for_user("bob").await.unwrap();
    assert!(next().await.is_pending());
    site.sessions.revoke_all_for_user("alice").await.unwrap();
    assert!(matches!(next().await, Poll::Ready(None)));
    assert!(matches!(next().await, Poll::Ready(None)));

    // The browser asks again.
    let response = worker.call(ask(browser.cookie.as_ref())).await.unwrap();
    assert_eq!(response.status(), 401);
    let response = worker.call(ask(None)).await.unwrap();
    assert_eq!(response.status(), 401);
}

#[actix_web::test]
async fn who_waits_for_an_event_is_woken_by_the_end_of_the_session() {
    let (site, mut browser) = (Site::new(), Browser::default());
    browser.log_in(&site, "alice").await;
    let app = App::new()
        .route("/events", web::get().to(events))
        .wrap(SessionMiddleware::new(site.web.clone()));
    let worker = init_service(app).await;
    let request = TestRequest::get()
        .uri("/events")
        .insert_header(("cookie", browser.cookie.unwrap()));
    let response = worker.call(request.to_request()).await.unwrap();
    let whole = actix_web::rt::spawn(actix_web::body::to_bytes(response.into_body()));
    turns().await;
    assert!(!whole.is_finished());
    site.sessions.revoke_all_for_user("alice").await.unwrap();
    turns().await;
    assert!(whole.is_finished());
    assert_eq!(whole.await.unwrap().unwrap(), "data: hello\n\n");
}

/// Lets the other tasks of this thread run as far as they get.
async fn turns() {
    for _ in 0..100 {
        actix_web::rt::task::yield_now().await;
    }
}
