//! Listeners are told of every session that ends, once, before whoever ended
//! it has the answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use revocable_core::{
    AtCap, ChangeKind, EndListener, EndReason, Ended, Liveness, Record, Renewal, SessionId,
};

use crate::check::Clause::{C1, C9};
use crate::check::{Check, Stop, ensure, ensure_eq};
use crate::fixture::{Context, HOUR, MINUTE, Store, change, digest, revoke_all};
use crate::schedule::{Boxed, poll_times};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "a_listener_is_told_of_each_end_once_and_in_time",
        clauses: &[C1],
        about: "Revoked, all revoked, ended by the cap, swept: an open WebSocket is closed.",
        run: told_once,
    },
    Check {
        name: "a_listener_is_not_told_of_what_did_not_end",
        clauses: &[C1],
        about: "A false alarm closes a live connection.",
        run: not_told,
    },
    Check {
        name: "a_listener_is_told_of_concurrent_ends_once",
        clauses: &[C1],
        about: "Two who revoke the same session: one of them ended it.",
        run: told_once_by_threads,
    },
    Check {
        name: "a_listener_is_told_though_the_caller_went_away",
        clauses: &[C9],
        about: "A request that was cancelled half-way has its audit trail all the same.",
        run: told_when_dropped,
    },
    Check {
        name: "a_panicking_listener_harms_nobody",
        clauses: &[C1],
        about: "The session is revoked, the next listener is told, the store goes on.",
        run: panicking,
    },
];

#[derive(Default)]
struct Heard {
    ended: Mutex<Vec<Ended>>,
    everything: Mutex<Vec<(u64, EndReason)>>,
}

impl EndListener for Heard {
    fn ended(&self, ended: &[Ended]) {
        let mut heard = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        heard.extend_from_slice(ended);
    }

    fn everything_ended(&self, count: u64, reason: EndReason) {
        let mut heard = self
            .everything
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        heard.push((count, reason));
    }
}

impl Heard {
    fn subscribe(store: &Store<'_>) -> Result<Arc<Self>, Stop> {
        let heard = Arc::new(Self::default());
        let listener: Arc<dyn EndListener> = heard.clone();
        if store.inner.subscribe(Arc::downgrade(&listener)) {
            Ok(heard)
        } else {
            Err(Stop::skipped("the store has no listeners"))
        }
    }

    /// What was told since the last time, in the order of the IDs.
    fn take(&self) -> Vec<Ended> {
        let mut heard = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ended = std::mem::take(&mut *heard);
        ended.sort_unstable_by_key(|ended| ended.id);
        ended
    }

    fn take_everything(&self) -> Vec<(u64, EndReason)> {
        let mut heard = self
            .everything
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *heard)
    }

    /// Exactly these, for this reason, were told of since the last time.
    #[track_caller]
    fn ensure(&self, records: &[&Record], reason: EndReason, when: &str) -> Result<(), Stop> {
        let mut expected: Vec<Ended> = records
            .iter()
            .map(|record| Ended {
                id: record.id,
                user: Some(record.user.clone()),
                reason,
            })
            .collect();
        expected.sort_unstable_by_key(|ended| ended.id);
        ensure_eq(&self.take(), &expected, when)?;
        ensure_eq(&self.take_everything(), &vec![], when)
    }
}

fn told_once(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let heard = Heard::subscribe(&store)?;
    let second = Heard::subscribe(&store)?;
    let (user, other) = (store.user(), store.user());
    let sessions = |count: usize| -> Result<Vec<Record>, Stop> {
        (0..count).map(|_| store.session(&user)).collect()
    };
    store.session(&other)?;
    heard.ensure(&[], EndReason::Unknown, "nothing ended")?;

    let records = sessions(1)?;
    store.revoke(records[0].id)?;
    heard.ensure(&[&records[0]], EndReason::LoggedOut, "when revoke returned")?;
    let all: Vec<&Record> = records.iter().collect();
    second.ensure(&all, EndReason::LoggedOut, "the second listener")?;

    let records = sessions(3)?;
    store.revoke_all_keep(&user, Some(records[1].id))?;
    let reason = EndReason::LoggedOutEverywhere;
    heard.ensure(
        &[&records[0], &records[2]],
        reason,
        "when revoke-others returned",
    )?;
    store.revoke_all(&user)?;
    heard.ensure(&[&records[1]], reason, "when revoke-all returned")?;

    let records = sessions(3)?;
    let new = store.record(&user);
    store.create(store.capped(&new, 2, AtCap::EndOldest))?;
    heard.ensure(
        &[&records[0], &records[1]],
        EndReason::Cap,
        "when a create under a cap returned",
    )?;

    store.sweep(Liveness::at(store.base + MINUTE))?;
    heard.ensure(&[], EndReason::Expired, "when a sweep found nothing")?;
    let later = Liveness::at(store.base + 59 * MINUTE);
    store.update(new.id, change(later.now_ms, ChangeKind::Touch))?;
    store.revoke_all(&other)?;
    heard.take();
    store.sweep(Liveness::at(store.base + HOUR))?;
    heard.ensure(&[&records[2]], EndReason::Expired, "when a sweep returned")?;

    let records = sessions(2)?;
    ensure_eq(&store.revoke_everything()?, &3, "how many there were")?;
    let told = heard.take_everything();
    let expected = vec![(3, EndReason::Administrator)];
    ensure_eq(&told, &expected, "when revoke-everything returned")?;
    ensure_eq(&heard.take(), &vec![], "one by one besides")?;
    store.ensure_gone(&records[0], "after revoke-everything")?;

    // Who went away is not told, and does no harm.
    drop(heard);
    let record = store.session(&user)?;
    second.take();
    second.take_everything();
    store.revoke(record.id)?;
    second.ensure(&[&record], EndReason::LoggedOut, "the listener that stayed")
}

