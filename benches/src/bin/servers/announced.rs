//! What others announce: how much of it a server sends, and a node takes.

use std::error::Error;
use std::time::Instant;

use futures_util::{StreamExt, stream};
use revocable::{EndReason, Mark, Notice, SessionStore, Sessions};

use crate::{LONG, TASKS, fill, ids, rate};

/// How many notices of others a node can take.
pub(crate) async fn heard<S: SessionStore + Clone>(
    sessions: &Sessions,
    store: &S,
) -> Result<(), Box<dyn Error>> {
    const NOTICES: usize = 4_000;
    let mut feed = store.follow().await?;
    let made = fill(sessions, 0..NOTICES).await?;
    let began = Instant::now();
    stream::iter(ids(&made))
        .for_each_concurrent(TASKS, async |id| {
            store.revoke(id, EndReason::LoggedOut).await.unwrap();
        })
        .await;
    let revoking = began.elapsed();
    let mark: Mark = [7; 16];
    feed.mark(mark).await?;
    let began = Instant::now();
    let mut heard = 0;
    loop {
        match feed.next(LONG).await?.ok_or("nothing more is heard")? {
            Notice::Mark(_) => break,
            _ => heard += 1,
        }
    }
    let taking = began.elapsed();
    println!(
        "  {heard} notices, revoked in {:.0} ms, taken in {:.1} ms once they were there",
        revoking.as_secs_f64() * 1_000.0,
        taking.as_secs_f64() * 1_000.0
    );
    Ok(())
}

/// Revocations while so many nodes listen, all of them in this process.
pub(crate) async fn heard_by<S: SessionStore + Clone>(
    sessions: &Sessions,
    store: &S,
    feeds: usize,
) -> Result<(), Box<dyn Error>> {
    const REVOCATIONS: usize = 10_000;
    let made = ids(&fill(sessions, 0..REVOCATIONS).await?);
    let mut listening = Vec::new();
    for _ in 0..feeds {
        let mut feed = store.follow().await?;
        listening.push(tokio::spawn(async move {
            for _ in 0..REVOCATIONS {
                feed.next(LONG).await.unwrap().unwrap();
            }
        }));
    }
    let began = Instant::now();
    stream::iter(made)
        .for_each_concurrent(TASKS, async |id| {
            store.revoke(id, EndReason::LoggedOut).await.unwrap();
        })
        .await;
    let revoked = began.elapsed().as_secs_f64();
    for listening in listening {
        listening.await?;
    }
    let heard = began.elapsed().as_secs_f64();
    rate(
        &format!("revoke, heard by {feeds} feeds"),
        REVOCATIONS,
        revoked,
    );
    if feeds > 0 {
        rate("  notices delivered", REVOCATIONS * feeds, heard);
    }
    Ok(())
}

/// Marks, of which each comes to all of so many feeds.
pub(crate) async fn marks<S: SessionStore>(store: &S, feeds: usize) -> Result<(), Box<dyn Error>> {
    let mut listening = Vec::new();
    for number in 0..feeds {
        let mut feed = store.follow().await?;
        let number = u128::try_from(number)? << 64;
        listening.push(tokio::spawn(async move {
            let (began, mut sent) = (Instant::now(), 0_u64);
            while began.elapsed() < LONG {
                feed.mark((number | u128::from(sent)).to_be_bytes())
                    .await
                    .unwrap();
                feed.next(LONG).await.unwrap().unwrap();
                sent += 1;
            }
            sent
        }));
    }
    let mut sent = 0;
    for listening in listening {
        sent += listening.await?;
    }
    let seconds = LONG.as_secs_f64();
    let delivered = sent * u64::try_from(feeds)?;
    println!(
        "  marks with {feeds} feeds: {:.0} sent and {:.0} delivered a second",
        sent as f64 / seconds,
        delivered as f64 / seconds
    );
    Ok(())
}
