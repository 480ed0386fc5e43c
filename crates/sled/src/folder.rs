//! The folder: whose it is, who may read it, and when it is on the disk.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use revocable_core::ErrorKind;

use crate::fault::{Fault, Result};

/// Says whose folder it is, and in which format. The engine makes a database of
/// any folder that it is given, so this is looked at before.
const MARKER: &str = "revocable-sled";
const FORMAT: &str = "1\n";

/// The marker while it is being written.
const NEW_MARKER: &str = "revocable-sled.new";

/// A folder that is this store's.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Takes the folder, or makes one; changes nothing in one that is not ours.
    pub(crate) fn claim(path: &Path) -> Result<Self> {
        if path.as_os_str().is_empty() {
            return Err(Fault::configuration("the path is empty; name a folder"));
        }
        let made = make(path).map_err(|error| cannot("make", path, &error))?;
        let path = fs::canonicalize(path).map_err(|error| cannot("find", path, &error))?;
        let folder = Self(path);
        match fs::read_to_string(folder.0.join(MARKER)) {
            Ok(format) if format == FORMAT => {}
            Ok(format) => return Err(folder.of_another_format(&format)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => folder.mark(made)?,
            Err(error) => return Err(cannot("read", &folder.0, &error)),
        }
        folder.warn_if_others_may_read();
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn of_another_format(&self, format: &str) -> Fault {
        let shown = self.0.display();
        Fault::configuration(if format.trim().parse::<u32>().is_ok() {
            format!("{shown} was written by a newer version; use that one")
        } else {
            format!("{shown} has a file `{MARKER}` that is not the store's")
        })
    }

    /// Makes an empty folder ours.
    fn mark(&self, made: bool) -> Result<()> {
        let cannot = |error: io::Error| cannot("write to", &self.0, &error);
        let entries = fs::read_dir(&self.0).map_err(cannot)?;
        // A crash may have left a marker that was not yet whole.
        let is_foreign = |entry: &io::Result<fs::DirEntry>| {
            !entry
                .as_ref()
                .is_ok_and(|entry| entry.file_name() == NEW_MARKER)
        };
        if entries.into_iter().any(|entry| is_foreign(&entry)) {
            return Err(Fault::configuration(format!(
                "{} is not empty and not a session store; name a folder of its own",
                self.0.display()
            )));
        }
        if !made {
            // The engine makes files that everybody may read.
            private(&self.0, 0o700).map_err(cannot)?;
        }
        // Whole or not at all: an empty marker would make the folder nobody's.
        let (new, name) = (self.0.join(NEW_MARKER), self.0.join(MARKER));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&new)
            .map_err(cannot)?;
        file.write_all(FORMAT.as_bytes()).map_err(cannot)?;
        file.sync_all().map_err(cannot)?;
        fs::rename(&new, &name).map_err(cannot)?;
        sync_folder(&self.0).map_err(cannot)?;
        if let Some(parent) = self.0.parent() {
            sync_folder(parent).map_err(cannot)?;
        }
        Ok(())
    }

    /// Takes the others' right to read what the engine has made.
    pub(crate) fn make_private(&self) -> Result<()> {
        for (name, mode) in [
            (MARKER, 0o600),
            ("db", 0o600),
            ("conf", 0o600),
            ("blobs", 0o700),
        ] {
            let path = self.0.join(name);
            match private(&path, mode) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(cannot("protect", &path, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    #[cfg(unix)]
    fn warn_if_others_may_read(&self) {
        use std::os::unix::fs::PermissionsExt;
        let metadata = fs::metadata(&self.0);
        if metadata.is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0) {
            let path = self.0.display();
            tracing::warn!(%path, "others may read the session store: chmod 700");
        }
    }

    #[cfg(not(unix))]
    fn warn_if_others_may_read(&self) {}
}

/// Makes what was flushed survive a power cut. A trait, so that tests can see
/// when, and have it fail.
pub(crate) trait Sync: Send {
    fn sync(&mut self) -> io::Result<()>;
}

/// Makes what the engine has written survive a power cut. The engine's own
/// `flush` hands its buffers to the system and has it begin to write; it does
/// not wait for the disk (it ends in `sync_file_range` on Linux).
#[derive(Debug)]
pub(crate) struct Disk {
    /// The engine's log, by a handle of our own.
    log: File,
    /// Values too large for the log are files of their own.
    blobs: PathBuf,
    synced: HashSet<OsString>,
}

impl Disk {
    /// Of a database that is open.
    pub(crate) fn new(folder: &Folder) -> Result<Self> {
        let path = folder.path().join("db");
        let log = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|error| cannot("open", &path, &error))?;
        let mut disk = Self {
            log,
            blobs: folder.path().join("blobs"),
            synced: HashSet::new(),
        };
        disk.sync()
            .and_then(|()| sync_folder(folder.path()))
            .map_err(|error| cannot("sync", folder.path(), &error))?;
        Ok(disk)
    }

    fn sync_blobs(&mut self) -> io::Result<()> {
        let entries = match fs::read_dir(&self.blobs) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let mut there = HashSet::new();
        let mut new = false;
        for entry in entries {
            let name = entry?.file_name();
            if !self.synced.contains(&name) {
                match File::open(self.blobs.join(&name)) {
                    Ok(file) => file.sync_all()?,
                    // The engine has removed it meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
                new = true;
            }
            there.insert(name);
        }
        self.synced = there;
        if new {
            sync_folder(&self.blobs)?;
        }
        Ok(())
    }
}

impl Sync for Disk {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_blobs()?;
        self.log.sync_data()
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
fn sync_folder(path: &Path) -> io::Result<()> {
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

/// A person has to do something, save for a full disk.
fn cannot(what: &str, path: &Path, error: &io::Error) -> Fault {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
        _ => ErrorKind::Configuration,
    };
    let shown = path.display();
    Fault::new(
        kind,
        format!("cannot {what} {shown} ({error}): check the path and the permissions"),
    )
}
