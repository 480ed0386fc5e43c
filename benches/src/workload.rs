//! What is asked: the same in every run.

use std::path::Path;
use std::time::Duration;

use futures_executor::block_on;
use futures_util::{StreamExt, TryStreamExt, stream};
use revocable::{
    Client, MemoryStore, NewSession, Policy, Result, Session, SessionStore, Sessions, SledStore,
    SqliteStore,
};

use crate::zipf::Zipf;

/// How many sessions each user has.
pub const SESSIONS_PER_USER: usize = 2;

/// What an application keeps of a session, in the session or in the JWT.
pub const ROLE: &str = "editor";

/// A real one, of middling length.
pub const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                          Chrome/130.0.0.0 Safari/537.36";

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers in every run.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// What a client brings, and who it is.
#[derive(Debug, Clone)]
pub struct Request {
    /// The text of a token, or an ID for the bare engine.
    pub key: Box<[u8]>,
    /// Who the answer has to be.
    pub user: Box<str>,
}

impl Request {
    /// A request with this key, of this user.
    pub fn new(key: impl AsRef<[u8]>, user: &str) -> Self {
        Self {
            key: key.as_ref().into(),
            user: user.into(),
        }
    }
}

/// The name of the user of the nth session.
pub fn user(number: usize) -> String {
    format!("user-{:08}", number / SESSIONS_PER_USER)
}

/// Sessions over a store, under a policy that is the usual one but for the
/// interval of touches: a run must not measure now and then what a session
/// costs once a minute.
pub fn sessions(store: impl SessionStore) -> Result<Sessions> {
    let policy = Policy::builder(Duration::from_secs(12 * 3_600))
        .touch_interval(Duration::from_secs(30 * 60));
    Sessions::builder(store).policy(policy).build()
}

/// Sessions in memory.
pub fn in_memory() -> Result<Sessions> {
    sessions(MemoryStore::new())
}

/// Sessions in a SQLite file.
pub fn in_sqlite(file: &Path) -> Result<Sessions> {
    sessions(SqliteStore::open(file)?)
}

/// Sessions in a SQLite file that this store has to itself.
pub fn exclusively_in_sqlite(file: &Path) -> Result<Sessions> {
    sessions(SqliteStore::builder(file).exclusive(true).open()?)
}

/// Sessions in a sled folder.
pub fn in_sled(folder: &Path) -> Result<Sessions> {
    sessions(SledStore::open(folder)?)
}

/// So many requests out of these, some often and most seldom, by [`Zipf`].
pub fn zipf(
    requests: &[Request],
    exponent: f64,
    count: usize,
    random: &mut Random,
) -> Vec<Request> {
    let popularity = Zipf::new(requests.len(), exponent, random);
    (0..count)
        .map(|_| requests[popularity.pick(random)].clone())
        .collect()
}

/// What a store keeps of a browser.
pub fn client() -> Client {
    Client::new()
        .with_user_agent(USER_AGENT)
        .with_ip([203, 0, 113, 7].into())
}

/// A login as applications have them.
pub fn login(user: &str) -> Result<NewSession> {
    Ok(NewSession::try_from(user)?
        .client(client())
        .data(ROLE.as_bytes()))
}

/// Whether a session is the right one.
pub fn is_right(session: Result<Option<Session>>, request: &Request) -> bool {
    matches!(session, Ok(Some(session))
        if session.user().as_str() == &*request.user && session.data() == ROLE.as_bytes())
}

/// Creates sessions, many at a time, and returns what their clients bring.
pub fn fill(sessions: &Sessions, count: usize) -> Result<Vec<Request>> {
    log_in(sessions, (0..count).map(user))
}

/// Creates a session for each of these users, many at a time.
pub fn log_in(
    sessions: &Sessions,
    users: impl IntoIterator<Item = String>,
) -> Result<Vec<Request>> {
    let create = async |user: String| {
        let (token, _) = sessions.create(login(&user)?).await?;
        Ok(Request::new(token.expose().as_str(), &user))
    };
    block_on(stream::iter(users).map(create).buffered(512).try_collect())
}
