//! Looking sessions up, and holding each answer against what is known.

use std::time::Instant;

use futures_executor::block_on;
use revocable::{Session, Sessions};
use revocable_benches::workload;

use crate::book::{Book, Known, Live, data};

/// Looks up the session of a place, or, if asked, the one that ended before it.
/// Returns when the answer was there.
///
/// # Panics
///
/// If the answer is wrong or the store fails.
pub(crate) fn look_up(sessions: &Sessions, book: &Book, place: usize, ended: bool) -> Instant {
    let known = book.known(place);
    let (key, live) = match known.place {
        place if ended && place.ended.is_some() => (place.ended, None),
        place => (place.live.map(|live| live.key).or(place.ended), place.live),
    };
    let key = key.expect("a place without a session has had one");
    let found = block_on(sessions.lookup(&key[..]));
    let done = Instant::now();
    let found = found.unwrap_or_else(|error| panic!("a lookup failed: {error}"));
    if let Err(wrong) = check(book, place, &known, live, found) {
        panic!("a wrong answer: {wrong}");
    }
    done
}

/// Looks up everything that is known, with nothing else going on.
pub(crate) fn look_up_all(sessions: &Sessions, book: &Book) {
    for place in 0..book.len() {
        look_up(sessions, book, place, false);
        look_up(sessions, book, place, true);
    }
}

fn check(
    book: &Book,
    place: usize,
    known: &Known,
    live: Option<Live>,
    found: Option<Session>,
) -> Result<(), String> {
    let Some(live) = live else {
        // It had ended before the lookup began: nothing excuses this.
        return found.map_or(Ok(()), |session| {
            Err(format!("{} had ended and was found", session.id()))
        });
    };
    let Some(session) = found else {
        // Unless somebody ended or renewed it meanwhile.
        return match book.still_holds(place, known) {
            true => Err(format!("a live session of {} is gone", name_of(place))),
            false => Ok(()),
        };
    };
    if session.user().as_str() != name_of(place) {
        return Err(format!("{} instead of {}", session.user(), name_of(place)));
    }
    if session.data() != data(session.version()) {
        return Err(format!("{} has data of another version", session.id()));
    }
    if session.version() != live.version && book.still_holds(place, known) {
        let (found, known) = (session.version(), live.version);
        return Err(format!("{}: version {found} for {known}", session.id()));
    }
    Ok(())
}

fn name_of(place: usize) -> String {
    workload::user(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writes::write;
    use revocable_benches::workload::{Random, Request, fill, in_memory};

    fn crowd(count: usize) -> (Sessions, Vec<Request>, Book) {
        let sessions = in_memory().unwrap();
        let requests = fill(&sessions, count).unwrap();
        let book = Book::new(&requests);
        (sessions, requests, book)
    }

    #[test]
    fn what_is_known_is_right_after_many_writes() {
        let (sessions, _, book) = crowd(1_000);
        let mut random = Random(1);
        for _ in 0..5_000 {
            let place = random.below(1_000) as usize;
            write(&sessions, &book, place, &mut random);
        }
        look_up_all(&sessions, &book);
    }

    #[test]
    #[should_panic(expected = "a wrong answer: a live session of user-00000000 is gone")]
    fn a_session_that_is_lost_stops_the_run() {
        let (sessions, _, book) = crowd(2);
        block_on(sessions.revoke_everything()).unwrap();
        look_up(&sessions, &book, 0, false);
    }

    #[test]
    #[should_panic(expected = "had ended and was found")]
    fn a_session_that_comes_back_stops_the_run() {
        let (sessions, _, book) = crowd(2);
        // As if it had been revoked and the store had not done it.
        let mut claim = book.claim(0);
        claim.end(0);
        claim.release();
        look_up(&sessions, &book, 0, true);
    }

    #[test]
    #[should_panic(expected = "a wrong answer: user-00000001 instead of user-00000000")]
    fn a_session_of_another_stops_the_run() {
        let (sessions, mut requests, _) = crowd(4);
        requests.rotate_left(2);
        look_up(&sessions, &Book::new(&requests), 0, false);
    }
}
