//! The contract as applications see it: over `Sessions`, with tokens, a policy
//! and a clock.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use revocable_core::{
    AtCap, EndReason, ErrorKind, Expired, Lookup, ManualClock, Policy, PolicyBuilder, Rejection,
    Result, Session, SessionId, SessionStore, Sessions, Successor, SweepBudget, Token, UserId,
    Watch,
};

use crate::check::Clause::{C1, C3, C4, C5, C6, C7, C8, C9, C11, C12};
use crate::check::{Check, Stop, ensure, ensure_eq};
use crate::fixture::{Context, Store};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "a_token_gives_its_session_until_it_is_revoked",
        clauses: &[C1, C12],
        about: "And neither the ID alone nor another session's secret does.",
        run: until_revoked,
    },
    Check {
        name: "no_lookup_finds_a_session_after_its_revocation",
        clauses: &[C1, C9],
        about: "Lookups, and the touches that they cause, on other threads all the while.",
        run: lookups_race,
    },
    Check {
        name: "a_login_begun_before_logging_out_everywhere_is_refused",
        clauses: &[C3, C4],
        about: "Also after the sweep forgot that it happened; and one that took too long.",
        run: old_login,
    },
    Check {
        name: "a_token_is_good_until_the_instant_of_its_timeout",
        clauses: &[C6],
        about: "Idle and absolute, whether or not a sweep ever ran.",
        run: timeouts,
    },
    Check {
        name: "a_replaced_token_is_good_until_its_time_is_over",
        clauses: &[C1, C9],
        about: "A lost response logs nobody out; a replay ends the session.",
        run: renewals,
    },
    Check {
        name: "no_modification_of_a_sessions_data_is_lost",
        clauses: &[C8],
        about: "Two requests add to the cart at once.",
        run: modifications,
    },
    Check {
        name: "logins_at_once_keep_to_the_policys_cap",
        clauses: &[C11],
        about: "And the tokens of those who had to go are dead.",
        run: capped_logins,
    },
    Check {
        name: "a_watch_ends_before_its_session_is_known_to_have_ended",
        clauses: &[C1],
        about: "An open WebSocket of a revoked session (Spring Session: Redis only).",
        run: watches,
    },
    Check {
        name: "tokens_are_as_good_or_dead_after_a_reopen_as_before",
        clauses: &[C1, C5],
        about: "A restart must not re-admit a token (Keycloak CVE-2026-9802).",
        run: reopened,
    },
    Check {
        name: "nobody_gets_in_when_the_store_cannot_answer",
        clauses: &[C7],
        about: "An error, never \"no session\" and never a session.",
        run: broken,
    },
    Check {
        name: "nothing_that_was_stored_is_a_token",
        clauses: &[C12],
        about: "Whoever reads the database or its backup can present nothing.",
        run: leaked,
    },
];

const IDLE: Duration = Duration::from_secs(3_600);
const ABSOLUTE: Duration = Duration::from_secs(86_400);
const OVERLAP: Duration = Duration::from_secs(10);
const INSTANT: Duration = Duration::from_millis(1);

/// `Sessions` over a store, with a clock that stands still.
struct Managed<'s> {
    store: &'s Store<'s>,
    sessions: Sessions,
    clock: Arc<ManualClock>,
}

fn policy() -> PolicyBuilder {
    Policy::builder(ABSOLUTE)
        .idle_timeout(IDLE)
        .renewal_interval(Duration::from_secs(900))
        .renewal_overlap(OVERLAP)
}

impl<'s> Managed<'s> {
    fn new(store: &'s Store<'s>) -> Result<Self> {
        Self::with(store, policy())
    }

    fn with(store: &'s Store<'s>, policy: PolicyBuilder) -> Result<Self> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(store.base.unsigned_abs());
        let clock = Arc::new(ManualClock::new(now));
        let inner: Arc<dyn SessionStore> = store.inner.clone();
        let sessions = Sessions::builder(inner)
            .policy(policy)
            .clock(clock.clone())
            .build()?;
        Ok(Self {
            store,
            sessions,
            clock,
        })
    }

    fn block_on<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        self.store.block_on(future)
    }

    fn login(&self, user: &UserId) -> Result<(Token, Session)> {
        self.block_on(self.sessions.create(user))
    }

    /// Whether the token gives a session, and why not.
    fn inspect(&self, token: &Token) -> Result<Result<SessionId, Rejection>, Stop> {
        Ok(match self.block_on(self.sessions.inspect(token))? {
            Lookup::Live(session) => Ok(session.id()),
            Lookup::Rejected(rejection) => Err(rejection),
        })
    }

    #[track_caller]
    fn ensure_live(&self, token: &Token, when: &str) -> Result<(), Stop> {
        ensure_eq(&self.inspect(token)?, &Ok(token.id()), when)
    }

    #[track_caller]
    fn ensure_rejected(&self, token: &Token, why: Rejection, when: &str) -> Result<(), Stop> {
        ensure_eq(&self.inspect(token)?, &Err(why), when)
    }
}

