//! What goes wrong in the engine, as the contract's errors.

use std::borrow::Cow;
use std::sync::Arc;

use revocable_core::{Error, ErrorKind};
use rusqlite::ErrorCode;

/// The result of everything in this crate that talks to the engine.
pub(crate) type Result<T, E = Fault> = std::result::Result<T, E>;

/// An error that can be given to many: a failed commit fails each of its
/// requests.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Arc<rusqlite::Error>>,
    /// The engine found the file's structure damaged.
    damaged: bool,
    /// It did so while writing.
    writing: bool,
}

impl Fault {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
            damaged: false,
            writing: false,
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

    /// What every write is answered after one of them met damage.
    pub(crate) fn poisoned(&self) -> Self {
        Self {
            kind: ErrorKind::Corrupt,
            message: "the file is damaged and nothing more is written to it; close the store, \
                      then restore the file from a backup, recover it with sqlite3's .recover, or \
                      remove it, which ends all sessions"
                .into(),
            ..self.clone()
        }
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The engine found the structure of the file damaged, not only a record.
    pub(crate) fn is_structural(&self) -> bool {
        self.damaged
    }

    /// ... while it was changing it: to go on could make it worse.
    pub(crate) fn poisons(&self) -> bool {
        self.damaged && self.writing
    }

    /// The same, out of a statement that writes.
    pub(crate) fn while_writing(mut self) -> Self {
        self.writing = true;
        self
    }

    /// The same for somebody who only asked to open the file again: what was
    /// wrong with it may be put right while the store waits.
    pub(crate) fn into_unavailable(mut self) -> Self {
        self.kind = ErrorKind::Unavailable;
        self
    }

    /// The same for somebody who opens a file for the first time: what a
    /// running store may see pass, a person has to put right.
    pub(crate) fn at_open(mut self) -> Self {
        if matches!(
            self.code(),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied)
        ) {
            self.kind = ErrorKind::Configuration;
        }
        self
    }

    /// What a failed COMMIT comes to. Nothing was committed if the engine says
    /// that it could not begin to (BUSY), or that there was no room (FULL): the
    /// frame that commits is the last one written to the write-ahead log, so
    /// one that found no room is not there whole, and its checksum says so. A
    /// failure to sync is IOERR. Then, or after anything else, the frame may be
    /// on disk, and come back after a crash.
    pub(crate) fn at_commit(error: rusqlite::Error) -> Self {
        let fault = Self::from(error).while_writing();
        let rolled_back = matches!(
            fault.code(),
            Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        );
        if rolled_back {
            return fault;
        }
        Self {
            kind: ErrorKind::UnknownOutcome,
            message: "the commit failed half-way, it may have taken effect: repeat the call".into(),
            ..fault
        }
    }

    /// Whether somebody else has the file.
    pub(crate) fn is_locked(&self) -> bool {
        matches!(
            self.code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        )
    }

    fn code(&self) -> Option<ErrorCode> {
        self.source.as_ref()?.sqlite_error_code()
    }
}

impl From<rusqlite::Error> for Fault {
    /// The one place where the engine's errors are given a kind.
    fn from(error: rusqlite::Error) -> Self {
        use ErrorKind::{Configuration, Corrupt, Full, Unavailable};
        let code = error.sqlite_error_code();
        let (kind, message) = match code {
            Some(ErrorCode::DiskFull) => (
                Full,
                "no room: the disk is full or the file has reached its limit; free space or raise \
                 the limit",
            ),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
                Unavailable,
                "the file is locked by somebody else for longer than the busy timeout; look for a \
                 process with an open transaction",
            ),
            Some(ErrorCode::SystemIoFailure) => (
                Unavailable,
                "the file cannot be read or written; look at the disk and the system's log",
            ),
            Some(ErrorCode::ReadOnly) => (
                Unavailable,
                "the file cannot be written to; give the process write permission to it and to \
                 its folder",
            ),
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => (
                Unavailable,
                "the file cannot be opened; check that it and its folder are there and that the \
                 process may read and write both",
            ),
            Some(ErrorCode::OutOfMemory) => (Unavailable, "out of memory"),
            Some(ErrorCode::DatabaseCorrupt) => (
                Corrupt,
                "the file is damaged; remove it, which ends all sessions, or restore a backup and \
                 then revoke everything, since it knows sessions that were revoked later",
            ),
            Some(ErrorCode::NotADatabase) => (
                Configuration,
                "the file is not a SQLite database; give the session store a file of its own",
            ),
            _ => (Unavailable, "the engine failed"),
        };
        Self {
            kind,
            message: message.into(),
            damaged: matches!(
                code,
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            ),
            writing: false,
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
    use super::*;

    fn engine(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
    }

    #[test]
    fn a_commit_that_could_not_be_synced_has_an_unknown_outcome() {
        use rusqlite::ffi;
        let kind = |code| Fault::at_commit(engine(code)).kind();
        assert_eq!(kind(ffi::SQLITE_IOERR_FSYNC), ErrorKind::UnknownOutcome);
        assert_eq!(kind(ffi::SQLITE_IOERR_WRITE), ErrorKind::UnknownOutcome);
        assert_eq!(kind(ffi::SQLITE_FULL), ErrorKind::Full);
        assert_eq!(kind(ffi::SQLITE_BUSY), ErrorKind::Unavailable);
    }

    #[test]
    fn only_damage_found_while_writing_poisons() {
        let damage = Fault::from(engine(rusqlite::ffi::SQLITE_CORRUPT_INDEX));
        assert!(damage.is_structural() && !damage.poisons());
        assert!(damage.while_writing().poisons());
        assert!(!Fault::corrupt_record().while_writing().poisons());
    }

    #[test]
    fn a_commit_that_met_damage_is_of_unknown_outcome_and_those_after_it_are_not() {
        let fault = Fault::at_commit(engine(rusqlite::ffi::SQLITE_CORRUPT));
        let says = |fault: &Fault| Error::from(fault.clone()).to_string();
        assert_eq!(fault.kind(), ErrorKind::UnknownOutcome);
        assert!(says(&fault).contains("repeat the call"));
        assert!(fault.poisons());
        assert_eq!(fault.poisoned().kind(), ErrorKind::Corrupt);
        assert!(says(&fault.poisoned()).contains("restore the file"));
    }

    #[test]
    fn what_the_engine_says_becomes_what_to_do() {
        use rusqlite::ffi;
        for (code, kind, advice) in [
            (ffi::SQLITE_FULL, ErrorKind::Full, "free space"),
            (
                ffi::SQLITE_BUSY,
                ErrorKind::Unavailable,
                "look for a process",
            ),
            (
                ffi::SQLITE_IOERR_READ,
                ErrorKind::Unavailable,
                "look at the disk",
            ),
            (
                ffi::SQLITE_READONLY,
                ErrorKind::Unavailable,
                "write permission",
            ),
            (
                ffi::SQLITE_CANTOPEN,
                ErrorKind::Unavailable,
                "may read and write",
            ),
            (ffi::SQLITE_NOMEM, ErrorKind::Unavailable, "out of memory"),
            (ffi::SQLITE_CORRUPT, ErrorKind::Corrupt, "restore a backup"),
            (
                ffi::SQLITE_NOTADB,
                ErrorKind::Configuration,
                "a file of its own",
            ),
            (
                ffi::SQLITE_MISUSE,
                ErrorKind::Unavailable,
                "the engine failed",
            ),
        ] {
            let fault = Fault::from(engine(code));
            assert_eq!(fault.kind(), kind, "{code}");
            let message = Error::from(fault).to_string();
            assert!(message.contains(advice), "{message}");
        }
    }
}
