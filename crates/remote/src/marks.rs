//! Marks that a feed has sent and waits for.

use std::collections::VecDeque;

use revocable_core::Mark;

/// So many are remembered: whoever has sent more waits for none of the first.
const MOST: usize = 64;

/// Those on their way, through each part of a channel.
#[derive(Debug)]
pub(crate) struct Marks {
    /// In the order in which they were sent.
    sent: VecDeque<Mark>,
    /// The number of the first of them.
    first: u64,
    /// For each part the number behind that of the last one which it brought back. Those
    /// before that have come back, too, or never will.
    back: Vec<u64>,
}

impl Marks {
    pub(crate) fn through(parts: usize) -> Self {
        Self {
            sent: VecDeque::new(),
            first: 0,
            back: vec![0; parts],
        }
    }

    /// One is sent.
    pub(crate) fn sent(&mut self, mark: Mark) {
        if self.sent.len() == MOST {
            self.sent.pop_front();
            self.first += 1;
        }
        self.sent.push_back(mark);
    }

    /// One has come back through a part. The last one since which every part has brought back
    /// one, if that is a later one than before: what was announced until it was sent has
    /// come through all of them.
    pub(crate) fn came_back(&mut self, part: usize, mark: Mark) -> Option<Mark> {
        let at = self.sent.iter().position(|sent| *sent == mark)?;
        let behind = self.first + at as u64 + 1;
        let back = self.back.get_mut(part)?;
        *back = behind.max(*back);
        let all = self.back.iter().min()?;
        let through = all.checked_sub(self.first)?;
        let mut last = None;
        for _ in 0..through {
            last = self.sent.pop_front();
            self.first += 1;
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn mark(number: u8) -> Mark {
        [number; 16]
    }

    #[test]
    fn a_mark_is_waited_for_once_and_those_before_it_no_more() {
        let mut marks = Marks::through(1);
        for number in 1..=3 {
            marks.sent(mark(number));
        }
        assert_eq!(marks.came_back(0, mark(2)), Some(mark(2)));
        assert_eq!(marks.came_back(0, mark(2)), None);
        assert_eq!(marks.came_back(0, mark(1)), None);
        assert_eq!(marks.came_back(0, mark(3)), Some(mark(3)));
        for number in 0..=MOST as u8 {
            marks.sent(mark(number));
        }
        assert_eq!(marks.came_back(0, mark(0)), None);
        assert_eq!(marks.came_back(0, mark(1)), Some(mark(1)));
    }

    #[test]
    fn a_mark_is_back_when_every_part_has_brought_it_or_a_later_one() {
        let mut marks = Marks::through(3);
        for number in 1..=4 {
            marks.sent(mark(number));
        }
        assert_eq!(marks.came_back(0, mark(1)), None);
        assert_eq!(marks.came_back(1, mark(3)), None);
        // The first one is lost on its way here.
        assert_eq!(marks.came_back(2, mark(2)), Some(mark(1)));
        assert_eq!(marks.came_back(0, mark(4)), Some(mark(2)));
        assert_eq!(marks.came_back(1, mark(4)), None);
        assert_eq!(marks.came_back(2, mark(4)), Some(mark(4)));
        assert_eq!(marks.came_back(3, mark(4)), None);
    }

    #[test]
    fn a_part_that_is_far_behind_brings_nothing_back() {
        let mut marks = Marks::through(2);
        for number in 0..=MOST as u8 {
            marks.sent(mark(number));
        }
        assert_eq!(marks.came_back(0, mark(MOST as u8)), None);
        assert_eq!(marks.came_back(1, mark(0)), None);
        assert_eq!(marks.came_back(1, mark(5)), Some(mark(5)));
    }
}
