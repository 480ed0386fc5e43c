//! Group commit: many requests, one transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use revocable_core::{EndListeners, ErrorKind};
use rusqlite::Connection;

use super::queue::Asker;
use super::task::{Ends, Queued, Tx};
use super::unsettled::Unsettled;
use crate::fault::{Fault, Result};
use crate::open::{Location, run_pragma};
use crate::readers::Readers;

/// Runs batches of requests on the connection that writes.
pub(crate) struct Batches {
    location: Location,
    listeners: Arc<EndListeners>,
    /// Know of a commit before it is one.
    readers: Arc<Readers>,
    /// `None` after a failure that leaves its state in doubt, until the next
    /// batch opens another.
    connection: Option<Connection>,
    /// The engine met damage while it was writing: no more writes.
    poison: Option<Fault>,
    /// What a commit of unknown outcome may have ended.
    unsettled: Unsettled,
    /// What the engine said last of the changes of others, to this connection.
    data_version: Option<i64>,
    /// How often that differed.
    foreign_changes: u64,
    /// How many rows were deleted, for who looks after free pages.
    pub(super) removed_rows: u64,
}

/// Why nothing of a transaction happened, or nobody knows.
#[derive(Debug)]
enum Broken {
    /// It is not the fault of a request: any other would have met the same.
    Everybody(Fault),
    /// A request took the transaction down with it.
    Request(Fault),
    /// A request failed, and without savepoints all others with it.
    Savepoints,
    /// The request at this place panicked.
    Panic(usize),
    /// The commit found no room, or no lock.
    Commit(Fault),
    /// The commit may or may not have taken effect.
    Unknown(Fault),
}

/// Before which requests of a batch there is a savepoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Savepoints {
    /// There is one request, which is undone with the transaction.
    None,
    /// Those that are undone in any case.
    ForTrials,
    ForAll,
}

impl Batches {
    pub(crate) fn new(
        connection: Connection,
        location: Location,
        listeners: Arc<EndListeners>,
        readers: Arc<Readers>,
    ) -> Self {
        Self {
            location,
            listeners,
            readers,
            connection: Some(connection),
            poison: None,
            unsettled: Unsettled::default(),
            data_version: None,
            foreign_changes: 0,
            removed_rows: 0,
        }
    }

    /// Carries out all requests and answers them: after the commit, and after
    /// the listeners were told.
    ///
    /// A request that fails is undone alone, which takes a savepoint before
    /// each. That costs a third of a batch and is seldom needed, so a batch runs
    /// without first.
    ///
    /// If one of them takes the transaction down, nothing of it has happened,
    /// and each runs again in a transaction of its own, so that a revocation
    /// does not fail because somebody's large session found no room.
    pub(super) fn run(&mut self, mut requests: Vec<Box<dyn Queued>>) {
        if requests.len() > 1 {
            let mut result = self.transact(&mut requests, None, Savepoints::ForTrials);
            if let Err(Broken::Savepoints) = result {
                result = self.transact(&mut requests, None, Savepoints::ForAll);
            }
            match result {
                Ok(()) => return self.answer(requests),
                Err(Broken::Everybody(fault)) => return self.fail(requests, &fault),
                Err(Broken::Unknown(fault)) => return self.fail_unknown(requests, &fault),
                Err(Broken::Commit(_)) => {}
                // Not again.
                Err(Broken::Panic(at)) => self.fail(vec![requests.remove(at)], &panicked()),
                Err(Broken::Request(_) | Broken::Savepoints) => {}
            }
        }
        let mut requests = requests.into_iter();
        while let Some(request) = requests.next() {
            if let Err(fault) = self.run_alone(request) {
                return self.fail(requests.collect(), &fault);
            }
        }
    }

    /// Runs one request; an error if every other would meet the same.
    fn run_alone(&mut self, request: Box<dyn Queued>) -> Result<()> {
        let mut request = vec![request];
        let mut result = self.transact_one(&mut request, None);
        match &result {
            // Room may be had in the log itself, once it is copied.
            Err(Broken::Request(fault) | Broken::Commit(fault))
                if fault.kind() == ErrorKind::Full =>
            {
                self.make_room(request[0].may_exceed_limit());
                result = self.transact_one(&mut request, None);
                self.restore_limit();
            }
            // Something that the request is about cannot be read, but it may not
            // need to.
            Err(Broken::Request(fault)) if fault.is_structural() && !fault.poisons() => {
                result = match self.location.open_reader(self.location.busy_timeout()) {
                    Ok(scout) => self.transact_one(&mut request, Some(&scout)),
                    Err(fault) => Err(Broken::Request(fault.into_unavailable())),
                };
            }
            _ => {}
        }
        match result {
            Ok(()) => self.answer(request),
            Err(Broken::Everybody(fault)) => {
                self.fail(request, &fault);
                return Err(fault);
            }
            Err(Broken::Request(fault)) => {
                self.heed(&fault);
                self.fail(request, &fault);
            }
            Err(Broken::Commit(fault)) => self.fail(request, &fault),
            Err(Broken::Savepoints) => self.fail(request, &panicked()),
            Err(Broken::Panic(_)) => self.fail(request, &panicked()),
            Err(Broken::Unknown(fault)) => self.fail_unknown(request, &fault),
        }
        Ok(())
    }

