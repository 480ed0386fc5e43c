//! C4: a login that began before a revoke-all is refused.

use revocable_core::{AtCap, CreateOutcome, CreateRequest, Epoch, Liveness, SessionId, UserId};

use super::c2_round_trip::users_of_one_bucket;
use crate::check::Clause::{C3, C4, C10};
use crate::check::{Check, Stop, ensure, ensure_eq};
use crate::fixture::{Context, HOUR, MINUTE, Store};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "a_login_from_before_a_revoke_all_is_refused",
        clauses: &[C4],
        about: "Password checked, logged out everywhere, session created: it must not survive.",
        run: refused,
    },
    Check {
        name: "a_refused_login_changes_nothing",
        clauses: &[C4],
        about: "The cap must not end a session for a login that is refused.",
        run: refused_changes_nothing,
    },
    Check {
        name: "a_login_is_not_refused_for_the_revocations_of_others",
        clauses: &[C4],
        about: "Nor for a single session's.",
        run: not_refused,
    },
    Check {
        name: "a_login_from_another_life_of_the_store_is_refused",
        clauses: &[C4],
        about: "A store that was made anew counts again, and must not take an attempt that was kept.",
        run: another_life,
    },
    Check {
        name: "epochs_never_go_back",
        clauses: &[C4],
        about: "A counter that starts again makes an old login look new.",
        run: never_back,
    },
    Check {
        name: "a_forgotten_epoch_still_refuses",
        clauses: &[C4, C10],
        about: "What is forgotten must be remembered as a floor.",
        run: forgotten,
    },
    Check {
        name: "a_sweep_forgets_no_epoch_that_is_needed",
        clauses: &[C4],
        about: "Only those taken before the given time; and a new login is never refused.",
        run: not_forgotten,
    },
    Check {
        name: "a_login_that_races_a_revoke_all_leaves_no_session",
        clauses: &[C3, C4],
        about: "Whichever of the two comes first.",
        run: race,
    },
];

/// A login with this epoch is refused, or not.
#[track_caller]
fn ensure_login(
    store: &Store<'_>,
    user: &UserId,
    epoch: Epoch,
    accepted: bool,
    when: &str,
) -> Result<(), Stop> {
    let record = store.record(user);
    match store.create(store.login(&record, epoch))? {
        CreateOutcome::Created { ended } if accepted && ended.is_empty() => {
            store.ensure_there(&record, when)
        }
        CreateOutcome::Superseded if !accepted => store.ensure_gone(&record, when),
        outcome => Err(Stop::failed(format!(
            "a login that began {when}: got {outcome:?}"
        ))),
    }
}

fn refused(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    for _ in 0..3 {
        let user = store.user();
        let epoch = store.epoch(&user)?;
        ensure_login(&store, &user, epoch, true, "before nothing")?;

        store.revoke_all(&user)?;
        ensure_login(&store, &user, epoch, false, "before a revoke-all")?;
        let epoch = store.epoch(&user)?;
        ensure_login(&store, &user, epoch, true, "after a revoke-all")?;

        let kept = store.session(&user)?;
        store.revoke_all_keep(&user, Some(kept.id))?;
        ensure_login(&store, &user, epoch, false, "before revoke-others")?;
        let epoch = store.epoch(&user)?;
        ensure_login(&store, &user, epoch, true, "after revoke-others")?;

        store.revoke_everything()?;
        ensure_login(&store, &user, epoch, false, "before revoke-everything")?;
        let new = store.user();
        ensure_login(&store, &new, epoch_of(&store, &new)?, true, "after it")?;
        let epoch = store.epoch(&user)?;
        ensure_login(&store, &user, epoch, true, "after revoke-everything")?;

        // With nothing to end it counts all the same.
        let nobody = store.user();
        let epoch = store.epoch(&nobody)?;
        store.revoke_all(&nobody)?;
        ensure_login(&store, &nobody, epoch, false, "before an empty revoke-all")?;
        let (epoch, revoked) = (store.epoch(&nobody)?, store.revoke_all(&nobody)?.epoch);
        ensure_login(&store, &nobody, epoch, false, "between two revoke-alls")?;
        ensure_login(
            &store,
            &nobody,
            revoked,
            true,
            "at the revoke-all's own epoch",
        )?;
        store.revoke_everything()?;
        let epoch = store.epoch(&nobody)?;
        store.revoke_everything()?;
        ensure_login(
            &store,
            &nobody,
            epoch,
            false,
            "before an empty revoke-everything",
        )?;
    }
    Ok(())
}

fn epoch_of(store: &Store<'_>, user: &UserId) -> Result<Epoch, Stop> {
    Ok(store.epoch(user)?)
}

fn refused_changes_nothing(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    let epoch = store.epoch(&user)?;
    store.revoke_all(&user)?;
    let (first, second) = (store.session(&user)?, store.session(&user)?);
    let current = store.epoch(&user)?;
    for at_cap in [AtCap::EndOldest, AtCap::EndLeastRecentlyUsed, AtCap::Refuse] {
        let request = CreateRequest {
            expected_epoch: Some(epoch),
            ..store.capped(&store.record(&user), 1, at_cap)
        };
        let outcome = store.create(request)?;
        ensure_eq(&outcome, &CreateOutcome::Superseded, "an old login")?;
        store.ensure_there(&first, "after an old login under a cap")?;
        store.ensure_there(&second, "after an old login under a cap")?;
    }
    ensure_eq(&store.listed_ids(&user)?.len(), &2, "the list's length")?;
    ensure_eq(&store.epoch(&user)?, &current, "the epoch")
}

