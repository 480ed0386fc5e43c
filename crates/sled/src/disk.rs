//! When what the engine has written is on the disk.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::PathBuf;

use crate::fault::Result;
use crate::folder::{Folder, cannot, sync_folder};

#[cfg(test)]
#[cfg(unix)]
mod tests;

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
        // The engine writes its settings once, before its log, and leaves it to
        // chance when they reach the disk. Half of them is a damaged database.
        File::open(folder.path().join("conf"))
            .and_then(|settings| settings.sync_all())
            .and_then(|()| disk.sync())
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
