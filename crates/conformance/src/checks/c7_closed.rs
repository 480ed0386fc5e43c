//! C7: failing closed. By the harness's hooks, because what is stored, and
//! how it fails, is the store's own.

use revocable_core::{AtCap, ChangeKind, CreateOutcome, ErrorKind, Liveness, Record};

use crate::check::Clause::{C3, C7, C10};
use crate::check::{Check, Stop, ensure, ensure_eq};
use crate::fixture::{Context, HOUR, MINUTE, Store, change, ids, sweep};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "a_damaged_session_is_an_error_for_itself_only",
        clauses: &[C7],
        about: "Not `None`, which would be read as logged out; and no harm to anybody else.",
        run: error_for_itself,
    },
    Check {
        name: "a_damaged_session_can_be_revoked",
        clauses: &[C7],
        about: "A delete that first decodes leaves one that cannot be deleted.",
        run: can_be_revoked,
    },
    Check {
        name: "a_damaged_session_does_not_stop_a_revoke_all",
        clauses: &[C3, C7],
        about: "One bad row must not keep a thief logged in everywhere else.",
        run: revoke_all_goes_on,
    },
    Check {
        name: "a_damaged_session_does_not_stop_a_sweep",
        clauses: &[C7, C10],
        about: "A sweep that dies on its first error is dead for good.",
        run: sweep_goes_on,
    },
    Check {
        name: "a_store_that_cannot_answer_says_so",
        clauses: &[C7],
        about: "An error taken for \"no session\" logs out, or lets in (axum_session).",
        run: broken,
    },
];

/// Two sound sessions with a damaged one between them.
fn damaged(context: &Context<'_>, store: &Store<'_>) -> Result<[Record; 3], Stop> {
    let user = store.user();
    let records = [
        store.session(&user)?,
        store.session(&user)?,
        store.session(&user)?,
    ];
    let damage = |id| context.harness.damage(&store.name, &store.inner, id);
    if !damage(records[1].id) {
        return Err(Stop::skipped("the harness does not damage sessions"));
    }
    Ok(records)
}

#[track_caller]
fn ensure_corrupt(store: &Store<'_>, record: &Record) -> Result<(), Stop> {
    match store.lookup(record.id) {
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(()),
        other => {
            let other = other.map_err(|error| error.kind());
            Err(Stop::failed(format!(
                "lookup of a damaged session: {other:?}"
            )))
        }
    }
}

