//! Everything but lookups: logging in and out, renewing, changing data, listing.

use std::collections::BTreeSet;
use std::time::Instant;

use futures_executor::block_on;
use revocable::{DataUpdate, Result, Sessions, Token};
use revocable_benches::workload::{self, Random, SESSIONS_PER_USER, login};

use crate::book::{Book, Claim, Key, Live, data};

/// Does one of them by chance, about this place or near it. Returns when the
/// answer was there.
///
/// # Panics
///
/// If the answer is wrong or the store fails.
pub(crate) fn write(
    sessions: &Sessions,
    book: &Book,
    place: usize,
    random: &mut Random,
) -> Instant {
    let done = block_on(async {
        // Of 100: a little more come than go, so that of the places few are
        // empty, and these are filled again at once.
        match random.below(100) {
            0..35 => match book.claim_empty() {
                Some((claim, place)) => log_in(sessions, claim, place).await,
                None => log_out(sessions, book, place).await,
            },
            35..60 => log_out(sessions, book, place).await,
            60..63 => log_out_everywhere(sessions, book.claim(place)).await,
            63..75 => renew(sessions, book, place).await,
            75..87 => update(sessions, book, place).await,
            _ => list(sessions, book.claim(place)).await,
        }
    });
    done.unwrap_or_else(|error| panic!("a write failed: {error}"))
}

async fn log_in(sessions: &Sessions, mut claim: Claim<'_>, place: usize) -> Result<Instant> {
    let user = name_of(&claim);
    let (token, session) = sessions.create(login(&user)?).await?;
    let done = Instant::now();
    right(session.user().as_str() == user, "another user logged in");
    claim.places[place].live = Some(Live {
        key: key_of(&token),
        version: session.version(),
    });
    claim.release();
    Ok(done)
}

async fn log_out(sessions: &Sessions, book: &Book, place: usize) -> Result<Instant> {
    let mut claim = book.claim(place);
    let Some((place, live)) = one_of(&claim, place) else {
        return list(sessions, claim).await;
    };
    let ended = sessions.revoke(token_of(&live).id()).await?;
    let done = Instant::now();
    right(ended, "there was nothing to revoke");
    claim.end(place);
    claim.release();
    Ok(done)
}

async fn log_out_everywhere(sessions: &Sessions, mut claim: Claim<'_>) -> Result<Instant> {
    let ended = sessions.revoke_all_for_user(name_of(&claim)).await?;
    let done = Instant::now();
    right(ended == keys(&claim).count(), "too many or too few ended");
    for place in 0..SESSIONS_PER_USER {
        claim.end(place);
    }
    claim.release();
    Ok(done)
}

async fn renew(sessions: &Sessions, book: &Book, place: usize) -> Result<Instant> {
    let mut claim = book.claim(place);
    let Some((place, live)) = one_of(&claim, place) else {
        return list(sessions, claim).await;
    };
    let renewed = sessions.renew_now(&live.key[..]).await?;
    let done = Instant::now();
    let Some((token, _)) = renewed else {
        panic!("a wrong answer: a live session could not be renewed");
    };
    claim.end(place);
    claim.places[place].live = Some(Live {
        key: key_of(&token),
        ..live
    });
    claim.release();
    Ok(done)
}

async fn update(sessions: &Sessions, book: &Book, place: usize) -> Result<Instant> {
    let mut claim = book.claim(place);
    let Some((place, live)) = one_of(&claim, place) else {
        return list(sessions, claim).await;
    };
    let Some(session) = sessions.lookup(&live.key[..]).await? else {
        panic!("a wrong answer: a live session is gone");
    };
    let version = live.version + 1;
    let outcome = sessions.update_data(&session, data(version)).await?;
    let done = Instant::now();
    let updated = matches!(outcome, DataUpdate::Updated(session) if session.version() == version);
    right(updated, "an update of nobody else's was in the way");
    claim.places[place].live = Some(Live { version, ..live });
    claim.release();
    Ok(done)
}

async fn list(sessions: &Sessions, claim: Claim<'_>) -> Result<Instant> {
    let page = sessions.list_for_user(name_of(&claim), None, 100).await?;
    let done = Instant::now();
    let listed: BTreeSet<_> = page.sessions.iter().map(|session| session.id()).collect();
    let known = keys(&claim).map(|live| token_of(&live).id()).collect();
    right(listed == known, "the list is another");
    claim.release();
    Ok(done)
}

/// A live session: of this place if there is one.
fn one_of(claim: &Claim<'_>, place: usize) -> Option<(usize, Live)> {
    let first = place % SESSIONS_PER_USER;
    (first..first + SESSIONS_PER_USER)
        .map(|place| place % SESSIONS_PER_USER)
        .find_map(|place| Some((place, claim.places[place].live?)))
}

fn keys(claim: &Claim<'_>) -> impl Iterator<Item = Live> {
    claim.places.into_iter().filter_map(|place| place.live)
}

fn name_of(claim: &Claim<'_>) -> String {
    workload::user(claim.user * SESSIONS_PER_USER)
}

fn key_of(token: &Token) -> Key {
    token.expose().as_bytes().try_into().unwrap()
}

fn token_of(live: &Live) -> Token {
    Token::parse(live.key).unwrap()
}

fn right(is: bool, otherwise: &str) {
    assert!(is, "a wrong answer: {otherwise}");
}
