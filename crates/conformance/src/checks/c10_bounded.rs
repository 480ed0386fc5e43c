//! C10: bounded. Sweeps and listings go on in small steps and miss nothing.

use revocable_core::{
    ChangeKind, CreateOutcome, Liveness, Record, SessionId, SweepOutcome, UserId,
};

use crate::check::Clause::{C1, C6, C10};
use crate::check::{Check, Stop, ensure, ensure_eq};
use crate::fixture::{Context, HOUR, MINUTE, Store, change, ids, sweep};
use crate::random::Random;

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "a_sweep_goes_in_bounded_steps",
        clauses: &[C10],
        about: "No step looks at more than it may, and together they look at all.",
        run: bounded_steps,
    },
    Check {
        name: "a_sweep_skips_nobody_when_others_come_and_go",
        clauses: &[C10],
        about: "A place in a sweep must stand when rows before or after it are removed.",
        run: others_come_and_go,
    },
    Check {
        name: "a_sweep_spares_a_session_that_was_touched_meanwhile",
        clauses: &[C6, C10],
        about: "What was expired when it was listed may be live when it is deleted.",
        run: touched_meanwhile,
    },
    Check {
        name: "the_index_is_in_step_after_a_sweep",
        clauses: &[C1, C10],
        about: "Zombies in the user's index (Spring Session #2230, #1791).",
        run: index_in_step,
    },
    Check {
        name: "a_sweep_forgets_epochs_in_bounded_steps",
        clauses: &[C10],
        about: "And says so; and comes to its end with many of them.",
        run: epochs_in_steps,
    },
    Check {
        name: "a_list_has_pages_without_gap_or_repetition",
        clauses: &[C10],
        about: "In the order of the IDs, no page too long, and none after the last.",
        run: pages,
    },
];

#[track_caller]
fn ensure_step(step: &SweepOutcome, max_rows: u32) -> Result<(), Stop> {
    let bounded = step.examined <= u64::from(max_rows)
        && step.ended.len() as u64 <= step.examined
        && step.epochs_forgotten <= u64::from(max_rows);
    ensure(bounded, format!("a step of at most {max_rows}: {step:?}"))
}

fn bounded_steps(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    for max_rows in [1, 2, 7, 100] {
        let mut live = Vec::new();
        let mut expired = Vec::new();
        for number in 0..15 {
            let user = store.user();
            for _ in 0..2 {
                let record = Record {
                    last_seen_ms: store.base + (number % 3) * HOUR,
                    ..store.record(&user)
                };
                store.created(&record)?;
                if number % 3 == 0 {
                    expired.push(record);
                } else {
                    live.push(record);
                }
            }
        }
        let now = Liveness::at(store.base + HOUR);
        let (mut ended, mut examined, mut cursor) = (Vec::new(), 0, None);
        for _ in 0..1_000 {
            let step = store.sweep_step(sweep(now, i64::MIN, cursor, max_rows))?;
            ensure_step(&step, max_rows)?;
            examined += step.examined;
            ended.extend(step.ended.into_iter().map(|ended| ended.id));
            cursor = step.cursor;
            if cursor.is_none() {
                break;
            }
        }
        ensure(cursor.is_none(), "a sweep does not come to its end")?;
        ended.sort_unstable();
        ensure_eq(&ended, &ids(&expired), "what the sweep removed")?;
        let all = (live.len() + expired.len()) as u64;
        ensure(
            examined >= expired.len() as u64 && examined <= all,
            format!("looked at {examined} of {all}, {} expired", expired.len()),
        )?;
        for record in &live {
            store.ensure_there(record, "a live one after a sweep")?;
        }
        let again = store.sweep_by(now, i64::MIN, max_rows)?;
        ensure_eq(&again, &vec![], "what a second sweep removed")?;
        store.revoke_everything()?;
    }
    Ok(())
}

fn others_come_and_go(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let now = Liveness::at(store.base + HOUR);
    for seed in 0..context.rounds().div_ceil(4) {
        let mut random = Random::new(seed);
        let users: Vec<UserId> = (0..6).map(|_| store.user()).collect();
        let record = |random: &mut Random<'_>, live: bool| Record {
            last_seen_ms: store.base + if live { HOUR } else { 0 },
            ..store.record(random.pick(&users))
        };
        let mut expired = Vec::new();
        let mut others = Vec::new();
        for number in 0..16 {
            let live = number % 2 == 0;
            let record = record(&mut random, live);
            store.created(&record)?;
            if live {
                others.push(record);
            } else {
                expired.push(record);
            }
        }
        let mut cursor = None;
        for round in 0..1_000 {
            let max_rows = 1 + random.below(3) as u32;
            let step = store.sweep_step(sweep(now, i64::MIN, cursor, max_rows))?;
            ensure_step(&step, max_rows)?;
            for ended in &step.ended {
                let is_expired = expired.iter().any(|record| record.id == ended.id);
                ensure(is_expired, "a sweep removed a live one")?;
            }
            cursor = step.cursor;
            if cursor.is_none() {
                break;
            }
            // Others come, for a while, and go.
            if round < 20 {
                let new = record(&mut random, true);
                store.created(&new)?;
                others.push(new);
            }
            if !others.is_empty() {
                let gone = others.swap_remove(random.below(others.len()));
                store.revoke(gone.id)?;
            }
        }
        ensure(cursor.is_none(), "a sweep does not come to its end")?;
        for record in &expired {
            store
                .ensure_gone(record, "expired all the time the sweep took")
                .map_err(|stop| stop.within(format!("seed {seed}")))?;
        }
        for record in &others {
            store.ensure_there(record, "live all the time the sweep took")?;
        }
        store.revoke_everything()?;
    }
    Ok(())
}

