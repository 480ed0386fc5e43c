//! Changing the password, and proving before that who one is.

use axum::extract::{Form, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use revocable::EndReason;
use revocable::tower::axum::{CurrentSession, FormToken, Fresh, Session};

use crate::account::{check_new, new_hash};
use crate::app::{App, Fields, private_page};
use crate::html;
use crate::problem::Problem;
use axum::http::StatusCode;

/// How long a password that was typed is good for what is sensitive.
const FIVE_MINUTES: u64 = 300;

pub(crate) async fn confirm_page(
    State(app): State<App>,
    session: Session,
    token: FormToken,
) -> Result<Html<String>, Problem> {
    confirm_form(&app, &session, &token, None).await
}

async fn confirm_form(
    app: &App,
    session: &Session,
    token: &FormToken,
    error: Option<&str>,
) -> Result<Html<String>, Problem> {
    let user = app.user(session).await?;
    let form = html::Form::new("confirm", "/confirm")
        .token(&token.0)
        .password("Your password", "current-password")
        .button("Go on");
    let body = html::error(error) + &form;
    Ok(private_page("Is it you?", &user, token, body))
}

pub(crate) async fn confirm(
    State(app): State<App>,
    session: Session,
    token: FormToken,
    current: CurrentSession,
    Form(mut fields): Fields,
) -> Result<Response, Problem> {
    let user = app.user(&session).await?;
    let password = fields.remove("password").unwrap_or_default();
    if !app
        .passwords
        .verify(password, Some(&user.password_hash))
        .await
    {
        let page = confirm_form(&app, &session, &token, Some("That is not your password.")).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    // A new token: whoever may have the old one has not typed the password.
    current.reauthenticated().await?;
    Ok(Redirect::to("/password").into_response())
}

pub(crate) async fn change_page(
    State(app): State<App>,
    session: Fresh<FIVE_MINUTES>,
    token: FormToken,
) -> Result<Html<String>, Problem> {
    change_form(&app, &session, &token, None).await
}

async fn change_form(
    app: &App,
    session: &Session,
    token: &FormToken,
    error: Option<&str>,
) -> Result<Html<String>, Problem> {
    let user = app.user(session).await?;
    let form = html::Form::new("password", "/password")
        .token(&token.0)
        .password("New password (at least 8 characters)", "new-password")
        .button("Change the password");
    let text = "<p>All other devices are logged out.</p>\n";
    let body = html::error(error) + text + &form;
    Ok(private_page("Change your password", &user, token, body))
}

pub(crate) async fn change(
    State(app): State<App>,
    session: Fresh<FIVE_MINUTES>,
    token: FormToken,
    current: CurrentSession,
    Form(mut fields): Fields,
) -> Result<Response, Problem> {
    let user = app.user(&session).await?;
    let password = fields.remove("password").unwrap_or_default();
    if let Err(error) = check_new(&password) {
        let page = change_form(&app, &session, &token, Some(error)).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let hash = new_hash(&app, password).await?;
    app.users.set_password(user.id, hash).await?;
    // After the change, so that a login with the old password that is under way is
    // refused as well.
    let reason = EndReason::CredentialsChanged;
    app.sessions.revoke_others_because(&session, reason).await?;
    current.renew_now().await?;
    Ok(Redirect::to("/devices").into_response())
}
