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

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn engine(error: sled::Error) -> Fault {
        Fault::from(error)
    }

    #[test]
    fn an_error_of_the_engine_has_the_kind_of_what_can_be_done_and_keeps_its_cause() {
        let io = |kind: io::ErrorKind| sled::Error::Io(kind.into());
        for (error, kind) in [
            (
                sled::Error::Corruption { at: None, bt: () },
                ErrorKind::Corrupt,
            ),
            (io(io::ErrorKind::StorageFull), ErrorKind::Full),
            (io(io::ErrorKind::QuotaExceeded), ErrorKind::Full),
            (io(io::ErrorKind::Other), ErrorKind::Unavailable),
            (
                sled::Error::Unsupported("as it is".into()),
                ErrorKind::Configuration,
            ),
            (
                sled::Error::ReportableBug("as it is".into()),
                ErrorKind::Unavailable,
            ),
        ] {
            let shown = error.to_string();
            let error = Error::from(engine(error));
            assert_eq!(error.kind(), kind, "{shown}");
            let source = std::error::Error::source(&error).unwrap();
            assert_eq!(source.to_string(), shown);
        }
    }

    #[test]
    fn an_error_of_the_system_is_a_full_disk_or_one_that_may_get_well() {
        for (error, kind) in [
            (io::ErrorKind::StorageFull, ErrorKind::Full),
            (io::ErrorKind::QuotaExceeded, ErrorKind::Full),
            (io::ErrorKind::Other, ErrorKind::Unavailable),
        ] {
            assert_eq!(Fault::io("sync", &error.into()).kind, kind);
        }
    }

    #[test]
    fn after_a_failed_write_a_damaged_store_is_corrupt_and_any_other_may_get_well() {
        for (fault, kind) in [
            (
                engine(sled::Error::Corruption { at: None, bt: () }),
                ErrorKind::Corrupt,
            ),
            (
                engine(sled::Error::Io(io::ErrorKind::StorageFull.into())),
                ErrorKind::Unavailable,
            ),
        ] {
            assert_eq!(fault.unknown().kind, ErrorKind::UnknownOutcome);
            assert_eq!(fault.poisoned().kind, kind);
        }
    }
}