fn not_told(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let heard = Heard::subscribe(&store)?;
    let user = store.user();
    let record = store.session(&user)?;
    let absent = store.record(&user);
    let epoch = store.epoch(&user)?;
    store.revoke(absent.id)?;
    store.create(store.capped(&record, 1, AtCap::EndOldest))?;
    store.create(store.capped(&absent, 1, AtCap::Refuse))?;
    store.revoke_all(&store.user())?;
    store.revoke_all_keep(&user, Some(record.id))?;
    store.create(revocable_core::CreateRequest {
        expected_epoch: Some(epoch),
        ..store.capped(&absent, 1, AtCap::EndOldest)
    })?;
    for kind in [
        ChangeKind::Touch,
        ChangeKind::SetData {
            expected_version: 0,
            data: Box::default(),
        },
        ChangeKind::Renew {
            expected: record.digest,
            digest: digest(9_000),
            renewal: Renewal::Immediate,
        },
    ] {
        store.update(record.id, change(store.base + MINUTE, kind.clone()))?;
        store.update(absent.id, change(store.base + MINUTE, kind))?;
    }
    store.sweep(Liveness::at(store.base + MINUTE))?;
    heard.ensure(&[], EndReason::Unknown, "nothing ended")?;
    let there = store.lookup(record.id)?.is_some();
    ensure(there, "the session is gone")
}

fn told_once_by_threads(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let heard = Heard::subscribe(&store)?;
    for _ in 0..context.rounds() {
        let user = store.user();
        let records = [store.session(&user)?, store.session(&user)?];
        let ended = store.at_once(3, |thread| match thread {
            0 => Ok(store.revoke_all(&user)?.ended),
            1 => Ok(store
                .revoke(records[0].id)?
                .map(|ended| ended.id)
                .into_iter()
                .collect()),
            _ => Ok(store
                .sweep_step(crate::fixture::sweep(
                    Liveness::at(store.base + 2 * HOUR),
                    i64::MIN,
                    None,
                    100,
                ))?
                .ended
                .into_iter()
                .map(|ended| ended.id)
                .collect::<Vec<SessionId>>()),
        })?;
        let mut acknowledged: Vec<SessionId> = ended.into_iter().flatten().collect();
        acknowledged.sort_unstable();
        let told: Vec<SessionId> = heard.take().into_iter().map(|ended| ended.id).collect();
        ensure_eq(&told, &acknowledged, "told and acknowledged")?;
        let each = records.map(|record| record.id).to_vec();
        ensure_eq(&told, &each, "each once")?;
    }
    Ok(())
}

fn told_when_dropped(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let heard = Heard::subscribe(&store)?;
    for polls in 0..8 {
        for everyone in [false, true] {
            let user = store.user();
            let record = store.session(&user)?;
            let mut revoke: Boxed<'_, ()> = if everyone {
                let request = revoke_all(&user, None, store.base);
                let revoke = store.inner.revoke_all_for_user(request);
                Box::pin(async move { drop(revoke.await) })
            } else {
                let revoke = store.inner.revoke(record.id, EndReason::LoggedOut);
                Box::pin(async move { drop(revoke.await) })
            };
            store.block_on(poll_times(&mut revoke, polls));
            drop(revoke);
            // Whatever the store has in hand is done before it answers this.
            store.session(&user)?;
            let taken = store.lookup(record.id)?.is_none();
            // It may be told a moment after the row is gone; a bound for the
            // case that it never is.
            let until = Instant::now() + Duration::from_secs(5);
            let mut told = heard.take();
            while taken && told.is_empty() && Instant::now() < until {
                std::thread::yield_now();
                told = heard.take();
            }
            if taken {
                let told: Vec<SessionId> = told.iter().map(|ended| ended.id).collect();
                let what = format!("dropped after {polls} polls, and it took effect");
                ensure_eq(&told, &vec![record.id], &what)?;
            }
            // Either way, ended once in all.
            store.revoke(record.id)?;
            let more = heard.take().len() + told.len();
            ensure_eq(&more, &1, "how often it ended")?;
        }
    }
    Ok(())
}

struct Panics;

impl EndListener for Panics {
    fn ended(&self, _: &[Ended]) {
        // Not `panic!`, which would print to the test's output.
        std::panic::resume_unwind(Box::new("a listener with a defect"));
    }

    fn everything_ended(&self, _: u64, _: EndReason) {
        std::panic::resume_unwind(Box::new("a listener with a defect"));
    }
}

fn panicking(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let panics: Arc<dyn EndListener> = Arc::new(Panics);
    if !store.inner.subscribe(Arc::downgrade(&panics)) {
        return Err(Stop::skipped("the store has no listeners"));
    }
    let heard = Heard::subscribe(&store)?;
    let user = store.user();
    for _ in 0..2 {
        let record = store.session(&user)?;
        store.revoke(record.id)?;
        store.ensure_gone(&record, "revoked before a listener that panics")?;
        heard.ensure(&[&record], EndReason::LoggedOut, "the next listener")?;
    }
    let record = store.session(&user)?;
    store.revoke_everything()?;
    store.ensure_gone(&record, "after revoke-everything")?;
    let record = store.session(&user)?;
    store.ensure_there(&record, "created after a listener panicked")
}