fn another_life(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    store.revoke_all(&user)?;
    let ahead = store.epoch(&user)?.next();
    ensure_login(&store, &user, ahead, false, "in another life of the store")
}

fn not_refused(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let [user, neighbour] = users_of_one_bucket()?;
    let other = store.user();
    let epoch = store.epoch(&user)?;
    store.session(&other)?;
    store.revoke_all(&other)?;
    ensure_login(&store, &user, epoch, true, "before another's revoke-all")?;
    store.session(&neighbour)?;
    store.revoke_all(&neighbour)?;
    let when = "before the revoke-all of one in the same bucket";
    ensure_login(&store, &user, epoch, true, when)?;
    let record = store.session(&user)?;
    store.revoke(record.id)?;
    ensure_login(&store, &user, epoch, true, "before a single revoke")?;
    store.sweep_by(Liveness::at(store.base + 2 * HOUR), i64::MIN, 100)?;
    ensure_login(&store, &user, epoch, true, "before a sweep")
}

fn never_back(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let (user, other) = (store.user(), store.user());
    let mut highest = store.epoch(&user)?;
    for round in 0..20 {
        let now_ms = store.base + round * MINUTE;
        let record = store.session(&user)?;
        let taken = store.revoke_all_at(&user, None, now_ms)?.epoch;
        ensure(
            taken > highest,
            format!("a revoke-all took {taken:?} after {highest:?}"),
        )?;
        highest = taken;
        match round % 4 {
            0 => _ = store.revoke_all_at(&other, None, now_ms)?,
            1 => _ = store.sweep_by(Liveness::at(now_ms), i64::MAX, 1)?,
            2 => {
                store.revoke_everything()?;
                let read = store.epoch(&user)?;
                let what = format!("{read:?} after revoke-everything, {highest:?} before");
                ensure(read > highest, what)?;
            }
            _ => {}
        }
        let read = store.epoch(&user)?;
        ensure(
            read >= highest,
            format!("the epoch is {read:?}, was {highest:?} before"),
        )?;
        highest = read;
        store.ensure_gone(&record, "after revoke-all")?;
    }
    Ok(())
}

fn forgotten(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let mut logins = Vec::new();
    for number in 0..7 {
        let user = store.user();
        let epoch = store.epoch(&user)?;
        store.revoke_all_at(&user, None, store.base + number)?;
        logins.push((user, epoch));
    }
    for max_rows in [1, 3, 100] {
        let before_ms = store.base + HOUR;
        store.sweep_by(Liveness::at(before_ms), before_ms, max_rows)?;
        for (user, epoch) in &logins {
            let when = "before a revoke-all that was forgotten";
            ensure_login(&store, user, *epoch, false, when)?;
            let epoch = store.epoch(user)?;
            ensure_login(&store, user, epoch, true, "after it was forgotten")?;
        }
        let new = store.user();
        let epoch = store.epoch(&new)?;
        ensure_login(
            &store,
            &new,
            epoch,
            true,
            "anew, after others were forgotten",
        )?;
        // And once more from the beginning: revoked after it was forgotten.
        for (user, epoch) in &mut logins {
            *epoch = store.epoch(user)?;
            store.revoke_all_at(user, None, store.base)?;
            ensure_login(&store, user, *epoch, false, "before the next revoke-all")?;
        }
    }
    Ok(())
}

fn not_forgotten(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let (user, other) = (store.user(), store.user());
    let (epoch, epoch_of_other) = (store.epoch(&user)?, store.epoch(&other)?);
    let now_ms = store.base + HOUR;
    store.revoke_all_at(&user, None, now_ms)?;
    // "Before" does not hold the very instant.
    store.sweep_by(Liveness::at(now_ms), now_ms, 100)?;
    ensure_login(&store, &user, epoch, false, "before a recent revoke-all")?;
    let when = "before another's revoke-all that need not be forgotten";
    ensure_login(&store, &other, epoch_of_other, true, when)?;
    // A login that began after what is forgotten.
    let epoch = store.epoch(&user)?;
    store.sweep_by(Liveness::at(now_ms), i64::MAX, 100)?;
    let when = "after a revoke-all that was forgotten meanwhile";
    ensure_login(&store, &user, epoch, true, when)
}

fn race(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    for _ in 0..context.rounds() {
        let user = store.user();
        let epoch = store.epoch(&user)?;
        let records = [store.record(&user), store.record(&user)];
        let outcomes = store.at_once(3, |thread| match records.get(thread) {
            Some(record) => store.create(store.login(record, epoch)).map(Some),
            None => store.revoke_all(&user).map(|_| None),
        })?;
        for (record, outcome) in records.iter().zip(&outcomes) {
            let known = matches!(
                outcome,
                Some(CreateOutcome::Created { .. } | CreateOutcome::Superseded)
            );
            ensure(known, format!("a login: {outcome:?}"))?;
            store.ensure_gone(record, "a login from before a revoke-all")?;
        }
        let left = store.listed_ids(&user)?;
        ensure_eq(&left, &Vec::<SessionId>::new(), "the list")?;
    }
    Ok(())
}