fn touched_meanwhile(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    let records: Vec<Record> = (0..6)
        .map(|_| store.session(&user))
        .collect::<Result<_, _>>()?;
    let now = Liveness::at(store.base + HOUR + MINUTE);
    let mut step = store.sweep_step(sweep(now, i64::MIN, None, 1))?;
    let mut ended: Vec<SessionId> = step.ended.iter().map(|ended| ended.id).collect();
    // Those that are left are touched by one who saw them live.
    let mut live = Vec::new();
    for record in &records {
        let touch = change(store.base + 30 * MINUTE, ChangeKind::Touch);
        if !ended.contains(&record.id) {
            store.update(record.id, touch)?;
            live.push(Record {
                last_seen_ms: store.base + 30 * MINUTE,
                ..record.clone()
            });
        }
    }
    for _ in 0..100 {
        let Some(cursor) = step.cursor.take() else {
            break;
        };
        step = store.sweep_step(sweep(now, i64::MIN, Some(cursor), 2))?;
        ended.extend(step.ended.iter().map(|ended| ended.id));
    }
    ensure(
        ended.len() <= 1,
        "a sweep removed a session that was touched",
    )?;
    for record in &live {
        store.ensure_there(record, "touched while a sweep went on")?;
    }
    Ok(())
}

fn index_in_step(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    let expired = [store.session(&user)?, store.session(&user)?];
    let live = Record {
        last_seen_ms: store.base + HOUR,
        ..store.record(&user)
    };
    store.created(&live)?;
    store.sweep(Liveness::at(store.base + HOUR))?;
    ensure_eq(&store.listed_ids(&user)?, &vec![live.id], "the list")?;
    // A swept one does not count for the cap, is not revoked again, and its ID
    // is free.
    let new = store.record(&user);
    let request = revocable_core::CreateRequest {
        liveness: Liveness::at(store.base + HOUR),
        ..store.capped(&new, 2, revocable_core::AtCap::Refuse)
    };
    let outcome = store.create(request)?;
    let created = CreateOutcome::Created { ended: vec![] };
    ensure_eq(&outcome, &created, "a login after a sweep")?;
    let ended = store.revoke_all(&user)?.ended;
    ensure_eq(&ended, &ids([&live, &new]), "a revoke-all after a sweep")?;
    store.created(&expired[0])?;
    ensure_eq(&store.listed_ids(&user)?, &vec![expired[0].id], "the list")?;
    ensure_eq(&store.revoke_everything()?, &1, "the sessions in all")
}

fn epochs_in_steps(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let users: Vec<UserId> = (0..20).map(|_| store.user()).collect();
    for user in &users {
        store.revoke_all(user)?;
    }
    let (mut forgotten, mut cursor) = (0, None);
    for _ in 0..1_000 {
        let now = Liveness::at(store.base);
        let step = store.sweep_step(sweep(now, i64::MAX, cursor, 3))?;
        ensure_step(&step, 3)?;
        forgotten += step.epochs_forgotten;
        cursor = step.cursor;
        if cursor.is_none() {
            break;
        }
    }
    ensure(cursor.is_none(), "a sweep does not come to its end")?;
    ensure(
        forgotten <= users.len() as u64,
        format!("{forgotten} epochs forgotten of {}", users.len()),
    )
}

fn pages(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let (user, other) = (store.user(), store.user());
    let mut records = Vec::new();
    for _ in 0..7 {
        // Created in the opposite order of their IDs, others between them.
        records.push(store.record(&user));
        store.session(&other)?;
    }
    for record in records.iter().rev() {
        store.created(record)?;
    }
    for limit in [1, 2, 3, 6, 7, 8, 1_000, u32::MAX] {
        one_listing(&store, &user, &records, limit)
            .map_err(|stop| stop.within(format!("pages of {limit}")))?;
    }
    // Where a session was that is gone meanwhile.
    let gone = records.remove(3);
    store.revoke(gone.id)?;
    let page = store.page(&user, Some(gone.id), 2)?;
    let listed: Vec<_> = page.records.iter().map(|record| record.id).collect();
    ensure_eq(&listed, &ids(&records[3..5]), "after one that is gone")?;
    let page = store.page(&user, Some(records[5].id), 2)?;
    ensure_eq(&page, &Default::default(), "after the last")?;
    let of_other = store.listed_ids(&other)?;
    let between = of_other.iter().filter(|id| **id > records[1].id).count();
    let page = store.page(&other, Some(records[1].id), 100)?;
    ensure_eq(
        &page.records.len(),
        &between,
        "after another user's session",
    )
}

fn one_listing(
    store: &Store<'_>,
    user: &UserId,
    records: &[Record],
    limit: u32,
) -> Result<(), Stop> {
    let (mut listed, mut after) = (Vec::new(), None);
    for _ in 0..100 {
        let page = store.page(user, after, limit)?;
        let count = page.records.len();
        ensure(
            count as u64 <= u64::from(limit),
            format!("{count} in a page"),
        )?;
        listed.extend(page.records.into_iter().map(|record| (*record).clone()));
        after = page.next;
        if after.is_none() {
            break;
        }
        ensure(
            listed.len() < records.len(),
            "another page is announced and there is none",
        )?;
    }
    ensure_eq(&listed, &records.to_vec(), "the pages together")
}
