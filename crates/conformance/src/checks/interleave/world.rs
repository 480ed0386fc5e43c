//! Where the operations take place, and what they are.

use revocable_core::{
    AtCap, Bucket, ChangeKind, CreateRequest, Digest, Liveness, Previous, Record, Renewal, Salt,
    SessionId, Successor, UserId,
};

use crate::fixture::{HOUR, MINUTE, Store, cap, change, digest, revoke_all};
use crate::operation::Operation;
use crate::random::Random;

/// One user with three sessions, one of them expired, and another user.
pub(super) struct World {
    pub(super) user: UserId,
    pub(super) other: UserId,
    /// Used lately, after a periodic renewal that is not confirmed.
    pub(super) renewed: Record,
    /// Used before that.
    pub(super) older: Record,
    /// Expired when the operations take place.
    pub(super) expired: Record,
    pub(super) of_other: Record,
    pub(super) new: Record,
    pub(super) new_too: Record,
    pub(super) now_ms: i64,
}

pub(super) const EPOCH: u8 = 0;
pub(super) const EPOCH_OF_OTHER: u8 = 1;

impl World {
    pub(super) fn new(store: &Store<'_>) -> Self {
        let (user, other) = (store.user(), store.user());
        let now_ms = store.base + HOUR + 30 * MINUTE;
        let seen = |user: &UserId, last_seen_ms| Record {
            last_seen_ms,
            ..store.record(user)
        };
        let unconfirmed = Previous {
            digest: digest(100),
            replaced_ms: now_ms - 5 * MINUTE,
            successor: Successor::Unconfirmed {
                salt: Salt::from_bytes([7; Salt::LEN]),
            },
        };
        Self {
            renewed: Record {
                previous: Some(Box::new(unconfirmed)),
                ..seen(&user, now_ms - 5 * MINUTE)
            },
            older: seen(&user, now_ms - 10 * MINUTE),
            expired: seen(&user, store.base),
            of_other: seen(&other, now_ms - MINUTE),
            new: seen(&user, now_ms),
            new_too: seen(&user, now_ms),
            user,
            other,
            now_ms,
        }
    }

    pub(super) fn create(&self, record: &Record) -> CreateRequest {
        CreateRequest {
            record: record.clone(),
            expected_epoch: None,
            cap: None,
            liveness: Liveness::at(self.now_ms),
        }
    }

    /// Just before the expired session expired: a touch of then that comes
    /// late, or from a node whose clock is behind, makes it live.
    fn early_ms(&self) -> i64 {
        self.expired.last_seen_ms + HOUR - MINUTE
    }

    /// A session of either user that is in nobody's way.
    pub(super) fn one_more(&self, store: &Store<'_>, user: &UserId) -> Record {
        let created_ms = self.new_too.id.created_ms() + 10;
        let random = Random::new(created_ms as u64).bytes();
        Record {
            id: SessionId::new(created_ms, Bucket::of(user), random),
            last_seen_ms: self.now_ms,
            ..store.record(user)
        }
    }
}

pub(super) fn writes(world: &World) -> Vec<(&'static str, Operation)> {
    let create = |request| Operation::Create(Box::new(request), None);
    let capped = |record: &Record, max, at_cap| CreateRequest {
        cap: Some(cap(max, at_cap)),
        ..world.create(record)
    };
    let twin = Record {
        digest: digest(101),
        data: Box::new([1]),
        ..world.new.clone()
    };
    let update = |record: &Record, now_ms, kind| Operation::Update(record.id, change(now_ms, kind));
    let renewed = |kind| update(&world.renewed, world.now_ms, kind);
    let renew = |to: Digest, renewal| {
        renewed(ChangeKind::Renew {
            expected: world.renewed.digest,
            digest: to,
            renewal,
        })
    };
    let set_data = |data: &[u8]| {
        renewed(ChangeKind::SetData {
            expected_version: 0,
            data: data.into(),
        })
    };
    let soon = |record: &Record, now_ms| {
        Operation::UpdateSoon(record.id, change(now_ms, ChangeKind::Touch))
    };
    let all = |user, keep| Operation::RevokeAll(revoke_all(user, keep, world.now_ms));
    vec![
        ("create", create(world.create(&world.new))),
        ("create with the same ID", create(world.create(&twin))),
        (
            "create, cap 2 ending the oldest",
            create(capped(&world.new, 2, AtCap::EndOldest)),
        ),
        (
            "create another, cap 2 ending the least recently used",
            create(capped(&world.new_too, 2, AtCap::EndLeastRecentlyUsed)),
        ),
        (
            "create, cap 3 refusing",
            create(capped(&world.new, 3, AtCap::Refuse)),
        ),
        (
            "create another, cap 3 refusing",
            create(capped(&world.new_too, 3, AtCap::Refuse)),
        ),
        (
            "create with an epoch",
            Operation::Create(Box::new(world.create(&world.new)), Some(EPOCH)),
        ),
        (
            "create another with an epoch, cap 2 ending the oldest",
            Operation::Create(
                Box::new(capped(&world.new_too, 2, AtCap::EndOldest)),
                Some(EPOCH),
            ),
        ),
        ("touch", renewed(ChangeKind::Touch)),
        (
            "touch the expired one when it was live",
            update(&world.expired, world.early_ms(), ChangeKind::Touch),
        ),
        (
            "renew",
            renew(
                digest(102),
                Renewal::Periodic {
                    salt: Salt::from_bytes([8; Salt::LEN]),
                },
            ),
        ),
        (
            "renew after a step-up",
            renew(digest(103), Renewal::Reauthentication),
        ),
        ("set data", set_data(b"first")),
        ("set other data", set_data(b"second")),
        (
            "confirm the successor",
            renewed(ChangeKind::ConfirmSuccessor {
                digest: world.renewed.digest,
            }),
        ),
        ("touch soon", soon(&world.renewed, world.now_ms)),
        (
            "touch the expired one soon",
            soon(&world.expired, world.early_ms()),
        ),
        ("revoke", Operation::Revoke(world.renewed.id)),
        (
            "revoke the expired one",
            Operation::Revoke(world.expired.id),
        ),
        ("revoke all", all(&world.user, None)),
        (
            "revoke the others",
            all(&world.user, Some(world.renewed.id)),
        ),
        ("revoke all of another user", all(&world.other, None)),
        ("revoke everything", Operation::RevokeEverything),
        (
            "sweep",
            Operation::Sweep {
                liveness: Liveness::at(world.now_ms),
                forget_epochs_before_ms: world.now_ms,
                max_rows: 100,
            },
        ),
    ]
}

pub(super) fn reads(world: &World) -> Vec<(&'static str, Operation)> {
    vec![
        ("lookup", Operation::Lookup(world.renewed.id)),
        ("lookup of the new", Operation::Lookup(world.new.id)),
        ("lookup of the expired", Operation::Lookup(world.expired.id)),
        ("list", Operation::List(world.user.clone())),
        (
            "read the epoch",
            Operation::Epoch(world.user.clone(), EPOCH),
        ),
    ]
}
