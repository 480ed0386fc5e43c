//! C6: expired is expired, at the instant.

use revocable_core::{
    Change, ChangeKind, CreateOutcome, EndReason, Ended, Liveness, Record, UpdateOutcome,
};

use crate::check::Clause::{C6, C10};
use crate::check::{Check, Stop, ensure_eq};
use crate::fixture::{Context, DAY, HOUR, MINUTE, SECOND, Store, change};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "an_expired_session_is_not_changed",
        clauses: &[C6],
        about: "At the very instant of any of its limits, swept or not; and not a moment before.",
        run: not_changed,
    },
    Check {
        name: "a_sweep_removes_exactly_the_expired",
        clauses: &[C6, C10],
        about: "By the session's limits and by the policy's, whichever is shorter.",
        run: swept,
    },
    Check {
        name: "lookup_and_list_do_not_judge",
        clauses: &[C6],
        about: "A store has no clock: who asks decides what is live.",
        run: no_judgement,
    },
    Check {
        name: "a_clock_that_goes_back_moves_nothing",
        clauses: &[C6],
        about: "No write brings `last_seen_ms` back, and no sweep takes what is live again.",
        run: clock_back,
    },
    Check {
        name: "times_at_the_limits_make_no_arithmetic_wrong",
        clauses: &[C6],
        about: "`last_seen + idle` overflows; an overflow that wraps ends or revives a session.",
        run: extremes,
    },
];

/// Sessions that end at the same instant for different reasons, with the
/// limits by which they do.
fn endings(store: &Store<'_>) -> Vec<(&'static str, Record, Liveness)> {
    let user = store.user();
    let end = store.base + HOUR;
    let own = Liveness::at(end);
    vec![
        (
            "its idle timeout",
            Record {
                last_seen_ms: end - 10 * MINUTE,
                idle_timeout_ms: 10 * MINUTE,
                ..store.record(&user)
            },
            own,
        ),
        (
            "its absolute deadline",
            Record {
                last_seen_ms: end - MINUTE,
                expires_ms: end,
                ..store.record(&user)
            },
            own,
        ),
        (
            "the policy's idle timeout",
            Record {
                last_seen_ms: end - 5 * MINUTE,
                ..store.record(&user)
            },
            Liveness {
                idle_timeout_ms: 5 * MINUTE,
                ..own
            },
        ),
        (
            "the policy's absolute timeout",
            Record {
                created_ms: end - 2 * DAY,
                last_seen_ms: end - MINUTE,
                ..store.record(&user)
            },
            Liveness {
                absolute_timeout_ms: 2 * DAY,
                ..own
            },
        ),
        (
            "its idle timeout, though the policy's is longer",
            Record {
                last_seen_ms: end - 10 * MINUTE,
                idle_timeout_ms: 10 * MINUTE,
                ..store.record(&user)
            },
            Liveness {
                idle_timeout_ms: DAY,
                absolute_timeout_ms: DAY,
                ..own
            },
        ),
    ]
}

fn just_before(liveness: Liveness) -> Liveness {
    Liveness {
        now_ms: liveness.now_ms - 1,
        ..liveness
    }
}

fn not_changed(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    for (limit, record, liveness) in endings(&store) {
        store.created(&record)?;
        let kinds = |expected_version| {
            [
                ChangeKind::Touch,
                ChangeKind::SetData {
                    expected_version,
                    data: Box::new([1]),
                },
                ChangeKind::Renew {
                    expected: record.digest,
                    digest: record.digest,
                    renewal: revocable_core::Renewal::Immediate,
                },
                ChangeKind::ConfirmSuccessor {
                    digest: record.digest,
                },
            ]
        };
        for kind in kinds(0) {
            let what = format!("{kind:?} at the instant of {limit}");
            let outcome = store.update(record.id, Change { liveness, kind })?;
            ensure_eq(&outcome, &UpdateOutcome::Absent, &what)?;
            store.ensure_there(&record, &what)?;
        }
        let kind = ChangeKind::SetData {
            expected_version: 0,
            data: Box::new([1]),
        };
        let liveness = just_before(liveness);
        let outcome = store.update(record.id, Change { liveness, kind })?;
        let updated = matches!(outcome, UpdateOutcome::Updated(_));
        ensure_eq(&updated, &true, &format!("a moment before {limit}"))?;
    }
    Ok(())
}

