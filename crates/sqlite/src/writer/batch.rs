//! Group commit: many requests, one transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use revocable_core::{EndListeners, EndReason, Ended, Epoch, ErrorKind};
use rusqlite::{Connection, OptionalExtension};

use super::task::{Ends, Queued, Tx};
use crate::fault::{Fault, Result};
use crate::open::{Location, run_pragma};

/// Runs batches of requests on the connection that writes.
pub(super) struct Batches {
    location: Location,
    listeners: Arc<EndListeners>,
    /// `None` after a failure that leaves its state in doubt, until the next
    /// batch opens another.
    connection: Option<Connection>,
    /// The engine met damage while it was writing: no more writes.
    poison: Option<Fault>,
    /// What a commit of unknown outcome may have ended.
    unsettled: Vec<Ends>,
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
    /// The request at this place panicked.
    Panic(usize),
    /// The commit found no room, or no lock.
    Commit(Fault),
    /// The commit may or may not have taken effect.
    Unknown(Fault),
}

impl Batches {
    pub(super) fn new(
        connection: Connection,
        location: Location,
        listeners: Arc<EndListeners>,
    ) -> Self {
        Self {
            location,
            listeners,
            connection: Some(connection),
            poison: None,
            unsettled: Vec::new(),
            removed_rows: 0,
        }
    }

