//! A program that runs as long as its handle, and no longer than this process.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::{env, fmt};

use rustix::process::{Pid, Signal, kill_process};

/// A server is not installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(pub String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not installed", self.0)
    }
}

impl std::error::Error for Missing {}

/// A program that was found.
#[derive(Debug, Clone)]
pub struct Program(PathBuf);

impl Program {
    /// Looks in `PATH`, then in the folders given.
    ///
    /// # Errors
    ///
    /// [`Missing`] if it is in none of them.
    pub fn find(name: &str, also_in: &[PathBuf]) -> Result<Self, Missing> {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path)
            .chain(also_in.iter().cloned())
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
            .map(Self)
            .ok_or_else(|| Missing(name.to_owned()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// A port of loopback that is free now. Somebody else may take it before it is
/// used: whoever starts a server tries again with another.
///
/// # Errors
///
/// If there is none.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Keeps the server until its input ends, which it does when this process ends,
/// however it does. The server's ID is not given to another process before that:
/// nobody has waited for it.
const KEEP: &str = r#"
    "$@" </dev/null >&3 2>&3 3>&- & server=$!
    exec 3>&-
    echo "$server"
    read -r _
    kill -KILL "$server" 2>/dev/null
    wait "$server"
"#;

/// A running server. Dropped, it is killed, and is gone when that returns.
#[derive(Debug)]
pub struct Process {
    keeper: Child,
    /// Closed to end it.
    hold: Option<ChildStdin>,
    server: Pid,
}

impl Process {
    /// Starts a program with these arguments. What it prints goes to the end of
    /// the file `log`.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start<A>(program: &Path, arguments: A, log: &Path) -> io::Result<Self>
    where
        A: IntoIterator,
        A::Item: AsRef<std::ffi::OsStr>,
    {
        let log = File::options().append(true).create(true).open(log)?;
        let mut keeper = Command::new("/bin/sh")
            // The log is passed on as standard error: what the shell itself has
            // to say belongs there too.
            .args(["-c", &format!("exec 3>&2\n{KEEP}"), "keep"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let hold = keeper.stdin.take();
        let mut line = String::new();
        if let Some(output) = keeper.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let server = line.trim().parse().ok().and_then(Pid::from_raw);
        match server {
            Some(server) => Ok(Self {
                keeper,
                hold,
                server,
            }),
            None => {
                drop(hold);
                keeper.wait()?;
                Err(io::Error::other("the server's process ID was not told"))
            }
        }
    }

    /// The server's ID.
    pub(crate) fn id(&self) -> i32 {
        self.server.as_raw_pid()
    }

    /// Sends a signal to the server. One that has ended already does not mind.
    ///
    /// # Errors
    ///
    /// If it cannot be sent.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match kill_process(self.server, signal) {
            Err(rustix::io::Errno::SRCH) => Ok(()),
            sent => Ok(sent?),
        }
    }

    /// Whether the server has not ended. One that has is left to be waited for,
    /// and counts as ended all the same.
    pub fn is_running(&self) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", self.server.as_raw_pid()));
        // The state follows the name, which is in parentheses. `Z` is the end.
        state.map_or(true, |state| {
            let rest = state.rsplit_once(") ").map_or("", |(_, rest)| rest);
            !rest.starts_with('Z')
        })
    }

    /// The server answers nothing until [`resume`](Self::resume).
    ///
    /// # Errors
    ///
    /// As [`signal`](Self::signal).
    pub fn pause(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Goes on.
    ///
    /// # Errors
    ///
    /// As [`signal`](Self::signal).
    pub fn resume(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// The processes that it has started answer nothing either.
    ///
    /// # Errors
    ///
    /// If they cannot be told.
    pub fn pause_children(&self) -> io::Result<()> {
        self.signal_children(Signal::STOP)
    }

    /// They go on.
    ///
    /// # Errors
    ///
    /// If they cannot be told.
    pub fn resume_children(&self) -> io::Result<()> {
        self.signal_children(Signal::CONT)
    }

    /// Kills those, after this one was [paused](Self::pause) and starts no more.
    ///
    /// # Errors
    ///
    /// If they cannot be told.
    pub fn kill_children(&self) -> io::Result<()> {
        self.signal_children(Signal::KILL)
    }

    fn signal_children(&self, signal: Signal) -> io::Result<()> {
        let server = self.server.as_raw_pid();
        let children = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children"))?;
        for child in children.split_whitespace() {
            if let Some(child) = child.parse().ok().and_then(Pid::from_raw) {
                match kill_process(child, signal) {
                    Err(rustix::io::Errno::SRCH) => {}
                    sent => sent?,
                }
            }
        }
        Ok(())
    }

    /// Kills it and waits until it is gone.
    pub fn kill(self) {}
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.hold.take());
        // It cannot fail but for a process that somebody else waited for.
        let _ = self.keeper.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_gone_when_its_handle_is() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let sleep = Program::find("sleep", &[]).unwrap();
        let process = Process::start(sleep.path(), ["1000"], &log).unwrap();
        let server = process.server;
        process.pause().unwrap();
        rustix::process::test_kill_process(server).unwrap();
        process.kill();
        let gone = rustix::process::test_kill_process(server);
        assert_eq!(gone, Err(rustix::io::Errno::SRCH));
    }

    #[test]
    fn what_is_not_installed_is_named() {
        let missing = Program::find("no-such-server", &[]).unwrap_err();
        assert_eq!(missing.to_string(), "no-such-server is not installed");
    }
}