    fn transact_one(
        &mut self,
        request: &mut [Box<dyn Queued>],
        scout: Option<&Connection>,
    ) -> Result<(), Broken> {
        self.transact(request, scout, Savepoints::None)
    }

    /// Runs requests in one transaction. If it returns `Ok`, each request has
    /// its outcome, and what succeeded is on disk.
    fn transact(
        &mut self,
        requests: &mut [Box<dyn Queued>],
        scout: Option<&Connection>,
        savepoints: Savepoints,
    ) -> Result<(), Broken> {
        if let Some(poison) = &self.poison {
            return Err(Broken::Everybody(poison.clone()));
        }
        let readers = Arc::clone(&self.readers);
        let connection = self.connection().map_err(Broken::Everybody)?;
        let result = Self::transact_on(connection, &readers, requests, scout, savepoints);
        let in_doubt = match &result {
            Err(Broken::Unknown(_) | Broken::Panic(_)) => true,
            Err(Broken::Request(fault)) => fault.is_structural(),
            // Not a lock that somebody else holds: the connection itself may be
            // at fault, and another may do better.
            Err(Broken::Everybody(fault)) => !fault.is_locked(),
            Ok(()) | Err(Broken::Commit(_) | Broken::Savepoints) => !connection.is_autocommit(),
        };
        if in_doubt {
            self.connection = None;
        }
        result
    }

    fn transact_on(
        connection: &Connection,
        readers: &Readers,
        requests: &mut [Box<dyn Queued>],
        scout: Option<&Connection>,
        savepoints: Savepoints,
    ) -> Result<(), Broken> {
        execute(connection, "BEGIN IMMEDIATE").map_err(|error| Broken::Everybody(error.into()))?;
        let alone = requests.len() == 1;
        let tx = Tx { connection, scout };
        let only_trials = requests.iter().all(|request| request.is_trial());
        for (at, request) in requests.iter_mut().enumerate() {
            let guarded = match savepoints {
                Savepoints::None => false,
                Savepoints::ForTrials => request.is_trial(),
                Savepoints::ForAll => true,
            };
            let ran = catch_unwind(AssertUnwindSafe(|| {
                if guarded {
                    execute(connection, "SAVEPOINT request")?;
                }
                request.run(&tx)?;
                if request.is_trial() && !only_trials {
                    execute(connection, "ROLLBACK TO request")?;
                }
                if guarded {
                    execute(connection, "RELEASE request")?;
                }
                Ok(())
            }));
            let fault: Fault = match ran {
                Ok(Ok(())) => continue,
                Ok(Err(fault)) => fault,
                Err(_) => return Err(Broken::Panic(at)),
            };
            // After some errors the engine has rolled back everything, and
            // after damage it refuses to write until that is done.
            let over = connection.is_autocommit() || fault.is_structural();
            if over || !guarded {
                roll_back(connection);
            }
            if over {
                return Err(Broken::Request(fault));
            }
            if !alone && !guarded {
                return Err(Broken::Savepoints);
            }
            request.fail(fault);
            if alone {
                return Ok(());
            }
            if let Err(error) = execute(connection, "ROLLBACK TO request")
                .and_then(|()| execute(connection, "RELEASE request"))
            {
                roll_back(connection);
                return Err(Broken::Request(error.into()));
            }
        }
        if only_trials {
            return try_out(connection);
        }
        // Also a commit that failed may be there.
        let Err(error) = readers.without_views(|| execute(connection, "COMMIT")) else {
            return Ok(());
        };
        let fault = Fault::at_commit(error);
        roll_back(connection);
        Err(match fault.kind() {
            ErrorKind::UnknownOutcome => Broken::Unknown(fault),
            _ => Broken::Commit(fault),
        })
    }

