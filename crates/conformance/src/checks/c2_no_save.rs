//! C2: there is no save. A create inserts, everything else changes what is
//! there.

use std::sync::Arc;

use revocable_core::{
    AtCap, Change, ChangeKind, CreateOutcome, CreateRequest, Digest, ErrorKind, Liveness, Previous,
    Record, Renewal, Salt, SessionId, Successor, UpdateOutcome,
};

use crate::check::Clause::{C1, C2, C6, C7, C8, C11};
use crate::check::{Check, Stop, ensure, ensure_eq};
use crate::fixture::{Context, HOUR, MINUTE, Store, change, digest, user};
use crate::model::Model;
use crate::random::Random;

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "a_duplicate_create_changes_nothing",
        clauses: &[C2, C11],
        about: "A duplicate that returns Ok without writing (pavex SQLite), or overwrites.",
        run: duplicate_create,
    },
    Check {
        name: "of_concurrent_creates_with_one_id_one_inserts",
        clauses: &[C2],
        about: "A unique key decides, not check-then-insert.",
        run: concurrent_duplicates,
    },
    Check {
        name: "invalid_input_is_refused_and_changes_nothing",
        clauses: &[C2, C7],
        about: "A record that cannot be read back must not be written.",
        run: invalid_input,
    },
    Check {
        name: "a_write_to_an_absent_session_creates_nothing",
        clauses: &[C1, C2],
        about: "An update of a missing key stored the state under a new one (actix-session).",
        run: absent_stays_absent,
    },
    Check {
        name: "a_read_creates_nothing",
        clauses: &[C2],
        about: "Sessions created by whoever asks for one (Django 1.7.10).",
        run: reads_create_nothing,
    },
    Check {
        name: "every_change_does_what_the_contract_says",
        clauses: &[C2, C6, C8],
        about: "A change as a statement must mean the same as `Change::apply`.",
        run: changes_as_the_model,
    },
    Check {
        name: "a_repeated_call_changes_nothing_more",
        clauses: &[C2],
        about: "After an unknown outcome the caller asks again.",
        run: repeated_calls,
    },
    Check {
        name: "oversized_data_damages_nothing",
        clauses: &[C2, C7],
        about: "Data that is written but refused when it is read locks the user out.",
        run: oversized_data,
    },
];

fn duplicate_create(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    let epoch = store.epoch(&user)?;
    store.revoke_all(&user)?;
    let (first, second) = (store.session(&user)?, store.session(&user)?);
    let twin = Record {
        digest: digest(9_001),
        data: Box::new([1, 2, 3]),
        last_seen_ms: store.base + MINUTE,
        ..first.clone()
    };
    let exists = CreateOutcome::Exists(Arc::new(first.clone()));
    // Neither the epoch nor the cap is asked: the ID comes first.
    for at_cap in [AtCap::EndOldest, AtCap::EndLeastRecentlyUsed, AtCap::Refuse] {
        for record in [&twin, &first] {
            let request = CreateRequest {
                expected_epoch: Some(epoch),
                ..store.capped(record, 1, at_cap)
            };
            let outcome = store.create(request)?;
            ensure_eq(&outcome, &exists, "create with an ID that is there")?;
            store.ensure_there(&first, "after a duplicate create")?;
            store.ensure_there(&second, "after a duplicate create under a cap")?;
        }
    }
    // An expired one is there too.
    let expired = Record {
        last_seen_ms: store.base - 2 * HOUR,
        ..store.record(&user)
    };
    store.created(&expired)?;
    let outcome = store.create(store.request(expired.clone()))?;
    let exists = CreateOutcome::Exists(Arc::new(expired));
    ensure_eq(
        &outcome,
        &exists,
        "create with the ID of an expired session",
    )
}

fn concurrent_duplicates(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    for _ in 0..context.rounds() {
        let user = store.user();
        let record = store.record(&user);
        let twins: Vec<Record> = (0..3)
            .map(|number| Record {
                digest: digest(9_000 + number),
                ..record.clone()
            })
            .collect();
        let outcomes = store.at_once(3, |thread| {
            store.create(store.request(twins[thread].clone()))
        })?;
        let winners: Vec<usize> = (0..3)
            .filter(|thread| matches!(outcomes[*thread], CreateOutcome::Created { .. }))
            .collect();
        let [winner] = winners[..] else {
            return Err(Stop::failed(format!("creates with one ID: {outcomes:?}")));
        };
        store.ensure_there(&twins[winner], "the one that was created")?;
        let there = CreateOutcome::Exists(Arc::new(twins[winner].clone()));
        for outcome in outcomes.iter().filter(|outcome| **outcome != there) {
            let created = matches!(outcome, CreateOutcome::Created { .. });
            ensure(created, format!("a loser was told {outcome:?}"))?;
        }
        let listed = store.listed_ids(&user)?;
        ensure_eq(
            &listed,
            &vec![record.id],
            "the list after creates with one ID",
        )?;
    }
    Ok(())
}

