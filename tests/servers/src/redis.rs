//! Redis, alone.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use tempfile::TempDir;

use crate::small_disk::SmallDisk;
use crate::{Missing, Process, Program, free_port};

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(20);

/// What every server is told: to sync each write before it answers, and to keep
/// no snapshots.
const SETTINGS: [&str; 10] = [
    "--bind",
    "127.0.0.1",
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--save",
    "",
    // What is looked for in a dump is to be found in it.
    "--rdbcompression",
    "no",
];

/// A server with a folder of its own.
#[derive(Debug)]
pub struct Redis {
    program: Program,
    folder: TempDir,
    settings: Vec<String>,
    port: u16,
    process: Option<Process>,
    small: Option<SmallDisk>,
}

impl Redis {
    /// Looks for the program.
    ///
    /// # Errors
    ///
    /// If it is not installed.
    pub fn find() -> Result<Program, Missing> {
        Program::find("redis-server", &[]).or_else(|missing| {
            // Where Valkey has taken its place.
            Program::find("valkey-server", &[]).map_err(|_| missing)
        })
    }

    /// Starts a server that syncs each write before it answers, with these
    /// settings more, as on its command line.
    ///
    /// # Errors
    ///
    /// If it is not installed.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start(settings: &[&str]) -> Result<Self, Missing> {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        Self::start_in(folder, settings, None)
    }

    /// Starts a server whose files are on a file system of this size.
    ///
    /// # Errors
    ///
    /// If it is not installed, or this process may not mount one.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start_with_small_disk(kib: u32, settings: &[&str]) -> Result<Self, Missing> {
        SmallDisk::may_mount()?;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let small = SmallDisk {
            folder: folder.path().join("small"),
            kib,
        };
        fs::create_dir(&small.folder).expect("a folder can be made");
        Self::start_in(folder, settings, Some(small))
    }

    fn start_in(
        folder: TempDir,
        settings: &[&str],
        small: Option<SmallDisk>,
    ) -> Result<Self, Missing> {
        let program = Self::find()?;
        let mut redis = Self {
            program,
            folder,
            settings: settings.iter().map(ToString::to_string).collect(),
            port: 0,
            process: None,
            small,
        };
        // Somebody else may take the port first.
        let started = (0..10).any(|_| {
            redis.port = free_port().expect("there is a free port");
            redis.try_start().is_ok()
        });
        assert!(started, "redis-server does not start: {}", redis.log());
        Ok(redis)
    }

    /// A Sentinel with the settings in this file, which it changes, in its folder.
    pub(crate) fn start_sentinel(file: &Path, folder: TempDir) -> Result<Self, Missing> {
        let mut sentinel = Self {
            program: Self::find()?,
            folder,
            settings: vec![file.display().to_string(), "--sentinel".into()],
            port: free_port().expect("there is a free port"),
            process: None,
            small: None,
        };
        let port = sentinel.port.to_string();
        let own = ["--port", &port, "--bind", "127.0.0.1"].map(String::from);
        let arguments: Vec<_> = sentinel.settings.iter().cloned().chain(own).collect();
        let started = sentinel.run(arguments);
        assert!(started.is_ok(), "no Sentinel starts: {}", sentinel.log());
        Ok(sentinel)
    }

    /// What it answers to a command, as `redis-cli` shows it.
    pub(crate) fn says(&self, command: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(command)
            .output()
            .expect("redis-cli comes with Redis");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn try_start(&mut self) -> io::Result<()> {
        let port = self.port.to_string();
        let disk = self.small.as_ref();
        let folder = disk.map_or(self.folder.path(), |disk| &disk.folder);
        let folder = folder.display().to_string();
        let own = ["--port", &port, "--dir", &folder];
        let arguments = own.into_iter().chain(SETTINGS).map(String::from);
        let arguments: Vec<_> = arguments.chain(self.settings.iter().cloned()).collect();
        self.run(arguments)
    }

    fn run(&mut self, arguments: Vec<String>) -> io::Result<()> {
        let log = self.folder.path().join("log");
        let program = self.program.path().to_owned();
        let (program, arguments) = match &self.small {
            Some(disk) => disk.before(None, &program, arguments),
            None => (program, arguments),
        };
        let process = Process::start(&program, arguments, &log)?;
        let until = Instant::now() + PATIENCE;
        while !answers(self.port) {
            if Instant::now() > until || !process.is_running() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::park_timeout(Duration::from_millis(5));
        }
        self.process = Some(process);
        Ok(())
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Makes the small file system larger.
    pub fn grow_disk(&self, kib: u32) {
        let process = self.process.as_ref().expect("it is running");
        let disk = self.small.as_ref().expect("it has a small disk");
        disk.grow(process, kib);
    }

    /// It answers nothing until [`resume`](Self::resume).
    pub fn pause(&self) {
        let process = self.process.as_ref().expect("it is running");
        process.pause().expect("an own process can be stopped");
    }

    /// It goes on.
    pub fn resume(&self) {
        let process = self.process.as_ref().expect("it is running");
        process.resume().expect("an own process can be continued");
    }

    /// Kills it; what it has on the disk stays.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again at the same place, with what it has on the disk.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn restart(&mut self) {
        self.kill();
        if let Err(error) = self.try_start() {
            panic!("redis-server does not start again: {error}: {}", self.log());
        }
    }
}

/// Whether somebody there answers as Redis does, if only with an error.
fn answers(port: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 64];
        let length = stream.read(&mut answer)?;
        Ok::<_, io::Error>(answer[..length].to_vec())
    };
    ask().is_ok_and(|answer| answer.starts_with(b"+PONG") || answer.starts_with(b"-NOAUTH"))
}
