//! C3: revoke-all is linearizable.

use std::sync::atomic::{AtomicBool, Ordering};

use revocable_core::{CreateOutcome, Record, SessionId};

use super::c2_round_trip::users_of_one_bucket;
use crate::check::Clause::{C1, C3, C10};
use crate::check::{Check, Stop, ensure, ensure_eq};
use crate::fixture::{Context, HOUR, ids};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "revoke_all_ends_all_and_names_them",
        clauses: &[C1, C3],
        about: "Live or not; what it ended is reported exactly.",
        run: ends_all,
    },
    Check {
        name: "revoke_all_spares_other_users",
        clauses: &[C3],
        about: "Those of the same bucket too.",
        run: spares_others,
    },
    Check {
        name: "revoke_all_spares_the_one_to_keep",
        clauses: &[C3],
        about: "Log out all other devices.",
        run: spares_the_kept,
    },
    Check {
        name: "revoke_all_ends_what_was_created_before_it_began",
        clauses: &[C1, C3],
        about: "List and then delete misses a session created meanwhile (Phoenix, SuperTokens).",
        run: ends_what_was_before,
    },
    Check {
        name: "revoke_all_ends_two_thousand_sessions",
        clauses: &[C3, C10],
        about: "More than fit in one statement, packet or page.",
        run: ends_many,
    },
    Check {
        name: "revoke_everything_ends_all_of_everybody",
        clauses: &[C1, C3],
        about: "And counts them.",
        run: everything,
    },
    Check {
        name: "revoke_everything_ends_what_was_created_before_it_began",
        clauses: &[C1, C3],
        about: "A truncation in parts misses what is created meanwhile.",
        run: everything_ends_what_was_before,
    },
    Check {
        name: "a_session_created_after_a_revoke_all_stays",
        clauses: &[C3],
        about: "The next login is not ended by the last logout.",
        run: next_login_stays,
    },
];

fn ends_all(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    let mut records = vec![
        store.record(&user),
        store.record(&user),
        store.record(&user),
    ];
    if !store.expires_by_itself() {
        records[1].last_seen_ms = store.base - 2 * HOUR;
    }
    for record in &records {
        store.created(record)?;
    }
    let ended = store.revoke_all(&user)?.ended;
    ensure_eq(&ended, &ids(&records), "what revoke-all ended")?;
    for record in &records {
        store.ensure_gone(record, "after revoke-all")?;
    }
    let ended = store.revoke_all(&user)?.ended;
    ensure_eq(&ended, &vec![], "what a second revoke-all ended")?;
    ensure_eq(&store.revoke_everything()?, &0, "the sessions left")
}

fn spares_others(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let mut users = vec![store.user(), store.user()];
    users.extend(users_of_one_bucket()?);
    let mut records = Vec::new();
    for user in users.iter().chain(&users) {
        records.push(store.session(user)?);
    }
    for user in &users {
        let of_user: Vec<Record> = records
            .iter()
            .filter(|record| record.user == *user)
            .cloned()
            .collect();
        let ended = store.revoke_all(user)?.ended;
        ensure_eq(&ended, &ids(&of_user), "what revoke-all ended")?;
        records.retain(|record| record.user != *user);
        for record in &records {
            store.ensure_there(record, "after another user's revoke-all")?;
        }
    }
    Ok(())
}

fn spares_the_kept(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let (user, other) = (store.user(), store.user());
    let of_other = store.session(&other)?;
    for place in 0..3 {
        let mut records = vec![
            store.session(&user)?,
            store.session(&user)?,
            store.session(&user)?,
        ];
        let kept = records.remove(place);
        let ended = store.revoke_all_keep(&user, Some(kept.id))?.ended;
        ensure_eq(&ended, &ids(&records), "what revoke-others ended")?;
        store.ensure_there(&kept, "the kept one after revoke-others")?;
        ensure_eq(&store.listed_ids(&user)?, &vec![kept.id], "the list")?;
        // Somebody else's session, and one that is not there: nobody is spared
        // and nobody else harmed.
        let keep = match place {
            0 => of_other.id,
            1 => store.record(&user).id,
            _ => records[0].id,
        };
        let ended = store.revoke_all_keep(&user, Some(keep))?.ended;
        ensure_eq(&ended, &vec![kept.id], "what revoke-others ended")?;
        store.ensure_gone(&kept, "after revoke-others keeping another")?;
        store.ensure_there(&of_other, "after revoke-others of another user")?;
    }
    Ok(())
}

