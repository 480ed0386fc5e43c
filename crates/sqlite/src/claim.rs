//! Who may open the file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;

use revocable_core::ErrorKind;

use crate::fault::{Fault, Result};
use crate::open::Location;

/// A lock that every store holds while it is open: shared, or for itself alone.
///
/// It is on a file of its own. On the database file it would be let go, and
/// with it the engine's locks, when any handle of that file is closed, as POSIX
/// has it. The file stays behind: to remove it would let two stores lock two
/// files of the same name.
#[derive(Debug)]
pub(crate) struct Claim {
    file: Option<File>,
}

impl Claim {
    /// Takes the lock, without waiting.
    pub(crate) fn take(location: &Location, exclusive: bool) -> Result<Self> {
        let path = location.beside("-lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let locked = match options.open(&path) {
            Err(error) => Err(TryLockError::Error(error)),
            Ok(file) => if exclusive {
                file.try_lock()
            } else {
                file.try_lock_shared()
            }
            .map(|()| file),
        };
        match locked {
            Ok(file) => Ok(Self { file: Some(file) }),
            Err(TryLockError::WouldBlock) => Err(Fault::new(
                ErrorKind::Unavailable,
                if exclusive {
                    "another store has the file open, so this one cannot have it to itself; close \
                     that, or open this one not exclusively"
                } else {
                    "another store has taken the file for itself; close that first"
                },
            )),
            Err(TryLockError::Error(error)) if may_do_without(exclusive, &error) => {
                Ok(Self { file: None })
            }
            Err(TryLockError::Error(error)) => Err(Fault::new(
                kind_of(&error),
                format!("cannot lock {} ({error})", path.display()),
            )),
        }
    }
}

/// No such locks here: then nobody else can have taken one either.
fn may_do_without(exclusive: bool, error: &io::Error) -> bool {
    !exclusive && error.kind() == io::ErrorKind::Unsupported
}

fn kind_of(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported => ErrorKind::Configuration,
        _ => ErrorKind::Unavailable,
    }
}

impl Drop for Claim {
    /// Lets go at once. To close the file is not enough: a process that this one
    /// is just starting has it open too, until it is another program.
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // Whatever fails here, closing it is what is left to do.
            let _ = file.unlock();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A process that is being started has every file of this one open until
    /// it becomes another program. A second handle is the same to the lock.
    #[test]
    fn a_claim_ends_when_it_is_dropped_whoever_still_has_the_file_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let location = Location::find(&path, Duration::ZERO, None).unwrap();
        for exclusive in [true, false] {
            let claim = Claim::take(&location, exclusive).unwrap();
            let still_open = claim.file.as_ref().unwrap().try_clone().unwrap();
            assert!(Claim::take(&location, true).is_err());
            drop(claim);
            Claim::take(&location, true).unwrap();
            drop(still_open);
        }
    }

    #[test]
    fn without_locks_no_file_is_had_alone_and_none_is_taken() {
        use io::ErrorKind as Io;
        assert!(may_do_without(false, &Io::Unsupported.into()));
        assert!(!may_do_without(true, &Io::Unsupported.into()));
        assert!(!may_do_without(false, &Io::PermissionDenied.into()));
        for (error, kind) in [
            (Io::StorageFull, ErrorKind::Full),
            (Io::QuotaExceeded, ErrorKind::Full),
            (Io::PermissionDenied, ErrorKind::Configuration),
            (Io::Unsupported, ErrorKind::Configuration),
            (Io::Other, ErrorKind::Unavailable),
        ] {
            assert_eq!(kind_of(&error.into()), kind, "{error}");
        }
    }
}
