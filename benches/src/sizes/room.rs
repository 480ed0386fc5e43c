//! What the operating system says of the room that is taken.

use std::path::Path;
use std::{fs, io};

/// The bytes of all files in a folder, those of its folders included.
///
/// # Errors
///
/// If something in the folder cannot be read.
pub fn on_disk(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = if entry.file_type()?.is_dir() {
            on_disk(&entry.path())
        } else {
            entry.metadata().map(|metadata| metadata.len())
        };
        bytes += match found {
            // A store may take away what it no longer needs at any moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            found => found?,
        };
    }
    Ok(bytes)
}

/// The bytes of this process that are in memory, on systems that tell.
pub fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_disk_counts_the_files_in_all_folders() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), [0; 10]).unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        fs::write(folder.path().join("b/c"), [0; 7]).unwrap();
        assert_eq!(on_disk(folder.path()).unwrap(), 17);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn resident_grows_with_what_is_written_to() {
        let before = resident().unwrap();
        let bytes = std::hint::black_box(vec![1_u8; 64 << 20]);
        let growth = resident().unwrap() - before;
        assert!((50 << 20..100 << 20).contains(&growth), "{growth}");
        drop(bytes);
    }
}
