//! What a token is good for, and until when.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use revocable_core::{Expired, Lookup, Policy, Rejection, Successor, SweepBudget, Token};

use super::{ABSOLUTE, IDLE, INSTANT, Managed, OVERLAP};
use crate::check::{Stop, ensure, ensure_eq};
use crate::fixture::Context;

pub(super) fn until_revoked(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let managed = Managed::new(&store)?;
    let sessions = &managed.sessions;
    let user = store.user();
    for way in 0..4 {
        let (token, session) = managed.login(&user)?;
        let (other, other_session) = managed.login(&user)?;
        managed.ensure_live(&token, "after login")?;
        let text = token.expose();
        let found = managed.block_on(sessions.lookup(text.as_str()))?;
        let found = found.map(|session| session.record().clone());
        ensure_eq(&found.as_ref(), &Some(session.record()), "by its text")?;
        // The ID and two bytes more of the one, the rest of the other's secret.
        let mixed = format!("{}{}", &text[..24], &other.expose()[24..]);
        match managed.block_on(sessions.inspect(&mixed))? {
            Lookup::Rejected(Rejection::WrongSecret) => {}
            other => return Err(Stop::failed(format!("a forged token: {other:?}"))),
        }
        managed.block_on(async {
            match way {
                0 => sessions.revoke(token.id()).await.map(drop),
                1 => sessions.revoke_others(&other_session).await.map(drop),
                2 => sessions.revoke_all_for_user(&user).await.map(drop),
                _ => sessions.revoke_everything().await.map(drop),
            }
        })?;
        managed.ensure_rejected(&token, Rejection::Unknown, "after revocation")?;
        let renewed = managed.block_on(sessions.renew(&token))?;
        ensure(renewed.is_none(), "a revoked session was renewed")?;
        let renewed = managed.block_on(sessions.renew_now(&token))?;
        ensure(renewed.is_none(), "a revoked session was renewed")?;
        managed.ensure_rejected(&token, Rejection::Unknown, "after a late renewal")?;
        if way < 2 {
            managed.ensure_live(&other, "after the other one's revocation")?;
        } else {
            managed.ensure_rejected(&other, Rejection::Unknown, "after all were revoked")?;
        }
    }
    Ok(())
}

pub(super) fn lookups_race(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let managed = Managed::new(&store)?;
    let user = store.user();
    for round in 0..context.rounds() {
        let (token, _) = managed.login(&user)?;
        // So that the first lookup has to touch.
        managed.clock.advance(Duration::from_secs(120));
        let revoked = AtomicBool::new(false);
        let found_after = store.at_once(3, |thread| {
            if thread == 0 {
                managed.block_on(async {
                    match round % 2 {
                        0 => managed.sessions.revoke(token.id()).await.map(drop),
                        _ => managed.sessions.revoke_all_for_user(&user).await.map(drop),
                    }
                })?;
                revoked.store(true, Ordering::SeqCst);
                return Ok(false);
            }
            loop {
                let after = revoked.load(Ordering::SeqCst);
                let found = managed.block_on(managed.sessions.lookup(&token))?;
                if after {
                    return Ok(found.is_some());
                }
            }
        })?;
        ensure(
            !found_after.contains(&true),
            "a lookup that began after the revocation returned found the session",
        )?;
        managed.ensure_rejected(&token, Rejection::Unknown, "after it all")?;
    }
    Ok(())
}

pub(super) fn timeouts(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let managed = Managed::new(&store)?;
    let user = store.user();
    for swept in [false, true] {
        let (token, _) = managed.login(&user)?;
        managed.clock.advance(IDLE);
        let why = if swept {
            managed.block_on(managed.sessions.sweep(SweepBudget::default()))?;
            Rejection::Unknown
        } else {
            Rejection::Expired(Expired::Idle)
        };
        managed.ensure_rejected(&token, why, "at the instant of its idle timeout")?;
        let (token, _) = managed.login(&user)?;
        managed.clock.advance(IDLE - INSTANT);
        managed.ensure_live(&token, "an instant before its idle timeout")?;
    }
    let policy = Policy::builder(ABSOLUTE).no_idle_timeout();
    let managed = Managed::with(&store, policy)?;
    let (token, _) = managed.login(&user)?;
    managed.clock.advance(ABSOLUTE - INSTANT);
    managed.ensure_live(&token, "an instant before its absolute timeout")?;
    managed.clock.advance(INSTANT);
    let why = Rejection::Expired(Expired::Absolute);
    managed.ensure_rejected(&token, why, "at the instant of its absolute timeout")
}

pub(super) fn renewals(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let managed = Managed::new(&store)?;
    let sessions = &managed.sessions;
    let user = store.user();
    let renew = |token: &Token| -> Result<Token, Stop> {
        let renewed = managed.block_on(sessions.renew(token))?;
        renewed
            .and_then(|renewed| renewed.token)
            .ok_or_else(|| Stop::failed("a live session was not renewed"))
    };
    let (old, _) = managed.login(&user)?;
    let new = renew(&old)?;
    managed.clock.advance(OVERLAP * 2);
    managed.ensure_live(&old, "the response was lost")?;
    let again = renew(&old)?;
    let same = again.digest() == new.digest();
    ensure(same, "a second renewal with the old token made another one")?;
    confirmed(&managed, &new)?;
    managed.clock.advance(OVERLAP - INSTANT);
    managed.ensure_live(&old, "in the overlap")?;
    managed.ensure_live(&new, "in the overlap")?;
    managed.clock.advance(INSTANT * 2);
    managed.ensure_rejected(&old, Rejection::Reused, "after the overlap")?;
    managed.ensure_rejected(&new, Rejection::Unknown, "after the reuse of the old")?;

    let (old, _) = managed.login(&user)?;
    let replaced = managed.block_on(sessions.reauthenticated(&old))?;
    let Some((new, _)) = replaced else {
        return Err(Stop::failed("a live session was not renewed"));
    };
    let rejected = managed.inspect(&old)?.is_err();
    ensure(rejected, "the token before a step-up is still good")?;
    managed.ensure_live(&new, "after a step-up")?;

    // Two tabs renew at once: they get one successor.
    for _ in 0..context.rounds() {
        let (old, _) = managed.login(&user)?;
        let tokens = store.at_once(2, |_| managed.block_on(sessions.renew(&old)))?;
        for renewed in tokens.into_iter() {
            let token = renewed.and_then(|renewed| renewed.token);
            let Some(token) = token else {
                return Err(Stop::failed("one of two renewals at once gave no token"));
            };
            managed.ensure_live(&token, "one of two renewals at once")?;
        }
    }
    Ok(())
}

/// Presents a new token until the store has it that it was presented: that may
/// come soon, and not at once.
fn confirmed(managed: &Managed<'_>, new: &Token) -> Result<(), Stop> {
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        managed.ensure_live(new, "the successor")?;
        // Whatever the store keeps waiting is moved on by another write.
        managed.store.session(&managed.store.user())?;
        let found = managed.store.lookup(new.id())?;
        let previous = found.and_then(|record| record.previous.clone());
        if let Some(Successor::Presented { .. }) = previous.map(|previous| previous.successor) {
            return Ok(());
        }
    }
    Err(Stop::failed(
        "that the new token was presented is not recorded",
    ))
}
