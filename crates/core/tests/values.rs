//! Bounds, printed forms and defaults, each at its very edge.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use common::block_on;
use revocable_core::{
    Applied, Bucket, Change, ChangeKind, Client, Clock, CreateOutcome, CreateRequest, Digest,
    EndListener, EndListeners, EndReason, Ended, Epoch, Error, ErrorKind, Liveness, ManualClock,
    NewSession, Page, Policy, Previous, Record, Result, RevokeAllOutcome, RevokeAllRequest, Salt,
    SessionId, SessionStore, Sessions, Sharing, Successor, SweepOutcome, SweepRequest, SystemClock,
    Token, UpdateOutcome, UserId,
};

fn record() -> Record {
    let user = UserId::new("alice").unwrap();
    Record {
        id: SessionId::new(1_700_000_000_000, Bucket::of(&user), [3; 8]),
        user,
        digest: Digest::from_bytes([5; 32]),
        previous: None,
        created_ms: 0,
        authenticated_ms: 0,
        last_seen_ms: 0,
        expires_ms: i64::MAX,
        idle_timeout_ms: 1,
        version: 0,
        client: Client::new(),
        data: Box::default(),
    }
}

#[test]
fn a_record_is_consistent_in_its_bucket_its_timeout_and_its_size() {
    assert!(record().is_consistent());
    let other = UserId::new("bob").unwrap();
    let in_another_bucket = SessionId::new(0, Bucket::of(&other), [3; 8]);
    let wrong = [
        Record {
            id: in_another_bucket,
            ..record()
        },
        Record {
            idle_timeout_ms: 0,
            ..record()
        },
        Record {
            idle_timeout_ms: -1,
            ..record()
        },
        Record {
            data: vec![0; Record::MAX_DATA_LEN + 1].into(),
            ..record()
        },
    ];
    for record in wrong {
        assert!(!record.is_consistent());
    }
    let largest = vec![0; Record::MAX_DATA_LEN].into();
    assert!(
        Record {
            data: largest,
            ..record()
        }
        .is_consistent()
    );
}

#[test]
fn the_codec_takes_what_a_record_may_hold_and_no_more() {
    let with_data = |len| Record {
        data: vec![1; len].into(),
        ..record()
    };
    let largest = with_data(Record::MAX_DATA_LEN);
    assert_eq!(Record::decode(&largest.encode()), Ok(largest));
    assert!(Record::decode(&with_data(Record::MAX_DATA_LEN + 1).encode()).is_err());
    for idle_timeout_ms in [0, -1] {
        assert!(
            Record::decode(
                &Record {
                    idle_timeout_ms,
                    ..record()
                }
                .encode()
            )
            .is_err()
        );
    }
}

