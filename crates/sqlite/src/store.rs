//! The contract, kept by SQLite.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use revocable_core::{
    Change, CreateOutcome, CreateRequest, EndListener, EndListeners, EndReason, Ended, Epoch, Page,
    Record, Result, RevokeAllOutcome, RevokeAllRequest, SessionId, SessionStore, Sharing,
    SweepOutcome, SweepRequest, UpdateOutcome, UserId,
};
use rusqlite::Connection;

use crate::fault;
use crate::offload::Offload;
use crate::options::SqliteStoreBuilder;
use crate::readers::Readers;
use crate::writer::{
    Create, Health, Revoke, RevokeAll, RevokeEverything, Update, Writer, current_epoch,
};
use crate::{row, scan};

/// Sessions in a SQLite file. Cheap to clone; all clones are one store.
///
/// See the [crate's documentation](crate) for what it promises. When the last
/// clone is dropped, the store carries out the writes that wait, copies the
/// write-ahead log into the file and closes it. That blocks for as long as it
/// takes. On the store's own writer, in a listener or a waker, it does not: the
/// file then stays taken until that is done.
#[derive(Debug, Clone)]
pub struct SqliteStore(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    // Dropped in this order: the last connection to close is the writer's,
    // which copies the log.
    offload: Option<Offload>,
    readers: Arc<Readers>,
    /// A connection of its own for sweeps: no lookup waits until a stretch has
    /// been looked at, nor finds the pages of a sweep in its cache instead of its
    /// own.
    sweeper: Arc<Readers>,
    writer: Writer,
    listeners: Arc<EndListeners>,
    exclusive: bool,
}

impl Inner {
    pub(crate) fn new(
        [readers, sweeper]: [Arc<Readers>; 2],
        offload: Option<Offload>,
        writer: Writer,
        listeners: Arc<EndListeners>,
        exclusive: bool,
    ) -> Self {
        Self {
            offload,
            readers,
            sweeper,
            writer,
            listeners,
            exclusive,
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.offload = None;
        self.readers.close();
        self.sweeper.close();
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

    pub(crate) fn writer(&self) -> &Writer {
        &self.0.writer
    }

    /// Reads where the settings say.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> fault::Result<T> + Send + 'static,
    ) -> fault::Result<T> {
        self.read_with(&self.0.readers, read).await
    }

    /// As [`read`](Self::read), in no lookup's way.
    pub(crate) async fn read_for_sweep<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> fault::Result<T> + Send + 'static,
    ) -> fault::Result<T> {
        self.read_with(&self.0.sweeper, read).await
    }

    async fn read_with<T: Send + 'static>(
        &self,
        readers: &Arc<Readers>,
        read: impl FnOnce(&Connection) -> fault::Result<T> + Send + 'static,
    ) -> fault::Result<T> {
        match &self.0.offload {
            None => readers.read(read),
            Some(offload) => {
                let readers = Arc::clone(readers);
                offload.run(move || readers.read(read)).await
            }
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
        let readers = Arc::clone(&self.0.readers);
        let look_up = move || readers.look_up(|reader| row::read(reader, id));
        Ok(match &self.0.offload {
            None => look_up(),
            Some(offload) => offload.run(look_up).await,
        }?)
    }

    fn lookup_now(&self, id: SessionId) -> Option<Result<Option<Arc<Record>>>> {
        if self.0.offload.is_some() {
            return None;
        }
        let found = self.0.readers.look_up(|reader| row::read(reader, id));
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
        self.sweep(request).await
    }

    async fn health(&self) -> Result<()> {
        self.read(current_epoch).await?;
        Ok(self.0.writer.write(Health).await?)
    }

    fn sharing(&self) -> Sharing {
        if self.0.exclusive {
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
