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
