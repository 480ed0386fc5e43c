//! The extractors.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use revocable_core::Result;
use revocable_http::{CsrfPolicy, CsrfToken, RequestSession};

use super::answers::Answers;
use super::rejection::SessionRejection;
use crate::UntilEnded;

/// The live session of the request, which has to have one.
///
/// `Option<Session>` is for handlers that do without. It is `None` only if there is
/// none: a store that cannot answer is 503 all the same.
///
/// It shows what was true at the request's lookup, and is not for longer than the
/// request. What takes longer is made with [`until_ended`](Self::until_ended).
#[derive(Debug, Clone)]
pub struct Session {
    session: revocable_core::Session,
    request: RequestSession,
}

impl Session {
    /// The stream, until the session ends: for event streams.
    ///
    /// # Errors
    ///
    /// Those of [`Sessions::watch`](revocable_core::Sessions::watch): nobody knows
    /// whether the session lives, so there is no stream.
    pub async fn until_ended<S>(&self, stream: S) -> Result<UntilEnded<S>> {
        let watch = self.request.sessions().watch(self.session.id()).await?;
        Ok(UntilEnded::new(stream, watch))
    }

    /// Waits for the session's end: for WebSockets, see [`UntilEnded`].
    ///
    /// # Errors
    ///
    /// As for [`until_ended`](Self::until_ended).
    pub async fn watch(&self) -> Result<revocable_core::Watch> {
        self.request.sessions().watch(self.session.id()).await
    }

    /// The session without the request.
    pub fn into_inner(self) -> revocable_core::Session {
        self.session
    }
}

impl Deref for Session {
    type Target = revocable_core::Session;

    fn deref(&self) -> &revocable_core::Session {
        &self.session
    }
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        let found = find(parts).await?;
        found.ok_or_else(|| SessionRejection::NotLoggedIn(answers(parts).not_logged_in.clone()))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = SessionRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &S,
    ) -> Result<Option<Self>, SessionRejection> {
        find(parts).await
    }
}

/// The live session of the request, if the user has proved who they are within so
/// many seconds, at the login or at a
/// [step-up](RequestSession::reauthenticated). For what is sensitive (ASVS 5.0,
/// 7.5.1 and 7.5.3).
#[derive(Debug, Clone)]
pub struct Fresh<const SECONDS: u64>(pub Session);

impl<const SECONDS: u64> Deref for Fresh<SECONDS> {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0
    }
}

impl<S: Sync, const SECONDS: u64> FromRequestParts<S> for Fresh<SECONDS> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, SessionRejection> {
        let session = <Session as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        match session.require_fresh(Duration::from_secs(SECONDS)) {
            Ok(()) => Ok(Self(session)),
            Err(_) => {
                let answer = answers(parts).too_old.clone();
                Err(SessionRejection::AuthenticationTooOld(answer))
            }
        }
    }
}

/// The request's [`RequestSession`], with which to log in and out. Asks no store by
/// itself.
#[derive(Debug, Clone)]
pub struct CurrentSession(pub RequestSession);

impl Deref for CurrentSession {
    type Target = RequestSession;

    fn deref(&self) -> &RequestSession {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for CurrentSession {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        current(parts).map(Self)
    }
}

/// A token for the forms of a page of this session, for
/// [`CsrfPolicy::FORM_FIELD`]. Needs a [`CsrfLayer`](crate::CsrfLayer) whose policy
/// has a key, and a session.
#[derive(Debug, Clone)]
pub struct FormToken(pub CsrfToken);

impl<S: Sync> FromRequestParts<S> for FormToken {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, SessionRejection> {
        let session = <Session as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        let policy = parts.extensions.get::<CsrfPolicy>();
        let policy = policy.ok_or_else(|| layer_missing("CsrfLayer"))?;
        Ok(Self(policy.token(session.id())?))
    }
}

async fn find(parts: &Parts) -> Result<Option<Session>, SessionRejection> {
    let request = current(parts)?;
    let session = request.session().await?;
    Ok(session.map(|session| Session { session, request }))
}

fn current(parts: &Parts) -> Result<RequestSession, SessionRejection> {
    let current = parts.extensions.get::<RequestSession>();
    current
        .cloned()
        .ok_or_else(|| layer_missing("SessionLayer"))
}

fn answers(parts: &Parts) -> Arc<Answers> {
    let answers = parts.extensions.get::<Arc<Answers>>();
    answers.cloned().unwrap_or_default()
}

fn layer_missing(layer: &'static str) -> SessionRejection {
    tracing::error!(target: "revocable", layer, "there is no such layer around the handler");
    SessionRejection::LayerMissing
}
