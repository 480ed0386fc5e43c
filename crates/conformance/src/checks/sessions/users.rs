//! Logging in, at once or too late, and hearing that it is over.

use std::future::Future;
use std::pin::pin;
use std::task::{Context as TaskContext, Poll, Waker};

use revocable_core::{AtCap, EndReason, ErrorKind, Session, SweepBudget, Watch};

use super::{IDLE, INSTANT, Managed, policy};
use crate::check::{Stop, ensure, ensure_eq};
use crate::fixture::Context;

pub(super) fn old_login(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let managed = Managed::new(&store)?;
    let sessions = &managed.sessions;
    let (user, other) = (store.user(), store.user());
    let begin = || managed.block_on(sessions.begin_login(&user));
    let refused = |attempt, when: &str| match managed.block_on(sessions.create(attempt)) {
        Err(error) if error.kind() == ErrorKind::Superseded => Ok(()),
        Err(error) => Err(Stop::from(error).within(when)),
        Ok(_) => Err(Stop::failed(format!("{when}: let in"))),
    };
    let accepted = |attempt, when: &str| -> Result<Session, Stop> {
        let (token, session) = managed.block_on(sessions.create(attempt))?;
        managed.ensure_live(&token, when)?;
        Ok(session)
    };

    let attempt = begin()?;
    managed.block_on(sessions.revoke_all_for_user(&user))?;
    refused(attempt, "before logging out everywhere")?;
    let session = accepted(begin()?, "after logging out everywhere")?;
    let attempt = begin()?;
    managed.block_on(sessions.revoke_others(&session))?;
    refused(attempt, "before logging out the other devices")?;
    let attempt = begin()?;
    managed.block_on(sessions.revoke_everything())?;
    refused(attempt, "before everybody was logged out")?;
    let attempt = begin()?;
    managed.block_on(sessions.revoke_all_for_user(&other))?;
    accepted(attempt, "before another user logged out everywhere")?;

    // A sweep when the oldest attempt that counts began just before.
    let max_age = sessions.policy().login_attempt_max_age();
    managed.block_on(sessions.revoke_all_for_user(&user))?;
    let attempt = begin()?;
    managed.clock.advance(max_age);
    managed.block_on(sessions.sweep(SweepBudget::default()))?;
    accepted(attempt, "as slow as a login may be")?;
    let attempt = begin()?;
    managed.clock.advance(max_age + INSTANT);
    refused(attempt, "slower than a login may be")?;
    let attempt = begin()?;
    managed.block_on(sessions.revoke_all_for_user(&user))?;
    managed.clock.advance(max_age);
    managed.block_on(sessions.sweep(SweepBudget::default()))?;
    refused(attempt, "before logging out everywhere, a sweep ago")
}

pub(super) fn modifications(context: &Context<'_>) -> Result<(), Stop> {
    const THREADS: u64 = 3;
    const TIMES: u64 = 10;
    let store = context.open()?;
    let managed = Managed::new(&store)?;
    let user = store.user();
    for _ in 0..context.rounds().div_ceil(20) {
        let (token, session) = managed.login(&user)?;
        store.at_once(THREADS as usize, |_| {
            for _ in 0..TIMES {
                let add = |count: &mut u64| *count += 1;
                managed.block_on(managed.sessions.modify(session.id(), add))?;
            }
            Ok(())
        })?;
        let found = managed.block_on(managed.sessions.lookup(&token))?;
        let count = found.map(|session| session.data_as::<u64>()).transpose()?;
        ensure_eq(&count, &Some(THREADS * TIMES), "the sum")?;
    }
    Ok(())
}

pub(super) fn capped_logins(context: &Context<'_>) -> Result<(), Stop> {
    const MAX: u32 = 2;
    let store = context.open()?;
    let policy = policy().max_sessions_per_user(MAX, AtCap::EndLeastRecentlyUsed);
    let managed = Managed::with(&store, policy)?;
    for _ in 0..context.rounds().div_ceil(2) {
        let user = store.user();
        let logins = store.at_once(4, |_| managed.login(&user))?;
        let mut live = 0;
        for (token, _) in &logins {
            live += u32::from(managed.inspect(token)?.is_ok());
        }
        ensure_eq(&live, &MAX, "how many tokens are good")?;
        let page = managed.sessions.list_for_user(&user, None, 10);
        let listed = managed.block_on(page)?.sessions.len();
        ensure_eq(&listed, &(MAX as usize), "how many sessions are listed")?;
    }
    Ok(())
}

/// What a watch says now.
fn said(watch: &mut Watch) -> Option<EndReason> {
    let mut context = TaskContext::from_waker(Waker::noop());
    match pin!(watch).poll(&mut context) {
        Poll::Ready(reason) => Some(reason),
        Poll::Pending => None,
    }
}

pub(super) fn watches(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let policy = policy().max_sessions_per_user(2, AtCap::EndOldest);
    let managed = Managed::with(&store, policy)?;
    let sessions = &managed.sessions;
    let user = store.user();
    let watched = || -> Result<(Session, Watch), Stop> {
        // Of sessions of one millisecond chance decides which is the oldest.
        managed.clock.advance(INSTANT);
        let (_, session) = managed.login(&user)?;
        let mut watch = managed.block_on(sessions.watch(session.id()))?;
        ensure_eq(&said(&mut watch), &None, "a watch of a live session")?;
        Ok((session, watch))
    };

    let (spared, mut spared_watch) = watched()?;
    let (session, mut watch) = watched()?;
    managed.block_on(sessions.revoke(session.id()))?;
    ensure_eq(&said(&mut watch), &Some(EndReason::LoggedOut), "revoked")?;
    let mut late = managed.block_on(sessions.watch(session.id()))?;
    ensure(said(&mut late).is_some(), "a watch of one that has ended")?;

    let (_, mut watch) = watched()?;
    managed.block_on(sessions.revoke_others(&spared))?;
    let everywhere = Some(EndReason::LoggedOutEverywhere);
    ensure_eq(&said(&mut watch), &everywhere, "another device")?;
    ensure_eq(&said(&mut spared_watch), &None, "the one that was kept")?;

    let _second = watched()?;
    let (_, mut capping) = watched()?;
    let cap = Some(EndReason::Cap);
    ensure_eq(&said(&mut spared_watch), &cap, "ended by the cap")?;
    managed.block_on(sessions.revoke_all_for_user(&user))?;
    ensure_eq(&said(&mut capping), &everywhere, "all revoked")?;

    let (_, mut watch) = watched()?;
    managed.clock.advance(IDLE);
    managed.block_on(sessions.sweep(SweepBudget::default()))?;
    ensure_eq(&said(&mut watch), &Some(EndReason::Expired), "swept")?;

    let (_, mut watch) = watched()?;
    managed.block_on(sessions.revoke_everything())?;
    let everything = Some(EndReason::Administrator);
    ensure_eq(&said(&mut watch), &everything, "everything revoked")
}
