//! Running all checks.

use std::fmt;

use crate::check::{Check, Verdict};
use crate::checks::checks;
use crate::harness::Harness;

/// What came of all checks. Its `Display` lists those that failed or were
/// skipped, with the reasons.
#[derive(Debug, Clone)]
#[must_use = "a report that nobody reads finds nothing"]
pub struct Report {
    verdicts: Vec<(&'static Check, Verdict)>,
}

/// Runs every check, one after the other.
pub fn run(harness: &dyn Harness) -> Report {
    Report {
        verdicts: checks()
            .into_iter()
            .map(|check| (check, check.run(harness)))
            .collect(),
    }
}

impl Report {
    /// Every check with what came of it.
    pub fn verdicts(&self) -> &[(&'static Check, Verdict)] {
        &self.verdicts
    }

    /// The checks that failed, and why.
    pub fn failed(&self) -> impl Iterator<Item = (&'static Check, &str)> {
        self.verdicts.iter().filter_map(|(check, verdict)| {
            let Verdict::Failed(why) = verdict else {
                return None;
            };
            Some((*check, why.as_str()))
        })
    }

    /// The checks that could not be made on this store, and why.
    pub fn skipped(&self) -> impl Iterator<Item = (&'static Check, &str)> {
        self.verdicts.iter().filter_map(|(check, verdict)| {
            let Verdict::Skipped(why) = verdict else {
                return None;
            };
            Some((*check, why.as_str()))
        })
    }

    /// Panics with the whole report if a check failed: the last line of a
    /// test.
    ///
    /// # Panics
    ///
    /// If a check failed.
    #[track_caller]
    pub fn assert_ok(&self) {
        assert!(self.failed().next().is_none(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failed, skipped) = (self.failed().count(), self.skipped().count());
        let passed = self.verdicts.len() - failed - skipped;
        writeln!(f, "{passed} passed, {failed} failed, {skipped} skipped")?;
        for (check, why) in self.skipped() {
            writeln!(f, "skipped {}: {why}", check.name())?;
        }
        for (check, why) in self.failed() {
            writeln!(f, "\nFAILED {}", check.name())?;
            for clause in check.clauses() {
                writeln!(f, "  breaks {clause}")?;
            }
            writeln!(f, "  {}", check.about())?;
            writeln!(f, "  {why}")?;
        }
        Ok(())
    }
}
