//! A file system of a few KiB that a server sees and nobody else.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Missing, Process};

/// Mounted over this folder.
#[derive(Debug, Clone)]
pub(crate) struct SmallDisk {
    pub(crate) folder: PathBuf,
    pub(crate) kib: u32,
}

impl SmallDisk {
    /// Whether this process may mount for one that it starts.
    ///
    /// # Errors
    ///
    /// If not.
    pub(crate) fn may_mount() -> Result<(), Missing> {
        let mounted = Command::new("unshare")
            .args(["-m", "sh", "-c", "mount -t tmpfs tmpfs /mnt"])
            .output();
        match mounted {
            Ok(output) if output.status.success() => Ok(()),
            _ => Err(Missing("a right to mount file systems".into())),
        }
    }

    /// The program and its arguments, behind what mounts it for them. `owner` are the
    /// user and group that it is given.
    pub(crate) fn before(
        &self,
        owner: Option<(u32, u32)>,
        program: &Path,
        arguments: Vec<String>,
    ) -> (PathBuf, Vec<String>) {
        let owner = owner.map_or(String::new(), |(user, group)| {
            format!(",uid={user},gid={group},mode=700")
        });
        let size = self.kib;
        let mount =
            format!("mount -t tmpfs -o size={size}k{owner} tmpfs \"$1\"; shift; exec \"$@\"");
        let folder = self.folder.display().to_string();
        let before = ["-m", "sh", "-ec", &mount, "sh", &folder].map(String::from);
        let program = program.display().to_string();
        let all = before.into_iter().chain([program]).chain(arguments);
        ("unshare".into(), all.collect())
    }

    /// Makes it larger while the server runs.
    pub(crate) fn grow(&self, server: &Process, kib: u32) {
        let grown = Command::new("nsenter")
            .args(["-m", "-t", &server.id().to_string()])
            .args(["mount", "-o", &format!("remount,size={kib}k")])
            .arg(&self.folder)
            .status();
        assert!(grown.is_ok_and(|status| status.success()), "it cannot grow");
    }
}
