//! Marks that a feed has sent and waits for.

use revocable_core::Mark;

/// So many are remembered: whoever has sent more waits for none of the first.
const MOST: usize = 64;

/// Those on their way, in the order in which they were sent.
#[derive(Debug, Default)]
pub(crate) struct Marks(Vec<Mark>);

impl Marks {
    /// One is sent.
    pub(crate) fn sent(&mut self, mark: Mark) {
        if self.0.len() == MOST {
            self.0.remove(0);
        }
        self.0.push(mark);
    }

    /// One has come back. Whether it was waited for; then those before it are not any
    /// more.
    pub(crate) fn came_back(&mut self, mark: Mark) -> bool {
        let at = self.0.iter().position(|sent| *sent == mark);
        at.map(|at| self.0.drain(..=at)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_waited_for_once_and_those_before_it_no_more() {
        let mut marks = Marks::default();
        for number in 1..=3 {
            marks.sent([number; 16]);
        }
        assert!(marks.came_back([2; 16]));
        assert!(!marks.came_back([2; 16]) && !marks.came_back([1; 16]));
        assert!(marks.came_back([3; 16]));
        for number in 0..=MOST as u8 {
            marks.sent([number; 16]);
        }
        assert!(!marks.came_back([0; 16]) && marks.came_back([1; 16]));
    }
}
