//! One check of the contract.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

use revocable_core::Error;

use crate::fixture::Context;
use crate::harness::Harness;

/// A clause of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Clause {
    /// Revoked is revoked.
    C1,
    /// There is no save.
    C2,
    /// Revoke-all is linearizable.
    C3,
    /// A login that began before is refused.
    C4,
    /// Acknowledged is durable.
    C5,
    /// Expired is expired.
    C6,
    /// Failing closed.
    C7,
    /// No lost update.
    C8,
    /// Whole or not at all.
    C9,
    /// Bounded.
    C10,
    /// The cap is atomic.
    C11,
    /// A leak of the store is no breach.
    C12,
}

impl Clause {
    /// The clause in a few words.
    pub fn title(self) -> &'static str {
        match self {
            Self::C1 => "revoked is revoked",
            Self::C2 => "no save",
            Self::C3 => "revoke-all is linearizable",
            Self::C4 => "a login that began before is refused",
            Self::C5 => "acknowledged is durable",
            Self::C6 => "expired is expired",
            Self::C7 => "failing closed",
            Self::C8 => "no lost update",
            Self::C9 => "whole or not at all",
            Self::C10 => "bounded",
            Self::C11 => "the cap is atomic",
            Self::C12 => "a store leak is no breach",
        }
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} {}", self.title())
    }
}

/// One check: it opens stores of its own and judges by itself, so checks run
/// in any order, alone, or several at a time.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    pub(crate) name: &'static str,
    pub(crate) clauses: &'static [Clause],
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Context<'_>) -> Result<(), Stop>,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The store keeps it.
    Passed,
    /// Could not be checked on this store, and why.
    Skipped(String),
    /// The store breaks it, and how.
    Failed(String),
}

impl Check {
    /// What must hold, as a sentence in `snake_case`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The clauses of the contract that it belongs to.
    pub fn clauses(&self) -> &'static [Clause] {
        self.clauses
    }

    /// Where the bug that it looks for has been seen, or why it matters.
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// Runs it. A panic, in the check or in the store, is a failure.
    pub fn run(&self, harness: &dyn Harness) -> Verdict {
        let context = Context::new(harness, self.name);
        match catch_unwind(AssertUnwindSafe(|| (self.run)(&context))) {
            Ok(Ok(())) => Verdict::Passed,
            Ok(Err(Stop::Skipped(why))) => Verdict::Skipped(why),
            Ok(Err(Stop::Failed(why))) => Verdict::Failed(why),
            Err(panic) => Verdict::Failed(format!("panicked: {}", panic_text(&*panic))),
        }
    }
}

/// Why a check did not come to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    Skipped(String),
    Failed(String),
}

impl Stop {
    #[track_caller]
    pub(crate) fn failed(why: impl Into<String>) -> Self {
        Self::Failed(format!("{} ({})", why.into(), Location::caller()))
    }

    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Self::Skipped(why.into())
    }

    /// Says in what situation it happened.
    pub(crate) fn within(self, situation: impl fmt::Display) -> Self {
        match self {
            Self::Failed(why) => Self::Failed(format!("{situation}: {why}")),
            skipped @ Self::Skipped(_) => skipped,
        }
    }
}

/// An error of the store where the check expects none.
impl From<Error> for Stop {
    #[track_caller]
    fn from(error: Error) -> Self {
        Self::failed(error_text(&error))
    }
}

/// Fails the check with this text unless the condition holds.
#[track_caller]
pub(crate) fn ensure(condition: bool, why: impl Into<String>) -> Result<(), Stop> {
    if condition {
        Ok(())
    } else {
        Err(Stop::failed(why))
    }
}

/// Fails the check unless both are equal.
#[track_caller]
pub(crate) fn ensure_eq<T: PartialEq + fmt::Debug>(
    actual: &T,
    expected: &T,
    what: &str,
) -> Result<(), Stop> {
    if actual == expected {
        return Ok(());
    }
    let (actual, expected) = (format!("{actual:?}"), format!("{expected:?}"));
    Err(Stop::failed(if actual == expected {
        // Digests and salts show nothing of themselves.
        format!("{what}: a digest or salt is not as expected in {actual}")
    } else {
        format!("{what}: got {actual}, expected {expected}")
    }))
}

pub(crate) fn error_text(error: &Error) -> String {
    let mut text = format!("the store returned {:?}: {error}", error.kind());
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("with something that is no text")
}
