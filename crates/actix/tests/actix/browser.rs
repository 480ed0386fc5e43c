//! An application and a browser that keeps its cookie.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_web::body::{MessageBody, to_bytes};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::{HeaderMap, SET_COOKIE};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{self, Bytes};
use actix_web::{App, Error, HttpResponse, middleware};
use revocable_actix::{
    CsrfMiddleware, CurrentSession, FormToken, Fresh, MaybeSession, Result, Session, SessionConfig,
    SessionMiddleware,
};
use revocable_core::{ManualClock, Policy, Sessions};
use revocable_http::{CookiePolicy, CsrfKey, CsrfPolicy, WebSessions};

use crate::store::FaultyStore;

/// What all workers of an application share.
pub(crate) struct Site {
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) sessions: Sessions,
    pub(crate) web: WebSessions,
    pub(crate) csrf: CsrfPolicy,
}

impl Site {
    pub(crate) fn new() -> Self {
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
        let csrf = CsrfPolicy::builder()
            .origin("https://example.com")
            .key(CsrfKey::from_bytes([7; 32]))
            .build()
            .unwrap();
        Self {
            web: WebSessions::new(sessions.clone(), CookiePolicy::default()),
            store,
            clock,
            sessions,
            csrf,
        }
    }
}

/// The routes that the tests ask for.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    async fn login(user: web::Path<String>, request: CurrentSession) -> Result<HttpResponse> {
        request.log_in(user.into_inner()).await?;
        Ok(HttpResponse::NoContent().finish())
    }
    async fn login_and_fail(request: CurrentSession) -> Result<HttpResponse, Error> {
        request.log_in("alice").await?;
        Err(actix_web::error::ErrorImATeapot("short and stout"))
    }
    async fn logout(request: CurrentSession) -> Result<HttpResponse> {
        request.log_out().await?;
        Ok(HttpResponse::NoContent().finish())
    }
    async fn logout_everywhere(request: CurrentSession) -> Result<String> {
        Ok(request.log_out_everywhere().await?.to_string())
    }
    async fn confirm(request: CurrentSession) -> Result<HttpResponse> {
        request.reauthenticated().await?;
        Ok(HttpResponse::NoContent().finish())
    }
    async fn private(session: Session) -> String {
        session.user().to_string()
    }
    async fn thrice(
        session: Session,
        again: MaybeSession,
        request: CurrentSession,
    ) -> Result<String> {
        let third = request.required().await?;
        assert_eq!(session.id(), third.id());
        assert_eq!(again.0.map(|session| session.id()), Some(third.id()));
        Ok(third.user().to_string())
    }
    async fn front(MaybeSession(session): MaybeSession) -> String {
        session.map_or("nobody".to_owned(), |session| session.user().to_string())
    }
    async fn trap(session: Option<Session>) -> HttpResponse {
        match session {
            Some(session) => HttpResponse::Ok().body(session.user().to_string()),
            None => HttpResponse::Unauthorized().body("nobody"),
        }
    }
    async fn caught(session: Result<Session>) -> String {
        session.map_or("nobody".to_owned(), |session| session.user().to_string())
    }
    async fn private_and_fail(_: Session) -> Result<HttpResponse, Error> {
        Err(actix_web::error::ErrorImATeapot("short and stout"))
    }
    async fn sensitive(session: Fresh<300>) -> String {
        session.user().to_string()
    }
    async fn public() -> &'static str {
        "public"
    }
    async fn form(token: FormToken) -> String {
        token.expose().to_owned()
    }
    async fn echo(body: Bytes) -> Bytes {
        body
    }
    config
        .route("/login/{user}", web::post().to(login))
        .route("/login-and-fail", web::post().to(login_and_fail))
        .route("/logout", web::post().to(logout))
        .route("/logout-everywhere", web::post().to(logout_everywhere))
        .route("/confirm", web::post().to(confirm))
        .route("/private", web::get().to(private))
        .route("/thrice", web::get().to(thrice))
        .route("/front", web::get().to(front))
        .route("/trap", web::get().to(trap))
        .route("/caught", web::get().to(caught))
        .route("/private-and-fail", web::get().to(private_and_fail))
        .route("/sensitive", web::get().to(sensitive))
        .route("/public", web::get().to(public))
        .route("/form", web::get().to(form))
        .route("/echo", web::post().to(echo))
        .service(
            web::scope("/pages")
                .app_data(
                    SessionConfig::new()
                        .log_in_at("/login")
                        .and_then(|config| config.step_up_at("/confirm"))
                        .unwrap(),
                )
                .route("/private", web::get().to(private))
                .route("/sensitive", web::get().to(sensitive)),
        )
        .service(
            web::scope("/guarded")
                .wrap(middleware::from_fn(turned_away))
                .route("", web::get().to(public)),
        )
        .service(
            web::scope("/users")
                .wrap(middleware::from_fn(only_users))
                .route("", web::get().to(public)),
        );
}

/// A middleware that answers with an error that is no response yet.
async fn turned_away(
    _: Session,
    _: actix_web::dev::ServiceRequest,
    _: middleware::Next<impl MessageBody>,
) -> Result<ServiceResponse, Error> {
    Err(actix_web::error::ErrorImATeapot("not this way"))
}

/// One that takes a failing store for nobody.
async fn only_users(
    session: Option<Session>,
    request: actix_web::dev::ServiceRequest,
    next: middleware::Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    match session {
        Some(_) => next.call(request).await,
        None => Err(actix_web::error::ErrorUnauthorized("nobody")),
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name);
        let value = values.next()?.to_str().unwrap();
        assert!(values.next().is_none(), "{name} more than once");
        Some(value)
    }

    pub(crate) fn changes_cookie(&self) -> bool {
        self.headers.contains_key(SET_COOKIE)
    }
}

/// A browser that is the only one to use its cookie.
#[derive(Clone, Default)]
pub(crate) struct Browser {
    pub(crate) cookie: Option<String>,
}

impl Browser {
    pub(crate) async fn get(&mut self, site: &Site, path: &str) -> Answer {
        self.send(site, TestRequest::get().uri(path)).await
    }

    /// As a page of the site does it.
    pub(crate) async fn post(&mut self, site: &Site, path: &str) -> Answer {
        let request = TestRequest::post().uri(path);
        self.send(
            site,
            request.insert_header(("sec-fetch-site", "same-origin")),
        )
        .await
    }

    pub(crate) async fn log_in(&mut self, site: &Site, user: &str) {
        let answer = self.post(site, &format!("/login/{user}")).await;
        assert_eq!(answer.status, 204);
    }

    /// Sends a request to a worker that has not seen any other.
    pub(crate) async fn send(&mut self, site: &Site, mut request: TestRequest) -> Answer {
        let app = App::new()
            .configure(routes)
            .wrap(CsrfMiddleware::new(site.csrf.clone()))
            .wrap(SessionMiddleware::new(site.web.clone()));
        let worker = init_service(app).await;
        if let Some(cookie) = &self.cookie {
            request = request.insert_header(("cookie", cookie.as_str()));
        }
        // As the server does with an error.
        let response = match worker.call(request.to_request()).await {
            Ok(response) => response.into_parts().1.map_into_boxed_body(),
            Err(error) => error.error_response(),
        };
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = to_bytes(response.into_body()).await.unwrap();
        if let Some(cookie) = headers.get(SET_COOKIE) {
            assert!(cookie.is_sensitive());
            let cookie = cookie.to_str().unwrap();
            let pair = cookie.split(';').next().unwrap();
            self.cookie = (!cookie.contains("Max-Age=0")).then(|| pair.to_owned());
        }
        Answer {
            status,
            headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}
