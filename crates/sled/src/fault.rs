//! What goes wrong in the engine, as the contract's errors.

use std::borrow::Cow;
use std::sync::Arc;

use revocable_core::{Error, ErrorKind};

/// The result of everything in this crate that talks to the engine.
pub(crate) type Result<T, E = Fault> = std::result::Result<T, E>;

/// An error that can be given to many: a failed commit fails each of its
/// requests.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Arc<sled::Error>>,
}

impl Fault {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn configuration(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Configuration, message)
    }

    pub(crate) fn corrupt_record() -> Self {
        Self::new(
            ErrorKind::Corrupt,
            "the session's record is damaged; it can only be revoked",
        )
    }

    /// For who waits for a write that failed half-way.
    pub(crate) fn unknown(&self) -> Self {
        Self {
            kind: ErrorKind::UnknownOutcome,
            message: "the write failed half-way, it may have taken effect; open the store again, \
                      then repeat the call"
                .into(),
            source: self.source.clone(),
        }
    }

    /// For everybody who comes after that.
    pub(crate) fn poisoned(&self) -> Self {
        Self {
            kind: match self.kind {
                ErrorKind::Corrupt => ErrorKind::Corrupt,
                _ => ErrorKind::Unavailable,
            },
            message: "a write failed half-way, and what is in memory may differ from what is on \
                      disk; open the store again when the disk is well"
                .into(),
            source: self.source.clone(),
        }
    }

    /// While the writer hangs, for who comes then or waits for a later turn:
    /// nothing was begun, and nothing will be.
    pub(crate) fn hangs() -> Self {
        Self::new(
            ErrorKind::Unavailable,
            "the writer hangs in a write that the disk does not answer; try again later, and \
             look at the disk and the system's log",
        )
    }

    /// The same for who waits for what the writer is at.
    pub(crate) fn hung() -> Self {
        Self::new(
            ErrorKind::UnknownOutcome,
            "the writer hangs in a write that the disk does not answer, and this one may yet \
             take effect: repeat the call later",
        )
    }

    pub(crate) fn io(what: &str, error: &std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::Full,
            _ => ErrorKind::Unavailable,
        };
        Self::new(kind, format!("cannot {what} ({error})"))
    }
}

impl From<sled::Error> for Fault {
    /// The one place where the engine's errors are given a kind.
    fn from(error: sled::Error) -> Self {
        let (kind, message) = match &error {
            sled::Error::Corruption { .. } => (
                ErrorKind::Corrupt,
                "the database is damaged; restore a backup and then revoke everything, or remove \
                 the folder, which ends all sessions",
            ),
            sled::Error::Io(cause) => match cause.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    (ErrorKind::Full, "no room: the disk is full")
                }
                _ => (
                    ErrorKind::Unavailable,
                    "the database cannot be read or written; look at the disk and the system's log",
                ),
            },
            sled::Error::Unsupported(_) => (
                ErrorKind::Configuration,
                "the database was written with other settings",
            ),
            _ => (ErrorKind::Unavailable, "the engine failed"),
        };
        Self {
            kind,
            message: message.into(),
            source: Some(Arc::new(error)),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let error = Error::new(fault.kind, fault.message);
        match fault.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}
