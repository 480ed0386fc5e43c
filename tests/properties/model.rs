//! What sessions promise, written down a second time and as plainly as can be.

use std::collections::BTreeMap;

use revocable::{AtCap, Expired, Policy, Rejection, SessionId};

/// A token by its number; the world knows the real one.
pub(crate) type TokenNumber = usize;

#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) user: u8,
    pub(crate) current: TokenNumber,
    previous: Option<(TokenNumber, Successor)>,
    created: i64,
    /// The session's own idle timeout, if it is shorter than the policy's.
    idle: Option<i64>,
    authenticated: i64,
    /// When the current token was made.
    renewed: i64,
    seen: i64,
    pub(crate) version: u64,
    pub(crate) data: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Successor {
    Unconfirmed,
    Presented(i64),
    Immediate,
}

/// By which token a session was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Current,
    Unconfirmed,
    Overlapping,
}

/// What a login must come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    Created,
    Superseded,
    TooMany,
}

/// A login that was begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) user: u8,
    position: u64,
    begun: i64,
}

#[derive(Debug)]
pub(crate) struct Model {
    policy: Policy,
    pub(crate) now: i64,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    /// Counts the revoke-alls; the last of each user, and when it was.
    position: u64,
    last: BTreeMap<u8, (u64, i64)>,
    everything: u64,
    /// The highest that a sweep may have forgotten.
    forgotten: u64,
}

fn ms(duration: std::time::Duration) -> i64 {
    duration.as_millis() as i64
}

impl Model {
    pub(crate) fn new(policy: Policy, now: i64) -> Self {
        Self {
            policy,
            now,
            sessions: BTreeMap::new(),
            position: 0,
            last: BTreeMap::new(),
            everything: 0,
            forgotten: 0,
        }
    }

    fn idle(&self, session: &Session) -> Option<i64> {
        let idle = self.policy.idle_timeout().map(ms);
        [idle, session.idle].into_iter().flatten().min()
    }

    fn expired(&self, session: &Session) -> Option<Expired> {
        let idle = self.idle(session);
        if self.now >= session.created + ms(self.policy.absolute_timeout()) {
            Some(Expired::Absolute)
        } else if idle.is_some_and(|idle| self.now >= session.seen + idle) {
            Some(Expired::Idle)
        } else {
            None
        }
    }

    pub(crate) fn is_live(&self, id: SessionId) -> bool {
        let session = self.sessions.get(&id);
        session.is_some_and(|session| self.expired(session).is_none())
    }

    pub(crate) fn live_of(&self, user: u8) -> Vec<SessionId> {
        let of_user = self.sessions.iter();
        of_user
            .filter(|(_, session)| session.user == user && self.expired(session).is_none())
            .map(|(id, _)| *id)
            .collect()
    }

    /// Judges a token and, for reuse, ends the session.
    pub(crate) fn find(
        &mut self,
        id: SessionId,
        token: TokenNumber,
    ) -> Result<Standing, Rejection> {
        let session = self.sessions.get(&id).ok_or(Rejection::Unknown)?;
        let successor = match session.previous {
            _ if session.current == token => None,
            Some((previous, successor)) if previous == token => Some(successor),
            _ => return Err(Rejection::WrongSecret),
        };
        if let Some(expired) = self.expired(session) {
            return Err(Rejection::Expired(expired));
        }
        match successor {
            None => Ok(Standing::Current),
            Some(Successor::Unconfirmed) => Ok(Standing::Unconfirmed),
            Some(Successor::Immediate) => Err(Rejection::Replaced),
            Some(Successor::Presented(at)) => {
                let overlap = ms(self.policy.renewal_overlap());
                if (self.now - at).abs() < overlap {
                    Ok(Standing::Overlapping)
                } else if self.now < at {
                    Err(Rejection::Replaced)
                } else {
                    if self.policy.revoke_on_reuse() {
                        self.sessions.remove(&id);
                    }
                    Err(Rejection::Reused)
                }
            }
        }
    }

    /// A lookup: as `find`, and the use is recorded.
    pub(crate) fn look_up(
        &mut self,
        id: SessionId,
        token: TokenNumber,
    ) -> Result<Standing, Rejection> {
        let standing = self.find(id, token)?;
        let now = self.now;
        // Recorded once an interval, and often enough for a short idle timeout.
        let half_idle = self
            .idle(&self.sessions[&id])
            .map_or(i64::MAX, |idle| idle / 2);
        let interval = ms(self.policy.touch_interval()).min(half_idle).max(1);
        let session = self.sessions.get_mut(&id).expect("it was found");
        match &mut session.previous {
            Some((_, successor))
                if standing == Standing::Current && *successor == Successor::Unconfirmed =>
            {
                *successor = Successor::Presented(now);
                session.seen = session.seen.max(now);
            }
            _ if now - session.seen >= interval => session.seen = now,
            _ => {}
        }
        Ok(standing)
    }

