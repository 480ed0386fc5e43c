//! The folder: how it is made, what may be wrong with it, what is in it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use futures_executor::block_on;
use revocable_core::{
    Bucket, Client, CreateOutcome, CreateRequest, Digest, EndReason, ErrorKind, Liveness, Record,
    RevokeAllRequest, SessionId, SessionStore, Sharing, UserId,
};
use revocable_sled::SledStore;

fn record(name: &str, n: u8, data: Vec<u8>) -> Record {
    let user = UserId::new(name).unwrap();
    Record {
        id: SessionId::new(1_000, Bucket::of(&user), [n; 8]),
        user,
        digest: Digest::from_bytes([n; 32]),
        previous: None,
        created_ms: 1_000,
        authenticated_ms: 1_000,
        last_seen_ms: 1_000,
        expires_ms: 1_000_000,
        idle_timeout_ms: 100_000,
        version: 0,
        client: Client::new(),
        data: data.into(),
    }
}

fn request(record: &Record) -> CreateRequest {
    CreateRequest {
        record: record.clone(),
        expected_epoch: None,
        cap: None,
        liveness: Liveness::at(2_000),
    }
}

fn create(store: &SledStore, record: &Record) {
    let outcome = block_on(store.create(request(record))).unwrap();
    assert!(matches!(outcome, CreateOutcome::Created { .. }));
}

fn lookup(store: &SledStore, record: &Record) -> Option<Record> {
    let found = block_on(store.lookup(record.id)).unwrap();
    found.map(|record| Record::clone(&record))
}

/// What a killed process leaves behind.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn what_was_acknowledged_is_in_the_files_before_the_store_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions");
    let store = SledStore::open(&path).unwrap();
    let alice = record("alice", 1, b"small".to_vec());
    let bob = record("bob", 2, vec![3; 100]);
    // So large that the engine keeps it in a file of its own.
    let large = record("carol", 3, (0..1 << 20).map(|n| (n % 251) as u8).collect());
    for record in [&alice, &bob, &large] {
        create(&store, record);
    }
    block_on(store.revoke(bob.id, EndReason::LoggedOut)).unwrap();
    let began = block_on(store.epoch(&alice.user)).unwrap();
    let all = RevokeAllRequest {
        user: UserId::new("dave").unwrap(),
        keep: None,
        reason: EndReason::LoggedOutEverywhere,
        now_ms: 2_000,
    };
    let epoch = block_on(store.revoke_all_for_user(all)).unwrap().epoch;
    assert!(fs::read_dir(path.join("blobs")).unwrap().next().is_some());

    let crashed = folder.path().join("crashed");
    copy(&path, &crashed);
    let again = SledStore::open(&crashed).unwrap();
    assert_eq!(lookup(&again, &alice), Some(alice));
    assert_eq!(lookup(&again, &bob), None);
    assert_eq!(lookup(&again, &large), Some(large));
    assert_eq!(block_on(again.epoch(&bob.user)).unwrap(), epoch);
    let late = CreateRequest {
        expected_epoch: Some(began),
        ..request(&record("dave", 4, Vec::new()))
    };
    let outcome = block_on(again.create(late)).unwrap();
    assert_eq!(outcome, CreateOutcome::Superseded);
}

#[test]
fn a_store_can_be_opened_again_as_soon_as_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..10 {
        let store = SledStore::open(folder.path()).unwrap();
        create(&store, &record("alice", n, Vec::new()));
        assert_eq!(store.sharing(), Sharing::Sole);
    }
    let store = SledStore::open(folder.path()).unwrap();
    for n in 0..10 {
        assert!(lookup(&store, &record("alice", n, Vec::new())).is_some());
    }
}

#[test]
fn only_one_store_can_have_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    let clone = store.clone();
    drop(store);
    let error = SledStore::open(folder.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    drop(clone);
    SledStore::open(folder.path()).unwrap();
}

#[test]
fn a_folder_that_is_not_ours_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), "precious").unwrap();
    let refused = |path: &Path, word: &str| {
        let error = SledStore::open(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    };
    refused(folder.path(), "not empty");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    refused(&folder.path().join("thesis.txt"), "thesis.txt");
    refused(&folder.path().join("missing").join("sessions"), "missing");
    refused(Path::new(""), "empty");

    // A database of somebody else's.
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("db"), "").unwrap();
    refused(other.path(), "not a session store");

    let newer = tempfile::tempdir().unwrap();
    fs::write(newer.path().join("revocable-sled"), "2\n").unwrap();
    refused(newer.path(), "newer");
    assert_eq!(fs::read_dir(newer.path()).unwrap().count(), 1);
}

