//! The contract, kept by SQLite.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use revocable_core::{
    Change, CreateOutcome, CreateRequest, EndListener, EndListeners, EndReason, Ended, Epoch,
    Error, ErrorKind, Page, Record, Result, RevokeAllOutcome, RevokeAllRequest, SessionId,
    SessionStore, Sharing, SweepCursor, SweepOutcome, SweepRequest, UpdateOutcome, UserId,
};
use rusqlite::{Connection, params};

use crate::claim::Claim;
use crate::fault;
use crate::offload::Offload;
use crate::options::SqliteStoreBuilder;
use crate::readers::Readers;
use crate::writer::{
    Create, Expire, ForgetEpochs, Health, Revoke, RevokeAll, RevokeEverything, Update, Writer,
    current_epoch,
};
use crate::{row, scan};

/// How many sessions a sweep looks at, and removes, at a time: a batch that
/// holds up other writers for a few milliseconds.
const SWEEP_STEP: u32 = 256;

/// Sessions in a SQLite file. Cheap to clone; all clones are one store.
///
/// See the [crate's documentation](crate) for what it promises. When the last
/// clone is dropped, the store carries out the writes that wait, copies the
/// write-ahead log into the file and closes it. That blocks for as long as it
/// takes, save on the store's own threads.
#[derive(Debug, Clone)]
pub struct SqliteStore(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    // Dropped in this order: the last connection to close is the writer's,
    // which copies the log.
    offload: Option<Offload>,
    readers: Arc<Readers>,
    writer: Writer,
    listeners: Arc<EndListeners>,
    // Last: until then nobody else may have the file to himself.
    claim: Claim,
}

impl Inner {
    pub(crate) fn new(
        readers: Arc<Readers>,
        offload: Option<Offload>,
        writer: Writer,
        listeners: Arc<EndListeners>,
        claim: Claim,
    ) -> Self {
        Self {
            offload,
            readers,
            writer,
            listeners,
            claim,
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.offload = None;
        self.readers.close();
        // The writer's own drop does the rest.
    }
}

impl SqliteStore {
    /// Opens the store in this file with the usual settings; makes the file if
    /// it is not there.
    ///
    /// Blocks: call it when the application starts.
    ///
    /// # Errors
    ///
    /// As [`SqliteStoreBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder(path).open()
    }

    /// Settings for a store in this file.
    pub fn builder(path: impl AsRef<Path>) -> SqliteStoreBuilder {
        SqliteStoreBuilder::new(path.as_ref())
    }

    pub(crate) fn from_inner(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Reads where the settings say.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> fault::Result<T> + Send + 'static,
    ) -> fault::Result<T> {
        let readers = &self.0.readers;
        match &self.0.offload {
            None => readers.read(read),
            Some(offload) => offload.read(Arc::clone(readers), read).await,
        }
    }
}

#[async_trait]
impl SessionStore for SqliteStore {
    async fn create(&self, request: CreateRequest) -> Result<CreateOutcome> {
        request.validate()?;
        Ok(self.0.writer.write(Create(request)).await?)
    }

    async fn lookup(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        Ok(self.read(move |reader| row::read(reader, id)).await?)
    }

    fn lookup_now(&self, id: SessionId) -> Option<Result<Option<Arc<Record>>>> {
        if self.0.offload.is_some() {
            return None;
        }
        let found = self.0.readers.read(|reader| row::read(reader, id));
        Some(found.map_err(Into::into))
    }

    async fn update(&self, id: SessionId, change: Change) -> Result<UpdateOutcome> {
        change.validate()?;
        let before = self.0.writer.take_soon(id);
        let update = Update { id, before, change };
        Ok(self.0.writer.write(update).await?)
    }

    fn update_soon(&self, id: SessionId, change: &Change) -> bool {
        self.0.writer.write_soon(id, change);
        true
    }

    async fn revoke(&self, id: SessionId, reason: EndReason) -> Result<Option<Ended>> {
        Ok(self.0.writer.write(Revoke { id, reason }).await?)
    }

    async fn revoke_all_for_user(&self, request: RevokeAllRequest) -> Result<RevokeAllOutcome> {
        Ok(self.0.writer.write(RevokeAll(request)).await?)
    }

    async fn revoke_everything(&self, reason: EndReason) -> Result<u64> {
        let (count, _) = self.0.writer.write(RevokeEverything(reason)).await?;
        Ok(count)
    }

    async fn list_for_user(
        &self,
        user: &UserId,
        after: Option<SessionId>,
        limit: NonZeroU32,
    ) -> Result<Page> {
        let user = user.clone();
        Ok(self
            .read(move |reader| scan::page(reader, &user, after, limit))
            .await?)
    }

    async fn epoch(&self, _: &UserId) -> Result<Epoch> {
        Ok(self.read(current_epoch).await?)
    }

    async fn sweep_expired(&self, request: SweepRequest) -> Result<SweepOutcome> {
        let SweepRequest {
            liveness,
            forget_epochs_before_ms: before_ms,
            cursor,
            max_rows,
        } = request;
        let mut place = cursor.as_ref().map(place_of).transpose()?;
        let mut outcome = SweepOutcome::default();
        let mut left = max_rows.get();
        while left > 0 {
            let limit = left.min(SWEEP_STEP);
            let stretch = self
                .read(move |reader| scan::stretch(reader, place, limit, &liveness))
                .await?;
            outcome.examined += u64::from(stretch.examined);
            if !stretch.expired.is_empty() {
                let writer = &self.0.writer;
                let sessions = stretch.expired.into_iter();
                let sessions = sessions.map(|id| (id, writer.take_soon(id))).collect();
                let ended = writer.write(Expire { sessions, liveness }).await?;
                outcome.ended.extend(ended);
            }
            place = stretch.next;
            if place.is_none() {
                break;
            }
            left -= limit;
        }
        outcome.cursor = place.map(SweepCursor::new);

        let limit = max_rows.get();
        let forgettable: bool = self
            .read(move |reader| {
                Ok(reader
                    .prepare_cached(ForgetEpochs::ANY)?
                    .query_row(params![before_ms, limit], |row| row.get(0))?)
            })
            .await?;
        if forgettable {
            let forget = ForgetEpochs { before_ms, limit };
            outcome.epochs_forgotten = self.0.writer.write(forget).await?;
        }
        Ok(outcome)
    }

    async fn health(&self) -> Result<()> {
        self.read(current_epoch).await?;
        Ok(self.0.writer.write(Health).await?)
    }

    fn sharing(&self) -> Sharing {
        if self.0.claim.is_exclusive() {
            Sharing::Sole
        } else {
            Sharing::Counted
        }
    }

    async fn foreign_changes(&self) -> Result<u64> {
        Ok(self.0.writer.foreign_changes().await?)
    }

    fn subscribe(&self, listener: Weak<dyn EndListener>) -> bool {
        self.0.listeners.add(listener);
        true
    }
}

fn place_of(cursor: &SweepCursor) -> Result<[u8; SessionId::LEN]> {
    cursor.as_bytes().try_into().map_err(|_| {
        Error::new(
            ErrorKind::InvalidInput,
            "the sweep's cursor is not of this store",
        )
    })
}
