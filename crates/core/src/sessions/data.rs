//! The application's data in a session.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Sessions;
use super::login::too_large;
use super::session::Session;
use crate::change::{Change, ChangeKind};
use crate::error::{Error, ErrorKind, Result};
use crate::id::SessionId;
use crate::record::Record;
use crate::store::UpdateOutcome;

/// How often [`Sessions::modify`] starts over. Each conflict means that another
/// writer succeeded.
const ATTEMPTS: usize = 100;

/// What became of [`Sessions::update_data`].
#[derive(Debug, Clone)]
pub enum DataUpdate {
    /// The session with the new data.
    Updated(Session),
    /// Somebody else changed the data first. The session as it is now; make the
    /// change again from its data.
    Conflict(Session),
    /// The session has ended.
    Gone,
}

impl Sessions {
    /// Replaces a session's data, if nobody has changed it since this
    /// `Session` was read: of two writers one wins.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the data is larger than the
    /// policy allows, and those of the store. After
    /// [`UnknownOutcome`](ErrorKind::UnknownOutcome) look the session up and
    /// compare.
    pub async fn update_data(
        &self,
        session: &Session,
        data: impl Into<Box<[u8]>>,
    ) -> Result<DataUpdate> {
        let data = data.into();
        self.set_data(session.record(), data).await
    }

    async fn set_data(&self, record: &Arc<Record>, data: Box<[u8]>) -> Result<DataUpdate> {
        let max_len = self.inner.policy.max_data_len();
        if data.len() > max_len {
            return Err(too_large(max_len));
        }
        let liveness = self.liveness();
        let change = Change {
            liveness,
            kind: ChangeKind::SetData {
                expected_version: record.version,
                data,
            },
        };
        Ok(match self.inner.store.update(record.id, change).await? {
            UpdateOutcome::Updated(record) | UpdateOutcome::Unchanged(record) => {
                DataUpdate::Updated(self.session(record, &liveness))
            }
            UpdateOutcome::Conflict(record) => {
                DataUpdate::Conflict(self.session(record, &liveness))
            }
            UpdateOutcome::Absent => DataUpdate::Gone,
        })
    }

    /// Reads a session's data as a `T`, lets the closure change it, and writes
    /// it back, as JSON; again from the start if somebody else wrote in
    /// between, so the closure may run more than once. No change is lost. Data
    /// that is still empty reads as `T::default()`. Writes nothing if the
    /// closure changed nothing.
    ///
    /// Returns the session with the new data, or `None` if it has ended.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) if the data is not a `T`,
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the new data cannot be
    /// written as JSON or is larger than the policy allows,
    /// [`Conflict`](ErrorKind::Conflict) after a hundred lost races, and those
    /// of the store. After [`UnknownOutcome`](ErrorKind::UnknownOutcome) the
    /// change may have been made or not.
    pub async fn modify<T, F>(&self, id: SessionId, mut change: F) -> Result<Option<Session>>
    where
        T: Serialize + DeserializeOwned + Default,
        F: FnMut(&mut T),
    {
        let liveness = self.liveness();
        let mut session = match self.record_of(id, &liveness).await? {
            Some(record) if liveness.is_live(&*record) => self.session(record, &liveness),
            _ => return Ok(None),
        };
        for _ in 0..ATTEMPTS {
            let mut value: T = session.data_as()?;
            let before = to_json(&value)?;
            change(&mut value);
            let data = to_json(&value)?;
            drop(value);
            if data == before {
                return Ok(Some(session));
            }
            match self.set_data(session.record(), data.into()).await? {
                DataUpdate::Updated(session) => return Ok(Some(session)),
                DataUpdate::Conflict(current) => session = current,
                DataUpdate::Gone => return Ok(None),
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            "other requests kept changing the session's data",
        ))
    }
}

fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|_| {
        // Without the source: its text may quote the data.
        Error::new(
            ErrorKind::InvalidInput,
            "the session's data cannot be written as JSON",
        )
    })
}
