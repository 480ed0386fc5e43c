//! Disks that fail while a process writes: errors that say what they are while
//! it lasts, nothing acknowledged lost, and service again afterwards.
//!
//! `REVOCABLE_FAULTS` sets at how many places each store meets a fault.

#[cfg(target_os = "linux")]
mod disk;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials()).exit();
}

#[cfg(target_os = "linux")]
fn trials() -> Vec<Trial> {
    disk::trials()
}

#[cfg(not(target_os = "linux"))]
fn trials() -> Vec<Trial> {
    let ignored = Trial::test("faults of the disk: made by a shim for Linux only", || {
        Ok(())
    });
    vec![ignored.with_ignored_flag(true)]
}
