//! Logging in and out, and other ends and beginnings within a request.

use revocable_core::{
    EndReason, Error, ErrorKind, NewSession, Rejection, Result, Session, SessionId, Token, UserId,
};

use super::{Change, Found, RequestSession};
use crate::cookies::Presented;

/// A session that the request came with.
struct Old {
    id: SessionId,
    /// `None` if its record is damaged.
    user: Option<UserId>,
}

impl RequestSession {
    /// Logs in, after the user proved who they are: creates a session, as
    /// [`Sessions::create`](revocable_core::Sessions::create) does, gives it to
    /// the browser, and ends the one that the request came with, whoever's that
    /// was. So a session that somebody has planted in the browser is of no use to
    /// them after the login (fixation; ASVS 5.0, 7.2.4).
    ///
    /// The old session ends after the new one was created, so that a login that
    /// fails logs nobody out; only if the user has as many sessions as the policy
    /// allows, it makes room.
    ///
    /// # Errors
    ///
    /// As for `create`, and if the old session cannot be looked up or ended, save
    /// for damage to its record. Then nobody is logged in: nothing has the new
    /// session's token. If the future is dropped, neither.
    pub async fn log_in<N>(&self, new: N) -> Result<Session>
    where
        N: TryInto<NewSession>,
        N::Error: Into<Error>,
    {
        let new = new.try_into().map_err(Into::into)?;
        let mut old = self.old().await?;
        let created = match self.sessions().create(new.clone()).await {
            Err(error) if error.kind() == ErrorKind::TooManySessions => {
                match old.take_if(|old| old.user.as_ref() == Some(new.user())) {
                    Some(old) => {
                        self.end(old.id, EndReason::Replaced).await?;
                        self.forget();
                        self.sessions().create(new).await
                    }
                    None => Err(error),
                }
            }
            created => created,
        };
        let (token, session) = created?;
        if let Err(error) = self.end_before(old).await {
            // Nobody has its token; if this fails too, it expires.
            let _ = self.end(session.id(), EndReason::Replaced).await;
            return Err(error);
        }
        self.becomes(token, session.clone());
        Ok(session)
    }

    /// Logs out: ends the session, if there is one, and clears the cookie.
    /// Whether there was one.
    ///
    /// Of two cookies of the name neither is the session, and the one that is
    /// left in the browser may be the user's: the sessions of all end, of fifty at
    /// the most. A token that was replaced ends its session too: who has it had
    /// this very session, which may live on under a token that never arrived.
    ///
    /// # Errors
    ///
    /// If the session cannot be looked up or ended. It may live on then, and the
    /// cookie stays, so that the user can try again and is not told a lie.
    pub async fn log_out(&self) -> Result<bool> {
        let mut ended = match self.old().await? {
            Some(old) => self.end(old.id, EndReason::LoggedOut).await?,
            None => false,
        };
        ended |= self.end_duplicates(EndReason::LoggedOut).await?;
        self.clears();
        Ok(ended)
    }

    /// Logs the session's user out everywhere, here included, refuses their
    /// logins under way, and clears the cookie. Returns how many sessions ended;
    /// none if there is no session, because then nobody knows whose to end: ask
    /// for the [session](Self::session) first, and tell the user. Of two cookies of
    /// the name it is all sessions of both users.
    ///
    /// # Errors
    ///
    /// If the session cannot be looked up or the user's sessions cannot be ended.
    /// Some may live on then, and the cookie stays.
    pub async fn log_out_everywhere(&self) -> Result<usize> {
        let mut ended = 0;
        let mut users: Vec<UserId> = Vec::new();
        users.extend(self.session().await?.map(|it| it.user().clone()));
        for token in &self.shared.duplicates {
            let found = self.sessions().lookup(token).await?;
            users.extend(found.map(|session| session.user().clone()));
        }
        for user in users {
            ended += self.sessions().revoke_all_for_user(user).await?;
        }
        self.clears();
        Ok(ended)
    }

    /// Records that the user proved again who they are, and gives the browser a
    /// new token; the old one is dead. As
    /// [`Sessions::reauthenticated`](revocable_core::Sessions::reauthenticated).
    /// `None` if there is no live session.
    ///
    /// # Errors
    ///
    /// From the store or the entropy source. After
    /// [`UnknownOutcome`](ErrorKind::UnknownOutcome) the user may have to log in
    /// again.
    pub async fn reauthenticated(&self) -> Result<Option<Session>> {
        let Some(token) = self.current_token() else {
            return Ok(None);
        };
        let replaced = self.sessions().reauthenticated(&token).await?;
        Ok(self.replaced(replaced))
    }

