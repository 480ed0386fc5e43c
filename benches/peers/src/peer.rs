//! What is asked of every session store that is compared.

use futures_executor::block_on;
use futures_util::{StreamExt, stream};
use revocable_benches::workload::{Request, user};

/// A session store as an application holds it.
///
/// What a client brings is text everywhere: parsing it is part of every answer.
pub(crate) trait Peer: Send + Sync + 'static {
    /// Begins a session of this user, and returns what its client brings from
    /// then on.
    fn create(&self, user: &str) -> impl Future<Output = Box<[u8]>> + Send;

    /// Whether the request leads to a live session, of the right user and with
    /// the right data.
    fn is_right(&self, request: &Request) -> impl Future<Output = bool> + Send;

    /// Ends the session: a log-out. Whether the store says that there was one,
    /// if it says anything.
    fn revoke(&self, request: &Request) -> impl Future<Output = bool> + Send;
}

/// A store that knows the sessions of a user.
pub(crate) trait ByUser: Peer {
    /// Ends all sessions of the request's user, and returns how many it were.
    fn revoke_all(&self, request: &Request) -> impl Future<Output = usize> + Send;
}

/// Creates so many sessions of the workload's users.
pub(crate) fn fill(peer: &impl Peer, count: usize) -> Vec<Request> {
    let users: Vec<_> = (0..count).map(user).collect();
    create_all(peer, &users)
}

/// Creates a session of each of these users, many at a time.
pub(crate) fn create_all(peer: &impl Peer, users: &[String]) -> Vec<Request> {
    let create = |user: &String| {
        let user = user.clone();
        async move { Request::new(peer.create(&user).await, &user) }
    };
    block_on(stream::iter(users).map(create).buffered(512).collect())
}

/// How many of these are right.
pub(crate) fn right(peer: &impl Peer, requests: &[Request]) -> usize {
    let is_right = |request: &&Request| block_on(peer.is_right(request));
    requests.iter().filter(is_right).count()
}

/// A store that let everybody in would be fast, and so would one that forgot to
/// revoke.
///
/// # Panics
///
/// If it is such a store.
pub(crate) fn refuses_what_it_must(peer: &impl Peer) {
    let [mine, revoked] =
        ["user-mine", "user-revoked"].map(|user| Request::new(block_on(peer.create(user)), user));
    let of_another = Request::new(&mine.key, "user-another");
    let mut forged = mine.clone();
    forged.key[10] = if forged.key[10] == b'A' { b'B' } else { b'A' };

    assert_eq!(right(peer, &[mine.clone(), revoked.clone()]), 2);
    assert!(block_on(peer.revoke(&revoked)));
    assert_eq!(right(peer, &[revoked, of_another, forged]), 0);
    assert_eq!(right(peer, std::slice::from_ref(&mine)), 1);
    assert!(block_on(peer.revoke(&mine)));
}
