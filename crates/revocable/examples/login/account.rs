//! Signing up, logging in and out.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use revocable::http::{TrustedProxies, client};
use revocable::tower::axum::{CurrentSession, SessionError};
use revocable::{NewSession, UserId};

use crate::app::{App, Fields};
use crate::html::{self, page};
use crate::passwords;
use crate::problem::Problem;

/// The longest name, in characters.
const MAX_NAME_LEN: usize = 40;
/// The ID of nobody: users are counted from one.
const NOBODY: i64 = 0;

pub(crate) async fn sign_up_page() -> Response {
    sign_up_form("", None)
}

fn sign_up_form(name: &str, error: Option<&str>) -> Response {
    let form = html::Form::new("sign-up", "/sign-up")
        .name(name)
        .password("Password (at least 8 characters)", "new-password")
        .button("Sign up");
    let other = "<p><a id=\"to-log-in\" href=\"/log-in\">I have an account</a></p>";
    form_page("Sign up", form + other, error)
}

pub(crate) async fn sign_up(
    State(app): State<App>,
    current: CurrentSession,
    device: Device,
    Form(mut fields): Fields,
) -> Result<Response, Problem> {
    let name = name(&fields);
    let password = fields.remove("password").unwrap_or_default();
    if !is_name(&name) {
        let error = "A name has 1 to 40 letters, digits, dots, hyphens or underscores.";
        return Ok(sign_up_form(&name, Some(error)));
    }
    if let Err(error) = check_new(&password) {
        return Ok(sign_up_form(&name, Some(error)));
    }
    let hash = new_hash(&app, password).await?;
    let Some(id) = app.users.add(name.clone(), hash).await? else {
        return Ok(sign_up_form(&name, Some("That name is taken.")));
    };
    current
        .log_in(device.new_session(NewSession::for_user(id)))
        .await?;
    Ok(Redirect::to("/devices").into_response())
}

pub(crate) async fn log_in_page() -> Response {
    log_in_form("", None)
}

fn log_in_form(name: &str, error: Option<&str>) -> Response {
    let form = html::Form::new("log-in", "/log-in")
        .name(name)
        .password("Password", "current-password")
        .button("Log in");
    let other = "<p><a id=\"to-sign-up\" href=\"/sign-up\">I have no account yet</a></p>";
    form_page("Log in", form + other, error)
}

pub(crate) async fn log_in(
    State(app): State<App>,
    current: CurrentSession,
    device: Device,
    Form(mut fields): Fields,
) -> Result<Response, Problem> {
    let name = name(&fields);
    let password = fields.remove("password").unwrap_or_default();
    let found = app.users.by_name(name.clone()).await?;
    let id = found.map_or(NOBODY, |user| user.id);
    // From here on "log out everywhere" refuses this login. The hash is read after
    // that: one that is changed later refuses it too.
    let attempt = app.sessions.begin_login(UserId::from(id)).await?;
    let user = app.users.by_id(id).await?;
    let hash = user.as_ref().map(|user| &*user.password_hash);
    if !app.passwords.verify(password, hash).await {
        return Ok(log_in_form(&name, Some("Name or password is wrong.")));
    }
    current.log_in(device.new_session(attempt.into())).await?;
    Ok(Redirect::to("/devices").into_response())
}

pub(crate) async fn log_out(current: CurrentSession) -> Result<Redirect, SessionError> {
    current.log_out().await?;
    Ok(Redirect::to("/log-in"))
}

/// What a "your devices" page shows of where the request came from.
pub(crate) struct Device(revocable::Client);

impl Device {
    fn new_session(self, new: NewSession) -> NewSession {
        new.client(self.0)
    }
}

impl<S: Sync + Send> axum::extract::FromRequestParts<S> for Device {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        state: &S,
    ) -> Result<Self, Response> {
        let peer = ConnectInfo::<SocketAddr>::from_request_parts(parts, state).await;
        let ConnectInfo(peer) = peer.map_err(IntoResponse::into_response)?;
        let headers: &HeaderMap = &parts.headers;
        // Behind a proxy, name it here: else its address is everybody's.
        Ok(Self(client(headers, peer.ip(), &TrustedProxies::none())))
    }
}

/// The page again, if something was wrong with what was typed.
pub(crate) fn form_page(title: &str, form: String, error: Option<&str>) -> Response {
    let status = match error {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    };
    (status, page(title, html::error(error) + &form)).into_response()
}

/// Whether it may become a password.
pub(crate) fn check_new(password: &str) -> Result<(), &'static str> {
    match password.chars().count() {
        0..passwords::MIN_LEN => Err("A password has at least 8 characters."),
        passwords::MIN_LEN..=passwords::MAX_LEN => Ok(()),
        _ => Err("A password has at most 128 characters."),
    }
}

pub(crate) async fn new_hash(app: &App, password: String) -> Result<String, Problem> {
    app.passwords.hash(password).await.ok_or_else(|| {
        let text = "The password cannot be kept now. Please try again in a moment.";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, text)
    })
}

fn name(fields: &std::collections::HashMap<String, String>) -> String {
    let name = fields.get("name").map(|name| name.trim());
    name.unwrap_or_default().to_ascii_lowercase()
}

/// Names that look the same are the same.
fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=MAX_NAME_LEN).contains(&name.len()) && name.chars().all(allowed)
}
