//! The library that is loaded before the C library, to record or fail what a
//! process does to files; see `shim.c`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Compiled once in a test process, with the C compiler that the build needed
/// anyway, into the folder of the test's own program.
///
/// # Panics
///
/// If there is no C compiler.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/durability/shim.c");
        let program = std::env::current_exe().expect("tests have a path");
        let library = program.with_file_name("revocable_shim.so");
        // Whole or not at all: another test may be loading it.
        let new = library.with_extension(std::process::id().to_string());
        let status = Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .arg(&new)
            .args([source, "-ldl", "-lpthread"])
            .status();
        assert!(status.is_ok_and(|status| status.success()), "cc failed");
        std::fs::rename(&new, &library).expect("both are in one folder");
        library
    })
}

/// Has a command run with the shim over this folder, whose path must be
/// canonical and absolute.
pub fn watch<'c>(command: &'c mut Command, folder: &Path) -> &'c mut Command {
    command
        .env("LD_PRELOAD", library())
        .env("SHIM_UNDER", folder)
}

/// Has it record into this file.
pub fn record<'c>(command: &'c mut Command, log: &Path) -> &'c mut Command {
    command.env("SHIM_LOG", log)
}

/// Has `count` of its writes, syncs and changes of length fail from the one
/// with number `first` on, as the operating system would with this number of
/// an error.
pub fn fail(command: &mut Command, first: u64, count: u64, errno: i32) -> &mut Command {
    command.env("SHIM_FAIL", format!("{first},{count},{errno}"))
}
