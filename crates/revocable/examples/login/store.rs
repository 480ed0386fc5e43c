//! The store of the sessions, and what a timer does for it.

use std::time::Duration;

use revocable::{
    CachedStore, Policy, PostgresStore, RedisStore, Result, SessionStore, Sessions, SqliteStore,
};

use crate::options::Backend;
use crate::problem;

/// How long a session may be unused, and live at all; when its token is renewed.
const IDLE: Duration = Duration::from_secs(7 * 86_400);
const ABSOLUTE: Duration = Duration::from_secs(30 * 86_400);
const RENEWAL: Duration = Duration::from_secs(3_600);

/// How late this program may see what another one at the same server revoked.
const TERM: Duration = Duration::from_secs(2);

/// How late the end by a timeout shows where somebody waits for it.
const TIDY_UP_EVERY: Duration = Duration::from_secs(10);

pub(crate) async fn sessions(backend: &Backend) -> Result<Sessions> {
    let policy = Policy::builder(ABSOLUTE)
        .idle_timeout(IDLE)
        .renewal_interval(RENEWAL);
    Sessions::builder(open(backend).await?)
        .policy(policy)
        .build()
}

async fn open(backend: &Backend) -> Result<Box<dyn SessionStore>> {
    Ok(match backend {
        Backend::Sqlite(path) => {
            // To this process alone, so that the cache knows of every change.
            let store = SqliteStore::builder(path).exclusive(true).open()?;
            Box::new(CachedStore::new(store)?)
        }
        Backend::Redis(url) => Box::new(shared(RedisStore::connect(url).await?)?),
        Backend::Postgres(url) => Box::new(shared(PostgresStore::connect(url).await?)?),
    })
}

/// A cache that hears what others revoke: streams end here, too.
fn shared<S: SessionStore>(store: S) -> Result<CachedStore<S>> {
    let cached = CachedStore::builder(store).max_staleness(TERM).build()?;
    tokio::spawn(cached.keep_lease(tokio::time::sleep));
    Ok(cached)
}

/// Removes what has expired, and ends the streams of it.
pub(crate) async fn tidy_up(sessions: Sessions) {
    let mut timer = tokio::time::interval(TIDY_UP_EVERY);
    loop {
        timer.tick().await;
        let swept = sessions.sweep(Default::default()).await.map(drop);
        let refreshed = sessions.refresh_watches().await.map(drop);
        if let Err(error) = swept.and(refreshed) {
            problem::report(&error);
        }
    }
}
