//! The contract as applications see it: over `Sessions`, with tokens, a policy
//! and a clock.

mod storage;
mod tokens;
mod users;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use revocable_core::{
    Lookup, ManualClock, Policy, PolicyBuilder, Rejection, Result, Session, SessionId,
    SessionStore, Sessions, Token, UserId,
};

use crate::check::Clause::{C1, C3, C4, C5, C6, C7, C8, C9, C11, C12};
use crate::check::{Check, Stop, ensure_eq};
use crate::fixture::Store;

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "a_token_gives_its_session_until_it_is_revoked",
        clauses: &[C1, C12],
        about: "And neither the ID alone nor another session's secret does.",
        run: tokens::until_revoked,
    },
    Check {
        name: "no_lookup_finds_a_session_after_its_revocation",
        clauses: &[C1, C9],
        about: "Lookups, and the touches that they cause, on other threads all the while.",
        run: tokens::lookups_race,
    },
    Check {
        name: "a_login_begun_before_logging_out_everywhere_is_refused",
        clauses: &[C3, C4],
        about: "Also after the sweep forgot that it happened; and one that took too long.",
        run: users::old_login,
    },
    Check {
        name: "a_token_is_good_until_the_instant_of_its_timeout",
        clauses: &[C6],
        about: "Idle and absolute, whether or not a sweep ever ran.",
        run: tokens::timeouts,
    },
    Check {
        name: "a_replaced_token_is_good_until_its_time_is_over",
        clauses: &[C1, C9],
        about: "A lost response logs nobody out; a replay ends the session.",
        run: tokens::renewals,
    },
    Check {
        name: "no_modification_of_a_sessions_data_is_lost",
        clauses: &[C8],
        about: "Two requests add to the cart at once.",
        run: users::modifications,
    },
    Check {
        name: "logins_at_once_keep_to_the_policys_cap",
        clauses: &[C11],
        about: "And the tokens of those who had to go are dead.",
        run: users::capped_logins,
    },
    Check {
        name: "a_watch_ends_before_its_session_is_known_to_have_ended",
        clauses: &[C1],
        about: "An open WebSocket of a revoked session (Spring Session: Redis only).",
        run: users::watches,
    },
    Check {
        name: "tokens_are_as_good_or_dead_after_a_reopen_as_before",
        clauses: &[C1, C5],
        about: "A restart must not re-admit a token (Keycloak CVE-2026-9802).",
        run: storage::reopened,
    },
    Check {
        name: "nobody_gets_in_when_the_store_cannot_answer",
        clauses: &[C7],
        about: "An error, never \"no session\" and never a session.",
        run: storage::broken,
    },
    Check {
        name: "nothing_that_was_stored_is_a_token",
        clauses: &[C12],
        about: "Whoever reads the database or its backup can present nothing.",
        run: storage::leaked,
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