fn ends_what_was_before(context: &Context<'_>) -> Result<(), Stop> {
    race(context, false)
}

fn everything_ends_what_was_before(context: &Context<'_>) -> Result<(), Stop> {
    race(context, true)
}

/// Two threads create while a third revokes. What was created before the
/// revocation began is gone, and lookup and list agree on what is left.
fn race(context: &Context<'_>, everything: bool) -> Result<(), Stop> {
    let store = context.open()?;
    for _ in 0..context.rounds() {
        let user = store.user();
        let begun = AtomicBool::new(false);
        let over = AtomicBool::new(false);
        let created = store.at_once(3, |thread| {
            let mut created = Vec::new();
            if thread == 0 {
                begun.store(true, Ordering::SeqCst);
                if everything {
                    store.revoke_everything()?;
                } else {
                    store.revoke_all(&user)?;
                }
                over.store(true, Ordering::SeqCst);
                return Ok(created);
            }
            for _ in 0..100 {
                let record = store.record(&user);
                let late = over.load(Ordering::SeqCst);
                store.create(store.request(record.clone()))?;
                // Read after the create returned: if it had not begun then,
                // the create was before it.
                let early = !begun.load(Ordering::SeqCst);
                created.push((record, early, late));
                if late {
                    break;
                }
            }
            Ok(created)
        })?;
        let listed = store.listed_ids(&user)?;
        for (record, early, late) in created.into_iter().flatten() {
            let found = store.lookup(record.id)?.is_some();
            ensure(
                !(found && early),
                "a session created before the revocation began is still there",
            )?;
            ensure(
                found || !late,
                "a session created after the revocation returned is gone",
            )?;
            ensure(
                found == listed.contains(&record.id),
                format!("found: {found}, listed: {}", !found),
            )?;
        }
        let ended = store.revoke_all(&user)?.ended;
        ensure_eq(&ended, &listed, "what the next revoke-all ended")?;
    }
    ensure_eq(&store.revoke_everything()?, &0, "the sessions left")
}

fn ends_many(context: &Context<'_>) -> Result<(), Stop> {
    const COUNT: usize = 2_000;
    const THREADS: usize = 8;
    let store = context.open()?;
    let (user, other) = (store.user(), store.user());
    let of_other = store.session(&other)?;
    let created = store.at_once(THREADS, |_| {
        (0..COUNT / THREADS)
            .map(|_| {
                let record = store.record(&user);
                let id = record.id;
                store.create(store.request(record)).map(|_| id)
            })
            .collect::<Result<Vec<SessionId>, _>>()
    })?;
    let mut created: Vec<SessionId> = created.into_iter().flatten().collect();
    created.sort_unstable();
    ensure_eq(&store.listed_ids(&user)?, &created, "the list")?;
    let ended = store.revoke_all(&user)?.ended;
    ensure_eq(&ended, &created, "what revoke-all ended")?;
    for id in created {
        ensure_eq(&store.lookup(id)?, &None, "after revoke-all")?;
    }
    ensure_eq(&store.listed_ids(&user)?, &vec![], "the list after")?;
    store.ensure_there(&of_other, "after another user's revoke-all")
}

fn everything(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let mut records = Vec::new();
    for _ in 0..5 {
        let user = store.user();
        records.push(store.session(&user)?);
        records.push(store.session(&user)?);
    }
    ensure_eq(&store.revoke_everything()?, &10, "how many there were")?;
    for record in &records {
        store.ensure_gone(record, "after revoke-everything")?;
        ensure_eq(&store.revoke_all(&record.user)?.ended, &vec![], "left")?;
    }
    ensure_eq(&store.revoke_everything()?, &0, "how many are left")?;
    let after = store.session(&records[0].user)?;
    store.ensure_there(&after, "created after revoke-everything")
}

fn next_login_stays(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    for everything in [false, true, false] {
        store.session(&user)?;
        if everything {
            store.revoke_everything()?;
        } else {
            store.revoke_all(&user)?;
        }
        let epoch = store.epoch(&user)?;
        let record = store.record(&user);
        let outcome = store.create(store.login(&record, epoch))?;
        let created = matches!(outcome, CreateOutcome::Created { .. });
        ensure(created, format!("a login after: {outcome:?}"))?;
        store.ensure_there(&record, "a login after")?;
    }
    Ok(())
}