    /// Gives the browser a new token for security, as after a change of the
    /// user's rights; the old one is dead. As
    /// [`Sessions::renew_now`](revocable_core::Sessions::renew_now). `None` if
    /// there is no live session.
    ///
    /// # Errors
    ///
    /// As for [`reauthenticated`](Self::reauthenticated).
    pub async fn renew_now(&self) -> Result<Option<Session>> {
        let Some(token) = self.current_token() else {
            return Ok(None);
        };
        let replaced = self.sessions().renew_now(&token).await?;
        Ok(self.replaced(replaced))
    }

    /// The session to be ended. One whose record is damaged is named by its token,
    /// which cannot be checked then: nobody can use it, so ending it takes nothing
    /// from anybody, and who has such a cookie can log in and out. A token that was
    /// replaced is no key any more, and proves that its bearer had the session.
    async fn old(&self) -> Result<Option<Old>> {
        match self.session().await {
            Ok(None) if self.rejection() == Some(Rejection::Replaced) => {
                Ok(self.presented().token().map(|token| Old {
                    id: token.id(),
                    user: None,
                }))
            }
            Ok(session) => Ok(session.map(|session| Old {
                id: session.id(),
                user: Some(session.user().clone()),
            })),
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                Ok(self.presented().token().map(|token| Old {
                    id: token.id(),
                    user: None,
                }))
            }
            Err(error) => Err(error),
        }
    }

    /// Ends what the browser had before a login.
    async fn end_before(&self, old: Option<Old>) -> Result<()> {
        if let Some(old) = old
            && let Err(error) = self.end(old.id, EndReason::Replaced).await
            // Where damage keeps a session from being ended, it keeps everybody
            // from using it: no reason to keep its user out.
            && !(old.user.is_none() && error.kind() == ErrorKind::Corrupt)
        {
            return Err(error);
        }
        self.end_duplicates(EndReason::Replaced).await.map(drop)
    }

    /// Ends the sessions of all cookies, if there are several of the name. One that
    /// cannot be ended spares none of the others; then it is an error.
    async fn end_duplicates(&self, reason: EndReason) -> Result<bool> {
        let (mut ended, mut failed) = (false, None);
        for token in &self.shared.duplicates {
            let found = match self.sessions().lookup(token).await {
                Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Some(token.id())),
                found => found.map(|session| session.map(|session| session.id())),
            };
            let outcome = match found {
                Ok(Some(id)) => self.end(id, reason).await,
                Ok(None) => Ok(false),
                Err(error) => Err(error),
            };
            match outcome {
                Ok(one) => ended |= one,
                // Nobody can use a session whose record cannot be read.
                Err(error) if error.kind() == ErrorKind::Corrupt => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(ended), Err)
    }

    async fn end(&self, id: SessionId, reason: EndReason) -> Result<bool> {
        self.sessions().revoke_because(id, reason).await
    }

    /// The token that the browser has after this response.
    fn current_token(&self) -> Option<Token> {
        let mut state = self.state();
        state.asked = true;
        match &state.change {
            Some(Change::Set(token, _)) => Some(token.clone()),
            Some(Change::Clear) => None,
            None => self.presented().token().cloned(),
        }
    }

    fn replaced(&self, replaced: Option<(Token, Session)>) -> Option<Session> {
        match replaced {
            Some((token, session)) => {
                self.becomes(token, session.clone());
                Some(session)
            }
            None => {
                self.forget();
                None
            }
        }
    }

    fn becomes(&self, token: Token, session: Session) {
        let mut state = self.state();
        state.found = Some(Found {
            session: Some(session.clone()),
            rejection: None,
        });
        state.change = Some(Change::Set(token, session));
    }

    /// There is no session any more, and the browser is not told.
    fn forget(&self) {
        self.state().found = Some(Found::default());
    }

    /// There is no session any more; the cookie goes, if there is one.
    fn clears(&self) {
        let mut state = self.state();
        let has_cookie = !matches!(self.presented(), Presented::None);
        state.found = Some(Found::default());
        state.change = has_cookie.then_some(Change::Clear);
    }
}
