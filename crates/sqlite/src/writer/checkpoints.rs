//! When the log is copied into the file.

use crate::open::WAL_LIMIT;

/// Beyond this the log is copied although others wait.
const WAL_URGENT: u64 = 2 * WAL_LIMIT;

/// Beyond this readers are waited for, so that the log can start over.
const WAL_HARD: u64 = 8 * WAL_LIMIT;

/// When the log is next copied into the file, by its length in bytes.
#[derive(Debug)]
pub(super) struct Checkpoints {
    at: u64,
}

impl Checkpoints {
    pub(super) fn new() -> Self {
        Self { at: WAL_LIMIT }
    }

    /// Whether it is time if nobody waits.
    pub(super) fn is_due(&self, len: u64) -> bool {
        len > self.at
    }

    /// Whether it is time although others wait. Once the log has started over,
    /// it may grow to its limit again.
    pub(super) fn is_urgent(&mut self, len: u64) -> bool {
        if len <= WAL_LIMIT {
            self.at = WAL_LIMIT;
        }
        len > self.at.max(WAL_URGENT)
    }

    /// How it is done now. If a reader keeps the log from starting over, it is
    /// tried again when the log has grown by another part.
    pub(super) fn begin(&mut self, len: u64) -> &'static str {
        self.at = len + len / 4;
        if len > WAL_HARD {
            "TRUNCATE"
        } else {
            "PASSIVE"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_log_is_copied_beyond_4_mib_and_if_others_wait_beyond_8() {
        let mut checkpoints = Checkpoints::new();
        assert!(!checkpoints.is_due(4 * MIB) && checkpoints.is_due(4 * MIB + 1));
        assert!(!checkpoints.is_urgent(8 * MIB) && checkpoints.is_urgent(8 * MIB + 1));
    }

    #[test]
    fn readers_are_waited_for_beyond_32_mib() {
        let mut checkpoints = Checkpoints::new();
        assert_eq!(checkpoints.begin(32 * MIB), "PASSIVE");
        assert_eq!(checkpoints.begin(32 * MIB + 1), "TRUNCATE");
    }

    #[test]
    fn a_log_that_could_not_start_over_grows_by_a_quarter_first() {
        let mut checkpoints = Checkpoints::new();
        checkpoints.begin(12 * MIB);
        assert!(!checkpoints.is_due(15 * MIB) && checkpoints.is_due(15 * MIB + 1));
        assert!(!checkpoints.is_urgent(15 * MIB) && checkpoints.is_urgent(15 * MIB + 1));
        // It did start over.
        assert!(!checkpoints.is_urgent(4 * MIB));
        assert!(checkpoints.is_due(4 * MIB + 1));
    }
}
