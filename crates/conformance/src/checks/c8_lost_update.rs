//! C8: no lost update.

use revocable_core::{ChangeKind, Record, Renewal, UpdateOutcome};

use crate::check::Clause::C8;
use crate::check::{Check, Stop, ensure, ensure_eq};
use crate::fixture::{Context, change, digest};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "of_writers_with_one_version_one_wins",
        clauses: &[C8],
        about: "The others get the record as it is now.",
        run: one_writer_wins,
    },
    Check {
        name: "of_renewals_of_one_token_one_wins",
        clauses: &[C8],
        about: "Two tabs renew at once: one token is the successor.",
        run: one_renewal_wins,
    },
    Check {
        name: "no_increment_is_lost",
        clauses: &[C8],
        about: "Read, add one, write back, and again if somebody was faster.",
        run: no_increment_is_lost,
    },
    Check {
        name: "concurrent_changes_of_different_fields_all_stay",
        clauses: &[C8],
        about: "A write of the whole row undoes what others wrote meanwhile.",
        run: different_fields,
    },
];

const THREADS: usize = 3;

fn one_writer_wins(context: &Context<'_>) -> Result<(), Stop> {
    one_wins(context, |_, thread| ChangeKind::SetData {
        expected_version: 0,
        data: Box::new([thread as u8]),
    })
}

fn one_renewal_wins(context: &Context<'_>) -> Result<(), Stop> {
    one_wins(context, |record, thread| ChangeKind::Renew {
        expected: record.digest,
        digest: digest(9_000 + thread as u64),
        renewal: Renewal::Immediate,
    })
}

fn one_wins(
    context: &Context<'_>,
    kind: impl Fn(&Record, usize) -> ChangeKind + Sync,
) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    for _ in 0..context.rounds() {
        let record = store.session(&user)?;
        let outcomes = store.at_once(THREADS, |thread| {
            store.update(record.id, change(store.base, kind(&record, thread)))
        })?;
        let mut winners = outcomes.iter().filter_map(|outcome| match outcome {
            UpdateOutcome::Updated(record) => Some(record.clone()),
            _ => None,
        });
        let (Some(won), None) = (winners.next(), winners.next()) else {
            return Err(Stop::failed(format!("not one winner: {outcomes:?}")));
        };
        for outcome in &outcomes {
            let told = match outcome {
                UpdateOutcome::Updated(now) | UpdateOutcome::Conflict(now) => *now == won,
                _ => false,
            };
            ensure(told, format!("one was told {outcome:?}, {won:?} is there"))?;
        }
        store.ensure_there(&won, "what the winner wrote")?;
        store.revoke(record.id)?;
    }
    Ok(())
}

fn no_increment_is_lost(context: &Context<'_>) -> Result<(), Stop> {
    const TIMES: u8 = 20;
    let store = context.open()?;
    let user = store.user();
    for _ in 0..context.rounds().div_ceil(20) {
        let record = Record {
            data: Box::new([0]),
            ..store.record(&user)
        };
        store.created(&record)?;
        store.at_once(THREADS, |_| {
            for _ in 0..TIMES {
                // Somebody always wins, so this ends.
                let Some(mut now) = store.lookup(record.id)? else {
                    return Ok(());
                };
                loop {
                    let kind = ChangeKind::SetData {
                        expected_version: now.version,
                        data: Box::new([now.data[0].wrapping_add(1)]),
                    };
                    match store.update(record.id, change(store.base, kind))? {
                        UpdateOutcome::Conflict(newer) => now = newer,
                        _ => break,
                    }
                }
            }
            Ok(())
        })?;
        let found = store.lookup(record.id)?;
        let count = THREADS as u8 * TIMES;
        let counted = found.map(|record| (record.data.to_vec(), record.version));
        let expected = Some((vec![count], u64::from(count)));
        ensure_eq(&counted, &expected, "the sum and the version")?;
    }
    Ok(())
}

fn different_fields(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    for _ in 0..context.rounds() {
        let record = store.session(&user)?;
        store.at_once(THREADS, |thread| {
            let kind = match thread {
                0 => ChangeKind::Touch,
                1 => ChangeKind::SetData {
                    expected_version: 0,
                    data: Box::new([1]),
                },
                _ => ChangeKind::Renew {
                    expected: record.digest,
                    digest: digest(9_000),
                    renewal: Renewal::Reauthentication,
                },
            };
            store.update(record.id, change(store.base + 10, kind))
        })?;
        let Some(found) = store.lookup(record.id)? else {
            return Err(Stop::failed("the session is gone"));
        };
        let expected = Record {
            last_seen_ms: store.base + 10,
            version: 1,
            data: Box::new([1]),
            digest: digest(9_000),
            authenticated_ms: store.base + 10,
            previous: found.previous.clone(),
            ..record.clone()
        };
        store.ensure_there(&expected, "a touch, new data and a renewal at once")?;
        let previous = found.previous.as_ref().map(|previous| previous.digest);
        ensure_eq(&previous, &Some(record.digest), "the token before")?;
        store.revoke(record.id)?;
    }
    Ok(())
}
