//! C11: the cap is atomic.

use revocable_core::{
    AtCap, CreateOutcome, CreateRequest, EndReason, Ended, Liveness, Record, SessionId, UserId,
};

use crate::check::Clause::{C6, C11};
use crate::check::{Check, Stop, ensure, ensure_eq};
use crate::fixture::{Context, HOUR, MINUTE, Store, ids};
use crate::model::Model;
use crate::random::Random;

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "concurrent_logins_never_exceed_the_cap",
        clauses: &[C11],
        about: "Check-then-act (Spring Security #3121, open since 2015).",
        run: concurrent,
    },
    Check {
        name: "the_cap_ends_just_the_right_ones",
        clauses: &[C11],
        about: "The oldest, or the least recently used; of equals the lower ID; as many as it \
                takes.",
        run: victims,
    },
    Check {
        name: "what_the_cap_ended_is_gone_and_reported",
        clauses: &[C11],
        about: "With whose it was and why, so that watchers hear of it.",
        run: reported,
    },
    Check {
        name: "a_cap_that_refuses_changes_nothing",
        clauses: &[C11],
        about: "And lets in again when there is room.",
        run: refuses,
    },
    Check {
        name: "the_cap_counts_the_live_sessions_of_the_user_only",
        clauses: &[C6, C11],
        about: "Expired ones that no sweep has removed lock nobody out.",
        run: counts_the_live,
    },
];

const KINDS: [AtCap; 3] = [AtCap::EndOldest, AtCap::EndLeastRecentlyUsed, AtCap::Refuse];

fn concurrent(context: &Context<'_>) -> Result<(), Stop> {
    const THREADS: usize = 4;
    let store = context.open()?;
    for round in 0..context.rounds() {
        let at_cap = KINDS[round as usize % KINDS.len()];
        let max = 1 + round as u32 % 3;
        let user = store.user();
        let records: Vec<Record> = (0..THREADS * 2).map(|_| store.record(&user)).collect();
        let outcomes = store.at_once(THREADS, |thread| {
            let mine = records.iter().skip(thread).step_by(THREADS);
            mine.map(|record| store.create(store.capped(record, max, at_cap)))
                .collect::<Result<Vec<_>, _>>()
        })?;
        let mut left: Vec<SessionId> = Vec::new();
        let mut ended = Vec::new();
        for (thread, outcomes) in outcomes.into_iter().enumerate() {
            let mine = records.iter().skip(thread).step_by(THREADS);
            for (record, outcome) in mine.zip(outcomes) {
                match outcome {
                    CreateOutcome::Created { ended: by_cap } => {
                        left.push(record.id);
                        ended.extend(by_cap.into_iter().map(|ended| ended.id));
                    }
                    CreateOutcome::CapReached if at_cap == AtCap::Refuse => {}
                    other => return Err(Stop::failed(format!("create: {other:?}"))),
                }
            }
        }
        let what = format!("{at_cap:?}, at most {max}");
        let created = left.len();
        left.retain(|id| !ended.contains(id));
        ensure_eq(&(created - left.len()), &ended.len(), "each ended once")?;
        left.sort_unstable();
        let listed = store.listed_ids(&user)?;
        ensure_eq(&listed, &left, &format!("{what}: created and not ended"))?;
        ensure_eq(&listed.len(), &(max as usize), &what)?;
    }
    Ok(())
}

fn victims(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    for seed in 0..context.rounds() {
        let mut random = Random::new(seed);
        let user = store.user();
        let mut model = Model::new();
        for _ in 0..8 {
            let now_ms = store.base + random.below(3) as i64 * 15 * MINUTE;
            let record = Record {
                last_seen_ms: now_ms,
                ..store.record(&user)
            };
            let mut liveness = Liveness::at(now_ms + random.below(2) as i64 * 50 * MINUTE);
            if random.chance(4) {
                liveness.idle_timeout_ms = 20 * MINUTE;
            }
            let request = CreateRequest {
                liveness,
                ..store.capped(&record, 1 + random.below(4) as u32, *random.pick(&KINDS))
            };
            let expected = sorted(model.create(request.clone())?);
            let outcome = sorted(store.create(request.clone())?);
            let what = format!("seed {seed}, {:?} by {liveness:?}", request.cap);
            ensure_eq(&outcome, &expected, &what)?;
            let listed: Vec<_> = store.list(&user)?;
            let page = model.list_for_user(&user, None, 100);
            ensure_eq(&listed, &page.records, &what)?;
        }
    }
    Ok(())
}

fn sorted(mut outcome: CreateOutcome) -> CreateOutcome {
    if let CreateOutcome::Created { ended } = &mut outcome {
        ended.sort_unstable_by_key(|ended| ended.id);
    }
    outcome
}

fn three(store: &Store<'_>, user: &UserId) -> Result<Vec<Record>, Stop> {
    (0..3).map(|_| store.session(user)).collect()
}

fn reported(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    for at_cap in [AtCap::EndOldest, AtCap::EndLeastRecentlyUsed] {
        // A policy that was tightened ends several at once.
        for max in [3, 2, 1] {
            let (user, other) = (store.user(), store.user());
            let records = three(&store, &user)?;
            let of_other = store.session(&other)?;
            let new = store.record(&user);
            let outcome = sorted(store.create(store.capped(&new, max, at_cap))?);
            let (gone, left) = records.split_at(4 - max as usize);
            let ended = gone.iter().map(|record| Ended {
                id: record.id,
                user: Some(user.clone()),
                reason: EndReason::Cap,
            });
            let expected = CreateOutcome::Created {
                ended: ended.collect(),
            };
            ensure_eq(&outcome, &expected, &format!("{at_cap:?}, at most {max}"))?;
            for record in gone {
                store.ensure_gone(record, "ended by the cap")?;
            }
            for record in left.iter().chain([&new, &of_other]) {
                store.ensure_there(record, "spared by the cap")?;
            }
            let ended = store.revoke_all(&user)?.ended;
            ensure_eq(&ended, &ids(left.iter().chain([&new])), "left")?;
        }
    }
    Ok(())
}

fn refuses(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let user = store.user();
    let records = three(&store, &user)?;
    for max in [3, 2, 1] {
        let new = store.record(&user);
        let request = store.capped(&new, max, AtCap::Refuse);
        let outcome = store.create(request)?;
        ensure_eq(&outcome, &CreateOutcome::CapReached, "no room")?;
        store.ensure_gone(&new, "refused by the cap")?;
        for record in &records {
            store.ensure_there(record, "after a refused login")?;
        }
    }
    store.revoke(records[1].id)?;
    let new = store.record(&user);
    store.created_by(store.capped(&new, 3, AtCap::Refuse))?;
    store.ensure_there(&new, "there was room again")
}

fn counts_the_live(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let later = Liveness::at(store.base + HOUR);
    for at_cap in KINDS {
        let (user, other) = (store.user(), store.user());
        let expired = three(&store, &user)?;
        let of_other = three(&store, &other)?;
        let mut live = Vec::new();
        for _ in 0..2 {
            let record = Record {
                last_seen_ms: later.now_ms,
                ..store.record(&user)
            };
            let request = CreateRequest {
                liveness: later,
                ..store.capped(&record, 2, at_cap)
            };
            store.created_by(request)?;
            live.push(record);
        }
        for record in expired.iter().chain(&of_other).chain(&live) {
            store.ensure_there(record, &format!("under a cap, {at_cap:?}"))?;
        }
        let listed = store.listed_ids(&user)?;
        ensure(listed.len() == 5, "a cap ended an expired session")?;
        store.revoke_all(&other)?;
    }
    Ok(())
}