    /// The connection that writes; opens one if there is none.
    pub(super) fn connection(&mut self) -> Result<&Connection> {
        if self.connection.is_none() {
            let connection = self
                .location
                .open_writer()
                .map_err(Fault::into_unavailable)?;
            // What was half-way may only now have taken effect.
            self.readers.committed();
            self.unsettled.settle(&connection, &self.listeners)?;
            // A new connection counts from a number of its own.
            self.data_version = None;
            self.connection = Some(connection);
        }
        self.connection
            .as_ref()
            .ok_or_else(|| Fault::new(ErrorKind::Unavailable, "the writer has no connection"))
    }

    /// Those whose views are in the way when the log is copied.
    pub(super) fn readers(&self) -> Arc<Readers> {
        Arc::clone(&self.readers)
    }

    /// Answers how often others have written to the file. It has to be this
    /// connection that asks: to any other this store's own writes are those of
    /// somebody else.
    pub(super) fn count_foreign_changes(&mut self, askers: Vec<Asker>) {
        let counted = self.try_count();
        for asker in askers {
            let counted = counted.clone();
            let told = catch_unwind(AssertUnwindSafe(|| drop(asker.send(counted))));
            if told.is_err() {
                tracing::error!("a waker panicked");
            }
        }
    }

    fn try_count(&mut self) -> Result<u64> {
        let version = self
            .connection()?
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get(0))?;
        if self.data_version != Some(version) {
            self.data_version = Some(version);
            self.foreign_changes += 1;
        }
        Ok(self.foreign_changes)
    }

    /// Copies the log into the file, so that it starts over: a full disk has
    /// no room for more of it, but what it has may do.
    ///
    /// The application's own limit does not stand in the way of a revocation.
    fn make_room(&self, beyond_limit: bool) {
        if let Some(connection) = &self.connection {
            self.readers.without_views(|| {
                self.readers.end_views();
                let _ = run_pragma(connection, "PRAGMA wal_checkpoint(PASSIVE)");
            });
            if beyond_limit {
                let _ = self.location.unlimit(connection);
            }
        }
    }

    fn restore_limit(&self) {
        if let Some(connection) = &self.connection {
            let _ = self.location.limit(connection);
        }
    }

    /// To write to a damaged file could make it worse.
    fn heed(&mut self, fault: &Fault) {
        if fault.poisons() {
            tracing::error!("the file is damaged: nothing more is written to it");
            self.poison = Some(fault.poisoned());
        }
    }

    /// After a defect: nobody knows what state the connection is in.
    pub(super) fn distrust(&mut self) {
        self.connection = None;
    }

    fn answer(&mut self, requests: Vec<Box<dyn Queued>>) {
        for request in requests {
            match request.ends() {
                Ends::Sessions(ended) => {
                    self.removed_rows += ended.len() as u64;
                    self.listeners.ended(&ended);
                }
                Ends::Everything { count, reason, .. } => {
                    self.removed_rows += count;
                    self.listeners.everything_ended(count, reason);
                }
            }
            tell(request);
        }
    }

    fn fail(&mut self, requests: Vec<Box<dyn Queued>>, fault: &Fault) {
        for mut request in requests {
            request.fail(fault.clone());
            tell(request);
        }
    }

    fn fail_unknown(&mut self, requests: Vec<Box<dyn Queued>>, fault: &Fault) {
        tracing::error!("a commit failed half-way");
        self.heed(fault);
        // What it ended, if it did, is found out when the file can be opened
        // again, and that is tried at once.
        self.unsettled
            .add(requests.iter().map(|request| request.ends()));
        if self.connection().is_ok() {
            // A quota is such an error too.
            self.make_room(false);
        }
        self.fail(requests, fault);
    }
}

/// Answers a request. It wakes whoever waits, and that is not our code.
fn tell(request: Box<dyn Queued>) {
    if catch_unwind(AssertUnwindSafe(|| request.answer())).is_err() {
        tracing::error!("a waker panicked");
    }
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

/// Has the engine write to the log all but the mark that commits it, and takes
/// that back. To others nothing has changed, and their caches stay valid.
fn try_out(connection: &Connection) -> Result<(), Broken> {
    let written = connection.cache_flush().map_err(Fault::from);
    roll_back(connection);
    written.map_err(|fault| match fault.kind() {
        ErrorKind::Full => Broken::Commit(fault),
        _ => Broken::Everybody(fault),
    })
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        let _ = execute(connection, "ROLLBACK");
    }
}

fn panicked() -> Fault {
    Fault::new(
        ErrorKind::Unavailable,
        "the request panicked, a defect in the store; nothing was changed",
    )
}

#[cfg(test)]
mod tests;