fn invalid_input(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let (user, other) = (user("alice"), user("bob"));
    let there = store.session(&user)?;
    let record = store.record(&user);
    let wrong = [
        Record {
            user: other.clone(),
            ..record.clone()
        },
        Record {
            data: vec![0; Record::MAX_DATA_LEN + 1].into(),
            ..record.clone()
        },
        Record {
            idle_timeout_ms: 0,
            ..record.clone()
        },
        Record {
            idle_timeout_ms: i64::MIN,
            ..record.clone()
        },
    ];
    for wrong in wrong {
        let request = store.capped(&wrong, 1, AtCap::EndOldest);
        match store.create(request) {
            Err(error) if error.kind() == ErrorKind::InvalidInput => {}
            other => {
                let other = other.map_err(|error| error.kind());
                return Err(Stop::failed(format!(
                    "create with invalid input: {other:?}"
                )));
            }
        }
        store.ensure_gone(&wrong, "after create with invalid input")?;
        store.ensure_there(&there, "after create with invalid input under a cap")?;
    }
    ensure(store.list(&other)?.is_empty(), "bob has a session")
}

/// Every kind of change, most of them with a condition that holds.
fn kinds(record: &Record) -> Vec<ChangeKind> {
    let renewals = [
        Renewal::Periodic {
            salt: Salt::from_bytes([3; Salt::LEN]),
        },
        Renewal::Immediate,
        Renewal::Reauthentication,
    ];
    let mut kinds = vec![
        ChangeKind::Touch,
        ChangeKind::ConfirmSuccessor {
            digest: record.digest,
        },
        ChangeKind::SetData {
            expected_version: record.version,
            data: Box::new([1]),
        },
    ];
    kinds.extend(renewals.map(|renewal| ChangeKind::Renew {
        expected: record.digest,
        digest: digest(9_000),
        renewal,
    }));
    kinds
}

fn absent_stays_absent(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    let there = store.session(&user)?;
    let absent = store.record(&user);
    for kind in kinds(&absent) {
        let what = format!("{kind:?} of an absent session");
        let change = change(store.base + 1, kind);
        let outcome = store.update(absent.id, change.clone())?;
        ensure_eq(&outcome, &UpdateOutcome::Absent, &what)?;
        store.inner.update_soon(absent.id, &change);
        store.ensure_gone(&absent, &what)?;
    }
    ensure_eq(
        &store.revoke(absent.id)?,
        &None,
        "revoke of an absent session",
    )?;
    ensure_eq(&store.listed_ids(&user)?, &vec![there.id], "the list")?;
    ensure_eq(&store.revoke_everything()?, &1, "the sessions in all")
}

fn reads_create_nothing(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    let record = store.record(&user);
    let first = store.epoch(&user)?;
    for _ in 0..3 {
        ensure_eq(&store.lookup(record.id)?, &None, "lookup of nothing")?;
        let page = store.page(&user, None, 10)?;
        ensure(
            page == Default::default(),
            format!("a list of none: {page:?}"),
        )?;
        ensure_eq(&store.epoch(&user)?, &first, "the epoch, read again")?;
    }
    ensure_eq(&store.revoke_everything()?, &0, "the sessions in all")?;
    store.block_on(store.inner.health())?;
    Ok(())
}

fn changes_as_the_model(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    for seed in 0..context.rounds() * 2 {
        let mut random = Random::new(seed);
        let user = store.user();
        let record = Record {
            // Also a version that no signed number holds.
            version: *random.pick(&[0, 7, i64::MAX as u64, u64::MAX]),
            ..store.record(&user)
        };
        store.created(&record)?;
        let mut model = Model::new();
        model.create(store.request(record.clone()))?;
        let mut done = Vec::new();
        for _ in 0..8 {
            let Some(current) = model.lookup(record.id) else {
                return Err(Stop::failed("the model lost a session"));
            };
            let change = random_change(&store, &current, &mut random);
            done.push(change.clone());
            let expected = model.update(record.id, &change)?;
            let situation = || format!("seed {seed}, the last of {done:?} to {record:?}");
            let outcome = store
                .update(record.id, change)
                .map_err(|error| Stop::from(error).within(situation()))?;
            let compared = ensure_eq(&outcome, &expected, "update");
            compared.map_err(|stop| stop.within(situation()))?;
            let current = model.lookup(record.id).unwrap_or(current);
            let there = store.ensure_there(&current, "after update");
            there.map_err(|stop| stop.within(situation()))?;
        }
    }
    Ok(())
}