    /// Carries out all requests and answers them: after the commit, and after
    /// the listeners were told.
    ///
    /// If one of them takes the transaction down, nothing of it has happened,
    /// and each runs again in a transaction of its own, so that a revocation
    /// does not fail because somebody's large session found no room.
    pub(super) fn run(&mut self, mut requests: Vec<Box<dyn Queued>>) {
        if requests.len() > 1 {
            match self.transact(&mut requests, false) {
                Ok(()) => return self.answer(requests),
                Err(Broken::Everybody(fault)) => return self.fail(requests, &fault),
                Err(Broken::Unknown(fault)) => return self.fail_unknown(requests, &fault),
                Err(Broken::Commit(_)) => {}
                // Not again.
                Err(Broken::Panic(at)) => self.fail(vec![requests.remove(at)], &panicked()),
                Err(Broken::Request(_)) => {}
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
        let mut result = self.transact(&mut request, false);
        match &result {
            // Room may be had in the log itself, once it is copied.
            Err(Broken::Request(fault) | Broken::Commit(fault))
                if fault.kind() == ErrorKind::Full =>
            {
                self.make_room(request[0].revokes());
                result = self.transact(&mut request, false);
                self.restore_limit();
            }
            // What the request is about cannot be read, but it may not need to.
            Err(Broken::Request(fault)) if fault.is_structural() && !fault.poisons() => {
                result = self.transact(&mut request, true);
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
            Err(Broken::Panic(_)) => self.fail(request, &panicked()),
            Err(Broken::Unknown(fault)) => self.fail_unknown(request, &fault),
        }
        Ok(())
    }

    /// Runs requests in one transaction. If it returns `Ok`, each request has
    /// its outcome, and what succeeded is on disk.
    fn transact(&mut self, requests: &mut [Box<dyn Queued>], blind: bool) -> Result<(), Broken> {
        if let Some(poison) = &self.poison {
            return Err(Broken::Everybody(poison.clone()));
        }
        let connection = self.connection().map_err(Broken::Everybody)?;
        let result = Self::transact_on(connection, requests, blind);
        let in_doubt = match &result {
            Err(Broken::Unknown(_) | Broken::Panic(_)) => true,
            Err(Broken::Request(fault)) => fault.is_structural(),
            // Not a lock that somebody else holds: the connection itself may be
            // at fault, and another may do better.
            Err(Broken::Everybody(fault)) => !fault.is_locked(),
            Ok(()) | Err(Broken::Commit(_)) => !connection.is_autocommit(),
        };
        if in_doubt {
            self.connection = None;
        }
        result
    }

    fn transact_on(
        connection: &Connection,
        requests: &mut [Box<dyn Queued>],
        blind: bool,
    ) -> Result<(), Broken> {
        execute(connection, "BEGIN IMMEDIATE").map_err(|error| Broken::Everybody(error.into()))?;
        let alone = requests.len() == 1;
        let tx = Tx { connection, blind };
        for (at, request) in requests.iter_mut().enumerate() {
            let ran = catch_unwind(AssertUnwindSafe(|| {
                if !alone {
                    execute(connection, "SAVEPOINT request")?;
                }
                request.run(&tx)?;
                if !alone {
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
            if over || alone {
                roll_back(connection);
            }
            if over {
                return Err(Broken::Request(fault));
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
        let Err(error) = execute(connection, "COMMIT") else {
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
            self.settle(&connection)?;
            self.connection = Some(connection);
        }
        self.connection
            .as_ref()
            .ok_or_else(|| Fault::new(ErrorKind::Unavailable, "the writer has no connection"))
    }

    /// Copies the log into the file, so that it starts over: a full disk has
    /// no room for more of it, but what it has may do.
    ///
    /// The application's own limit does not stand in the way of a revocation.
    fn make_room(&self, beyond_limit: bool) {
        if let Some(connection) = &self.connection {
            let _ = run_pragma(connection, "PRAGMA wal_checkpoint(PASSIVE)");
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
            .extend(requests.iter().map(|request| request.ends()));
        if self.connection().is_ok() {
            // A quota is such an error too.
            self.make_room(false);
        }
        self.fail(requests, fault);
    }

    /// Tells the listeners what the commit of unknown outcome did end. An ID
    /// never comes back: a session that is not there has ended.
    fn settle(&mut self, connection: &Connection) -> Result<()> {
        let mut exists = connection.prepare("SELECT 1 FROM sessions WHERE id = ?1")?;
        let mut floor = connection.prepare("SELECT value FROM meta WHERE name = 'floor'")?;
        let mut everything: Vec<(u64, EndReason)> = Vec::new();
        let mut gone: Vec<Ended> = Vec::new();
        for ends in &self.unsettled {
            match ends {
                Ends::Sessions(ended) => {
                    for ended in ended {
                        let id = ended.id.as_bytes().as_slice();
                        if exists.query_row([id], |_| Ok(())).optional()?.is_none() {
                            gone.push(ended.clone());
                        }
                    }
                }
                Ends::Everything {
                    count,
                    reason,
                    epoch,
                } => {
                    let floor: i64 = floor.query_row([], |row| row.get(0))?;
                    if Epoch::from_number(floor.cast_unsigned()) >= *epoch {
                        everything.push((*count, *reason));
                    }
                }
            }
        }
        self.unsettled.clear();
        self.listeners.ended(&gone);
        for (count, reason) in everything {
            self.listeners.everything_ended(count, reason);
        }
        Ok(())
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
mod tests {
    use std::sync::{Mutex, PoisonError};
    use std::time::Duration;

    use futures_channel::oneshot::Receiver;
    use revocable_core::{
        Bucket, Client, CreateOutcome, CreateRequest, Digest, EndListener, Liveness, Record,
        SessionId, UserId,
    };
    use tempfile::TempDir;

    use super::super::task::{Task, Verb};
    use super::super::{Create, Revoke, RevokeEverything};
    use super::*;
    use crate::row;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Heard {
        fn take(&self) -> Vec<String> {
            std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }

    impl EndListener for Heard {
        fn ended(&self, ended: &[Ended]) {
            let ids = ended.iter().map(|ended| ended.id.to_string());
            self.0.lock().unwrap().extend(ids);
        }
        fn everything_ended(&self, count: u64, _: EndReason) {
            self.0.lock().unwrap().push(format!("everything {count}"));
        }
    }

    struct Fixture {
        _folder: TempDir,
        batches: Batches,
        heard: Arc<Heard>,
    }

    impl Fixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("s.db");
            let location = Location::find(&path, Duration::ZERO, None).unwrap();
            let connection = location.open_writer().unwrap();
            let listeners = Arc::new(EndListeners::new());
            let heard = Arc::new(Heard::default());
            let listener: Arc<dyn EndListener> = heard.clone();
            listeners.add(Arc::downgrade(&listener));
            Self {
                _folder: folder,
                batches: Batches::new(connection, location, listeners),
                heard,
            }
        }

        fn create(&mut self, n: u8) -> SessionId {
            let (request, mut answered) = task(create(n));
            self.batches.run(vec![request]);
            assert!(matches!(
                answer(&mut answered),
                Ok(CreateOutcome::Created { .. })
            ));
            record(n).id
        }

        fn has(&mut self, id: SessionId) -> bool {
            let connection = self.batches.connection().unwrap();
            row::read(connection, id).unwrap().is_some()
        }
    }

    fn record(n: u8) -> Record {
        let user = UserId::new("alice").unwrap();
        Record {
            id: SessionId::new(n.into(), Bucket::of(&user), [n; 8]),
            user,
            digest: Digest::from_bytes([n; 32]),
            previous: None,
            created_ms: 0,
            authenticated_ms: 0,
            last_seen_ms: 0,
            expires_ms: 10,
            idle_timeout_ms: 10,
            version: 0,
            client: Client::new(),
            data: [].into(),
        }
    }

    fn create(n: u8) -> Create {
        Create(CreateRequest {
            record: record(n),
            expected_epoch: None,
            cap: None,
            liveness: Liveness::at(0),
        })
    }

    fn revoke(id: SessionId) -> Revoke {
        Revoke {
            id,
            reason: EndReason::LoggedOut,
        }
    }

    type Answered<T> = Receiver<Result<T>>;

    fn task<V: Verb>(verb: V) -> (Box<dyn Queued>, Answered<V::Output>) {
        let (task, answered) = Task::new(verb);
        (Box::new(task), answered)
    }

    fn answer<T>(answered: &mut Answered<T>) -> Result<T> {
        answered.try_recv().unwrap().expect("an answer")
    }

    /// Does something that a correct verb does not.
    struct Rogue(fn(&Tx<'_>) -> Result<()>);

    impl Verb for Rogue {
        type Output = ();
        fn run(&self, tx: &Tx<'_>) -> Result<()> {
            (self.0)(tx)
        }
    }

    /// Runs a rogue between a revocation and a create, and returns what it
    /// came to.
    fn between(rogue: fn(&Tx<'_>) -> Result<()>) -> (Fixture, Result<()>) {
        let mut fixture = Fixture::new();
        let id = fixture.create(1);
        let (first, mut revoked) = task(revoke(id));
        let (second, mut rogue) = task(Rogue(rogue));
        let (third, mut created) = task(create(2));
        fixture.batches.run(vec![first, second, third]);
        assert_eq!(
            answer(&mut revoked).unwrap().map(|ended| ended.id),
            Some(id)
        );
        assert!(matches!(
            answer(&mut created),
            Ok(CreateOutcome::Created { .. })
        ));
        assert!(!fixture.has(id));
        assert!(fixture.has(record(2).id));
        assert_eq!(fixture.heard.take(), [id.to_string()]);
        let result = answer(&mut rogue);
        (fixture, result)
    }

    #[test]
    fn what_a_failed_request_wrote_is_rolled_back() {
        let (fixture, result) = between(|tx| {
            tx.write("UPDATE meta SET value = 77 WHERE name = 'epoch'", [])?;
            Err(Fault::corrupt_record())
        });
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Corrupt);
        let mut fixture = fixture;
        let epoch = super::super::current_epoch(fixture.batches.connection().unwrap());
        assert_ne!(epoch.unwrap(), Epoch::from_number(77));
    }

    #[test]
    fn a_panic_harms_nobody_else() {
        let (_, result) = between(|_| panic!("a defect"));
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn a_request_that_takes_the_transaction_down_harms_nobody_else() {
        let (_, result) = between(|tx| {
            execute(tx.connection, "ROLLBACK")?;
            Err(Fault::new(ErrorKind::Full, "no room"))
        });
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Full);
    }

    #[test]
    fn a_panic_alone_is_answered_too() {
        let mut fixture = Fixture::new();
        let (request, mut answered) = task(Rogue(|_| panic!("a defect")));
        fixture.batches.run(vec![request]);
        let fault = answer(&mut answered).unwrap_err();
        assert_eq!(fault.kind(), ErrorKind::Unavailable);
        fixture.create(1);
    }

    fn unknown() -> Fault {
        Fault::new(ErrorKind::UnknownOutcome, "the commit failed half-way")
    }

    #[test]
    fn a_commit_of_unknown_outcome_is_looked_at() {
        let mut fixture = Fixture::new();
        let [a, b] = [1, 2].map(|n| fixture.create(n));
        let (first, mut revoked_a) = task(revoke(a));
        let (second, mut revoked_b) = task(revoke(b));
        // The one took effect, the other did not, as if they had been in
        // commits of their own.
        let mut first = vec![first];
        fixture.batches.transact(&mut first, false).unwrap();
        let mut second = vec![second];
        fixture.batches.transact(&mut second, false).unwrap();
        fixture
            .batches
            .transact(&mut [task(create(2)).0], false)
            .unwrap();
        for (requests, answered) in [(first, &mut revoked_a), (second, &mut revoked_b)] {
            fixture.batches.distrust();
            fixture.batches.fail_unknown(requests, &unknown());
            let fault = answer(answered).unwrap_err();
            assert_eq!(fault.kind(), ErrorKind::UnknownOutcome);
        }
        assert_eq!(fixture.heard.take(), [a.to_string()]);
        // Told once, however often it is repeated.
        let (request, mut repeated) = task(revoke(a));
        fixture.batches.run(vec![request]);
        assert_eq!(answer(&mut repeated).unwrap(), None);
        assert!(fixture.heard.take().is_empty());
    }

    #[test]
    fn a_revoke_everything_of_unknown_outcome_is_looked_at() {
        let mut fixture = Fixture::new();
        fixture.create(1);
        let (request, _answered) = task(RevokeEverything(EndReason::Administrator));
        let mut requests = vec![request];
        fixture.batches.transact(&mut requests, false).unwrap();
        fixture.batches.distrust();
        fixture.batches.fail_unknown(requests, &unknown());
        assert_eq!(fixture.heard.take(), ["everything 1"]);
    }

    #[test]
    fn a_file_that_went_away_is_unavailable_until_it_is_back() {
        let mut fixture = Fixture::new();
        let id = fixture.create(1);
        fixture.batches.distrust();
        let folder = fixture._folder.path().to_owned();
        std::fs::rename(folder.join("s.db"), folder.join("away.db")).unwrap();
        let (request, mut answered) = task(revoke(id));
        fixture.batches.run(vec![request]);
        let fault = answer(&mut answered).unwrap_err();
        assert_eq!(fault.kind(), ErrorKind::Unavailable);
        std::fs::rename(folder.join("away.db"), folder.join("s.db")).unwrap();
        let (request, mut answered) = task(revoke(id));
        fixture.batches.run(vec![request]);
        assert!(answer(&mut answered).unwrap().is_some());
    }
}
