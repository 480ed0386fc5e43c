//! Files that earlier versions wrote are opened, from 0.1.0 on.
//!
//! `tests/fixtures` has a folder for each version. They are never written
//! again; a version that changes what is written adds its own:
//! `cargo test -p revocable-tests --test old_files -- --ignored`.

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_executor::block_on;
use revocable::{
    Bucket, Client, CreateOutcome, CreateRequest, Digest, EndReason, Epoch, Liveness, Previous,
    Record, Result, RevokeAllRequest, Salt, SessionId, SessionStore, SledStore, SqliteStore,
    Successor, UserId,
};

/// When the fixtures' sessions were made, in Unix milliseconds.
const MADE_MS: i64 = 1_800_000_000_000;

type Open = fn(&Path) -> Result<Arc<dyn SessionStore>>;

const STORES: [(&str, Open); 2] = [
    ("sqlite", |path| Ok(Arc::new(SqliteStore::open(path)?))),
    ("sled", |path| Ok(Arc::new(SledStore::open(path)?))),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; Digest::LEN])
}

/// Every shape that a record of 0.1 has.
fn sessions() -> Vec<Record> {
    let user = |name: &str| UserId::new(name).expect("it is a user's key");
    let record = |name: &str, number: u8| Record {
        id: SessionId::new(
            MADE_MS + i64::from(number),
            Bucket::of(&user(name)),
            [number; 8],
        ),
        user: user(name),
        digest: digest(number),
        previous: None,
        created_ms: MADE_MS,
        authenticated_ms: MADE_MS + 1,
        last_seen_ms: MADE_MS + 2,
        expires_ms: i64::MAX,
        idle_timeout_ms: 3_600_000,
        version: u64::from(number),
        client: Client::new(),
        data: Box::default(),
    };
    let renewed = |number: u8, successor| Record {
        previous: Some(Box::new(Previous {
            digest: digest(100 + number),
            replaced_ms: MADE_MS + 3,
            successor,
        })),
        ..record("alice", number)
    };
    let client = Client::new()
        .with_user_agent("Mozilla/5.0 (X11; Linux x86_64) \u{e9}\u{4e2d}")
        .with_ip([192, 0, 2, 1].into())
        .with_label("telephone")
        .expect("a short label");
    vec![
        record("alice", 1),
        renewed(
            2,
            Successor::Unconfirmed {
                salt: Salt::from_bytes([7; 32]),
            },
        ),
        renewed(3, Successor::Presented { at_ms: MADE_MS + 4 }),
        renewed(4, Successor::Immediate),
        Record {
            client,
            ..record("bob", 5)
        },
        Record {
            client: Client::new().with_ip([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()),
            data: (0..=255).cycle().take(5_000).collect(),
            ..record("b\u{f6}b \u{1f511}", 6)
        },
        Record {
            expires_ms: MADE_MS - 1,
            ..record("past", 7)
        },
    ]
}

fn request(record: Record, expected_epoch: Option<Epoch>) -> CreateRequest {
    CreateRequest {
        record,
        expected_epoch,
        cap: None,
        liveness: Liveness::at(MADE_MS),
    }
}

/// One session of carol's, revoked with all of hers after a login had begun.
fn carols() -> Record {
    let user = UserId::new("carol").expect("it is a user's key");
    Record {
        id: SessionId::new(MADE_MS, Bucket::of(&user), [9; 8]),
        user,
        ..sessions().remove(0)
    }
}

#[test]
#[ignore = "writes the fixtures of a version, once"]
fn write_fixtures() {
    let folder = fixtures().join(env!("CARGO_PKG_VERSION"));
    fs::create_dir(&folder).expect("this version has none");
    for (name, open) in STORES {
        let store = open(&folder.join(name)).expect("a new store can be made");
        for record in sessions() {
            let created = block_on(store.create(request(record, None)));
            assert!(matches!(created, Ok(CreateOutcome::Created { .. })));
        }
        let begun = block_on(store.epoch(&carols().user)).expect("the store can be read");
        fs::write(
            folder.join(format!("{name}.epoch")),
            begun.get().to_string(),
        )
        .expect("there is room");
        block_on(store.create(request(carols(), None))).expect("there is room");
        let all = RevokeAllRequest {
            user: carols().user,
            keep: None,
            reason: EndReason::LoggedOutEverywhere,
            now_ms: MADE_MS,
        };
        let revoked = block_on(store.revoke_all_for_user(all)).expect("there is room");
        assert_eq!(revoked.ended, [carols().id]);
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir(to).expect("a folder can be made");
        for entry in fs::read_dir(from).expect("it can be read") {
            let entry = entry.expect("it can be read");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).expect("it can be copied");
    }
}

#[test]
fn what_every_released_version_wrote_is_read() {
    let mut opened = 0;
    for version in fs::read_dir(fixtures()).expect("there are fixtures") {
        let version = version.expect("it can be read").path();
        for (name, open) in STORES {
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            let path = folder.path().join(name);
            copy(&version.join(name), &path);
            let store = open(&path).expect("an old file opens");
            let epoch = fs::read_to_string(version.join(format!("{name}.epoch")));
            let epoch = epoch.expect("it can be read").parse().expect("a number");
            check(&*store, Epoch::from_number(epoch));
            opened += 1;
        }
    }
    assert!(opened >= STORES.len());
}

fn check(store: &dyn SessionStore, begun: Epoch) {
    let limit = NonZeroU32::new(100).expect("it is not zero");
    for record in sessions() {
        let found = block_on(store.lookup(record.id)).expect("it is not damaged");
        assert_eq!(found.as_deref(), Some(&record));
        let page = block_on(store.list_for_user(&record.user, None, limit));
        let page = page.expect("it is not damaged");
        assert!(page.records.contains(&Arc::new(record)));
    }
    assert_eq!(
        block_on(store.lookup(carols().id)).expect("it is not damaged"),
        None
    );
    // A login that began before the revocation, in the version that wrote it.
    let outcome = block_on(store.create(request(carols(), Some(begun))));
    assert_eq!(outcome.expect("there is room"), CreateOutcome::Superseded);
    // And it goes on.
    let revoked = block_on(store.revoke(sessions()[0].id, EndReason::LoggedOut));
    assert!(revoked.expect("there is room").is_some());
}