#[test]
fn a_crash_while_the_folder_was_made_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("revocable-sled.new"), "").unwrap();
    SledStore::open(folder.path()).unwrap();
    assert!(!folder.path().join("revocable-sled.new").exists());
}

/// The engine takes its own half-written settings for a damaged database.
#[test]
fn a_crash_while_the_engine_made_its_files_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("revocable-sled.new"), "1\n").unwrap();
    fs::write(folder.path().join("conf"), "segment_s").unwrap();
    fs::write(folder.path().join("db"), [1; 40]).unwrap();
    fs::write(folder.path().join("snap.0000000000000000"), "half").unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    create(&store, &record("alice", 1, Vec::new()));
    drop(store);
    // It was made to the end now: nothing is removed any more.
    let store = SledStore::open(folder.path()).unwrap();
    assert!(
        block_on(store.lookup(record("alice", 1, Vec::new()).id))
            .unwrap()
            .is_some()
    );
}

#[test]
fn nothing_of_somebody_elses_is_removed_from_an_unfinished_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("revocable-sled.new"), "").unwrap();
    fs::write(folder.path().join("db"), "theirs").unwrap();
    fs::write(folder.path().join("thesis.txt"), "theirs").unwrap();
    let error = SledStore::open(folder.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(fs::read(folder.path().join("db")).unwrap(), b"theirs");
}

#[test]
fn stores_that_are_made_in_one_folder_at_once_do_not_harm_each_other() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions");
        std::thread::scope(|scope| {
            for number in 1..=3 {
                let path = &path;
                scope.spawn(move || {
                    // Each waits for the one before to be closed.
                    let store = SledStore::open(path).unwrap();
                    create(&store, &record("alice", number, Vec::new()));
                });
            }
        });
        let store = SledStore::open(&path).unwrap();
        for number in 1..=3 {
            let id = record("alice", number, Vec::new()).id;
            assert!(block_on(store.lookup(id)).unwrap().is_some());
        }
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let [made, found] = ["made", "found"].map(|name| folder.path().join(name));
    fs::create_dir(&found).unwrap();
    fs::set_permissions(&found, fs::Permissions::from_mode(0o755)).unwrap();
    for path in [made, found] {
        let store = SledStore::open(&path).unwrap();
        create(&store, &record("alice", 1, Vec::new()));
        assert_eq!(mode(&path), 0o700);
        for name in ["db", "conf", "revocable-sled"] {
            assert_eq!(mode(&path.join(name)), 0o600, "{name}");
        }
        assert_eq!(mode(&path.join("blobs")), 0o700);
    }
}

#[test]
fn writes_that_wait_are_bounded_and_a_dropped_one_is_carried_out() {
    use std::task::{Context, Waker};
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::builder(folder.path())
        .queue_bound(1)
        .cache_capacity(0)
        .open()
        .unwrap();
    let records: Vec<_> = (0..200).map(|n| record("alice", n, Vec::new())).collect();
    let mut taken = Vec::new();
    for record in &records {
        let mut context = Context::from_waker(Waker::noop());
        match store.create(request(record)).as_mut().poll(&mut context) {
            std::task::Poll::Ready(Err(error)) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable);
                assert!(error.is_transient());
            }
            // Dropped: it happens all the same.
            _ => taken.push(record),
        }
    }
    assert!(!taken.is_empty() && taken.len() < records.len());
    drop(store);
    let store = SledStore::open(folder.path()).unwrap();
    for record in &records {
        let found = lookup(&store, record).is_some();
        assert_eq!(found, taken.contains(&record));
    }
}

#[test]
fn debug_shows_no_session() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path()).unwrap();
    create(&store, &record("alice", 1, b"secret data".to_vec()));
    let shown = format!("{store:?} {:?}", SledStore::builder("sessions"));
    assert!(
        !shown.contains("alice") && !shown.contains("secret"),
        "{shown}"
    );
}
