//! C1: revoked is revoked.

use std::sync::atomic::{AtomicBool, Ordering};

use revocable_core::{ChangeKind, EndReason, Ended, Record, Renewal, Salt, UpdateOutcome};

use crate::check::Clause::{C1, C2, C7, C9};
use crate::check::{Check, Stop, ensure, ensure_eq};
use crate::fixture::{Context, HOUR, Store, change, digest};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "a_revoked_session_is_not_found",
        clauses: &[C1],
        about: "By ID or in the list; and who revokes is told whose session it was.",
        run: revoked_is_not_found,
    },
    Check {
        name: "a_lookup_without_waiting_is_the_lookup",
        clauses: &[C1, C7],
        about: "What `lookup_now` answers, if it does, is what `lookup` does, at every step of a \
                session's life: it is the way of nearly every request.",
        run: lookup_now,
    },
    Check {
        name: "revoke_spares_other_sessions",
        clauses: &[C1],
        about: "One session is revoked, not the user's others.",
        run: revoke_spares_others,
    },
    Check {
        name: "an_expired_session_can_be_revoked",
        clauses: &[C1],
        about: "A delete that asks for a live session leaves one that cannot be deleted (Spring \
                JDBC).",
        run: expired_can_be_revoked,
    },
    Check {
        name: "a_late_write_does_not_revive",
        clauses: &[C1, C2],
        about: "A save that upserts brings the session back (tower-sessions, connect-redis #328, \
                CVE-2025-46336).",
        run: late_write,
    },
    Check {
        name: "a_late_renewal_does_not_revive",
        clauses: &[C1, C2],
        about: "A renewal that deletes the old and inserts the new brings the session back \
                (pavex).",
        run: late_renewal,
    },
    Check {
        name: "a_touch_that_comes_soon_does_not_revive",
        clauses: &[C1, C2],
        about: "A touch that waits in a queue is applied to a session that is gone.",
        run: late_touch_soon,
    },
    Check {
        name: "nothing_revives_a_session_under_concurrent_writers",
        clauses: &[C1, C9],
        about: "A stale whole-row write undoes a revocation (Kratos).",
        run: revoked_under_writers,
    },
];

fn revoked_is_not_found(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    for reason in [
        EndReason::LoggedOut,
        EndReason::Administrator,
        EndReason::Reuse,
        EndReason::Replaced,
    ] {
        let user = store.user();
        let record = store.session(&user)?;
        let ended = store.block_on(store.inner.revoke(record.id, reason))?;
        let expected = Ended {
            id: record.id,
            user: Some(user),
            reason,
        };
        ensure_eq(&ended, &Some(expected), "what revoke tells")?;
        store.ensure_gone(&record, "after revoke")?;
        ensure_eq(&store.revoke(record.id)?, &None, "a second revoke")?;
        store.ensure_gone(&record, "after a second revoke")?;
    }
    Ok(())
}

fn lookup_now(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    let record = store.record(&user);
    let agree = |when: &str| {
        let before = store.inner.lookup_now(record.id);
        let found = store.lookup(record.id);
        for now in [before, store.inner.lookup_now(record.id)]
            .into_iter()
            .flatten()
        {
            match (&now, &found) {
                (Ok(now), Ok(found)) => ensure_eq(now, found, when)?,
                (Err(now), Err(found)) => ensure_eq(&now.kind(), &found.kind(), when)?,
                _ => return Err(Stop::failed(format!("{when}: one is an error"))),
            }
        }
        Ok(())
    };
    agree("before the session is there")?;
    store.created(&record)?;
    agree("after create")?;
    store.update(record.id, change(store.base + 1, ChangeKind::Touch))?;
    agree("after a touch")?;
    let set = ChangeKind::SetData {
        expected_version: record.version,
        data: Box::new([1]),
    };
    store.update(record.id, change(store.base + 2, set))?;
    agree("after a change of the data")?;
    store.revoke(record.id)?;
    agree("after revoke")?;
    let damaged = store.session(&user)?;
    if context
        .harness
        .damage(&store.name, &store.inner, damaged.id)
        && let Some(Ok(now)) = store.inner.lookup_now(damaged.id)
    {
        return Err(Stop::failed(format!("of a damaged session: {now:?}")));
    }
    Ok(())
}

fn revoke_spares_others(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let (user, other) = (store.user(), store.user());
    let before = store.session(&user)?;
    let revoked = store.session(&user)?;
    let after = store.session(&user)?;
    let of_other = store.session(&other)?;
    store.revoke(revoked.id)?;
    for spared in [&before, &after, &of_other] {
        store.ensure_there(spared, "after another session was revoked")?;
    }
    store.ensure_gone(&revoked, "after revoke")
}

