//! Removing expired sessions, a little at a time.

use std::num::NonZeroU32;
use std::sync::PoisonError;
use std::time::Duration;

use super::Sessions;
use crate::clock::duration_ms;
use crate::error::Result;
use crate::store::SweepRequest;

/// The most rows a store is asked to look at in one step.
const STEP: u64 = 1_000;

/// How much a [`sweep`](Sessions::sweep) may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepBudget {
    /// The most sessions to look at.
    pub max_rows: u64,
    /// The longest time to take, as far as steps of at most 1,000 rows can keep
    /// it. At least one step is taken.
    pub max_duration: Duration,
}

impl Default for SweepBudget {
    /// 100,000 sessions or half a second, whichever comes first.
    fn default() -> Self {
        Self {
            max_rows: 100_000,
            max_duration: Duration::from_millis(500),
        }
    }
}

/// What a [`sweep`](Sessions::sweep) did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweepReport {
    /// How many sessions were looked at.
    pub examined: u64,
    /// How many of them had expired and were removed.
    pub ended: u64,
    /// How many old epochs were forgotten.
    pub epochs_forgotten: u64,
    /// Whether the end was reached. If not, the next sweep goes on from here.
    pub complete: bool,
}

impl Sessions {
    /// Removes expired sessions, within a budget; the next call goes on where
    /// this one stopped. To be called from a timer. It gives back room; that
    /// expired sessions are refused does not depend on it.
    ///
    /// May be dropped between steps and called from several tasks or processes
    /// at once; then some rows are looked at twice.
    ///
    /// # Errors
    ///
    /// Those of the store. What was removed stays removed, and the next sweep
    /// goes on with the step that failed.
    pub async fn sweep(&self, budget: SweepBudget) -> Result<SweepReport> {
        let inner = &*self.inner;
        let started = inner.clock.elapsed();
        let mut report = SweepReport::default();
        loop {
            let left = budget.max_rows.saturating_sub(report.examined).max(1);
            let liveness = self.liveness();
            let oldest_attempt = duration_ms(inner.policy.login_attempt_max_age());
            let request = SweepRequest {
                liveness,
                forget_epochs_before_ms: liveness.now_ms.saturating_sub(oldest_attempt),
                cursor: self.sweep_cursor().clone(),
                max_rows: NonZeroU32::new(left.min(STEP) as u32).unwrap_or(NonZeroU32::MIN),
            };
            let step = inner.store.sweep_expired(request).await?;
            self.tell_ended(&step.ended);
            report.examined += step.examined;
            report.ended += step.ended.len() as u64;
            report.epochs_forgotten += step.epochs_forgotten;
            report.complete = step.cursor.is_none();
            *self.sweep_cursor() = step.cursor;

            let elapsed = inner.clock.elapsed().saturating_sub(started);
            if report.complete
                || report.examined >= budget.max_rows
                || elapsed >= budget.max_duration
            {
                return Ok(report);
            }
        }
    }

    fn sweep_cursor(&self) -> std::sync::MutexGuard<'_, Option<crate::store::SweepCursor>> {
        self.inner
            .sweep_cursor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