fn swept(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    for (limit, record, liveness) in endings(&store) {
        store.created(&record)?;
        let live = store.session(&store.user())?;
        let live_there = Record {
            last_seen_ms: liveness.now_ms,
            ..live.clone()
        };
        for now_ms in [store.base + HOUR / 2, liveness.now_ms] {
            store.update(live.id, change(now_ms, ChangeKind::Touch))?;
        }

        let ended = store.sweep(just_before(liveness))?;
        let what = format!("a sweep a moment before {limit}");
        ensure_eq(&ended, &vec![], &what)?;
        store.ensure_there(&record, &what)?;

        let ended = store.sweep(liveness)?;
        let what = format!("a sweep at the instant of {limit}");
        let expected = Ended {
            id: record.id,
            user: Some(record.user.clone()),
            reason: EndReason::Expired,
        };
        ensure_eq(&ended, &vec![expected], &what)?;
        store.ensure_gone(&record, &what)?;
        store.ensure_there(&live_there, &what)?;
        ensure_eq(&store.revoke_all(&record.user)?.ended, &vec![], &what)?;
        store.revoke(live.id)?;
    }
    Ok(())
}

fn no_judgement(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    if store.expires_by_itself() {
        return Err(Stop::skipped("the store removes sessions by its own clock"));
    }
    let user = store.user();
    for record in [
        Record {
            last_seen_ms: store.base - DAY,
            ..store.record(&user)
        },
        Record {
            expires_ms: 0,
            ..store.record(&user)
        },
    ] {
        store.created(&record)?;
        store.ensure_there(&record, "expired, not swept")?;
    }
    Ok(())
}

fn clock_back(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    let record = store.session(&user)?;
    let now_ms = store.base + 30 * MINUTE;
    store.update(record.id, change(now_ms, ChangeKind::Touch))?;
    let touched = Record {
        last_seen_ms: now_ms,
        ..record.clone()
    };
    store.ensure_there(&touched, "touched")?;
    for back_ms in [now_ms - SECOND, store.base, 0, i64::MIN] {
        let outcome = store.update(record.id, change(back_ms, ChangeKind::Touch))?;
        let unchanged = UpdateOutcome::Unchanged(touched.clone().into());
        ensure_eq(&outcome, &unchanged, "a touch by a clock that went back")?;
        store
            .inner
            .update_soon(record.id, &change(back_ms, ChangeKind::Touch));
        let ended = store.sweep(Liveness::at(back_ms))?;
        ensure_eq(&ended, &vec![], "a sweep by a clock that went back")?;
        store.ensure_there(&touched, "after the clock went back")?;
    }
    let other = store.record(&user);
    let capped = revocable_core::CreateRequest {
        liveness: Liveness::at(i64::MIN),
        ..store.capped(&other, 1, revocable_core::AtCap::Refuse)
    };
    let outcome = store.create(capped)?;
    ensure_eq(
        &outcome,
        &CreateOutcome::CapReached,
        "a cap, the clock back",
    )
}

fn extremes(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    if store.expires_by_itself() {
        return Err(Stop::skipped("the store removes sessions by its own clock"));
    }
    let times = [i64::MIN, -1, 0, 1, i64::MAX];
    let mut records = Vec::new();
    let user = store.user();
    for time in times {
        for (expires_ms, idle_timeout_ms) in [(time, i64::MAX), (i64::MAX, 1), (i64::MAX, i64::MAX)]
        {
            records.push(Record {
                created_ms: time,
                last_seen_ms: time,
                expires_ms,
                idle_timeout_ms,
                ..store.record(&user)
            });
        }
    }
    // Touches and sweeps by every clock and limit against the rules of core.
    for now_ms in times {
        for limit_ms in [1, HOUR, i64::MAX] {
            let liveness = Liveness {
                now_ms,
                absolute_timeout_ms: limit_ms,
                idle_timeout_ms: limit_ms,
            };
            for record in &records {
                store.created(record)?;
                let kind = ChangeKind::SetData {
                    expected_version: 0,
                    data: Box::default(),
                };
                let outcome = store.update(record.id, Change { liveness, kind })?;
                let live = outcome != UpdateOutcome::Absent;
                let what = || format!("{liveness:?} of {record:?}");
                ensure_eq(&live, &liveness.is_live(record), "a change")
                    .map_err(|stop| stop.within(what()))?;
            }
            let expired = records.iter().filter(|record| !liveness.is_live(*record));
            let expected: Vec<_> = expired.map(|record| record.id).collect();
            let ended = store.sweep_by(liveness, i64::MIN, 100)?;
            let ended: Vec<_> = ended.into_iter().map(|ended| ended.id).collect();
            ensure_eq(&ended, &expected, &format!("a sweep by {liveness:?}"))?;
            store.revoke_all(&user)?;
        }
    }
    Ok(())
}
