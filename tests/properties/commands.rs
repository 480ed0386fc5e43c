//! What happens to sessions, and what is compared.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_executor::block_on;
use proptest::prelude::*;
use revocable::{
    AtCap, DataUpdate, ErrorKind, LoginAttempt, Lookup, ManualClock, NewSession, Policy, Session,
    SessionId, SessionStore, Sessions, SweepBudget, Token, UserId,
};

use crate::model::{Attempt, Login, Model, Standing};

/// When the world begins, in Unix milliseconds.
const BEGIN: i64 = 1_800_000_000_000;

/// Something that a client, the application or the clock does. Numbers choose
/// among what there is.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// With an idle timeout of its own, in milliseconds.
    LogIn(u8, Option<u16>),
    BeginLogin(u8),
    FinishLogin(usize),
    LookUp(usize),
    Renew(usize),
    RenewNow(usize),
    Reauthenticate(usize),
    SetData(usize, Vec<u8>),
    Revoke(usize),
    RevokeOthers(usize),
    RevokeAll(u8),
    RevokeEverything,
    List(u8),
    Sweep,
    Advance(u32),
    Jump(i64),
}

/// Up to 60 commands, mostly looking tokens up while time goes by.
pub(crate) fn commands() -> impl Strategy<Value = Vec<Command>> {
    let user = 0_u8..3;
    let any = any::<usize>();
    let command = prop_oneof![
        6 => (user.clone(), prop::option::weighted(0.3, 1_u16..20_000))
            .prop_map(|(user, idle)| Command::LogIn(user, idle)),
        2 => user.clone().prop_map(Command::BeginLogin),
        2 => any.prop_map(Command::FinishLogin),
        14 => any.prop_map(Command::LookUp),
        8 => any.prop_map(Command::Renew),
        2 => any.prop_map(Command::RenewNow),
        2 => any.prop_map(Command::Reauthenticate),
        3 => (any, prop::collection::vec(0_u8.., 0..4))
            .prop_map(|(token, data)| Command::SetData(token, data)),
        2 => any.prop_map(Command::Revoke),
        1 => any.prop_map(Command::RevokeOthers),
        2 => user.clone().prop_map(Command::RevokeAll),
        1 => Just(Command::RevokeEverything),
        3 => user.prop_map(Command::List),
        2 => Just(Command::Sweep),
        8 => prop_oneof![1_u32..20, 1_u32..2_000, 1_u32..60_000].prop_map(Command::Advance),
        1 => (-100_000_i64..100_000).prop_map(Command::Jump),
    ];
    prop::collection::vec(command, 1..60)
}

/// Policies with short times, so that everything is reached.
pub(crate) fn policies() -> impl Strategy<Value = Policy> {
    let ms = |range: std::ops::Range<u64>| range.prop_map(Duration::from_millis);
    let cap = prop_oneof![
        Just(AtCap::EndOldest),
        Just(AtCap::EndLeastRecentlyUsed),
        Just(AtCap::Refuse),
    ];
    (
        ms(10_000..300_000),
        prop::option::of(ms(2_000..60_000)),
        prop::option::of(ms(0..5_000)),
        prop::option::of(ms(1_000..60_000)),
        ms(1..2_000),
        any::<bool>(),
        prop::option::of((1_u32..4, cap)),
        ms(1_000..100_000),
    )
        .prop_filter_map(
            "a policy that contradicts itself",
            |(absolute, idle, touch, renewal, overlap, reuse, cap, attempt)| {
                let mut policy = Policy::builder(absolute)
                    .revoke_on_reuse(reuse)
                    .renewal_overlap(overlap)
                    .login_attempt_max_age(attempt);
                policy = match idle {
                    Some(idle) => policy.idle_timeout(idle),
                    None => policy.no_idle_timeout(),
                };
                if let Some(touch) = touch {
                    policy = policy.touch_interval(touch);
                }
                if let Some(renewal) = renewal {
                    policy = policy.renewal_interval(renewal);
                }
                if let Some((max, at_cap)) = cap {
                    policy = policy.max_sessions_per_user(max, at_cap);
                }
                policy.build().ok()
            },
        )
}

/// A clock that shows the beginning.
pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(time(BEGIN)))
}

fn time(ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms.unsigned_abs())
}

/// The real thing and the model, side by side.
pub(crate) struct World {
    sessions: Sessions,
    clock: Arc<ManualClock>,
    model: Model,
    /// Every token that was ever given out: clients lose some and keep others
    /// for too long.
    tokens: Vec<Token>,
    attempts: Vec<(LoginAttempt, Attempt)>,
    /// What lookups returned, to be written to later.
    seen: Vec<Session>,
}

