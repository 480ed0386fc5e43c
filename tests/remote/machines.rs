//! What stores on servers have in common here: machines with caches in front of them.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use revocable::{
    CachedStore, Change, ChangeKind, ErrorKind, Liveness, NewSession, Notice, SessionStore,
    Sessions, SweepRequest, Token,
};
use revocable_test_servers::Proxy;

/// How late the caches may see what the other machine has done.
pub(crate) const TERM: Duration = Duration::from_millis(400);

/// By when something has happened that is only waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn sessions(store: impl SessionStore) -> revocable::Result<Sessions> {
    Sessions::builder(store).build()
}

/// A machine with a cache that follows what others announce.
pub(crate) fn cached(store: impl SessionStore) -> revocable::Result<Sessions> {
    let cached = CachedStore::builder(store).max_staleness(TERM).build()?;
    tokio::spawn(cached.keep_lease(tokio::time::sleep));
    sessions(cached)
}

pub(crate) async fn is_live(sessions: &Sessions, token: &Token) -> revocable::Result<bool> {
    Ok(sessions.lookup(token).await?.is_some())
}

/// What is announced comes back to who announces it.
pub(crate) async fn hears_itself(store: &impl SessionStore) -> revocable::Result<()> {
    let mut feed = store.follow().await?;
    feed.mark([1; 16]).await?;
    assert_eq!(feed.next(PATIENCE).await?, Some(Notice::Mark([1; 16])));
    Ok(())
}

pub(crate) fn refused_login<T>(login: revocable::Result<T>) -> Option<ErrorKind> {
    login.err().map(|error| error.kind())
}

