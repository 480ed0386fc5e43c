//! The database, as readers and the writer see it.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use revocable_core::{Bucket, EndListeners, ErrorKind, Record, SessionId, UserId};
use sled::{Db, IVec, Tree};

use crate::fault::{Fault, Result};
use crate::keys;
use crate::watch::Watch;

/// How long a reader waits while a transaction is applied. That takes
/// milliseconds, and far longer only if the engine hangs in it.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The names in `meta`.
pub(crate) const GENERATION: &str = "generation";
pub(crate) const POSITION: &str = "position";
pub(crate) const FLOOR: &str = "floor";
pub(crate) const COUNT: &str = "count";

const NAMES: [&str; 3] = ["sessions", "by_user", "epochs"];

/// All that `revoke_everything` ends. It writes the number of the next
/// generation and leaves this one to be cleared away.
#[derive(Debug, Clone)]
pub(crate) struct Trees {
    pub(crate) generation: u64,
    pub(crate) sessions: Tree,
    pub(crate) by_user: Tree,
    pub(crate) epochs: Tree,
}

impl Trees {
    pub(crate) fn open(database: &Db, generation: u64) -> Result<Self> {
        let [sessions, by_user, epochs] =
            NAMES.map(|name| database.open_tree(tree_name(name, generation)));
        Ok(Self {
            generation,
            sessions: sessions?,
            by_user: by_user?,
            epochs: epochs?,
        })
    }

    pub(crate) fn all(&self) -> [&Tree; 3] {
        [&self.sessions, &self.by_user, &self.epochs]
    }

    /// The trees of the next generation, empty. They are in the log before the
    /// number that makes them current, so a power cut can leave them to be
    /// cleared away, now or later: a name that is there is not taken again.
    pub(crate) fn open_next(&self, database: &Db) -> Result<Self> {
        let names = database.tree_names();
        let there = names.iter().filter_map(|name| generation_of(name));
        let last = there.fold(self.generation, u64::max);
        Self::open(database, last.saturating_add(1))
    }

    /// The trees of other generations, which have ended or never began.
    pub(crate) fn left_behind(&self, database: &Db) -> Result<Vec<Tree>> {
        let names = database.tree_names();
        let old = names.into_iter().filter(|name| {
            generation_of(name).is_some_and(|generation| generation != self.generation)
        });
        old.map(|name| Ok(database.open_tree(name)?)).collect()
    }

    pub(crate) fn has(&self, tree: &Tree) -> bool {
        self.all().iter().any(|own| own.name() == tree.name())
    }

    /// What is under this ID.
    pub(crate) fn find(&self, id: SessionId) -> Result<Option<Found>> {
        let bytes = self.sessions.get(id.as_bytes())?;
        Ok(bytes.map(|bytes| Found::decode(id, &bytes)))
    }

    /// The IDs that are listed under a user, from after the given one on.
    pub(crate) fn ids(
        &self,
        user: &UserId,
        after: Option<SessionId>,
    ) -> impl Iterator<Item = Result<SessionId>> + use<> {
        let prefix = keys::of_user(user);
        let start = match after {
            // Nothing is between a key and the same with a zero behind it.
            Some(id) => [keys::by_user(user, id), vec![0]].concat(),
            None => prefix.clone(),
        };
        let keys = self.by_user.range(start..).keys();
        let ids = keys.map_while(move |key| match key {
            Err(error) => Some(Some(Err(error.into()))),
            Ok(key) => {
                let id = key.strip_prefix(&prefix[..])?;
                // What is no ID is damage, and those behind it are not.
                Some(SessionId::from_slice(id).map(Ok))
            }
        });
        ids.flatten()
    }
}

fn tree_name(name: &str, generation: u64) -> String {
    format!("{name}-{generation}")
}

/// Whose tree it is, if it is one that holds sessions.
fn generation_of(name: &[u8]) -> Option<u64> {
    let (start, generation) = std::str::from_utf8(name).ok()?.split_once('-')?;
    let generation = generation.parse().ok()?;
    NAMES.contains(&start).then_some(generation)
}

/// A record, or what is left of one.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    Whole(Arc<Record>),
    Damaged,
}

impl Found {
    pub(crate) fn decode(id: SessionId, bytes: &[u8]) -> Self {
        match Record::decode(bytes) {
            // A whole record in another's place is damage too.
            Ok(record) if record.id == id && id.bucket() == Bucket::of(&record.user) => {
                Self::Whole(Arc::new(record))
            }
            _ => Self::Damaged,
        }
    }

