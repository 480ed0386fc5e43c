//! The administrator's page: end a user's sessions, or everybody's.

use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use revocable::tower::axum::{FormToken, Session};
use revocable::{EndReason, UserId};

use crate::app::{App, Fields, private_page};
use crate::html::{self, Text};
use crate::problem::Problem;
use crate::users::User;

/// The most users that are shown, and the most sessions of one that are counted.
const SHOWN: u32 = 100;

pub(crate) async fn page(
    State(app): State<App>,
    session: Session,
    token: FormToken,
) -> Result<Html<String>, Problem> {
    let administrator = administrator(&app, &session).await?;
    let mut body = String::from("<ul id=\"users\">\n");
    for user in app.users.list(SHOWN).await? {
        let sessions = app
            .sessions
            .list_for_user(UserId::from(user.id), None, SHOWN)
            .await?;
        let form = html::Form::new(format_args!("end-user-{}", user.id), "/admin/end-user")
            .token(&token.0)
            .hidden("id", user.id)
            .button("Log out everywhere");
        body += &format!(
            "<li id=\"user-{}\">{}\n<small>Live sessions: <span class=\"sessions\">{}</span></small>\n{form}</li>\n",
            user.id,
            Text(&user.name),
            sessions.sessions.len(),
        );
    }
    body += "</ul>\n";
    body += &html::Form::new("end-everything", "/admin/end-everything")
        .token(&token.0)
        .button("End everybody's sessions, mine included");
    Ok(private_page("Administration", &administrator, &token, body))
}

pub(crate) async fn end_user(
    State(app): State<App>,
    session: Session,
    Form(fields): Fields,
) -> Result<Redirect, Problem> {
    administrator(&app, &session).await?;
    let id = fields.get("id").and_then(|id| id.parse::<i64>().ok());
    let id = id.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "There is no such user."))?;
    let (user, reason) = (UserId::from(id), EndReason::Administrator);
    app.sessions
        .revoke_all_for_user_because(user, reason)
        .await?;
    Ok(Redirect::to("/admin"))
}

pub(crate) async fn end_everything(
    State(app): State<App>,
    session: Session,
) -> Result<Redirect, Problem> {
    administrator(&app, &session).await?;
    app.sessions.revoke_everything().await?;
    Ok(Redirect::to("/log-in"))
}

/// The user, who has to be an administrator now, not when they logged in.
async fn administrator(app: &App, session: &Session) -> Result<User, Problem> {
    let user = app.user(session).await?;
    match user.is_administrator {
        true => Ok(user),
        false => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "This page is the administrator's.",
        )),
    }
}