    /// A periodic renewal by the current token.
    pub(crate) fn renew(&mut self, id: SessionId, new: TokenNumber) {
        self.replace(id, new, Successor::Unconfirmed);
    }

    /// A renewal for security, with or without a password.
    pub(crate) fn renew_now(
        &mut self,
        id: SessionId,
        presented: TokenNumber,
        new: TokenNumber,
        authenticated: bool,
    ) {
        let before = self.sessions[&id].previous;
        self.replace(id, new, Successor::Immediate);
        let session = self.sessions.get_mut(&id).expect("it was found");
        // The client does not have the successor, so what it has is remembered.
        if before == Some((presented, Successor::Unconfirmed)) {
            session.previous = Some((presented, Successor::Immediate));
        }
        if authenticated {
            session.authenticated = self.now;
        }
    }

    fn replace(&mut self, id: SessionId, new: TokenNumber, successor: Successor) {
        let session = self.sessions.get_mut(&id).expect("it was found");
        session.previous = Some((session.current, successor));
        session.current = new;
        session.renewed = self.now;
        session.seen = session.seen.max(self.now);
    }

    pub(crate) fn begin_login(&self, user: u8) -> Attempt {
        Attempt {
            user,
            position: self.position,
            begun: self.now,
        }
    }

    /// What a login must come to, before it is tried; and whether it may also be
    /// superseded, because the store has forgotten what it would take to know.
    pub(crate) fn log_in(&self, user: u8, attempt: Option<Attempt>) -> (Login, bool) {
        let mut doubtful = false;
        if let Some(attempt) = attempt {
            let own = self.last.get(&user).map_or(0, |(position, _)| *position);
            let too_old = self.now - attempt.begun > ms(self.policy.login_attempt_max_age());
            if too_old || own.max(self.everything) > attempt.position {
                return (Login::Superseded, true);
            }
            doubtful = self.forgotten > attempt.position;
        }
        let full = self.policy.cap().is_some_and(|cap| {
            cap.at_cap == AtCap::Refuse && self.live_of(user).len() >= cap.max.get() as usize
        });
        let login = if full { Login::TooMany } else { Login::Created };
        (login, doubtful)
    }

    /// A session was created; ends what the cap ends.
    pub(crate) fn created(
        &mut self,
        user: u8,
        id: SessionId,
        token: TokenNumber,
        idle: Option<i64>,
    ) {
        if let Some(cap) = self.policy.cap() {
            let mut live = self.live_of(user);
            if cap.at_cap == AtCap::EndLeastRecentlyUsed {
                live.sort_by_key(|id| (self.sessions[id].seen, *id));
            }
            while live.len() >= cap.max.get() as usize {
                self.sessions.remove(&live.remove(0));
            }
        }
        let session = Session {
            user,
            current: token,
            previous: None,
            created: self.now,
            authenticated: self.now,
            renewed: self.now,
            seen: self.now,
            version: 0,
            data: vec![user],
            idle,
        };
        self.sessions.insert(id, session);
    }

    /// Ends a user's sessions, and refuses logins under way. Returns how many
    /// ended.
    pub(crate) fn revoke_all(&mut self, user: u8, keep: Option<SessionId>) -> usize {
        let before = self.sessions.len();
        self.sessions
            .retain(|id, session| session.user != user || keep == Some(*id));
        self.position += 1;
        self.last.insert(user, (self.position, self.now));
        before - self.sessions.len()
    }

    pub(crate) fn revoke_everything(&mut self) -> usize {
        self.position += 1;
        self.everything = self.position;
        std::mem::take(&mut self.sessions).len()
    }

    /// Removes what has expired. Returns how many.
    pub(crate) fn sweep(&mut self) -> usize {
        let over: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| self.expired(session).is_some())
            .map(|(id, _)| *id)
            .collect();
        for id in &over {
            self.sessions.remove(id);
        }
        let oldest = self.now - ms(self.policy.login_attempt_max_age());
        for (position, taken) in self.last.values() {
            if *taken < oldest {
                self.forgotten = self.forgotten.max(*position);
            }
        }
        over.len()
    }

    /// Whether the token by which the session was just found should be renewed.
    pub(crate) fn renewal_is_due(&self, id: SessionId, standing: Standing) -> bool {
        let interval = self.policy.renewal_interval().map(ms);
        match standing {
            Standing::Unconfirmed => true,
            Standing::Overlapping => false,
            Standing::Current => {
                interval.is_some_and(|interval| self.now - self.sessions[&id].renewed >= interval)
            }
        }
    }

    /// How long ago the user proved who they are.
    pub(crate) fn authenticated_ago(&self, id: SessionId) -> Option<u64> {
        let session = self.sessions.get(&id)?;
        Some(self.now.abs_diff(session.authenticated))
    }
}
