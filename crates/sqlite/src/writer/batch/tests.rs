//! Batches with requests that misbehave, and commits that fail.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_channel::oneshot::Receiver;
use revocable_core::{
    Bucket, Client, CreateOutcome, CreateRequest, Digest, EndListener, EndReason, Ended, Epoch,
    Liveness, Record, SessionId, UserId,
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
    folder: TempDir,
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
        let readers = Readers::idle(&location);
        Self {
            folder,
            batches: Batches::new(connection, location, listeners, readers),
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

    /// Overwrites the page that this session's record is on.
    fn destroy_page_of(&mut self, n: u8) {
        // The last connection that closes copies the log into the file.
        self.batches.distrust();
        let path = self.folder.path().join("s.db");
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(32).position(|window| window == [n; 32]);
        let page = at.unwrap() / 4096 * 4096;
        bytes[page..page + 4096].fill(0xff);
        std::fs::write(path, bytes).unwrap();
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
    fixture
        .batches
        .transact(&mut first, None, Savepoints::ForAll)
        .unwrap();
    let mut second = vec![second];
    fixture
        .batches
        .transact(&mut second, None, Savepoints::ForAll)
        .unwrap();
    fixture
        .batches
        .transact(&mut [task(create(2)).0], None, Savepoints::ForAll)
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
fn what_cannot_be_looked_at_after_a_commit_of_unknown_outcome_stops_no_write() {
    let mut fixture = Fixture::new();
    let ids: Vec<_> = (1..=200).map(|n| fixture.create(n)).collect();
    let (first, _answered) = task(revoke(ids[99]));
    let (second, _answered) = task(revoke(ids[0]));
    let mut requests = vec![first, second];
    fixture
        .batches
        .transact(&mut requests, None, Savepoints::ForAll)
        .unwrap();
    fixture.destroy_page_of(101);
    fixture.batches.fail_unknown(requests, &unknown());
    assert_eq!(fixture.heard.take(), [ids[0].to_string()]);
    fixture.create(201);
    let (request, mut revoked) = task(revoke(ids[1]));
    fixture.batches.run(vec![request]);
    assert!(answer(&mut revoked).unwrap().is_some());
    assert_eq!(fixture.heard.take(), [ids[1].to_string()]);
}

#[test]
fn a_revoke_everything_of_unknown_outcome_is_looked_at() {
    let mut fixture = Fixture::new();
    fixture.create(1);
    let (request, _answered) = task(RevokeEverything(EndReason::Administrator));
    let mut requests = vec![request];
    fixture
        .batches
        .transact(&mut requests, None, Savepoints::ForAll)
        .unwrap();
    fixture.batches.distrust();
    fixture.batches.fail_unknown(requests, &unknown());
    assert_eq!(fixture.heard.take(), ["everything 1"]);
}

#[test]
fn a_file_that_went_away_is_unavailable_until_it_is_back() {
    let mut fixture = Fixture::new();
    let id = fixture.create(1);
    fixture.batches.distrust();
    let folder = fixture.folder.path().to_owned();
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

/// Fails, and counts how often it was asked.
struct Fails(Fault, Arc<AtomicU32>);

impl Verb for Fails {
    type Output = ();
    fn run(&self, tx: &Tx<'_>) -> Result<()> {
        self.1.fetch_add(1, Ordering::Relaxed);
        if self.0.kind() == ErrorKind::Unavailable {
            execute(tx.connection, "ROLLBACK")?;
        }
        Err(self.0.clone())
    }
}

#[test]
fn only_what_met_damage_while_it_read_is_tried_again() {
    let damage = || {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        Fault::from(rusqlite::Error::SqliteFailure(code, None))
    };
    for (fault, times, poisons) in [
        (damage(), 2, false),
        (damage().while_writing(), 1, true),
        (Fault::new(ErrorKind::Unavailable, "rolled back"), 1, false),
        (Fault::corrupt_record(), 1, false),
    ] {
        let mut fixture = Fixture::new();
        let asked = Arc::new(AtomicU32::new(0));
        let (request, mut answered) = task(Fails(fault.clone(), Arc::clone(&asked)));
        fixture.batches.run(vec![request]);
        assert_eq!(answer(&mut answered).unwrap_err().kind(), fault.kind());
        assert_eq!(asked.load(Ordering::Relaxed), times, "{fault:?}");
        let (request, mut created) = task(create(1));
        fixture.batches.run(vec![request]);
        assert_eq!(answer(&mut created).is_err(), poisons, "{fault:?}");
    }
}

#[test]
fn a_connection_is_kept_if_it_is_not_at_fault() {
    let mut fixture = Fixture::new();
    let (request, _answered) = task(Rogue(|_| Err(Fault::corrupt_record())));
    fixture.batches.run(vec![request]);
    assert!(fixture.batches.connection.is_some());

    let other = fixture.batches.location.open_writer().unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (request, mut answered) = task(create(1));
    fixture.batches.run(vec![request]);
    let fault = answer(&mut answered).unwrap_err();
    assert!(fault.is_locked());
    assert!(fixture.batches.connection.is_some());
    other.execute_batch("ROLLBACK").unwrap();

    let (request, _answered) = task(Rogue(|tx| {
        // As the engine does after a failure to read.
        execute(tx.connection, "ROLLBACK")?;
        panic!("a defect")
    }));
    fixture.batches.run(vec![request]);
    assert!(fixture.batches.connection.is_none());
    fixture.create(1);
}

#[test]
fn what_was_removed_is_counted() {
    let mut fixture = Fixture::new();
    let ids: Vec<_> = (1..=5).map(|n| fixture.create(n)).collect();
    let (first, _answered) = task(revoke(ids[0]));
    let (second, _answered) = task(revoke(ids[1]));
    fixture.batches.run(vec![first, second]);
    assert_eq!(fixture.batches.removed_rows, 2);
    let (request, _answered) = task(RevokeEverything(EndReason::Administrator));
    fixture.batches.run(vec![request]);
    assert_eq!(fixture.batches.removed_rows, 5);
}