fn until_revoked(context: &Context<'_>) -> Result<(), Stop> {
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

fn lookups_race(context: &Context<'_>) -> Result<(), Stop> {
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

fn old_login(context: &Context<'_>) -> Result<(), Stop> {
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

fn timeouts(context: &Context<'_>) -> Result<(), Stop> {
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

fn renewals(context: &Context<'_>) -> Result<(), Stop> {
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

fn modifications(context: &Context<'_>) -> Result<(), Stop> {
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

fn capped_logins(context: &Context<'_>) -> Result<(), Stop> {
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

fn watches(context: &Context<'_>) -> Result<(), Stop> {
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

fn reopened(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let (kept, replaced, revoked, swept) = {
        let managed = Managed::new(&store)?;
        let user = store.user();
        let sessions = &managed.sessions;
        let (swept, _) = managed.login(&user)?;
        managed.clock.advance(IDLE);
        managed.block_on(sessions.sweep(SweepBudget::default()))?;
        let (replaced, _) = managed.login(&user)?;
        let (revoked, _) = managed.login(&user)?;
        let renewed = managed.block_on(sessions.renew_now(&replaced))?;
        let Some((kept, _)) = renewed else {
            return Err(Stop::failed("a live session was not renewed"));
        };
        managed.block_on(sessions.revoke(revoked.id()))?;
        (kept, replaced, revoked, swept)
    };
    let store = context.reopen(store)?;
    let managed = Managed::new(&store)?;
    managed.clock.advance(IDLE);
    managed.ensure_live(&kept, "after a reopen")?;
    managed.ensure_rejected(&revoked, Rejection::Unknown, "revoked before a reopen")?;
    managed.ensure_rejected(&swept, Rejection::Unknown, "swept before a reopen")?;
    let rejected = managed.inspect(&replaced)?.is_err();
    ensure(rejected, "a token replaced before a reopen is good again")
}

fn broken(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let managed = Managed::new(&store)?;
    let user = store.user();
    let sessions = &managed.sessions;
    let (token, session) = managed.login(&user)?;
    let (revoked, _) = managed.login(&user)?;
    managed.block_on(sessions.revoke(revoked.id()))?;
    if !context.harness.break_store(&store.name, &store.inner) {
        return Err(Stop::skipped("the harness does not break the store"));
    }
    for token in [&token, &revoked] {
        let found = managed.block_on(sessions.lookup(token));
        ensure(found.is_err(), format!("a lookup gave {found:?}"))?;
        let renewed = managed.block_on(sessions.renew(token));
        ensure(renewed.is_err(), "a renewal gave an answer")?;
    }
    ensure(managed.login(&user).is_err(), "a login succeeded")?;
    let attempt = managed.block_on(sessions.begin_login(&user));
    ensure(attempt.is_err(), "a login began")?;
    let watch = managed.block_on(sessions.watch(session.id()));
    ensure(watch.is_err(), "a watch began")?;
    let revoked = managed.block_on(sessions.revoke(session.id()));
    ensure(revoked.is_err(), "a revocation was acknowledged")
}

fn leaked(context: &Context<'_>) -> Result<(), Stop> {
    let store = context.open()?;
    let managed = Managed::new(&store)?;
    let sessions = &managed.sessions;
    let user = store.user();
    let (first, session) = managed.login(&user)?;
    let renewed = managed.block_on(sessions.renew(&first))?;
    let second = renewed.and_then(|renewed| renewed.token);
    let third = managed.block_on(sessions.renew_now(&first))?;
    managed.block_on(sessions.update_data(&session, *b"the application's own"))?;
    let (revoked, _) = managed.login(&user)?;
    managed.block_on(sessions.revoke(revoked.id()))?;
    let tokens = [
        Some(first),
        second,
        third.map(|(token, _)| token),
        Some(revoked),
    ];

    let Some(dump) = context.harness.dump(&store.name, &store.inner) else {
        return Err(Stop::skipped("the harness has no dump of what was written"));
    };
    let key = session.user().as_str().as_bytes();
    ensure(
        contains(&dump, key),
        "the dump does not hold the user's key, so it is not what was written",
    )?;
    for token in tokens.iter().flatten() {
        if let Some(form) = secret_in(&dump, token) {
            return Err(Stop::failed(format!("the secret was stored as {form}")));
        }
    }
    Ok(())
}

/// In which form the token's secret stands in these bytes.
fn secret_in(dump: &[u8], token: &Token) -> Option<&'static str> {
    let text = token.expose();
    // Without the ID, which is public: 24 characters are 18 bytes.
    let text = &text.as_bytes()[24..];
    let secret = decode(text);
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let forms: [(&str, &[u8]); 4] = [
        ("text", text),
        ("bytes", &secret),
        ("hexadecimal digits", hex.as_bytes()),
        (
            "capital hexadecimal digits",
            &hex.to_uppercase().into_bytes(),
        ),
    ];
    // Any half of it is too much.
    forms
        .iter()
        .find(|(_, form)| {
            let (left, right) = form.split_at(form.len() / 2);
            contains(dump, left) || contains(dump, right)
        })
        .map(|(name, _)| *name)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// base64url, of whole groups of four.
fn decode(text: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = |c: &u8| ALPHABET.iter().position(|other| other == c).unwrap_or(0) as u32;
    text.chunks_exact(4)
        .flat_map(|group| {
            let bits = group.iter().fold(0, |bits, c| bits << 6 | value(c));
            [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form() {
        let text = "AaIKrlFAjRSBXAKJ7C0Kkcr-4OHi4-Tl5ufo6err7O3u7_Dx8vP09fb3-Pn6-_z9";
        let token = Token::parse(text).unwrap();
        let secret = decode(&text.as_bytes()[24..]);
        assert_eq!(secret, (0xe0..0xe0 + 30).collect::<Vec<u8>>());
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let stored = |form: &[u8]| [b"before", form, b"after"].concat();
        assert!(secret_in(&stored(text.as_bytes()), &token).is_some());
        assert!(secret_in(&stored(&secret), &token).is_some());
        assert!(secret_in(&stored(&secret[15..]), &token).is_some());
        assert!(secret_in(&stored(hex.as_bytes()), &token).is_some());
        assert!(secret_in(&stored(hex.to_uppercase().as_bytes()), &token).is_some());
        assert!(secret_in(&stored(token.digest().as_bytes()), &token).is_none());
        assert!(secret_in(&stored(&text.as_bytes()[..24]), &token).is_none());
    }
}
