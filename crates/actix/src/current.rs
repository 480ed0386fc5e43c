//! The session of a request, as handlers get it.

use std::cell::Cell;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use revocable_core::{NewSession, Rejection, Session, Sessions};

use crate::config::SessionConfig;
use crate::error::{Error, Kind, Result};
use crate::events::UntilEnded;

/// The session of a request: for a handler that logs in or out, or that asks
/// for the session only sometimes.
///
/// What is done by it is put into the response, whatever that is. The store is
/// asked once a request, and only if somebody asks. Cheap to clone, and all
/// clones are one.
///
/// ```
/// use actix_web::{HttpResponse, post};
/// use revocable_actix::{CurrentSession, Result};
///
/// #[post("/login")]
/// async fn login(current: CurrentSession) -> Result<HttpResponse> {
///     current.log_in("alice").await?; // after the password was checked
///     Ok(HttpResponse::NoContent().finish())
/// }
///
/// #[post("/logout")]
/// async fn logout(current: CurrentSession) -> Result<HttpResponse> {
///     current.log_out().await?;
///     Ok(HttpResponse::NoContent().finish())
/// }
///
/// #[post("/logout-everywhere")]
/// async fn logout_everywhere(current: CurrentSession) -> Result<HttpResponse> {
///     current.log_out_everywhere().await?;
///     Ok(HttpResponse::NoContent().finish())
/// }
/// ```
///
/// Every method has the name and the meaning of the one of
/// [`revocable_http::RequestSession`], and an error that actix-web can answer.
#[derive(Debug, Clone)]
pub struct CurrentSession {
    begun: Begun,
    config: SessionConfig,
}

/// What the middleware began.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(crate) request: revocable_http::RequestSession,
    /// An extractor could not tell whether there is a session.
    pub(crate) unknown: Rc<Cell<bool>>,
}

impl CurrentSession {
    /// The session that came with the request or has been made since.
    ///
    /// # Errors
    ///
    /// If the store cannot answer.
    pub async fn session(&self) -> Result<Option<Session>> {
        Ok(self.begun.request.session().await?)
    }

    /// As [`session`](Self::session), where there has to be one.
    ///
    /// # Errors
    ///
    /// If there is none, or the store cannot answer.
    pub async fn required(&self) -> Result<Session> {
        let session = self.session().await?;
        Ok(session.ok_or_else(|| Kind::NoSession(self.config.no_session()))?)
    }

    /// As [`required`](Self::required), of a user who proved no longer ago than
    /// this who they are: for a step-up before something sensitive.
    ///
    /// # Errors
    ///
    /// If there is none, if the login is longer ago, or the store cannot answer.
    pub async fn fresh(&self, max_age: Duration) -> Result<Session> {
        let session = self.required().await?;
        session
            .require_fresh(max_age)
            .map_err(|error| Kind::TooOld(self.config.too_old(), error))?;
        Ok(session)
    }

    /// Logs in, after the user proved who they are, and ends the session that
    /// the request came with.
    ///
    /// # Errors
    ///
    /// Those of [`revocable_http::RequestSession::log_in`]. Then nobody is logged
    /// in.
    pub async fn log_in<N>(&self, new: N) -> Result<Session>
    where
        N: TryInto<NewSession>,
        N::Error: Into<revocable_core::Error>,
    {
        Ok(self.begun.request.log_in(new).await?)
    }

    /// Logs out: ends the session and clears the cookie. Whether there was one.
    ///
    /// # Errors
    ///
    /// If the session cannot be looked up or ended. It may live on then, and the
    /// cookie stays.
    pub async fn log_out(&self) -> Result<bool> {
        Ok(self.begun.request.log_out().await?)
    }

    /// Logs the session's user out everywhere and clears the cookie. Returns how
    /// many sessions ended.
    ///
    /// # Errors
    ///
    /// As for [`log_out`](Self::log_out).
    pub async fn log_out_everywhere(&self) -> Result<usize> {
        Ok(self.begun.request.log_out_everywhere().await?)
    }

    /// Records that the user proved again who they are, and gives the browser a
    /// new token. `None` if there is no live session.
    ///
    /// # Errors
    ///
    /// Those of [`revocable_http::RequestSession::reauthenticated`].
    pub async fn reauthenticated(&self) -> Result<Option<Session>> {
        Ok(self.begun.request.reauthenticated().await?)
    }

    /// Gives the browser a new token for security, as after a change of the
    /// user's rights. `None` if there is no live session.
    ///
    /// # Errors
    ///
    /// Those of [`revocable_http::RequestSession::renew_now`].
    pub async fn renew_now(&self) -> Result<Option<Session>> {
        Ok(self.begun.request.renew_now().await?)
    }

    /// A stream that ends when the request's session does: for events, or
    /// whatever else is sent for longer than a request takes.
    ///
    /// What it rests on is [`Sessions::watch`], which says who has to call
    /// [`refresh_watches`](Sessions::refresh_watches) for what other processes
    /// do. The browser of an event stream connects again, without a session
    /// then. For a WebSocket wait for the [`Watch`](revocable_core::Watch) itself
    /// beside the next message.
    ///
    /// ```
    /// use actix_web::{HttpResponse, web::Bytes};
    /// use futures_core::Stream;
    /// use revocable_actix::{CurrentSession, Result};
    ///
    /// async fn events(
    ///     current: CurrentSession,
    ///     news: impl Stream<Item = actix_web::Result<Bytes>> + 'static,
    /// ) -> Result<HttpResponse> {
    ///     let events = current.until_ended(news).await?;
    ///     Ok(HttpResponse::Ok().content_type("text/event-stream").streaming(events))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`required`](Self::required).
    pub async fn until_ended<S>(&self, stream: S) -> Result<UntilEnded<S>> {
        let session = self.required().await?;
        let watch = self.sessions().watch(session.id()).await?;
        Ok(UntilEnded::new(watch, stream))
    }

    /// Why a cookie that came with the request is no live session.
    pub fn rejection(&self) -> Option<Rejection> {
        self.begun.request.rejection()
    }

    /// The application's sessions, for what is not about this request.
    pub fn sessions(&self) -> &Sessions {
        self.begun.request.sessions()
    }

    /// For extractors, whose errors can get lost: a request of which nobody knows
    /// whether it has a session gets no answer but that.
    pub(crate) fn noting<T>(&self, result: Result<T>) -> Result<T> {
        if result
            .as_ref()
            .is_err_and(|error| error.failure().is_some())
        {
            self.begun.unknown.set(true);
        }
        result
    }

    pub(crate) fn of(request: &HttpRequest) -> Result<Self> {
        let begun = request.extensions().get::<Begun>().cloned();
        Ok(Self {
            begun: begun.ok_or(Kind::NotWrapped("SessionMiddleware"))?,
            config: SessionConfig::of(request),
        })
    }
}

impl FromRequest for CurrentSession {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}