/// Waits for a lookup to give an answer again.
pub(crate) async fn answers_again(sessions: &Sessions, token: &Token) -> Result<bool, Failed> {
    let until = Instant::now() + PATIENCE;
    loop {
        match is_live(sessions, token).await {
            Ok(live) => return Ok(live),
            Err(error) if Instant::now() > until => return Err(error.into()),
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
    }
}

/// A sweep removes all that has expired, also while it is used elsewhere.
pub(crate) async fn swept<S>(here: S, there: S) -> Result<(), Failed>
where
    S: SessionStore + Clone,
{
    const HOUR_MS: i64 = 3_600_000;
    let sessions = sessions(here.clone())?;
    for _ in 0..10 {
        let mut ids = Vec::new();
        let mut now_ms = 0;
        for number in 0..200_u64 {
            let (_, session) = sessions.create(NewSession::for_user(number)).await?;
            now_ms = session.record().created_ms;
            ids.push(session.id());
        }
        // The times at which they are used are before the sweep's, by more than
        // they may be unused.
        let used = ids.clone();
        let other = there.clone();
        let using = tokio::spawn(async move {
            for step in 1..20 {
                for id in &used {
                    let liveness = Liveness::at(now_ms + step);
                    let kind = ChangeKind::Touch;
                    let _ = other.update(*id, Change { liveness, kind }).await;
                }
            }
        });
        let mut ended = Vec::new();
        let mut cursor = None;
        loop {
            let step = SweepRequest {
                liveness: Liveness::at(now_ms + 23 * HOUR_MS),
                forget_epochs_before_ms: 0,
                cursor,
                max_rows: NonZeroU32::MAX,
            };
            let outcome = here.sweep_expired(step).await?;
            ended.extend(outcome.ended.into_iter().map(|ended| ended.id));
            cursor = outcome.cursor;
            if cursor.is_none() {
                break;
            }
        }
        using.await?;
        ids.sort_unstable();
        ended.sort_unstable();
        assert_eq!(ended, ids);
    }
    Ok(())
}

/// What one revokes the other refuses in time, and ends its watches.
pub(crate) async fn two(here: &Sessions, there: &Sessions) -> Result<(), Failed> {
    let mut longest = Duration::ZERO;
    for round in 0..30 {
        let (token, session) = here.create("alice").await?;
        // Often enough to be in the other's cache, too.
        for _ in 0..50 {
            assert!(is_live(there, &token).await?);
        }
        let watch = there.watch(session.id()).await?;
        if round % 2 == 0 {
            here.revoke_all_for_user("alice").await?;
        } else {
            here.revoke(session.id()).await?;
        }
        let revoked = Instant::now();
        loop {
            let began = revoked.elapsed();
            if !is_live(there, &token).await? {
                break;
            }
            longest = longest.max(began);
            assert!(began <= TERM, "served {began:?} after its revocation");
        }
        let ended = tokio::time::timeout(PATIENCE, watch).await;
        assert!(ended.is_ok(), "the other machine's watch has not ended");
    }
    println!("longest after a revocation: {longest:?}");
    Ok(())
}

/// What one changes the other shows in time.
pub(crate) async fn changed(here: &Sessions, there: &Sessions) -> Result<(), Failed> {
    for round in 0_u8..20 {
        let (token, session) = here.create("alice").await?;
        // Often enough to be in the other's cache, too.
        for _ in 0..50 {
            assert!(is_live(there, &token).await?);
        }
        here.update_data(&session, [round]).await?;
        let changed = Instant::now();
        loop {
            let began = changed.elapsed();
            let shown = there.lookup(&token).await?.expect("it is live");
            if shown.data() == [round] {
                break;
            }
            assert!(began <= TERM, "old data {began:?} after their change");
        }
    }
    Ok(())
}

/// How long everything is on its way, there and back again. Of a term there have to be left
/// the times between marks and some of these.
const LATE: Duration = TERM.checked_div(16).expect("it is not 0");

/// One that hears everything late: its way is the proxy.
pub(crate) async fn late(here: &Sessions, there: &Sessions, proxy: &Proxy) -> Result<(), Failed> {
    proxy.delay(LATE);
    let mut hits = 0;
    for _ in 0..10 {
        let (token, session) = here.create("alice").await?;
        let until = Instant::now() + TERM;
        while Instant::now() < until {
            let asked = Instant::now();
            assert!(is_live(there, &token).await?);
            hits += usize::from(asked.elapsed() < LATE);
        }
        here.revoke(session.id()).await?;
        let revoked = Instant::now();
        loop {
            let began = revoked.elapsed();
            if !is_live(there, &token).await? {
                break;
            }
            assert!(began <= TERM, "served {began:?} after its revocation");
        }
    }
    assert!(hits > 0, "the lease is never long enough");
    Ok(())
}

/// One that no announcement reaches, and then nothing at all: its way is the proxy.
/// A subscription is what has these bytes in it.
pub(crate) async fn deaf(
    here: &Sessions,
    there: &Sessions,
    proxy: &Proxy,
    subscription: &[u8],
) -> Result<(), Failed> {
    let (token, session) = here.create("alice").await?;
    let until = Instant::now() + 2 * TERM;
    while Instant::now() < until {
        assert!(is_live(there, &token).await?);
    }
    // Its lookups get through, what is announced does not.
    proxy.swallow(subscription);
    here.revoke(session.id()).await?;
    let revoked = Instant::now();
    loop {
        let began = revoked.elapsed();
        if !is_live(there, &token).await? {
            break;
        }
        assert!(began <= TERM, "served {began:?} after its revocation");
    }
    // Out of reach it serves nobody, not even who is live.
    let (live, _) = here.create("bob").await?;
    assert!(is_live(there, &live).await?);
    proxy.cut();
    let cut = Instant::now();
    while cut.elapsed() <= TERM {
        let _ = is_live(there, &live).await;
    }
    let answer = is_live(there, &live).await.map_err(|error| error.kind());
    assert_eq!(answer, Err(ErrorKind::Unavailable));
    proxy.mend();
    assert!(answers_again(there, &live).await?);
    Ok(())
}