fn expired_can_be_revoked(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    let idle = Record {
        last_seen_ms: store.base - 2 * HOUR,
        ..store.record(&user)
    };
    let over = Record {
        expires_ms: store.base - 1,
        ..store.record(&user)
    };
    for record in [idle, over] {
        store.created(&record)?;
        let ended = store.revoke(record.id)?;
        if !store.expires_by_itself() {
            let ended = ended.map(|ended| ended.id);
            ensure_eq(&ended, &Some(record.id), "revoke of an expired session")?;
        }
        store.ensure_gone(&record, "after revoke of an expired session")?;
    }
    Ok(())
}

/// What somebody who still holds the record may yet write.
fn late_changes(record: &Record) -> Vec<ChangeKind> {
    vec![
        ChangeKind::Touch,
        ChangeKind::SetData {
            expected_version: record.version,
            data: Box::new([1]),
        },
        ChangeKind::ConfirmSuccessor {
            digest: record.digest,
        },
    ]
}

fn late_renewals(record: &Record) -> Vec<ChangeKind> {
    let salt = Salt::from_bytes([1; Salt::LEN]);
    [
        Renewal::Periodic { salt },
        Renewal::Immediate,
        Renewal::Reauthentication,
    ]
    .into_iter()
    .map(|renewal| ChangeKind::Renew {
        expected: record.digest,
        digest: digest(9_000),
        renewal,
    })
    .collect()
}

/// Revokes in every way there is, and then writes.
fn write_late(context: &Context<'_>, changes: fn(&Record) -> Vec<ChangeKind>) -> Result<(), Stop> {
    let store = context.open()?;
    type Revoke = fn(&Store<'_>, &Record) -> Result<(), Stop>;
    let ways: [(&str, Revoke); 3] = [
        ("revoke", |store, record| {
            store.revoke(record.id)?;
            Ok(())
        }),
        ("revoke_all_for_user", |store, record| {
            store.revoke_all(&record.user)?;
            Ok(())
        }),
        ("revoke_everything", |store, _| {
            store.revoke_everything()?;
            Ok(())
        }),
    ];
    for (way, revoke) in ways {
        let user = store.user();
        let record = store.session(&user)?;
        revoke(&store, &record)?;
        for kind in changes(&record) {
            let what = format!("{kind:?} after {way}");
            let outcome = store.update(record.id, change(store.base + 1, kind))?;
            ensure_eq(&outcome, &UpdateOutcome::Absent, &what)?;
            store.ensure_gone(&record, &what)?;
        }
        let ended = store.revoke_all(&user)?.ended;
        ensure(ended.is_empty(), "a revoke-all found it again")?;
    }
    Ok(())
}

fn late_write(context: &Context<'_>) -> Result<(), Stop> {
    write_late(context, late_changes)
}

fn late_renewal(context: &Context<'_>) -> Result<(), Stop> {
    write_late(context, late_renewals)
}

fn late_touch_soon(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let touch = change(store.base + 1, ChangeKind::Touch);
    for _ in 0..context.rounds() {
        let user = store.user();
        let record = store.session(&user)?;
        if !store.inner.update_soon(record.id, &touch) {
            return Err(Stop::skipped("the store has no update_soon"));
        }
        store.revoke(record.id)?;
        store.ensure_gone(&record, "revoked after a touch that comes soon")?;
        store.inner.update_soon(record.id, &touch);
        // Whatever the store keeps waiting is moved on by another write.
        let other = store.session(&user)?;
        store.ensure_gone(&record, "a touch came after revoke")?;
        store.ensure_there(&other, "after the touch of a session that is gone")?;
    }
    Ok(())
}

fn revoked_under_writers(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    for round in 0..context.rounds() {
        let user = store.user();
        let record = store.session(&user)?;
        let over = AtomicBool::new(false);
        let (revoked, writers) = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..2)
                .map(|writer| {
                    let (store, record, over) = (&store, &record, &over);
                    scope.spawn(move || -> Result<(), Stop> {
                        let mut version = 0;
                        // At least once after the revocation.
                        loop {
                            let last = over.load(Ordering::SeqCst);
                            let kind = match writer {
                                0 => ChangeKind::Touch,
                                _ => ChangeKind::SetData {
                                    expected_version: version,
                                    data: Box::new([1]),
                                },
                            };
                            version += 1;
                            let now_ms = store.base + version as i64;
                            let outcome = store.update(record.id, change(now_ms, kind))?;
                            if last {
                                return ensure_eq(
                                    &outcome,
                                    &UpdateOutcome::Absent,
                                    "a write that began after revoke returned",
                                );
                            }
                        }
                    })
                })
                .collect();
            let revoked = match round % 2 {
                0 => store.revoke(record.id).map(drop),
                _ => store.revoke_all(&user).map(drop),
            };
            let seen = revoked
                .map_err(Stop::from)
                .and_then(|()| store.ensure_gone(&record, "while others write"));
            over.store(true, Ordering::SeqCst);
            let writers: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
            (seen, writers)
        });
        revoked?;
        for writer in writers {
            writer.map_err(|_| Stop::failed("a writer panicked"))??;
        }
        store.ensure_gone(&record, "after the writers")?;
    }
    Ok(())
}
