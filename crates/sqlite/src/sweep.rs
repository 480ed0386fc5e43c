//! A sweep of sessions and epochs, in steps.

use revocable_core::{
    Error, ErrorKind, Liveness, Result, SessionId, SweepCursor, SweepOutcome, SweepRequest,
};

use crate::scan;
use crate::store::SqliteStore;
use crate::writer::{Expire, ForgetEpochs};

/// How many sessions or epochs are looked at, and removed, at a time: a batch
/// that holds up other writers, and on a machine with few processors whoever
/// waits for one. In steps of 64 the slowest lookups beside it took more than twice as long,
/// and it went three times as fast: see `load` in the benchmarks.
const STEP: u32 = 8;

/// Where a sweep goes on: behind this session and behind this epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    session: [u8; SessionId::LEN],
    epoch: i64,
}

impl Place {
    // No ID has only zeros or only ones, and the first position is above zero.
    const START: Self = Self {
        session: [0; SessionId::LEN],
        epoch: 0,
    };
    const END: Self = Self {
        session: [0xff; SessionId::LEN],
        epoch: i64::MAX,
    };

    fn of(cursor: &SweepCursor) -> Result<Self> {
        let foreign = || {
            Error::new(
                ErrorKind::InvalidInput,
                "the sweep's cursor is not of this store",
            )
        };
        let (session, epoch) = cursor.as_bytes().split_first_chunk().ok_or_else(foreign)?;
        Ok(Self {
            session: *session,
            epoch: i64::from_be_bytes(epoch.try_into().map_err(|_| foreign())?),
        })
    }

    fn cursor(self) -> Option<SweepCursor> {
        let bytes = [&self.session[..], &self.epoch.to_be_bytes()].concat();
        (self != Self::END).then(|| SweepCursor::new(bytes))
    }
}

impl SqliteStore {
    pub(crate) async fn sweep(&self, request: SweepRequest) -> Result<SweepOutcome> {
        let mut place = match &request.cursor {
            Some(cursor) => Place::of(cursor)?,
            None => Place::START,
        };
        let mut outcome = SweepOutcome::default();
        let max = request.max_rows.get();
        self.sweep_sessions(&mut place, max, request.liveness, &mut outcome)
            .await?;
        self.sweep_epochs(
            &mut place,
            max,
            request.forget_epochs_before_ms,
            &mut outcome,
        )
        .await?;
        outcome.cursor = place.cursor();
        Ok(outcome)
    }

    async fn sweep_sessions(
        &self,
        place: &mut Place,
        max: u32,
        liveness: Liveness,
        outcome: &mut SweepOutcome,
    ) -> Result<()> {
        let mut left = max;
        while left > 0 && place.session != Place::END.session {
            let limit = left.min(STEP);
            let after = place.session;
            let stretch = self
                .read_for_sweep(move |reader| scan::stretch(reader, after, limit, &liveness))
                .await?;
            outcome.examined += u64::from(stretch.examined);
            if !stretch.expired.is_empty() {
                let sessions = stretch.expired.into_iter();
                let sessions = sessions
                    .map(|id| (id, self.writer().take_soon(id)))
                    .collect();
                let ended = self.writer().write(Expire { sessions, liveness }).await?;
                outcome.ended.extend(ended);
            }
            place.session = stretch.next.unwrap_or(Place::END.session);
            left -= limit;
        }
        Ok(())
    }

    /// Looks for the last epoch that may be forgotten, and forgets all up to
    /// it: also those that a clock that was ahead has put in the future, since a
    /// login from before them is older still.
    async fn sweep_epochs(
        &self,
        place: &mut Place,
        max: u32,
        before_ms: i64,
        outcome: &mut SweepOutcome,
    ) -> Result<()> {
        let mut left = max;
        while left > 0 && place.epoch != Place::END.epoch {
            let limit = left.min(STEP);
            left -= limit;
            let after = place.epoch;
            let stretch = self
                .read_for_sweep(move |reader| scan::epochs(reader, after, limit, before_ms))
                .await?;
            if let Some(through) = stretch.last_old {
                let forget = ForgetEpochs { through, limit };
                let forgotten = self.writer().write(forget).await?;
                outcome.epochs_forgotten += forgotten;
                if forgotten == u64::from(limit) {
                    // There may be more before it: the same again.
                    continue;
                }
            }
            place.epoch = stretch.next.unwrap_or(Place::END.epoch);
        }
        Ok(())
    }
}
