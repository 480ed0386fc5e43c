//! Where a sweep stands.

use std::iter::Rev;
use std::ops::Range;

use revocable_core::{Error, ErrorKind, Result, SessionId, SweepCursor, SweepRequest};

/// One step of a sweep: shard after shard, the sessions and the epochs of each.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sweep {
    pub(crate) shard: usize,
    pub(crate) sessions: Walk,
    pub(crate) epochs: Walk,
}

/// A walk through a table whose lock is released between its steps, with the
/// number of rows that it may still visit. A row is an entry, or one of the
/// sessions in an entry, in the order of their IDs.
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
/// If the walk stops within an entry, that one stands below `below` too, at its
/// highest position, with `after` saying how far it was visited. If another
/// stands there when the walk goes on, it came from above, so it was visited, or
/// it is new; and the first one is now lower and is visited from its beginning.
///
/// What is inserted meanwhile may be visited, and what is moved down may be
/// visited twice; both are harmless.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Walk {
    below: usize,
    after: Option<SessionId>,
    left: usize,
    visited: u64,
}

impl Walk {
    /// The most rows for which a lock is held: some microseconds, even if each
    /// has to be fetched from memory.
    const BATCH: usize = 64;

    fn new(below: usize, after: Option<SessionId>, max_rows: usize) -> Self {
        Self {
            below,
            after,
            left: max_rows,
            visited: 0,
        }
    }

    /// The next positions to visit in a table of this length, downward. The
    /// entry at each may be swap-removed when it is visited: what takes its
    /// place comes from above.
    pub(crate) fn next_positions(&mut self, len: usize) -> Rev<Range<usize>> {
        let end = self.below.min(len);
        let count = end.min(self.left).min(Self::BATCH);
        self.below = end - count;
        self.count(count);
        (self.below..end).rev()
    }

    /// The next sessions to visit in a table of this length, of which each
    /// entry has those that `sessions` gives for a position, after an ID.
    pub(crate) fn next_within<S: Iterator<Item = SessionId>>(
        &mut self,
        len: usize,
        sessions: impl Fn(usize, Option<SessionId>) -> S,
    ) -> Vec<SessionId> {
        if self.below > len {
            self.below = len;
            self.after = None;
        }
        let mut next = Vec::new();
        let max = self.left.min(Self::BATCH);
        while self.below > 0 && next.len() < max {
            let mut in_entry = sessions(self.below - 1, self.after);
            next.extend(in_entry.by_ref().take(max - next.len()));
            if in_entry.next().is_some() {
                self.after = next.last().copied();
            } else {
                self.below -= 1;
                self.after = None;
            }
        }
        self.count(next.len());
        next
    }

    fn count(&mut self, visited: usize) {
        self.left -= visited;
        self.visited += visited as u64;
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
        let (shard, sessions_below, after, epochs_below) = match &request.cursor {
            None => (0, usize::MAX, None, usize::MAX),
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
            sessions: Walk::new(sessions_below, after, max_rows),
            epochs: Walk::new(epochs_below, None, max_rows),
        })
    }

    /// Goes to the beginning of the next shard.
    pub(crate) fn next_shard(&mut self) {
        self.shard += 1;
        self.sessions.below = usize::MAX;
        self.epochs.below = usize::MAX;
    }

    /// Where the next step begins: shard, positions in users and in epochs, and
    /// a session or zeros.
    pub(crate) fn cursor(&self) -> SweepCursor {
        let place = [self.shard, self.sessions.below, self.epochs.below];
        let mut bytes = place.map(usize::to_le_bytes).concat();
        let after = self.sessions.after;
        bytes.extend(after.map_or([0; SessionId::LEN], |id| *id.as_bytes()));
        SweepCursor::new(bytes)
    }
}

fn read(cursor: &SweepCursor) -> Option<(usize, usize, Option<SessionId>, usize)> {
    let (place, after) = cursor.as_bytes().split_last_chunk::<{ SessionId::LEN }>()?;
    let (numbers, []) = place.as_chunks() else {
        return None;
    };
    let numbers: &[_; 3] = numbers.try_into().ok()?;
    let [shard, sessions_below, epochs_below] = numbers.map(usize::from_le_bytes);
    let after = SessionId::from_bytes(*after);
    Some((shard, sessions_below, after, epochs_below))
}

