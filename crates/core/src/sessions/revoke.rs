//! Taking sessions back, and listing what there is to take back.

use std::num::NonZeroU32;

use super::session::Session;
use super::{Sessions, settled};
use crate::ended::{EndListener, EndReason, Ended};
use crate::error::{Error, Result};
use crate::id::SessionId;
use crate::store::RevokeAllRequest;
use crate::user::UserId;

/// The most sessions on a page.
const MAX_PAGE: u32 = 1_000;

/// A part of a user's live sessions, in the order of their creation.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<Session>,
    /// Sessions whose record is damaged; they can be revoked.
    pub damaged: Vec<SessionId>,
    /// What to pass as `after` for the next page; `None` at the end. A page may
    /// be shorter than asked for, even empty, before the end.
    pub next: Option<SessionId>,
}

impl Sessions {
    /// Ends a session: log out. Whether there was one to end; false, too, if a
    /// first attempt of unknown outcome ended it and the second found nothing.
    ///
    /// When this returns, no lookup that starts afterwards finds the session,
    /// on this process or any other that shares the store.
    ///
    /// This ends whichever session the ID names. If the ID comes from a client,
    /// as on a "your devices" page, use
    /// [`revoke_for_user`](Sessions::revoke_for_user).
    ///
    /// # Errors
    ///
    /// Those of the store: then the session may live on. After
    /// [`UnknownOutcome`](crate::ErrorKind::UnknownOutcome) revoke again.
    pub async fn revoke(&self, id: SessionId) -> Result<bool> {
        self.revoke_because(id, EndReason::LoggedOut).await
    }

    /// As [`revoke`](Sessions::revoke), with another reason.
    ///
    /// # Errors
    ///
    /// As for `revoke`.
    pub async fn revoke_because(&self, id: SessionId, reason: EndReason) -> Result<bool> {
        let ended = settled(|| self.inner.store.revoke(id, reason)).await?;
        match &ended {
            Some(ended) => self.tell_ended(std::slice::from_ref(ended)),
            None => self.inner.hub.found_gone(id, EndReason::Unknown),
        }
        Ok(ended.is_some())
    }

    /// Ends a session if it belongs to this user: for an ID that comes from a
    /// client. Whether there was one to end.
    ///
    /// # Errors
    ///
    /// As for [`revoke`](Sessions::revoke), and for a user key out of bounds.
    /// A session whose record is damaged cannot be ended so, because nobody
    /// can tell whose it is.
    pub async fn revoke_for_user<U>(&self, user: U, id: SessionId) -> Result<bool>
    where
        U: TryInto<UserId>,
        U::Error: Into<Error>,
    {
        let user = user.try_into().map_err(Into::into)?;
        // Whose a session is never changes, and an ID is never used again: the
        // answer holds.
        match self.inner.store.lookup(id).await? {
            Some(record) if record.user == user => self.revoke(id).await,
            _ => Ok(false),
        }
    }

    /// Ends all sessions of this session's user but this one: "log out my other
    /// devices". Refuses logins under way. Returns how many ended.
    ///
    /// # Errors
    ///
    /// As for [`revoke_all_for_user`](Sessions::revoke_all_for_user).
    pub async fn revoke_others(&self, session: &Session) -> Result<usize> {
        self.revoke_others_because(session, EndReason::LoggedOutEverywhere)
            .await
    }

    /// As [`revoke_others`](Sessions::revoke_others), with another reason: after
    /// a change of password, [`EndReason::CredentialsChanged`].
    ///
    /// # Errors
    ///
    /// As for `revoke_others`.
    pub async fn revoke_others_because(
        &self,
        session: &Session,
        reason: EndReason,
    ) -> Result<usize> {
        self.revoke_all(session.user().clone(), Some(session.id()), reason)
            .await
    }

    /// Ends all sessions of a user and refuses logins under way: log out
    /// everywhere. Returns how many ended.
    ///
    /// One atomic step. When it returns, no session that was created before is
    /// found, and no login that [began](Sessions::begin_login) before succeeds.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if this cannot be a
    /// user's key, and those of the store: then sessions may live on. After
    /// [`UnknownOutcome`](crate::ErrorKind::UnknownOutcome) call it again.
    pub async fn revoke_all_for_user<U>(&self, user: U) -> Result<usize>
    where
        U: TryInto<UserId>,
        U::Error: Into<Error>,
    {
        self.revoke_all_for_user_because(user, EndReason::LoggedOutEverywhere)
            .await
    }

    /// As [`revoke_all_for_user`](Sessions::revoke_all_for_user), with another
    /// reason.
    ///
    /// # Errors
    ///
    /// As for `revoke_all_for_user`.
    pub async fn revoke_all_for_user_because<U>(&self, user: U, reason: EndReason) -> Result<usize>
    where
        U: TryInto<UserId>,
        U::Error: Into<Error>,
    {
        let user = user.try_into().map_err(Into::into)?;
        self.revoke_all(user, None, reason).await
    }

    async fn revoke_all(
        &self,
        user: UserId,
        keep: Option<SessionId>,
        reason: EndReason,
    ) -> Result<usize> {
        let request = RevokeAllRequest {
            user,
            keep,
            reason,
            now_ms: self.now_ms(),
        };
        let outcome = settled(|| self.inner.store.revoke_all_for_user(request.clone())).await?;
        if !self.inner.store_tells {
            let ended: Vec<_> = outcome
                .ended
                .iter()
                .map(|id| Ended {
                    id: *id,
                    user: Some(request.user.clone()),
                    reason,
                })
                .collect();
            self.inner.hub.ended(&ended);
        }
        Ok(outcome.ended.len())
    }

    /// Ends all sessions of everybody and refuses all logins under way: after a
    /// breach. Returns how many ended.
    ///
    /// With a store that does not [tell](crate::SessionStore::subscribe) of what
    /// ended, a watch of a session that is created at the same moment may end too.
    ///
    /// # Errors
    ///
    /// Those of the store: then sessions may live on.
    pub async fn revoke_everything(&self) -> Result<u64> {
        let reason = EndReason::Administrator;
        let count = settled(|| self.inner.store.revoke_everything(reason)).await?;
        if !self.inner.store_tells {
            self.inner.hub.everything_ended(count, reason);
        }
        Ok(count)
    }

    /// The live sessions of a user, oldest first, at most `limit` (1 to 1,000)
    /// of them, from after the given one: for a "your devices" page.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the user or the
    /// limit is out of bounds, and those of the store.
    pub async fn list_for_user<U>(
        &self,
        user: U,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<SessionPage>
    where
        U: TryInto<UserId>,
        U::Error: Into<Error>,
    {
        let user = user.try_into().map_err(Into::into)?;
        let limit = NonZeroU32::new(limit)
            .filter(|limit| limit.get() <= MAX_PAGE)
            .ok_or_else(|| Error::invalid("a page has 1 to 1,000 sessions"))?;
        let page = self.inner.store.list_for_user(&user, after, limit).await?;
        let liveness = self.liveness();
        Ok(SessionPage {
            sessions: page
                .records
                .into_iter()
                .filter(|record| liveness.is_live(&**record))
                .map(|record| self.session(record, &liveness))
                .collect(),
            damaged: page.damaged,
            next: page.next,
        })
    }

    /// Tells of sessions that this call ended, unless the store does.
    pub(super) fn tell_ended(&self, ended: &[Ended]) {
        if !self.inner.store_tells {
            self.inner.hub.ended(ended);
        }
    }
}