    pub(crate) fn whole(self) -> Result<Arc<Record>> {
        match self {
            Self::Whole(record) => Ok(record),
            Self::Damaged => Err(Fault::corrupt_record()),
        }
    }
}

/// What readers see: the trees, and what was there before the transaction that
/// is not yet on the disk. A power cut could undo that one, and nobody may have
/// gone by it then.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) trees: Trees,
    pub(crate) before: Before,
}

/// What a transaction has changed, as it was.
#[derive(Debug, Default)]
pub(crate) struct Before {
    pub(crate) sessions: HashMap<SessionId, Option<IVec>>,
    /// The keys that it has removed. The added ones lead to no session.
    pub(crate) by_user: BTreeSet<Vec<u8>>,
}

impl View {
    /// What is under this ID.
    pub(crate) fn find(&self, id: SessionId) -> Result<Option<Found>> {
        match self.before.sessions.get(&id) {
            Some(bytes) => Ok(bytes.as_ref().map(|bytes| Found::decode(id, bytes))),
            None => self.trees.find(id),
        }
    }

    /// The IDs that are listed under a user, in order, from after the given one
    /// on. Some lead to no session.
    pub(crate) fn ids(
        &self,
        user: &UserId,
        after: Option<SessionId>,
    ) -> impl Iterator<Item = Result<SessionId>> {
        let prefix = keys::of_user(user);
        let removed = self.before.by_user.range(prefix.clone()..);
        let removed = removed.map_while(move |key| key.strip_prefix(&prefix[..]));
        let removed = removed.filter_map(SessionId::from_slice);
        let mut removed = removed.filter(move |id| Some(*id) > after).peekable();
        let mut there = self.trees.ids(user, after).peekable();
        std::iter::from_fn(move || match (removed.peek(), there.peek()) {
            (Some(_), None) => removed.next().map(Ok),
            (Some(one), Some(Ok(other))) if one < other => removed.next().map(Ok),
            _ => there.next(),
        })
    }
}

/// What the store's handles and its writer have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Locked while a transaction is applied, not while it is synced: so a
    /// listing is one consistent view, and nobody waits for the disk.
    view: RwLock<View>,
    pub(crate) meta: Tree,
    pub(crate) database: Db,
    /// Of the last revocation.
    position: AtomicU64,
    poison: OnceLock<Fault>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) listeners: EndListeners,
}

impl Shared {
    pub(crate) fn new(
        database: Db,
        meta: Tree,
        trees: Trees,
        position: u64,
        watch: Arc<Watch>,
    ) -> Self {
        Self {
            view: RwLock::new(View {
                trees,
                before: Before::default(),
            }),
            meta,
            database,
            position: AtomicU64::new(position),
            poison: OnceLock::new(),
            watch,
            listeners: EndListeners::new(),
        }
    }

    /// What is on the disk, while nobody changes it.
    pub(crate) fn read(&self) -> Result<RwLockReadGuard<'_, View>> {
        self.check()?;
        match self.view.try_read_for(READ_TIMEOUT) {
            Some(view) => Ok(view),
            None => Err(Fault::hangs()),
        }
    }

    /// For the writer alone.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write()
    }

    /// For the writer alone: all that was applied, on the disk or not.
    pub(crate) fn trees(&self) -> Trees {
        self.view.read().trees.clone()
    }

    pub(crate) fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    pub(crate) fn set_position(&self, position: u64) {
        self.position.store(position, Ordering::Release);
    }

    /// Memory and disk may differ: nothing is answered from now on.
    pub(crate) fn poison(&self, fault: &Fault) {
        let _ = self.poison.set(fault.poisoned());
    }

    pub(crate) fn check(&self) -> Result<()> {
        match self.poison.get() {
            None => self.watch.check(),
            Some(poison) => Err(poison.clone()),
        }
    }
}

/// A number in `meta`.
pub(crate) fn number(meta: &Tree, name: &str) -> Result<Option<u64>> {
    match meta.get(name)? {
        None => Ok(None),
        Some(value) => match keys::number(&value) {
            Some(number) => Ok(Some(number)),
            None => Err(Fault::new(
                ErrorKind::Corrupt,
                "the database's own numbers are damaged; remove the folder, which ends all \
                 sessions",
            )),
        },
    }
}
