//! Sessions that have had their time, for a sweep to remove.

use std::time::{Duration, SystemTime};

use futures_executor::block_on;
use futures_util::{StreamExt, TryStreamExt, stream};
use revocable::{
    Bucket, CreateOutcome, CreateRequest, Digest, Liveness, Record, Result, SessionId,
    SessionStore, UserId,
};

use crate::workload::{ROLE, Random, client};

/// How many writes are under way at a time: as many as are committed together.
const AT_ONCE: usize = 512;

/// When the oldest was created, and over how long the logins were spread: all
/// have ended under any policy of these benchmarks.
const OLDEST: Duration = Duration::from_secs(72 * 3_600);
const SPREAD: Duration = Duration::from_secs(24 * 3_600);
const LIFE: Duration = Duration::from_secs(12 * 3_600);

/// Creates so many, directly in the store: `Sessions` makes none that are
/// expired. Like those of a server they lie in the order of their logins, and
/// before all that are live. Nobody has a token for them, and their users have
/// no others.
///
/// # Errors
///
/// Those of the store.
///
/// # Panics
///
/// If the store refuses one.
pub fn fill(store: &dyn SessionStore, count: usize, random: &mut Random) -> Result<()> {
    let now_ms = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    // A seed for each, so that they do not depend on which is made first.
    let seed = random.below(u64::MAX);
    let create = async |number: usize| {
        let age = OLDEST - SPREAD.mul_f64(number as f64 / count as f64);
        let created_ms = now_ms - age.as_millis() as i64;
        let request = CreateRequest {
            record: record(number, created_ms, &mut Random(seed ^ number as u64))?,
            expected_epoch: None,
            cap: None,
            liveness: Liveness::at(now_ms),
        };
        let outcome = store.create(request).await?;
        assert!(matches!(outcome, CreateOutcome::Created { .. }));
        Ok(())
    };
    block_on(
        stream::iter(0..count)
            .map(create)
            .buffer_unordered(AT_ONCE)
            .try_collect(),
    )
}

/// As large as the records of the live sessions.
fn record(number: usize, created_ms: i64, random: &mut Random) -> Result<Record> {
    let user = UserId::new(format!("gone-{:08}", number / 2))?;
    let id = random.below(u64::MAX).to_be_bytes();
    Ok(Record {
        id: SessionId::new(created_ms, Bucket::of(&user), id),
        user,
        digest: Digest::from_bytes(std::array::from_fn(|_| random.below(256) as u8)),
        previous: None,
        created_ms,
        authenticated_ms: created_ms,
        last_seen_ms: created_ms,
        expires_ms: created_ms + LIFE.as_millis() as i64,
        idle_timeout_ms: i64::MAX,
        version: 0,
        client: client(),
        data: ROLE.as_bytes().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{fill as log_in, in_memory};
    use revocable::SweepBudget;

    #[test]
    fn a_sweep_removes_them_and_nobody_else() {
        let sessions = in_memory().unwrap();
        let live = log_in(&sessions, 100).unwrap();
        fill(&**sessions.store(), 1_000, &mut Random(1)).unwrap();
        let report = block_on(sessions.sweep(SweepBudget::default())).unwrap();
        assert_eq!((report.examined, report.ended), (1_100, 1_000));
        for request in live {
            assert!(block_on(sessions.lookup(&*request.key)).unwrap().is_some());
        }
    }
}