fn user(number: u8) -> UserId {
    UserId::from(u64::from(number))
}

impl World {
    pub(crate) fn new(store: impl SessionStore, policy: Policy, clock: Arc<ManualClock>) -> Self {
        let sessions = Sessions::builder(store)
            .policy(policy.clone())
            .clock(clock.clone())
            .build()
            .expect("the policy was built");
        Self {
            sessions,
            clock,
            model: Model::new(policy, BEGIN),
            tokens: Vec::new(),
            attempts: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// Does it in both and compares.
    pub(crate) fn perform(&mut self, command: &Command) {
        match command {
            Command::LogIn(number, idle) => {
                let new = NewSession::for_user(user(*number));
                self.log_in(new, *number, None, *idle);
            }
            Command::BeginLogin(number) => {
                let attempt = block_on(self.sessions.begin_login(user(*number)));
                let attempt = attempt.expect("the store does not fail");
                self.attempts
                    .push((attempt, self.model.begin_login(*number)));
            }
            Command::FinishLogin(choice) => {
                if let Some((attempt, expected)) = chosen(&self.attempts, *choice).cloned() {
                    self.log_in(attempt.into(), expected.user, Some(expected), None);
                }
            }
            Command::LookUp(choice) => self.look_up(*choice),
            Command::Renew(choice) => self.renew(*choice),
            Command::RenewNow(choice) => self.renew_now(*choice, false),
            Command::Reauthenticate(choice) => self.renew_now(*choice, true),
            Command::SetData(choice, data) => self.set_data(*choice, data),
            Command::Revoke(choice) => {
                if let Some(id) = chosen(&self.tokens, *choice).map(Token::id) {
                    let ended = block_on(self.sessions.revoke(id));
                    let there = self.model.sessions.remove(&id).is_some();
                    assert_eq!(ended.expect("the store does not fail"), there);
                }
            }
            Command::RevokeOthers(choice) => {
                if let Some(session) = chosen(&self.seen, *choice) {
                    let ended = block_on(self.sessions.revoke_others(session));
                    let number = session.user().as_str().parse().expect("a user's number");
                    let expected = self.model.revoke_all(number, Some(session.id()));
                    assert_eq!(ended.expect("the store does not fail"), expected);
                }
            }
            Command::RevokeAll(number) => {
                let ended = block_on(self.sessions.revoke_all_for_user(user(*number)));
                let expected = self.model.revoke_all(*number, None);
                assert_eq!(ended.expect("the store does not fail"), expected);
            }
            Command::RevokeEverything => {
                let ended = block_on(self.sessions.revoke_everything());
                let expected = self.model.revoke_everything() as u64;
                assert_eq!(ended.expect("the store does not fail"), expected);
            }
            Command::List(number) => {
                let page = block_on(self.sessions.list_for_user(user(*number), None, 1_000));
                let page = page.expect("the store does not fail");
                let ids: Vec<SessionId> = page.sessions.iter().map(Session::id).collect();
                assert_eq!(ids, self.model.live_of(*number));
            }
            Command::Sweep => {
                let report = block_on(self.sessions.sweep(SweepBudget::default()));
                let report = report.expect("the store does not fail");
                assert!(report.complete);
                assert_eq!(report.ended, self.model.sweep() as u64);
            }
            Command::Advance(ms) => {
                self.clock.advance(Duration::from_millis((*ms).into()));
                self.model.now += i64::from(*ms);
            }
            Command::Jump(ms) => {
                self.model.now += ms;
                self.clock.jump_to(time(self.model.now));
            }
        }
    }

    fn log_in(
        &mut self,
        mut new: NewSession,
        number: u8,
        attempt: Option<Attempt>,
        idle: Option<u16>,
    ) {
        if let Some(idle) = idle {
            new = new.idle_timeout(Duration::from_millis(idle.into()));
        }
        let (expected, may_be_superseded) = self.model.log_in(number, attempt);
        match block_on(self.sessions.create(new.data(vec![number]))) {
            Ok((token, session)) => {
                assert_eq!(expected, Login::Created);
                assert_eq!(session.id(), token.id());
                let idle = idle.map(i64::from);
                self.model
                    .created(number, session.id(), self.tokens.len(), idle);
                self.tokens.push(token);
                self.seen.push(session);
            }
            Err(error) => match error.kind() {
                ErrorKind::Superseded => assert!(may_be_superseded),
                ErrorKind::TooManySessions => assert_eq!(expected, Login::TooMany),
                _ => panic!("{error}"),
            },
        }
    }

    fn look_up(&mut self, choice: usize) {
        let Some((number, token)) = self.token(choice) else {
            return;
        };
        let found = block_on(self.sessions.inspect(&token)).expect("the store does not fail");
        // Whether a renewal is due is judged by what was read.
        let due = |model: &Model, standing| model.renewal_is_due(token.id(), standing);
        match (found, self.model.look_up(token.id(), number)) {
            (Lookup::Live(session), Ok(standing)) => {
                self.compare(&session);
                assert_eq!(session.renewal_due(), due(&self.model, standing));
                self.seen.push(session);
            }
            (Lookup::Rejected(rejection), Err(expected)) => assert_eq!(rejection, expected),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    fn renew(&mut self, choice: usize) {
        let Some((number, token)) = self.token(choice) else {
            return;
        };
        let renewed = block_on(self.sessions.renew(&token)).expect("the store does not fail");
        match (renewed, self.model.find(token.id(), number)) {
            (None, Err(_)) => {}
            (Some(renewed), Ok(standing)) => {
                let new = renewed.token.as_ref().map(Token::digest);
                match standing {
                    Standing::Current => {
                        self.model.renew(token.id(), self.tokens.len());
                        self.tokens.extend(renewed.token);
                        assert!(new.is_some_and(|new| new != token.digest()));
                    }
                    // The response was lost: the same once more.
                    Standing::Unconfirmed => {
                        let current = self.model.sessions[&token.id()].current;
                        assert!(new == Some(self.tokens[current].digest()));
                    }
                    Standing::Overlapping => assert!(new.is_none()),
                }
                self.compare(&renewed.session);
            }
            (renewed, expected) => panic!("{renewed:?} instead of {expected:?}"),
        }
    }

    fn renew_now(&mut self, choice: usize, authenticated: bool) {
        let Some((number, token)) = self.token(choice) else {
            return;
        };
        let renewed = if authenticated {
            block_on(self.sessions.reauthenticated(&token))
        } else {
            block_on(self.sessions.renew_now(&token))
        };
        match (
            renewed.expect("the store does not fail"),
            self.model.find(token.id(), number),
        ) {
            (None, Err(_)) => {}
            (Some((new, session)), Ok(_)) => {
                self.model
                    .renew_now(token.id(), number, self.tokens.len(), authenticated);
                self.tokens.push(new);
                self.compare(&session);
            }
            (renewed, expected) => panic!("{renewed:?} instead of {expected:?}"),
        }
    }

    fn set_data(&mut self, choice: usize, data: &[u8]) {
        let Some(session) = chosen(&self.seen, choice).cloned() else {
            return;
        };
        let updated = block_on(self.sessions.update_data(&session, data));
        let is_live = self.model.is_live(session.id());
        let there = self
            .model
            .sessions
            .get_mut(&session.id())
            .filter(|_| is_live);
        match (updated.expect("the store does not fail"), there) {
            (DataUpdate::Gone, None) => {}
            (DataUpdate::Updated(updated), Some(there)) => {
                assert_eq!(session.version(), there.version, "a lost update");
                there.version += 1;
                there.data = data.to_vec();
                self.compare(&updated);
                self.seen.push(updated);
            }
            (DataUpdate::Conflict(now), Some(there)) => {
                assert_ne!(session.version(), there.version);
                self.compare(&now);
            }
            (updated, there) => panic!("{updated:?} instead of {there:?}"),
        }
    }

    fn compare(&self, session: &Session) {
        let expected = &self.model.sessions[&session.id()];
        assert_eq!(*session.user(), user(expected.user));
        assert_eq!(session.version(), expected.version);
        assert_eq!(session.data(), expected.data);
        let ago = self
            .model
            .authenticated_ago(session.id())
            .expect("it is there");
        assert!(session.require_fresh(Duration::from_millis(ago)).is_ok());
        if let Some(less) = ago.checked_sub(1) {
            assert!(session.require_fresh(Duration::from_millis(less)).is_err());
        }
    }

    fn token(&self, choice: usize) -> Option<(usize, Token)> {
        let number = choice.checked_rem(self.tokens.len())?;
        Some((number, self.tokens[number].clone()))
    }
}

fn chosen<T>(from: &[T], choice: usize) -> Option<&T> {
    from.get(choice.checked_rem(from.len())?)
}
