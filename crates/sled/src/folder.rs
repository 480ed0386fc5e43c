//! The folder: whose it is, and who may read it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use revocable_core::ErrorKind;

use crate::fault::{Fault, Result};

#[cfg(test)]
mod tests;

/// Says whose folder it is, and in which format. The engine makes a database of
/// any folder that it is given, so this is looked at before.
const MARKER: &str = "revocable-sled";
const FORMAT: &str = "1\n";

/// The marker until the engine has made its database. A process that ends
/// before that leaves files that the engine takes for damaged.
const NEW_MARKER: &str = "revocable-sled.new";

/// How long to wait for another store that is making the database.
const MAKING_TIMEOUT: Duration = Duration::from_secs(2);

/// A folder that is this store's.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// The marker of a database that is being made, locked.
    making: Option<File>,
}

impl Folder {
    /// Takes the folder, or makes one; changes nothing in one that is not ours.
    pub(crate) fn claim(path: &Path) -> Result<Self> {
        if path.as_os_str().is_empty() {
            return Err(Fault::configuration("the path is empty; name a folder"));
        }
        let made = make(path).map_err(|error| cannot("make", path, &error))?;
        let path = fs::canonicalize(path).map_err(|error| cannot("find", path, &error))?;
        let mut folder = Self { path, making: None };
        if !folder.is_marked()? {
            folder.begin(made)?;
        }
        folder.warn_if_others_may_read();
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a database of ours that was made to the end.
    fn is_marked(&self) -> Result<bool> {
        match fs::read_to_string(self.path.join(MARKER)) {
            Ok(format) if format == FORMAT => Ok(true),
            Ok(format) => Err(self.of_another_format(&format)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(cannot("read", &self.path, &error)),
        }
    }

    fn of_another_format(&self, format: &str) -> Fault {
        let shown = self.path.display();
        Fault::configuration(if format.trim().parse::<u32>().is_ok() {
            format!("{shown} was written by a newer version; use that one")
        } else {
            format!("{shown} has a file `{MARKER}` that is not the store's")
        })
    }

    /// Begins to make a database in an empty folder, or in one where that was
    /// begun and did not come to its end.
    fn begin(&mut self, made: bool) -> Result<()> {
        let path = self.path.clone();
        let cannot = |error: io::Error| cannot("write to", &path, &error);
        let marker = path.join(NEW_MARKER);
        // The marker is the first that is made here.
        let entries = fs::read_dir(&path).map_err(cannot)?;
        let names: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
        if !names.is_empty() && !names.iter().any(|name| name == NEW_MARKER) {
            // Unless another store was finished just now.
            return if self.is_marked()? {
                Ok(())
            } else {
                Err(self.is_foreign())
            };
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&marker).map_err(cannot)?;
        self.lock(&file, MAKING_TIMEOUT)?;
        if self.is_marked()? {
            // By another store, while this one waited. The name may by now be
            // that store's marker no more, but one that was made above.
            return match fs::remove_file(&marker) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot(error)),
                _ => Ok(()),
            };
        }
        self.remove_unfinished()?;
        if !made {
            // The engine makes files that everybody may read.
            private(&path, 0o700).map_err(cannot)?;
        }
        file.set_len(0).map_err(cannot)?;
        file.write_all(FORMAT.as_bytes()).map_err(cannot)?;
        file.sync_all().map_err(cannot)?;
        sync_folder(&path).map_err(cannot)?;
        if let Some(parent) = path.parent() {
            sync_folder(parent).map_err(cannot)?;
        }
        self.making = Some(file);
        Ok(())
    }

    /// Waits for another store that is making a database here.
    fn lock(&self, marker: &File, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        loop {
            match marker.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::park_timeout(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Fault::new(
                        ErrorKind::Unavailable,
                        "another store is being made in the folder",
                    ));
                }
                // No locks here: the engine's own does not work then either.
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                    return Ok(());
                }
                Err(TryLockError::Error(error)) => return Err(cannot("lock", &self.path, &error)),
            }
        }
    }

    /// Removes what the engine had made of a database that was never finished,
    /// and so never held a session. Anything else makes the folder somebody
    /// else's.
    fn remove_unfinished(&self) -> Result<()> {
        let cannot = |error: io::Error| cannot("write to", &self.path, &error);
        let entries = fs::read_dir(&self.path).map_err(cannot)?;
        let mut unfinished = Vec::new();
        for entry in entries {
            let entry = entry.map_err(cannot)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            match &*name {
                NEW_MARKER => {}
                "db" | "conf" | "blobs" => unfinished.push(entry),
                name if name.starts_with("snap.") => unfinished.push(entry),
                _ => return Err(self.is_foreign()),
            }
        }
        for entry in unfinished {
            if entry.file_type().map_err(cannot)?.is_dir() {
                fs::remove_dir_all(entry.path()).map_err(cannot)?;
            } else {
                fs::remove_file(entry.path()).map_err(cannot)?;
            }
        }
        Ok(())
    }

    fn is_foreign(&self) -> Fault {
        Fault::configuration(format!(
            "{} is not empty and not a session store; name a folder of its own",
            self.path.display()
        ))
    }

    /// To be called when the database is made and on the disk: from now on it
    /// is one that may hold sessions.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let Some(locked) = self.making.take() else {
            return Ok(());
        };
        fs::rename(self.path.join(NEW_MARKER), self.path.join(MARKER))
            .and_then(|()| sync_folder(&self.path))
            .map_err(|error| cannot("write to", &self.path, &error))?;
        // Closed, it could still be open in a process that is being started.
        let _ = locked.unlock();
        Ok(())
    }

    /// Takes the others' right to read what the engine has made.
    pub(crate) fn make_private(&self) -> Result<()> {
        for (name, mode) in [
            (MARKER, 0o600),
            (NEW_MARKER, 0o600),
            ("db", 0o600),
            ("conf", 0o600),
            ("blobs", 0o700),
        ] {
            let path = self.path.join(name);
            match private(&path, mode) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(cannot("protect", &path, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn warn_if_others_may_read(&self) {
        if self.others_may_read() {
            let path = self.path.display();
            tracing::warn!(%path, "others may read the session store: chmod 700");
        }
    }

    #[cfg(unix)]
    fn others_may_read(&self) -> bool {
        use std::os::unix::fs::PermissionsExt;
        let metadata = fs::metadata(&self.path);
        metadata.is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
    }

    #[cfg(not(unix))]
    fn others_may_read(&self) -> bool {
        false
    }
}

/// Whether the folder was not there before.
fn make(path: &Path) -> io::Result<bool> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn private(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn private(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

/// Makes new names survive a power cut.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(path)?.sync_all() {
        // Some file systems cannot, and need not.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

/// What is wrong with the path a person has to put right; a disk that is full
/// or fails may get well.
pub(crate) fn cannot(what: &str, path: &Path, error: &io::Error) -> Fault {
    let (kind, advice) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::Full, "free some space")
        }
        io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::InvalidFilename
        | io::ErrorKind::InvalidData
        | io::ErrorKind::Unsupported => (
            ErrorKind::Configuration,
            "check the path and the permissions",
        ),
        _ => (
            ErrorKind::Unavailable,
            "look at the disk and the system's log",
        ),
    };
    let shown = path.display();
    Fault::new(kind, format!("cannot {what} {shown} ({error}): {advice}"))
}
