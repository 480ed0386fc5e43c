//! Where a sweep stands.

use std::iter::Rev;
use std::ops::Range;

use revocable_core::{Error, ErrorKind, Result, SweepCursor, SweepRequest};

/// One step of a sweep: shard after shard, the sessions and the epochs of each.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sweep {
    pub(crate) shard: usize,
    pub(crate) sessions: Walk,
    pub(crate) epochs: Walk,
}

/// A walk through a table whose lock is released between its steps, with the
/// number of rows that it may still visit.
///
/// # Why it is complete
///
/// It goes from the last position down to 0. Meanwhile anybody may change the
/// table, in four ways: an insert takes the position after the last; a
/// `swap_remove` moves the last entry to the place of the removed one, which is
/// lower; shrinking keeps the order; and clearing leaves nothing. None raises
/// an entry's position. An entry that was there when the walk began stood below
/// the length at that time, so until it is visited it stands below `below`; and
/// the walk is at its end only when `below` is 0.
///
/// Upward this would not hold: a removal may move the last entry, which has not
/// been visited, to a place that has been passed.
///
/// What is inserted meanwhile may be visited, and what is moved down may be
/// visited twice; both are harmless.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Walk {
    below: usize,
    left: usize,
    visited: u64,
}

impl Walk {
    /// The most rows for which a lock is held: some microseconds.
    const BATCH: usize = 128;

    fn new(below: usize, max_rows: usize) -> Self {
        Self {
            below,
            left: max_rows,
            visited: 0,
        }
    }

    /// The next positions to visit in a table of this length, downward. The
    /// entry at each may be swap-removed when it is visited: what takes its
    /// place comes from above, so it was visited or is new.
    pub(crate) fn next_positions(&mut self, len: usize) -> Rev<Range<usize>> {
        let end = self.below.min(len);
        let count = end.min(self.left).min(Self::BATCH);
        self.below = end - count;
        self.left -= count;
        self.visited += count as u64;
        (self.below..end).rev()
    }

    /// Whether every entry that was in the table throughout has been visited.
    pub(crate) fn is_at_end(&self) -> bool {
        self.below == 0
    }

    /// Whether there is more to visit than this step may.
    pub(crate) fn is_used_up(&self) -> bool {
        self.left == 0 && self.below > 0
    }

    pub(crate) fn visited(&self) -> u64 {
        self.visited
    }
}

impl Sweep {
    /// Where the request says.
    pub(crate) fn begin(request: &SweepRequest) -> Result<Self> {
        let [shard, sessions_below, epochs_below] = match &request.cursor {
            None => [0, usize::MAX, usize::MAX],
            Some(cursor) => read(cursor).ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidInput,
                    "the place in the sweep is not of this store",
                )
            })?,
        };
        let max_rows = usize::try_from(request.max_rows.get()).unwrap_or(usize::MAX);
        Ok(Self {
            shard,
            sessions: Walk::new(sessions_below, max_rows),
            epochs: Walk::new(epochs_below, max_rows),
        })
    }

    /// Goes to the beginning of the next shard.
    pub(crate) fn next_shard(&mut self) {
        self.shard += 1;
        self.sessions.below = usize::MAX;
        self.epochs.below = usize::MAX;
    }

    /// Where the next step begins.
    pub(crate) fn cursor(&self) -> SweepCursor {
        let place = [self.shard, self.sessions.below, self.epochs.below];
        SweepCursor::new(place.map(usize::to_le_bytes).concat())
    }
}

fn read(cursor: &SweepCursor) -> Option<[usize; 3]> {
    let (numbers, []) = cursor.as_bytes().as_chunks() else {
        return None;
    };
    let place: &[_; 3] = numbers.try_into().ok()?;
    Some(place.map(usize::from_le_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use revocable_core::Liveness;
    use std::num::NonZeroU32;

    fn request(cursor: Option<SweepCursor>) -> SweepRequest {
        SweepRequest {
            liveness: Liveness::at(0),
            forget_epochs_before_ms: 0,
            cursor,
            max_rows: NonZeroU32::new(300).unwrap(),
        }
    }

    #[test]
    fn a_place_is_read_back_and_other_bytes_are_refused() {
        let mut sweep = Sweep::begin(&request(None)).unwrap();
        sweep.next_shard();
        assert_eq!(sweep.epochs.next_positions(70_000).len(), 128);
        let read = Sweep::begin(&request(Some(sweep.cursor()))).unwrap();
        assert_eq!(read.cursor(), sweep.cursor());
        assert_eq!((read.shard, read.epochs.below), (1, 70_000 - 128));
        for bytes in [&[][..], &[1, 2, 3], &[0; 25], &[0; 32]] {
            let error = Sweep::begin(&request(Some(SweepCursor::new(bytes)))).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn a_walk_visits_each_position_once_in_batches_up_to_its_limit() {
        let mut walk = Walk::new(usize::MAX, 300);
        let mut visited = Vec::new();
        while !walk.is_used_up() {
            visited.extend(walk.next_positions(400));
        }
        assert!(visited.iter().copied().eq((100..400).rev()));
        assert_eq!(walk.visited(), 300);
        let mut rest = Walk::new(walk.below, 300);
        while !rest.is_at_end() {
            visited.extend(rest.next_positions(400));
        }
        assert!(visited.iter().copied().eq((0..400).rev()));
    }
}
