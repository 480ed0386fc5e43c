//! Writes about one session, one after the other.

use std::time::Duration;

use criterion::Criterion;
use futures_executor::block_on;
use revocable::DataUpdate;
use revocable_benches::workload::{ROLE, Request, is_right, login};

use crate::fixture::{BATCH, Fixture, Fixtures, id};
use crate::timed::{each, timed};

pub(crate) fn bench(criterion: &mut Criterion, fixtures: &Fixtures) {
    let mut line = |operation: &str, make: fn(&Fixture, usize) -> Duration| {
        fixtures.bench(criterion, operation, |fixture, calls| {
            timed(calls, BATCH, |count| make(fixture, count))
        });
    };
    line("create", create);
    // A lookup that is recorded.
    line("touch", touch);
    line("renew", renew);
    line("update_data", update_data);
    line("revoke", revoke);
}

fn create(fixture: &Fixture, count: usize) -> Duration {
    let users: Vec<_> = (0..count)
        .map(|number| format!("new-{number:08}"))
        .collect();
    let logins = users.iter().map(|user| login(user).unwrap());
    let logins: Vec<_> = logins.collect();
    let (time, created) = each(logins, |login| block_on(fixture.sessions.create(login)));
    let requests: Vec<_> = created
        .into_iter()
        .zip(&users)
        .map(|(created, user)| Request::new(created.unwrap().0.expose().as_str(), user))
        .collect();
    for request in &requests {
        let session = block_on(fixture.sessions.lookup(&*request.key));
        assert!(is_right(session, request), "a wrong answer");
    }
    fixture.log_out(&requests);
    time
}

fn touch(fixture: &Fixture, count: usize) -> Duration {
    let requests = fixture.any(count);
    let (time, found) = each(&requests, |request| {
        block_on(fixture.touching.lookup(&*request.key))
    });
    for (session, request) in found.into_iter().zip(&requests) {
        assert!(is_right(session, request), "a wrong answer");
    }
    time
}

fn renew(fixture: &Fixture, count: usize) -> Duration {
    let mut requests = fixture.next(count);
    let (time, renewed) = each(&*requests, |request| {
        block_on(fixture.sessions.renew_now(&*request.key))
    });
    fixture.assert_gone(&requests);
    for (renewed, request) in renewed.into_iter().zip(&mut *requests) {
        let (token, session) = renewed.unwrap().expect("a live session was not renewed");
        request.key = token.expose().as_bytes().into();
        assert!(is_right(Ok(Some(session)), request), "a wrong answer");
    }
    time
}

fn update_data(fixture: &Fixture, count: usize) -> Duration {
    let requests = fixture.next(count);
    let read = requests.iter().map(|request| {
        let session = block_on(fixture.sessions.lookup(&*request.key));
        session.unwrap().expect("a live session is gone")
    });
    let read: Vec<_> = read.collect();
    let (time, updated) = each(&read, |session| {
        block_on(fixture.sessions.update_data(session, ROLE.as_bytes()))
    });
    for (updated, before) in updated.into_iter().zip(&read) {
        let right = matches!(updated, Ok(DataUpdate::Updated(session))
            if session.id() == before.id() && session.version() == before.version() + 1);
        assert!(right, "a wrong answer");
    }
    time
}

fn revoke(fixture: &Fixture, count: usize) -> Duration {
    let requests = fixture.log_in(count, None);
    let ids: Vec<_> = requests.iter().map(id).collect();
    let (time, ended) = each(ids, |id| block_on(fixture.sessions.revoke(id)));
    let ended = ended.into_iter().all(|ended| ended.unwrap());
    assert!(ended, "a session was gone");
    fixture.assert_gone(&requests);
    time
}
