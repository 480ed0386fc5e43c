//! Which files of large values are synced: seen by those that cannot be.

use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use super::*;

fn disk() -> (TempDir, PathBuf, Disk) {
    let path = tempfile::tempdir().unwrap();
    let folder = Folder::claim(path.path()).unwrap();
    for name in ["db", "conf"] {
        fs::write(path.path().join(name), "").unwrap();
    }
    let disk = Disk::new(&folder).unwrap();
    let blobs = path.path().join("blobs");
    (path, blobs, disk)
}

/// A file that nobody can open.
fn damaged(blobs: &Path, name: &str) {
    symlink(name, blobs.join(name)).unwrap();
}

#[test]
fn no_folder_of_large_values_is_no_error_and_one_that_cannot_be_read_is() {
    let (_folder, blobs, mut disk) = disk();
    disk.sync().unwrap();
    fs::write(&blobs, "").unwrap();
    assert!(disk.sync().is_err());
}

#[test]
fn a_large_value_that_cannot_be_synced_is_an_error() {
    let (_folder, blobs, mut disk) = disk();
    fs::create_dir(&blobs).unwrap();
    damaged(&blobs, "1");
    assert!(disk.sync().is_err());
}

#[test]
fn a_large_value_that_is_removed_meanwhile_is_no_error() {
    let (_folder, blobs, mut disk) = disk();
    fs::create_dir(&blobs).unwrap();
    symlink("absent", blobs.join("1")).unwrap();
    disk.sync().unwrap();
}

#[test]
fn a_large_value_is_synced_once_and_again_when_it_was_away() {
    let (_folder, blobs, mut disk) = disk();
    fs::create_dir(&blobs).unwrap();
    fs::write(blobs.join("1"), "").unwrap();
    disk.sync().unwrap();
    fs::remove_file(blobs.join("1")).unwrap();
    damaged(&blobs, "1");
    disk.sync().unwrap();
    fs::remove_file(blobs.join("1")).unwrap();
    disk.sync().unwrap();
    damaged(&blobs, "1");
    assert!(disk.sync().is_err());
}
