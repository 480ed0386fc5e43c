//! "Your devices": the sessions of who is logged in, and how to end them.

use std::time::SystemTime;

use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use revocable::SessionId;
use revocable::tower::axum::{CurrentSession, FormToken, Session, SessionError};

use crate::app::{App, Fields, private_page};
use crate::html::{self, Text};
use crate::problem::Problem;

/// The most that are shown. "Log out everywhere" ends all of them.
const SHOWN: u32 = 100;

pub(crate) async fn list(
    State(app): State<App>,
    session: Session,
    token: FormToken,
) -> Result<Html<String>, Problem> {
    let user = app.user(&session).await?;
    let page = app
        .sessions
        .list_for_user(session.user(), None, SHOWN)
        .await?;
    let mut body = String::from("<ul id=\"devices\">\n");
    for device in &page.sessions {
        body += &item(device, device.id() == session.id(), &token);
    }
    body += "</ul>\n";
    let form = |id, action, text| html::Form::new(id, action).token(&token.0).button(text);
    body += &form(
        "end-others",
        "/devices/end-others",
        "Log out all other devices",
    );
    body += &form("end-all", "/devices/end-all", "Log out everywhere");
    Ok(private_page("Your devices", &user, &token, body))
}

fn item(device: &revocable::Session, is_this: bool, token: &FormToken) -> String {
    let client = device.client();
    let agent = Text(client.user_agent().unwrap_or("Unknown browser"));
    let address = client
        .ip()
        .map_or("unknown".to_owned(), |ip| ip.to_string());
    let seen = ago(device.read_at(), device.last_seen_at());
    let since = ago(device.read_at(), device.created_at());
    let id = device.id();
    // A session ID is public: it may stand in a page.
    let (class, end) = match is_this {
        true => ("this-device", "<strong>This device</strong>\n".to_owned()),
        false => {
            let form = html::Form::new(format_args!("end-{id}"), "/devices/end");
            (
                "other-device",
                form.token(&token.0).hidden("id", id).button("Log out"),
            )
        }
    };
    format!(
        "<li id=\"device-{id}\" class=\"{class}\"><span class=\"agent\">{agent}</span>\n\
         <small>Address <span class=\"address\">{address}</span>, last seen {seen}, \
         logged in {since}</small>\n{end}</li>\n"
    )
}

pub(crate) async fn end_one(
    State(app): State<App>,
    session: Session,
    Form(fields): Fields,
) -> Result<Redirect, Problem> {
    let id = fields.get("id").and_then(|id| id.parse::<SessionId>().ok());
    let id = id.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "There is no such device."))?;
    // The user's own only, whatever ID the form has.
    app.sessions.revoke_for_user(session.user(), id).await?;
    Ok(Redirect::to("/devices"))
}

pub(crate) async fn end_others(
    State(app): State<App>,
    session: Session,
) -> Result<Redirect, SessionError> {
    app.sessions.revoke_others(&session).await?;
    Ok(Redirect::to("/devices"))
}

pub(crate) async fn end_all(current: CurrentSession) -> Result<Redirect, Problem> {
    // Else nobody knows whose sessions to end, and who asked must not think it done.
    if current.session().await?.is_none() {
        let text = "You were logged out here already. Log in, and then log out everywhere.";
        return Err(Problem::new(StatusCode::CONFLICT, text));
    }
    current.log_out_everywhere().await?;
    Ok(Redirect::to("/log-in"))
}

fn ago(now: SystemTime, then: SystemTime) -> String {
    let minutes = now.duration_since(then).unwrap_or_default().as_secs() / 60;
    match minutes {
        0 => "just now".to_owned(),
        1..60 => format!("{minutes} min ago"),
        60..2_880 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 1_440),
    }
}