#[cfg(test)]
mod tests {
    use super::*;
    use revocable_core::{Bucket, Liveness, UserId};
    use std::num::NonZeroU32;

    fn id(number: u64) -> SessionId {
        SessionId::new(0, Bucket::of(&UserId::from(1_u64)), number.to_be_bytes())
    }

    fn ids(numbers: Range<u64>, after: Option<SessionId>) -> impl Iterator<Item = SessionId> {
        numbers.map(id).filter(move |id| Some(*id) > after)
    }

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
        assert_eq!(sweep.epochs.next_positions(70_000).len(), Walk::BATCH);
        sweep.sessions.next_within(5, |_, after| ids(0..200, after));
        assert_eq!(
            (sweep.sessions.below, sweep.sessions.after),
            (5, Some(id(63)))
        );
        let read = Sweep::begin(&request(Some(sweep.cursor()))).unwrap();
        assert_eq!(read.cursor(), sweep.cursor());
        assert_eq!((read.shard, read.epochs.below), (1, 70_000 - Walk::BATCH));
        assert_eq!(
            (read.sessions.below, read.sessions.after),
            (5, Some(id(63)))
        );
        for bytes in [&[][..], &[1, 2, 3], &[0; 16], &[0; 39], &[0; 41], &[0; 48]] {
            let error = Sweep::begin(&request(Some(SweepCursor::new(bytes)))).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn a_walk_visits_each_position_once_in_batches_up_to_its_limit() {
        let mut walk = Walk::new(usize::MAX, None, 300);
        let mut visited = Vec::new();
        while !walk.is_used_up() {
            visited.extend(walk.next_positions(400));
        }
        assert!(visited.iter().copied().eq((100..400).rev()));
        assert_eq!(walk.visited(), 300);
        let mut rest = Walk::new(walk.below, None, 300);
        while !rest.is_at_end() {
            visited.extend(rest.next_positions(400));
        }
        assert!(visited.iter().copied().eq((0..400).rev()));
    }

    #[test]
    fn a_walk_that_came_to_the_end_with_its_last_row_is_at_the_end_and_not_used_up() {
        let mut walk = Walk::new(usize::MAX, None, 3);
        assert_eq!(walk.next_positions(3).len(), 3);
        assert!(walk.is_at_end() && !walk.is_used_up());
        let mut walk = Walk::new(usize::MAX, None, 3);
        assert_eq!(walk.next_positions(4).len(), 3);
        assert!(!walk.is_at_end() && walk.is_used_up());
    }

    #[test]
    fn a_walk_within_entries_visits_each_session_once_whatever_the_batch() {
        let entries = [
            0..1,
            10..310,
            400..402,
            500..564,
            600..601,
            700..763,
            800..807,
        ];
        for max_rows in [1, 3, 63, 64, 65, 1_000] {
            let mut walk = Walk::new(usize::MAX, None, max_rows);
            let mut visited = Vec::new();
            while !walk.is_at_end() {
                walk = Walk::new(walk.below, walk.after, max_rows);
                let next =
                    walk.next_within(entries.len(), |at, after| ids(entries[at].clone(), after));
                assert!(next.len() <= max_rows.min(Walk::BATCH));
                visited.extend(next);
            }
            let all = entries.iter().rev().cloned().flatten().map(id);
            assert!(visited.into_iter().eq(all), "{max_rows}");
        }
    }

    #[test]
    fn an_entry_that_moved_down_is_visited_from_its_beginning() {
        let mut walk = Walk::new(usize::MAX, None, 2);
        let visited = walk.next_within(3, |at, after| {
            ids([0..1, 10..13, 20..25][at].clone(), after)
        });
        assert_eq!(visited, [id(20), id(21)]);
        // The first entry ended; the last took its place.
        let mut walk = Walk::new(walk.below, walk.after, 100);
        let visited = walk.next_within(2, |at, after| ids([20..25, 10..13][at].clone(), after));
        assert_eq!(visited.len(), 5 + 3);
    }
}