fn error_for_itself(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let records = damaged(context, &store)?;
    let [before, damaged, after] = &records;
    let user = &damaged.user;
    ensure_corrupt(&store, damaged)?;
    ensure_corrupt(&store, damaged)?;
    for sound in [before, after] {
        let found = store.lookup(sound.id)?;
        ensure_eq(&found, &Some(sound.clone().into()), "a sound session")?;
    }
    // Listed in one page and in pages of one.
    for limit in [10, 1] {
        let (mut listed, mut named, mut cursor) = (Vec::new(), Vec::new(), None);
        for _ in 0..10 {
            let page = store.page(user, cursor, limit)?;
            listed.extend(page.records.iter().map(|record| record.id));
            named.extend(page.damaged);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        ensure_eq(&listed, &vec![before.id, after.id], "the sound in the list")?;
        ensure_eq(&named, &vec![damaged.id], "the damaged in the list")?;
    }
    // Nobody else is held up, and nothing writes over it.
    let new = store.record(user);
    let outcome = store.create(store.request(new.clone()))?;
    let created = matches!(outcome, CreateOutcome::Created { .. });
    ensure(
        created,
        format!("a login beside a damaged one: {outcome:?}"),
    )?;
    let capped = store.record(user);
    let outcome = store.create(store.capped(&capped, 10, AtCap::EndOldest))?;
    let created = matches!(outcome, CreateOutcome::Created { .. });
    ensure(created, format!("a login under a cap: {outcome:?}"))?;
    let touch = change(store.base + MINUTE, ChangeKind::Touch);
    if let Ok(outcome) = store.update(damaged.id, touch) {
        return Err(Stop::failed(format!(
            "a touch of a damaged session: {outcome:?}"
        )));
    }
    let again = store.create(store.request(damaged.clone()));
    ensure(
        !matches!(again, Ok(CreateOutcome::Created { .. })),
        "a create wrote over a damaged session",
    )?;
    ensure_corrupt(&store, damaged)
}

fn can_be_revoked(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let [before, damaged, after] = &damaged(context, &store)?;
    let ended = store.revoke(damaged.id)?.map(|ended| ended.id);
    ensure_eq(&ended, &Some(damaged.id), "revoke of a damaged session")?;
    store.ensure_gone(damaged, "a damaged session, revoked")?;
    store.ensure_there(before, "beside it")?;
    store.ensure_there(after, "beside it")
}

fn revoke_all_goes_on(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    for everything in [false, true] {
        let records = damaged(context, &store)?;
        if everything {
            ensure_eq(&store.revoke_everything()?, &3, "how many there were")?;
        } else {
            let ended = store.revoke_all(&records[0].user)?.ended;
            ensure_eq(&ended, &ids(&records), "what revoke-all ended")?;
        }
        for record in &records {
            store.ensure_gone(record, "after revoke-all")?;
        }
    }
    Ok(())
}

fn sweep_goes_on(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let records = damaged(context, &store)?;
    let later = Liveness::at(store.base + 2 * HOUR);
    for max_rows in [1, 10] {
        let expired = [store.session(&store.user())?, store.session(&store.user())?];
        let (mut ended, mut cursor) = (Vec::new(), None);
        for _ in 0..100 {
            let step = store.sweep_step(sweep(later, i64::MIN, cursor, max_rows))?;
            ended.extend(step.ended.into_iter().map(|ended| ended.id));
            cursor = step.cursor;
            if cursor.is_none() {
                break;
            }
        }
        ensure(cursor.is_none(), "a sweep does not come to its end")?;
        for record in expired.iter().chain([&records[0], &records[2]]) {
            store_gone(&store, record)?;
        }
        ensure(!ended.contains(&records[1].id), "a damaged one was swept")?;
        ensure_corrupt(&store, &records[1])?;
    }
    Ok(())
}

fn store_gone(store: &Store<'_>, record: &Record) -> Result<(), Stop> {
    ensure_eq(&store.lookup(record.id)?, &None, "expired, after a sweep")
}

fn broken(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    let there = store.session(&user)?;
    let absent = store.record(&user);
    if !context.harness.break_store(&store.name, &store.inner) {
        return Err(Stop::skipped("the harness does not break the store"));
    }
    for record in [&there, &absent] {
        if let Ok(answer) = store.lookup(record.id) {
            return Err(Stop::failed(format!("lookup answered {answer:?}")));
        }
    }
    ensure(store.page(&user, None, 10).is_err(), "a list was answered")?;
    ensure(store.epoch(&user).is_err(), "an epoch was read")?;
    ensure(store.revoke(there.id).is_err(), "a revoke was acknowledged")?;
    let all = store.revoke_all(&user);
    ensure(all.is_err(), "a revoke-all was acknowledged")?;
    let everything = store.revoke_everything();
    ensure(everything.is_err(), "revoke-everything was acknowledged")?;
    let created = store.create(store.request(absent));
    ensure(created.is_err(), "a create was acknowledged")?;
    let touch = change(store.base + MINUTE, ChangeKind::Touch);
    let updated = store.update(there.id, touch);
    ensure(updated.is_err(), "an update was acknowledged")?;
    let step = sweep(Liveness::at(store.base), i64::MIN, None, 10);
    ensure(
        store.sweep_step(step).is_err(),
        "a sweep found nothing to do",
    )?;
    let health = store.block_on(store.inner.health());
    ensure(health.is_err(), "the store says it is well")
}
