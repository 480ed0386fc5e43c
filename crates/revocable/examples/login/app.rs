//! Routes, the layers around them, and what all handlers share.

use std::collections::HashMap;
use std::error::Error;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use revocable::Sessions;
use revocable::http::{CookiePolicy, CsrfKey, CsrfPolicy, WebSessions};
use revocable::tower::axum::{FormToken, Session};
use revocable::tower::{CsrfLayer, SessionLayer};

use crate::options::Options;
use crate::passwords::Passwords;
use crate::problem::{self, Problem};
use crate::users::{User, Users};
use crate::{account, admin, devices, html, live, password, store};

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) sessions: Sessions,
    pub(crate) users: Users,
    pub(crate) passwords: Passwords,
    cookie: CookiePolicy,
}

/// The fields of a form.
pub(crate) type Fields = axum::Form<HashMap<String, String>>;

/// The largest form, in bytes.
const MAX_FORM_LEN: usize = 16 * 1024;

impl App {
    pub(crate) async fn open(options: &Options) -> Result<Self, Box<dyn Error>> {
        let cookie = CookiePolicy::builder().persistent();
        let cookie = match options.insecure_cookie {
            true => cookie.insecure_for_development(),
            false => cookie,
        };
        let sessions = store::sessions(&options.backend).await?;
        let users = Users::open(&options.users)?;
        if users.is_empty()? {
            // Those of users in a file that is gone, whose numbers start over.
            sessions.revoke_everything().await?;
        }
        Ok(Self {
            sessions,
            users,
            passwords: Passwords::new()?,
            cookie: cookie.build()?,
        })
    }

    /// The user of a session, as they are now.
    pub(crate) async fn user(&self, session: &Session) -> Result<User, Problem> {
        let id = session.user().as_str().parse().ok();
        let user = match id {
            Some(id) => self.users.by_id(id).await?,
            None => None,
        };
        // The files do not belong together.
        user.ok_or_else(|| Problem::new(StatusCode::FORBIDDEN, "There is no such user any more."))
    }
}

pub(crate) fn router(app: App) -> revocable::Result<Router> {
    let csrf = CsrfPolicy::builder()
        // It does not know its port beforehand; a real one names its origin.
        .compare_with_host()
        // Of this process: forms do not outlast it.
        .key(CsrfKey::random()?)
        .build()?;
    let sessions = SessionLayer::new(WebSessions::new(app.sessions.clone(), app.cookie.clone()))
        .log_in_at("/log-in")?
        .step_up_at("/confirm")?;
    Ok(Router::new()
        .route("/", get(async || Redirect::to("/devices")))
        .route(
            "/sign-up",
            get(account::sign_up_page).post(account::sign_up),
        )
        .route("/log-in", get(account::log_in_page).post(account::log_in))
        .route("/log-out", post(account::log_out))
        .route("/devices", get(devices::list))
        .route("/devices/end", post(devices::end_one))
        .route("/devices/end-others", post(devices::end_others))
        .route("/devices/end-all", post(devices::end_all))
        .route(
            "/confirm",
            get(password::confirm_page).post(password::confirm),
        )
        .route(
            "/password",
            get(password::change_page).post(password::change),
        )
        .route("/live", get(live::page))
        .route("/live/events", get(live::events))
        .route("/live/session", get(live::session))
        .route("/live.js", get(live::script))
        .route("/admin", get(admin::page))
        .route("/admin/end-user", post(admin::end_user))
        .route("/admin/end-everything", post(admin::end_everything))
        .route("/style.css", get(style))
        .route("/private.js", get(private))
        .with_state(app)
        .layer(DefaultBodyLimit::max(MAX_FORM_LEN))
        .layer(CsrfLayer::new(csrf))
        .layer(sessions) // Around the check, which needs it.
        .layer(axum::middleware::map_response(with_headers)))
}

/// A page of who is logged in: links, and then this.
pub(crate) fn private_page(
    title: &str,
    user: &User,
    token: &FormToken,
    body: String,
) -> Html<String> {
    let navigation = html::navigation(&user.name, user.is_administrator, &token.0);
    html::page(title, navigation + &body + html::PRIVATE)
}

async fn style() -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, "text/css"),
            (header::CACHE_CONTROL, "max-age=300"),
        ],
        html::STYLE,
    )
}

async fn private() -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, "text/javascript"),
            (header::CACHE_CONTROL, "max-age=300"),
        ],
        html::PRIVATE_SCRIPT,
    )
}

/// Everything is the application's own, nothing is kept, nobody frames it.
async fn with_headers(response: Response) -> Response {
    let mut response = problem::explained(response);
    const HEADERS: [(header::HeaderName, &str); 4] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // `no-referrer` would make `Origin` null, which is refused.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in HEADERS {
        let headers = response.headers_mut();
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}
