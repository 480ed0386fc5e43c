//! Changing the password, and proving before that who one is.

use axum::extract::{Form, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use revocable::EndReason;
use revocable::tower::axum::{CurrentSession, FormToken, Fresh, Session};

use crate::account::{check_new, new_hash};
use crate::app::{App, Fields, private_page};
use crate::html;
use crate::problem::Problem;
use crate::users::User;
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
        .present_password()
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
    // ASVS 5.0, 6.2.3.
    let present = fields.remove("current").unwrap_or_default();
    if !app
        .passwords
        .verify(present, Some(&user.password_hash))
        .await
    {
        let error = Some("That is not your present password.");
        let page = change_form(&app, &session, &token, error).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let hash = new_hash(&app, password).await?;
    // A task of its own, which goes on if the browser goes away: not the password
    // changed and the other sessions left.
    let changed = tokio::spawn(change_to(app, current, user, hash)).await;
    changed.expect("nothing in there panics")
}

async fn change_to(
    app: App,
    current: CurrentSession,
    user: User,
    hash: String,
) -> Result<Response, Problem> {
    // Asks the store once more. The session was looked up before the form came in,
    // and its client decides how long that takes: it may have ended since.
    let Some(session) = current.renew_now().await? else {
        return Ok(Redirect::to("/log-in").into_response());
    };
    if !app.users.change_password(user, hash).await? {
        let text = "Your password was changed meanwhile. Please try again.";
        return Err(Problem::new(StatusCode::CONFLICT, text));
    }
    // After the change, so that a login with the old password that is under way is
    // refused as well.
    let reason = EndReason::CredentialsChanged;
    app.sessions.revoke_others_because(&session, reason).await?;
    Ok(Redirect::to("/devices").into_response())
}