#[test]
fn a_request_is_refused_for_what_is_wrong_with_its_record() {
    let request = |record| CreateRequest {
        record,
        expected_epoch: None,
        cap: None,
        liveness: Liveness::at(0),
    };
    let with_data = |len| Record {
        data: vec![0; len].into(),
        ..record()
    };
    assert!(request(with_data(Record::MAX_DATA_LEN)).validate().is_ok());
    let other = UserId::new("bob").unwrap();
    let wrong = [
        with_data(Record::MAX_DATA_LEN + 1),
        with_data(Record::MAX_DATA_LEN + 2),
        Record {
            id: SessionId::new(0, Bucket::of(&other), [3; 8]),
            ..record()
        },
        Record {
            idle_timeout_ms: 0,
            ..record()
        },
    ];
    for record in wrong {
        let error = request(record).validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn a_change_takes_as_much_data_as_a_record_may_hold() {
    let change = |len| Change {
        liveness: Liveness::at(0),
        kind: ChangeKind::SetData {
            expected_version: 0,
            data: vec![0; len].into(),
        },
    };
    assert!(change(Record::MAX_DATA_LEN).validate().is_ok());
    for len in [Record::MAX_DATA_LEN + 1, Record::MAX_DATA_LEN + 2] {
        assert_eq!(
            change(len).validate().unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    }
    let shown = format!("{:?}", change(7).kind);
    assert!(shown.contains("SetData") && shown.contains('7'), "{shown}");
}

#[test]
fn the_arrival_of_a_successor_is_a_use_of_the_session() {
    let renewed = Record {
        idle_timeout_ms: 100,
        previous: Some(Box::new(Previous {
            digest: Digest::from_bytes([6; 32]),
            replaced_ms: 1,
            successor: Successor::Unconfirmed {
                salt: Salt::from_bytes([7; 32]),
            },
        })),
        ..record()
    };
    let kind = ChangeKind::ConfirmSuccessor {
        digest: renewed.digest,
    };
    let applied = Change {
        liveness: Liveness::at(50),
        kind,
    }
    .apply(&renewed);
    let Applied::Changed(changed) = applied else {
        panic!("{applied:?}")
    };
    assert_eq!(changed.last_seen_ms, 50);
}

#[test]
fn a_client_is_kept_to_the_last_byte_that_fits() {
    let agent = |len| Client::new().with_user_agent("a".repeat(len));
    let kept = |len| agent(len).user_agent().map(str::len);
    assert_eq!(
        kept(Client::MAX_USER_AGENT_LEN),
        Some(Client::MAX_USER_AGENT_LEN)
    );
    assert_eq!(
        kept(Client::MAX_USER_AGENT_LEN + 1),
        Some(Client::MAX_USER_AGENT_LEN)
    );

    let label = |len| Client::new().with_label("a".repeat(len));
    let longest = label(Client::MAX_LABEL_LEN).unwrap();
    assert_eq!(longest.label().map(str::len), Some(Client::MAX_LABEL_LEN));
    for len in [Client::MAX_LABEL_LEN + 1, Client::MAX_LABEL_LEN + 2] {
        assert_eq!(label(len).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert!(Client::new().with_label("a\nb").is_err());
    assert_eq!(Client::new().with_label("").unwrap().label(), None);

    let address = [192, 0, 2, 1].into();
    let client = agent(3).with_ip(address);
    assert_eq!(
        (client.ip(), client.user_agent()),
        (Some(address), Some("aaa"))
    );
}

#[test]
fn what_is_printed_names_the_thing_and_no_secret() {
    let id = record().id;
    let text = id.to_string();
    assert_eq!(text.parse::<SessionId>().unwrap(), id);
    let shown = format!("{:?}", record());
    assert!(shown.contains(&text) && shown.contains("alice"), "{shown}");
    assert_eq!(format!("{id:?}"), format!("SessionId({text})"));
    assert_eq!(format!("{:?}", record().user), "UserId(\"alice\")");
    let salt = format!("{:?}", Salt::from_bytes([9; 32]));
    assert!(salt.starts_with("Salt") && !salt.contains('9'), "{salt}");
    assert_eq!(format!("{:?}", EndListeners::new()), "EndListeners");
    let setup = common::setup();
    assert!(format!("{:?}", setup.sessions).starts_with("Sessions"));
    let new = NewSession::for_user(record().user).data(*b"private");
    let shown = format!("{new:?}");
    assert!(
        shown.contains("7 bytes") && !shown.contains("private"),
        "{shown}"
    );
    let builder = Sessions::builder(Silent);
    assert!(format!("{builder:?}").starts_with("SessionsBuilder"));
}

#[test]
fn stored_forms_are_read_from_slices_of_their_length_only() {
    assert!(Digest::from_slice(&[1; 32]) == Some(Digest::from_bytes([1; 32])));
    assert!(Salt::from_slice(&[1; 32]) == Some(Salt::from_bytes([1; 32])));
    for len in [0, 31, 33] {
        assert!(Digest::from_slice(&vec![1; len]).is_none());
        assert!(Salt::from_slice(&vec![1; len]).is_none());
    }
    assert_eq!(Epoch::from_number(7).get(), 7);
    assert_eq!(Epoch::from_number(7).next().get(), 8);
}

#[test]
fn a_tokens_text_is_one_however_it_is_taken() {
    let (token, _) = block_on(common::setup().sessions.create("alice")).unwrap();
    let text = token.expose();
    let taken: &str = text.as_ref();
    assert_eq!(taken, text.as_str());
    assert_eq!(Token::parse(taken).unwrap().id(), token.id());
}

/// Computed by hand from the definition: the first 12 bits of SHA-256 of
/// `revocable bucket v1` and the user.
#[test]
fn a_bucket_is_the_first_twelve_bits_of_a_hash() {
    use sha2::{Digest as _, Sha256};
    for user in ["alice", "bob", "carol", "1"] {
        let hash = Sha256::digest(format!("revocable bucket v1{user}"));
        let first = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
        let bucket = Bucket::of(&UserId::new(user).unwrap());
        assert_eq!(bucket.index(), (first >> 20) as usize);
    }
    assert_eq!(Bucket::COUNT, 4_096);
}

#[test]
fn clocks_measure_what_has_passed() {
    let clock = Arc::new(ManualClock::new(std::time::UNIX_EPOCH));
    clock.advance(Duration::from_secs(3));
    assert_eq!(Clock::elapsed(&clock), Duration::from_secs(3));
    let clock = SystemClock::new();
    let before = clock.elapsed();
    while clock.elapsed() == before {}
    assert!(clock.elapsed() > before);
}

#[test]
fn an_error_keeps_its_cause() {
    let error = Error::new(ErrorKind::Full, "no room");
    assert!(error.cause().is_none());
    assert_eq!(
        error.with_source("cause").cause().unwrap().to_string(),
        "cause"
    );
}

struct Counts(std::sync::atomic::AtomicUsize);

impl EndListener for Counts {
    fn ended(&self, ended: &[Ended]) {
        self.0
            .fetch_add(ended.len(), std::sync::atomic::Ordering::SeqCst);
    }
    fn everything_ended(&self, count: u64, _: EndReason) {
        self.0
            .fetch_add(count as usize, std::sync::atomic::Ordering::SeqCst);
    }
}

#[test]
fn every_listener_that_lives_is_told() {
    let listeners = EndListeners::new();
    let [one, other, gone]: [Arc<Counts>; 3] = std::array::from_fn(|_| Arc::new(Counts(0.into())));
    for listener in [&one, &gone, &other] {
        let listener: Arc<dyn EndListener> = listener.clone();
        listeners.add(Arc::downgrade(&listener));
    }
    drop(gone);
    let ended = Ended {
        id: record().id,
        user: None,
        reason: EndReason::LoggedOut,
    };
    listeners.ended(&[ended.clone(), ended]);
    listeners.everything_ended(5, EndReason::Administrator);
    for listener in [one, other] {
        assert_eq!(listener.0.load(std::sync::atomic::Ordering::SeqCst), 7);
    }
}

#[test]
fn sessions_show_their_policy_and_pass_on_the_stores_health() {
    let setup = common::setup();
    assert_eq!(*setup.sessions.policy(), common::policy().build().unwrap());
    assert_ne!(*setup.sessions.policy(), Policy::default());
    assert!(block_on(setup.sessions.health()).is_ok());
}

/// A store with nothing but what it has to have.
struct Silent;

fn silence<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unavailable, "it says nothing"))
}

#[async_trait]
impl SessionStore for Silent {
    async fn create(&self, _: CreateRequest) -> Result<CreateOutcome> {
        silence()
    }
    async fn lookup(&self, _: SessionId) -> Result<Option<Arc<Record>>> {
        silence()
    }
    async fn update(&self, _: SessionId, _: Change) -> Result<UpdateOutcome> {
        silence()
    }
    async fn revoke(&self, _: SessionId, _: EndReason) -> Result<Option<Ended>> {
        silence()
    }
    async fn revoke_all_for_user(&self, _: RevokeAllRequest) -> Result<RevokeAllOutcome> {
        silence()
    }
    async fn revoke_everything(&self, _: EndReason) -> Result<u64> {
        silence()
    }
    async fn list_for_user(&self, _: &UserId, _: Option<SessionId>, _: NonZeroU32) -> Result<Page> {
        silence()
    }
    async fn epoch(&self, _: &UserId) -> Result<Epoch> {
        silence()
    }
    async fn sweep_expired(&self, _: SweepRequest) -> Result<SweepOutcome> {
        silence()
    }
    async fn health(&self) -> Result<()> {
        silence()
    }
}

#[test]
fn a_store_that_says_nothing_of_itself_promises_nothing() {
    let store = Silent;
    let change = Change {
        liveness: Liveness::at(0),
        kind: ChangeKind::Touch,
    };
    assert!(!store.update_soon(record().id, &change));
    assert_eq!(store.sharing(), Sharing::Unknown);
    let error = block_on(store.foreign_changes()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let error = block_on(store.follow()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let listener: Arc<dyn EndListener> = Arc::new(Counts(0.into()));
    assert!(!store.subscribe(Arc::downgrade(&listener)));
    let sessions = Sessions::builder(store).build().unwrap();
    assert!(block_on(sessions.health()).is_err());
}
