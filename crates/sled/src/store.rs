//! The contract, kept by sled.

use std::fmt;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use revocable_core::{
    Change, CreateOutcome, CreateRequest, EndListener, EndReason, Ended, Epoch, Page, Record,
    Result, RevokeAllOutcome, RevokeAllRequest, SessionId, SessionStore, Sharing, SweepOutcome,
    SweepRequest, UpdateOutcome, UserId,
};

use crate::fault;
use crate::options::SledStoreBuilder;
use crate::shared::{Found, Shared};
use crate::sweep;
use crate::writer::{Request, Writer};

/// Sessions in a sled folder. Cheap to clone; all clones are one store.
///
/// See the [crate's documentation](crate) for what it promises, and for when to
/// take SQLite instead. When the last clone is dropped, the store carries out
/// the writes that wait and closes the database. That blocks for as long as it
/// takes, at most for [a write's time](SledStoreBuilder::write_timeout), and not
/// on the store's own thread.
#[derive(Clone)]
pub struct SledStore(Arc<Inner>);

struct Inner {
    writer: Writer,
    /// There until the store is dropped.
    shared: Option<Arc<Shared>>,
}

impl Inner {
    fn shared(&self) -> &Arc<Shared> {
        let shared = self.shared.as_ref();
        shared.expect("it is taken by `drop` alone")
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The writer is to be the last that has the database, and closes it.
        drop(self.shared.take());
        self.writer.stop();
    }
}

impl SledStore {
    /// Opens the store in this folder with the usual settings; makes the folder
    /// if it is not there.
    ///
    /// Blocks: call it when the application starts.
    ///
    /// # Errors
    ///
    /// As [`SledStoreBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder(path).open()
    }

    /// Settings for a store in this folder.
    pub fn builder(path: impl AsRef<Path>) -> SledStoreBuilder {
        SledStoreBuilder::new(path.as_ref())
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Shared {
        self.0.shared()
    }

    pub(crate) fn new(writer: Writer, shared: Arc<Shared>) -> Self {
        Self(Arc::new(Inner {
            writer,
            shared: Some(shared),
        }))
    }

    fn find(&self, id: SessionId) -> fault::Result<Option<Arc<Record>>> {
        let found = self.0.shared().read()?.find(id)?;
        found.map(Found::whole).transpose()
    }

    fn page(
        &self,
        user: &UserId,
        after: Option<SessionId>,
        limit: NonZeroU32,
    ) -> fault::Result<Page> {
        let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        // While this is held nothing is applied: the view is one.
        let view = self.0.shared().read()?;
        let mut page = Page::default();
        let mut last = None;
        let mut listed = 0;
        for id in view.ids(user, after) {
            let id = id?;
            let found = match view.find(id)? {
                None => continue,
                Some(found) => found,
            };
            if listed == limit {
                page.next = last;
                break;
            }
            listed += 1;
            last = Some(id);
            match found {
                Found::Whole(record) => page.records.push(record),
                Found::Damaged => page.damaged.push(id),
            }
        }
        Ok(page)
    }
}

#[async_trait]
impl SessionStore for SledStore {
    async fn create(&self, request: CreateRequest) -> Result<CreateOutcome> {
        request.validate()?;
        let request = Box::new(request);
        let writer = &self.0.writer;
        Ok(writer
            .ask(|answer| Request::Create(request, answer))
            .await?)
    }

    async fn lookup(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        Ok(self.find(id)?)
    }

    fn lookup_now(&self, id: SessionId) -> Option<Result<Option<Arc<Record>>>> {
        Some(self.find(id).map_err(Into::into))
    }

    async fn update(&self, id: SessionId, change: Change) -> Result<UpdateOutcome> {
        change.validate()?;
        let change = Box::new(change);
        let writer = &self.0.writer;
        Ok(writer
            .ask(|answer| Request::Update(id, change, answer))
            .await?)
    }

    fn update_soon(&self, id: SessionId, change: &Change) -> bool {
        self.0.writer.write_soon(id, change);
        true
    }

    async fn revoke(&self, id: SessionId, reason: EndReason) -> Result<Option<Ended>> {
        let writer = &self.0.writer;
        Ok(writer
            .ask(|answer| Request::Revoke(id, reason, answer))
            .await?)
    }

    async fn revoke_all_for_user(&self, request: RevokeAllRequest) -> Result<RevokeAllOutcome> {
        let writer = &self.0.writer;
        Ok(writer
            .ask(|answer| Request::RevokeAll(request, answer))
            .await?)
    }

    async fn revoke_everything(&self, reason: EndReason) -> Result<u64> {
        let writer = &self.0.writer;
        Ok(writer
            .ask(|answer| Request::RevokeEverything(reason, answer))
            .await?)
    }

    async fn list_for_user(
        &self,
        user: &UserId,
        after: Option<SessionId>,
        limit: NonZeroU32,
    ) -> Result<Page> {
        Ok(self.page(user, after, limit)?)
    }

    async fn epoch(&self, _: &UserId) -> Result<Epoch> {
        self.0.shared().check()?;
        Ok(Epoch::from_number(self.0.shared().position()))
    }

    async fn sweep_expired(&self, request: SweepRequest) -> Result<SweepOutcome> {
        sweep::step(self.0.shared(), &self.0.writer, request).await
    }

    async fn health(&self) -> Result<()> {
        Ok(self.0.writer.ask(Request::Health).await?)
    }

    fn sharing(&self) -> Sharing {
        Sharing::Sole
    }

    fn subscribe(&self, listener: Weak<dyn EndListener>) -> bool {
        self.0.shared().listeners.add(listener);
        true
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SledStore")
    }
}
