//! What the driver knows of the sessions, to tell a wrong answer.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use revocable::Token;
use revocable_benches::workload::{ROLE, Request, SESSIONS_PER_USER};

/// The text of a token.
pub(crate) type Key = [u8; Token::TEXT_LEN];

/// A session of a user, and the one before it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    pub(crate) live: Option<Live>,
    /// A token that is good no longer, for ever.
    pub(crate) ended: Option<Key>,
}

/// A session that can be looked up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Live {
    pub(crate) key: Key,
    /// Of its data.
    pub(crate) version: u64,
}

#[derive(Debug, Default)]
struct User {
    /// Somebody writes; what is known may be true no longer.
    busy: bool,
    /// How many writes there were.
    turn: u64,
    places: [Place; SESSIONS_PER_USER],
}

/// All users and their sessions.
#[derive(Debug)]
pub(crate) struct Book {
    users: Vec<Mutex<User>>,
    /// Places whose session has ended, for the next to log in.
    empty: Mutex<VecDeque<usize>>,
}

/// A user whom nobody else writes about.
#[derive(Debug)]
pub(crate) struct Claim<'b> {
    book: &'b Book,
    pub(crate) user: usize,
    pub(crate) places: [Place; SESSIONS_PER_USER],
}

/// What was known of a place when a lookup began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) place: Place,
    /// `None` while somebody writes about the user.
    turn: Option<u64>,
}

impl Book {
    /// With these sessions, in the order in which they were created.
    pub(crate) fn new(requests: &[Request]) -> Self {
        let user = |requests: &[Request]| {
            let mut user = User::default();
            for (place, request) in user.places.iter_mut().zip(requests) {
                place.live = Some(Live {
                    key: (*request.key).try_into().unwrap(),
                    version: 0,
                });
            }
            Mutex::new(user)
        };
        let whole = requests.chunks_exact(SESSIONS_PER_USER);
        assert!(whole.remainder().is_empty(), "a user lacks a session");
        Self {
            users: whole.map(user).collect(),
            empty: Mutex::default(),
        }
    }

    /// What is known of a place now.
    pub(crate) fn known(&self, place: usize) -> Known {
        let user = self.user(place / SESSIONS_PER_USER);
        Known {
            place: user.places[place % SESSIONS_PER_USER],
            turn: (!user.busy).then_some(user.turn),
        }
    }

    /// Whether nobody wrote about the user since.
    pub(crate) fn still_holds(&self, place: usize, known: &Known) -> bool {
        let user = self.user(place / SESSIONS_PER_USER);
        !user.busy && known.turn == Some(user.turn)
    }

    /// The user of this place, or the next whom nobody writes about: those who
    /// are popular are busy at times.
    pub(crate) fn claim(&self, place: usize) -> Claim<'_> {
        let first = place / SESSIONS_PER_USER;
        let all = self.users.len();
        (first..first + all)
            .find_map(|user| self.try_claim(user % all))
            .expect("there are more users than threads that write")
    }

    /// A user with an empty place, and that place; `None` if there is none at
    /// the moment.
    pub(crate) fn claim_empty(&self) -> Option<(Claim<'_>, usize)> {
        let place = lock(&self.empty).pop_front()?;
        let claim = self.try_claim(place / SESSIONS_PER_USER);
        if claim.is_none() {
            lock(&self.empty).push_back(place);
        }
        claim.map(|claim| (claim, place % SESSIONS_PER_USER))
    }

    fn try_claim(&self, number: usize) -> Option<Claim<'_>> {
        let mut user = self.user(number);
        if std::mem::replace(&mut user.busy, true) {
            return None;
        }
        Some(Claim {
            book: self,
            user: number,
            places: user.places,
        })
    }

    fn user(&self, number: usize) -> MutexGuard<'_, User> {
        lock(&self.users[number])
    }

    /// How many places there are.
    pub(crate) fn len(&self) -> usize {
        self.users.len() * SESSIONS_PER_USER
    }
}

impl Claim<'_> {
    /// The session of a place has ended.
    pub(crate) fn end(&mut self, place: usize) {
        let place = &mut self.places[place];
        place.ended = place.live.take().map(|live| live.key).or(place.ended);
    }

    /// What is known now is what others may hold answers against.
    pub(crate) fn release(self) {
        let mut user = self.book.user(self.user);
        let emptied: Vec<_> = (0..SESSIONS_PER_USER)
            .filter(|place| {
                user.places[*place].live.is_some() && self.places[*place].live.is_none()
            })
            .map(|place| self.user * SESSIONS_PER_USER + place)
            .collect();
        user.places = self.places;
        user.turn += 1;
        user.busy = false;
        drop(user);
        lock(&self.book.empty).extend(emptied);
    }
}

/// What a session with data of this version holds.
pub(crate) fn data(version: u64) -> Vec<u8> {
    match version {
        0 => ROLE.as_bytes().to_vec(),
        // As long, so that the records stay of one size.
        _ => format!("{:0width$}", version % 1_000_000, width = ROLE.len()).into_bytes(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
