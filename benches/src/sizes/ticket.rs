//! Sessions to create, and to ask for again.

use std::future::ready;

use futures_executor::block_on;
use futures_util::{TryStreamExt, stream};
use revocable::{Result, Session, SessionId, Sessions, Token};

use crate::workload::{Random, login};

/// How many writes are under way at a time: those of a busy server. They are
/// committed together.
pub const AT_ONCE: usize = 512;

/// The bytes that the application keeps in each session.
pub const DATA: usize = 100;

/// What the client of a session brings, and whose it is. Without pointers, so
/// that memory for many can be had before a measurement begins.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    /// The text of the token.
    pub key: [u8; Token::TEXT_LEN],
    /// Of the user.
    pub number: usize,
}

impl Ticket {
    /// Stands for one to come. All of its bytes are written to, so that it is
    /// in memory.
    pub const NONE: Self = Self {
        key: [b'A'; Token::TEXT_LEN],
        number: usize::MAX,
    };

    /// Creates a session of the nth user.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn create(sessions: &Sessions, number: usize) -> Result<Self> {
        let new = login(&user(number))?.data(data(number));
        let (token, _) = sessions.create(new).await?;
        Ok(Self::new(number, token.expose().as_str()))
    }

    /// A session of the nth user, by the text of its token.
    ///
    /// # Panics
    ///
    /// If the text is of another length than a token's.
    pub fn new(number: usize, text: &str) -> Self {
        let key = text.as_bytes().try_into().unwrap();
        Self { key, number }
    }

    /// The text of its token.
    pub fn text(&self) -> &str {
        str::from_utf8(&self.key).unwrap()
    }

    /// The session's ID.
    pub fn id(&self) -> SessionId {
        Token::parse(self.key).unwrap().id()
    }

    /// The session, which has to be this one's in all that was kept of it.
    ///
    /// # Errors
    ///
    /// Those of the store.
    ///
    /// # Panics
    ///
    /// If it is another's.
    pub async fn lookup(&self, sessions: &Sessions) -> Result<Option<Session>> {
        let found = sessions.lookup(&self.key[..]).await?;
        if let Some(session) = &found {
            let right = session.user().as_str() == user(self.number)
                && session.data() == data(self.number)
                && session.id() == self.id();
            assert!(right, "a wrong answer: {session:?}");
        }
        Ok(found)
    }
}

/// The name of the nth user.
pub fn user(number: usize) -> String {
    format!("user-{number:06}")
}

/// The data in a session of the nth user. Does not compress.
fn data(number: usize) -> Vec<u8> {
    let mut random = Random(number as u64);
    (0..DATA).map(|_| random.below(256) as u8).collect()
}

/// Creates a session for each of the first `count` users, many at a time.
///
/// # Errors
///
/// Those of the store.
pub fn create_all(sessions: &Sessions, count: usize, mut keep: impl FnMut(Ticket)) -> Result<()> {
    let create = |number| Ok(Ticket::create(sessions, number));
    block_on(
        stream::iter((0..count).map(create))
            .try_buffer_unordered(AT_ONCE)
            .try_for_each(|ticket| {
                keep(ticket);
                ready(Ok(()))
            }),
    )
}

/// How many of these sessions there are. What is there has to be right, also in
/// the index by user, and nobody gets in with a token that differs in a letter.
///
/// # Errors
///
/// Those of the store.
///
/// # Panics
///
/// If an answer is wrong.
pub fn count(sessions: &Sessions, tickets: &[Ticket]) -> Result<usize> {
    block_on(async {
        let mut there = 0;
        for (nth, ticket) in tickets.iter().enumerate() {
            let found = ticket.lookup(sessions).await?;
            there += usize::from(found.is_some());
            if nth % 64 == 0 {
                let page = sessions
                    .list_for_user(user(ticket.number), None, 1_000)
                    .await?;
                let listed = page
                    .sessions
                    .iter()
                    .any(|session| session.id() == ticket.id());
                assert_eq!(listed, found.is_some(), "the user's list differs");
                let mut forged = *ticket;
                forged.key[40] = if forged.key[40] == b'A' { b'B' } else { b'A' };
                assert!(forged.lookup(sessions).await?.is_none(), "forged");
            }
        }
        Ok(there)
    })
}

/// Revokes these sessions and none else, and sees to it that they are gone.
///
/// # Errors
///
/// Those of the store.
///
/// # Panics
///
/// If one was not there before, or is afterwards.
pub fn revoke(sessions: &Sessions, tickets: &[Ticket]) -> Result<()> {
    for ticket in tickets {
        assert!(block_on(sessions.revoke(ticket.id()))?, "nothing to revoke");
    }
    assert_eq!(count(sessions, tickets)?, 0, "revoked sessions are live");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::in_memory;

    #[test]
    fn counts_what_is_there_and_not_what_was_revoked() {
        let sessions = in_memory().unwrap();
        let mut tickets = Vec::new();
        create_all(&sessions, 1_000, |ticket| tickets.push(ticket)).unwrap();
        assert_eq!(count(&sessions, &tickets).unwrap(), 1_000);
        revoke(&sessions, &tickets[..10]).unwrap();
        assert_eq!(count(&sessions, &tickets).unwrap(), 990);
    }

    #[test]
    #[should_panic(expected = "a wrong answer")]
    fn a_session_of_another_stops_the_measurement() {
        let sessions = in_memory().unwrap();
        let mut ticket = block_on(Ticket::create(&sessions, 1)).unwrap();
        ticket.number = 2;
        let _ = count(&sessions, &[ticket]);
    }
}
