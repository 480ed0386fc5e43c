//! What is asked about all sessions of one user.

use std::time::Duration;

use criterion::Criterion;
use futures_executor::block_on;
use revocable::Session;

use crate::fixture::{BATCH, Fixture, Fixtures, id};
use crate::timed::{each, timed};

/// How many sessions the user has who logs out everywhere.
const ENDED: [usize; 4] = [1, 10, 100, 1_000];

pub(crate) fn bench(criterion: &mut Criterion, fixtures: &Fixtures) {
    for ended in ENDED {
        let operation = format!("revoke_all of {ended}");
        fixtures.bench(criterion, &operation, |fixture, calls| {
            timed(calls, (BATCH / ended).max(1), |count| {
                revoke_all(fixture, count, ended)
            })
        });
    }
    fixtures.bench(criterion, "list", |fixture, calls| {
        timed(calls, BATCH, |count| list(fixture, count))
    });
}

fn revoke_all(fixture: &Fixture, count: usize, ended: usize) -> Duration {
    let users: Vec<_> = (0..count).map(|user| format!("leaver-{user:08}")).collect();
    let requests: Vec<_> = users
        .iter()
        .flat_map(|user| fixture.log_in(ended, Some(user)))
        .collect();
    let (time, counts) = each(&users, |user| {
        block_on(fixture.sessions.revoke_all_for_user(user))
    });
    for count in counts {
        assert_eq!(count.unwrap(), ended, "too many or too few ended");
    }
    fixture.assert_gone(&requests);
    time
}

fn list(fixture: &Fixture, count: usize) -> Duration {
    let requests = fixture.any(count);
    let (time, pages) = each(&requests, |request| {
        block_on(fixture.sessions.list_for_user(&*request.user, None, 100))
    });
    for (page, request) in pages.into_iter().zip(&requests) {
        let sessions = page.unwrap().sessions;
        let of_user = |session: &Session| session.user().as_str() == &*request.user;
        let own = |session: &Session| session.id() == id(request);
        let right = sessions.iter().all(of_user) && sessions.iter().any(own);
        assert!(right, "a wrong answer");
    }
    time
}
