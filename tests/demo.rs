//! The example `login` as a process, on a free port.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Ends with this value.
pub struct Server {
    process: Child,
    /// Where it listens, on loopback.
    pub port: u16,
}

impl Server {
    /// Starts it and waits until it listens.
    pub fn start(file: &Path) -> Self {
        Self::start_with(file, &[])
    }

    /// The same, with these arguments more.
    pub fn start_with(file: &Path, more: &[&str]) -> Self {
        let own = ["--file", file.to_str().unwrap()];
        let mut process = command(&[&own, more].concat())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let port = line.trim().trim_end_matches('/').rsplit(':').next();
        let port = port.and_then(|port| port.parse().ok());
        let Some(port) = port else {
            let _ = process.kill();
            panic!("it does not say where it listens: {line:?}");
        };
        Self { process, port }
    }

    /// As a power cut would, as far as a process can tell.
    pub fn kill(self) {}
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// As a newcomer starts it. Built already, or built here; on Unix cargo gives its
/// process to the program, so that the end of the one is that of the other.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["run", "--quiet", "--example", "login", "--"])
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command
}
