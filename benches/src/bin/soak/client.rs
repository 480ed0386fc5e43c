//! A user with a few browsers, who knows which of their sessions are live.

use std::collections::VecDeque;

use revocable::{DataUpdate, Sessions, Token, UserId};
use revocable_benches::workload::Random;

/// The most sessions that a user has.
const MOST: usize = 100;

/// How many tokens of ended sessions are tried again.
const REMEMBERED: usize = 50;

pub(crate) struct Client<'s> {
    sessions: &'s Sessions,
    user: UserId,
    random: Random,
    live: Vec<Token>,
    ended: VecDeque<Token>,
}

impl<'s> Client<'s> {
    pub(crate) fn new(sessions: &'s Sessions, number: usize) -> Self {
        Self {
            sessions,
            user: UserId::from(number as u64),
            random: Random(number as u64 + 1),
            live: Vec::new(),
            ended: VecDeque::new(),
        }
    }

    /// Does something by chance, and holds what comes back against what is
    /// known.
    pub(crate) async fn act(&mut self) -> Result<(), String> {
        let result = match self.random.below(100) {
            0..10 => self.log_in().await,
            10..15 => self.renew().await,
            15..20 => self.update().await,
            20..28 => self.log_out().await,
            28 => self.log_out_everywhere().await,
            29 => self.log_out_others().await,
            30..32 => self.list().await,
            32..45 => self.look_up_ended().await,
            _ => self.look_up().await,
        };
        result.map_err(|error| format!("{error}"))?
    }

    fn one(&mut self) -> Option<usize> {
        let count = self.live.len() as u64;
        (count > 0).then(|| self.random.below(count) as usize)
    }

    fn has_ended(&mut self, tokens: impl IntoIterator<Item = Token>) {
        self.ended.extend(tokens);
        let surplus = self.ended.len().saturating_sub(REMEMBERED);
        self.ended.drain(..surplus);
    }

    async fn log_in(&mut self) -> revocable::Result<Result<(), String>> {
        if self.live.len() >= MOST {
            return self.log_out().await;
        }
        let (token, _) = self.sessions.create(&self.user).await?;
        self.live.push(token);
        Ok(Ok(()))
    }

    async fn look_up(&mut self) -> revocable::Result<Result<(), String>> {
        let Some(one) = self.one() else {
            return self.log_in().await;
        };
        let found = self.sessions.lookup(&self.live[one]).await?;
        Ok(match found {
            Some(session) if *session.user() == self.user => Ok(()),
            other => Err(format!("a live session is {other:?}")),
        })
    }

    async fn look_up_ended(&mut self) -> revocable::Result<Result<(), String>> {
        let count = self.ended.len() as u64;
        if count == 0 {
            return Ok(Ok(()));
        }
        let one = self.random.below(count) as usize;
        let found = self.sessions.lookup(&self.ended[one]).await?;
        Ok(found.map_or(Ok(()), |session| Err(format!("{} came back", session.id()))))
    }

    async fn renew(&mut self) -> revocable::Result<Result<(), String>> {
        let Some(one) = self.one() else {
            return Ok(Ok(()));
        };
        let renewed = self.sessions.renew_now(&self.live[one]).await?;
        let Some((token, _)) = renewed else {
            return Ok(Err("a live session could not be renewed".into()));
        };
        let old = std::mem::replace(&mut self.live[one], token);
        self.has_ended([old]);
        Ok(Ok(()))
    }

    async fn update(&mut self) -> revocable::Result<Result<(), String>> {
        let Some(one) = self.one() else {
            return Ok(Ok(()));
        };
        let Some(session) = self.sessions.lookup(&self.live[one]).await? else {
            return Ok(Err("a live session was not found".into()));
        };
        let data = vec![one as u8; self.random.below(500) as usize];
        Ok(
            match self.sessions.update_data(&session, data.clone()).await? {
                DataUpdate::Updated(session) if session.data() == data => Ok(()),
                other => Err(format!("an update came to {other:?}")),
            },
        )
    }

    async fn log_out(&mut self) -> revocable::Result<Result<(), String>> {
        let Some(one) = self.one() else {
            return Ok(Ok(()));
        };
        let token = self.live.swap_remove(one);
        let ended = self.sessions.revoke(token.id()).await?;
        self.has_ended([token]);
        Ok(ended
            .then_some(())
            .ok_or("there was nothing to revoke".into()))
    }

    async fn log_out_everywhere(&mut self) -> revocable::Result<Result<(), String>> {
        let ended = self.sessions.revoke_all_for_user(&self.user).await?;
        let tokens = std::mem::take(&mut self.live);
        let expected = tokens.len();
        self.has_ended(tokens);
        Ok(same(ended, expected))
    }

    async fn log_out_others(&mut self) -> revocable::Result<Result<(), String>> {
        let Some(one) = self.one() else {
            return Ok(Ok(()));
        };
        let Some(session) = self.sessions.lookup(&self.live[one]).await? else {
            return Ok(Err("a live session was not found".into()));
        };
        let ended = self.sessions.revoke_others(&session).await?;
        let kept = self.live.swap_remove(one);
        let tokens = std::mem::replace(&mut self.live, vec![kept]);
        let expected = tokens.len();
        self.has_ended(tokens);
        Ok(same(ended, expected))
    }

    async fn list(&mut self) -> revocable::Result<Result<(), String>> {
        let page = self.sessions.list_for_user(&self.user, None, 1_000).await?;
        Ok(same(page.sessions.len(), self.live.len()))
    }
}

fn same(found: usize, expected: usize) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{found} sessions instead of {expected}")),
    }
}