fn random_change(store: &Store<'_>, record: &Record, random: &mut Random<'_>) -> Change {
    let previous = record.previous.as_ref().map(|previous| previous.digest);
    let digests: [Digest; 3] = [
        record.digest,
        previous.unwrap_or(digest(9_100)),
        digest(9_101),
    ];
    let salt = Salt::from_bytes(random.bytes());
    let kind = match random.below(6) {
        0 => ChangeKind::Touch,
        1 | 2 => ChangeKind::Renew {
            expected: *random.pick(&digests),
            digest: *random.pick(&digests),
            renewal: *random.pick(&[
                Renewal::Periodic { salt },
                Renewal::Immediate,
                Renewal::Reauthentication,
            ]),
        },
        3 => ChangeKind::ConfirmSuccessor {
            digest: *random.pick(&digests),
        },
        _ => ChangeKind::SetData {
            expected_version: record.version.wrapping_sub(u64::from(random.chance(3))),
            data: random.bytes::<9>()[..random.below(9)].into(),
        },
    };
    // Mostly while it is live; sometimes the clock goes back, sometimes it is
    // at the very instant of the session's end.
    let now_ms = match random.below(8) {
        0 => record.last_seen_ms - MINUTE,
        1 => record.last_seen_ms,
        2 => record.last_seen_ms + record.idle_timeout_ms,
        3 => record.last_seen_ms + record.idle_timeout_ms - 1,
        4 => record.expires_ms,
        _ => record.last_seen_ms + random.below(30) as i64 * MINUTE,
    };
    let mut liveness = Liveness::at(now_ms);
    if random.chance(4) {
        liveness.idle_timeout_ms = HOUR / 2;
    }
    if random.chance(4) {
        liveness.absolute_timeout_ms = now_ms - store.base + random.below(2) as i64;
    }
    Change { liveness, kind }
}

fn repeated_calls(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    let first = store.session(&user)?;
    let second = store.record(&user);
    let request = store.capped(&second, 1, AtCap::EndOldest);
    store.create(request.clone())?;
    let again = store.create(request)?;
    let exists = CreateOutcome::Exists(Arc::new(second.clone()));
    ensure_eq(&again, &exists, "a create, repeated")?;
    store.ensure_gone(&first, "what the cap ended")?;

    for kind in kinds(&second) {
        let record = Record {
            previous: Some(Box::new(Previous {
                digest: digest(9_200),
                replaced_ms: store.base,
                successor: Successor::Unconfirmed {
                    salt: Salt::from_bytes([4; Salt::LEN]),
                },
            })),
            ..store.record(&user)
        };
        store.created(&record)?;
        let kind = match kind {
            ChangeKind::Renew {
                digest, renewal, ..
            } => ChangeKind::Renew {
                expected: record.digest,
                digest,
                renewal,
            },
            ChangeKind::ConfirmSuccessor { .. } => ChangeKind::ConfirmSuccessor {
                digest: record.digest,
            },
            kind => kind,
        };
        let what = format!("{kind:?}, repeated");
        let change = change(store.base + MINUTE, kind);
        let UpdateOutcome::Updated(changed) = store.update(record.id, change.clone())? else {
            return Err(Stop::failed(format!("{what}: the first had no effect")));
        };
        let again = store.update(record.id, change.clone())?;
        let expected = match change.kind {
            ChangeKind::SetData { .. } => UpdateOutcome::Conflict(changed.clone()),
            _ => UpdateOutcome::Unchanged(changed.clone()),
        };
        ensure_eq(&again, &expected, &what)?;
        store.ensure_there(&changed, &what)?;
    }

    store.revoke_all(&user)?;
    let again = store.revoke_all(&user)?.ended;
    ensure_eq(&again, &Vec::<SessionId>::new(), "a revoke-all, repeated")?;
    ensure_eq(&store.revoke_everything()?, &0, "the sessions in all")
}

fn oversized_data(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    let record = store.session(&user)?;
    let data: Box<[u8]> = vec![1; Record::MAX_DATA_LEN + 1].into();
    let kind = ChangeKind::SetData {
        expected_version: 0,
        data,
    };
    match store.update(record.id, change(store.base, kind)) {
        Err(error) if error.kind() == ErrorKind::InvalidInput => {}
        other => {
            return Err(Stop::failed(format!(
                "got {other:?}, expected InvalidInput"
            )));
        }
    }
    let Some(found) = store.lookup(record.id)? else {
        return Err(Stop::failed("the session is gone"));
    };
    ensure_eq(&found.data.len(), &0, "the length of the data there")?;
    ensure_eq(&store.listed_ids(&user)?, &vec![record.id], "the list")
}
