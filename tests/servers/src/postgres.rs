//! PostgreSQL, alone.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use tempfile::TempDir;

use crate::small_disk::SmallDisk;
use crate::{Certificates, Missing, Process, Program, free_port};

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// What every server is told.
const SETTINGS: [&str; 5] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "shared_buffers=16MB",
    // Told apart in a log, and found there by tests.
    "log_min_messages=warning",
    "max_connections=200",
];

/// As whom it runs where this process is root, as whom it does not run.
#[derive(Debug, Clone, Copy)]
struct Owner {
    user: u32,
    group: u32,
}

/// The programs.
#[derive(Debug, Clone)]
pub struct Installed {
    initdb: Program,
    postgres: Program,
    pg_isready: Program,
    pg_basebackup: Program,
    /// Becomes the owner.
    setpriv: OtherUser,
}

/// A program that runs another one as this user, where that is needed.
type OtherUser = Option<(Program, Owner)>;

/// A server with a folder of its own.
#[derive(Debug)]
pub struct Postgres {
    installed: Installed,
    folder: TempDir,
    settings: Vec<String>,
    port: u16,
    process: Option<Process>,
    small: Option<SmallDisk>,
}

impl Postgres {
    /// Looks for the programs.
    ///
    /// # Errors
    ///
    /// If one is not installed, or this is root and there is no user `postgres`.
    pub fn find() -> Result<Installed, Missing> {
        let folders = folders();
        let find = |name| Program::find(name, &folders);
        Ok(Installed {
            initdb: find("initdb")?,
            postgres: find("postgres")?,
            pg_isready: find("pg_isready")?,
            pg_basebackup: find("pg_basebackup")?,
            setpriv: other_user()?,
        })
    }

    /// Starts a server with an empty database `postgres`, which the user `postgres` may
    /// enter without a password, with these settings more, each as `name=value`.
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

    /// Starts a server which has a [file system](Self::small) of this size beside its
    /// own.
    ///
    /// # Errors
    ///
    /// If it is not installed, or this process may not mount one.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start_with_small_disk(kib: u32) -> Result<Self, Missing> {
        SmallDisk::may_mount()?;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let small = SmallDisk {
            folder: folder.path().join("small"),
            kib,
        };
        fs::create_dir(&small.folder).expect("a folder can be made");
        Self::start_in(folder, &[], Some(small))
    }

    /// The folder of the small file system, as the server sees it.
    pub fn small(&self) -> PathBuf {
        self.folder.path().join("small")
    }

    /// The same, which takes encrypted connections too.
    ///
    /// # Errors
    ///
    /// If it is not installed.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start_with_tls(certificates: &Certificates) -> Result<Self, Missing> {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let user = other_user()?;
        let copy = |from: PathBuf, name: &str| {
            let to = folder.path().join(name);
            fs::copy(from, &to).expect("an own file can be copied");
            give(&user, &to);
            to.display().to_string()
        };
        let key = copy(certificates.key(), "key");
        let certificate = copy(certificates.server(), "certificate");
        let settings = [
            "ssl=on",
            &format!("ssl_cert_file={certificate}"),
            &format!("ssl_key_file={key}"),
        ];
        Self::start_in(folder, &settings, None)
    }

    fn start_in(
        folder: TempDir,
        settings: &[&str],
        small: Option<SmallDisk>,
    ) -> Result<Self, Missing> {
        let mut postgres = Self::not_started(Self::find()?, folder);
        postgres.settings = settings.iter().map(ToString::to_string).collect();
        postgres.small = small;
        let how = [
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ];
        postgres.make(&postgres.installed.initdb, &how);
        postgres.start_anywhere();
        Ok(postgres)
    }

    fn not_started(installed: Installed, folder: TempDir) -> Self {
        give(&installed.setpriv, folder.path());
        Self {
            installed,
            folder,
            settings: Vec::new(),
            port: 0,
            process: None,
            small: None,
        }
    }

    /// Starts one that takes over what this one commits, as its standby `standby`. It may take its
    /// place: see `pg_promote`.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn standby(&self) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut standby = Self::not_started(self.installed.clone(), folder);
        let port = self.port.to_string();
        let from = format!("host=127.0.0.1 port={port} user=postgres application_name=standby");
        let how = [
            "--no-sync",
            "--checkpoint=fast",
            "--write-recovery-conf",
            "-d",
        ];
        let how = [&how[..], &[&from]].concat();
        standby.make(&standby.installed.pg_basebackup, &how);
        standby.start_anywhere();
        standby
    }

    fn start_anywhere(&mut self) {
        // Somebody else may take the port first.
        let started = (0..10).any(|_| {
            self.port = free_port().expect("there is a free port");
            self.try_start().is_ok()
        });
        assert!(started, "postgres does not start: {}", self.log());
    }

    /// Has a program make the folder of the data.
    fn make(&self, program: &Program, how: &[&str]) {
        let (program, before) = as_owner(&self.installed.setpriv, program);
        let output = Command::new(&program)
            .args(before)
            .args(how)
            .arg("-D")
            .arg(self.data())
            // The folder that this process is in may be closed to the owner.
            .current_dir("/")
            .output()
            .expect("it was found");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", program.display());
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn try_start(&mut self) -> io::Result<()> {
        let (mut program, mut arguments) =
            as_owner(&self.installed.setpriv, &self.installed.postgres);
        if let Some(disk) = &self.small {
            let of = self.installed.setpriv.as_ref();
            let owner = of.map(|(_, of)| (of.user, of.group));
            (program, arguments) = disk.before(owner, &program, arguments);
        }
        arguments.extend(["-D".into(), self.data().display().to_string()]);
        arguments.extend(["-p".into(), self.port.to_string()]);
        for setting in SETTINGS
            .into_iter()
            .chain(self.settings.iter().map(String::as_str))
        {
            arguments.extend(["-c".into(), setting.into()]);
        }
        let log = self.folder.path().join("log");
        let process = Process::start(&program, &arguments, &log)?;
        let until = Instant::now() + PATIENCE;
        while !self.is_ready() {
            if Instant::now() > until || !process.is_running() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::park_timeout(Duration::from_millis(10));
        }
        self.process = Some(process);
        Ok(())
    }

    fn is_ready(&self) -> bool {
        let port = self.port.to_string();
        Command::new(self.installed.pg_isready.path())
            .args(["-q", "-h", "127.0.0.1", "-p", &port])
            .status()
            .is_ok_and(|status| status.success())
    }

    /// The address of the database `postgres`, for its user of the same name.
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The same through a proxy at this port.
    pub fn url_at(&self, port: u16) -> String {
        format!("postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable")
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its files are: `data`, and `log`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// It and all that it has started answer nothing until [`resume`](Self::resume).
    pub fn pause(&self) {
        let process = self.process.as_ref().expect("it is running");
        process.pause().expect("an own process can be stopped");
        process
            .pause_children()
            .expect("its children can be stopped");
    }

    /// They go on.
    pub fn resume(&self) {
        let process = self.process.as_ref().expect("it is running");
        process
            .resume_children()
            .expect("its children can be continued");
        process.resume().expect("an own process can be continued");
    }

    /// Kills it and all that it has started, which would go on for a moment; what it has
    /// on the disk stays.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.pause().expect("an own process can be stopped");
            process.kill_children().expect("its children can be killed");
        }
    }

    /// Starts it again at the same place, as a replica of none: it may be read, until
    /// somebody promotes it.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn make_replica(&mut self) {
        let signal = self.data().join("standby.signal");
        fs::write(&signal, "").expect("an own file can be written");
        give(&self.installed.setpriv, &signal);
        self.restart();
    }

    /// Starts it again at the same place, with what it has on the disk.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn restart(&mut self) {
        self.kill();
        // What it had started ends when it notices, and holds its memory until then.
        let until = Instant::now() + PATIENCE;
        while let Err(error) = self.try_start() {
            if Instant::now() > until {
                panic!("postgres does not start again: {error}: {}", self.log());
            }
        }
    }
}

/// In front of a [`Postgres`], pooling transactions.
#[derive(Debug)]
pub struct PgBouncer {
    _process: Process,
    _folder: TempDir,
    port: u16,
}

impl PgBouncer {
    /// Looks for the programs.
    ///
    /// # Errors
    ///
    /// If one is not installed.
    pub fn find() -> Result<Program, Missing> {
        other_user()?;
        Program::find("pgbouncer", &["/usr/sbin".into()])
    }

    /// Starts it with two connections to the server.
    ///
    /// # Errors
    ///
    /// If it is not installed.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start(postgres: &Postgres) -> Result<Self, Missing> {
        let (setpriv, program) = (other_user()?, Self::find()?);
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        give(&setpriv, folder.path());
        let (settings, log) = (folder.path().join("ini"), folder.path().join("log"));
        for _ in 0..10 {
            let port = free_port().expect("there is a free port");
            let server = postgres.port();
            let lines = format!(
                "[databases]\npostgres = host=127.0.0.1 port={server} user=postgres\n[pgbouncer]\n\
                 listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
                 pool_mode = transaction\ndefault_pool_size = 2\n"
            );
            fs::write(&settings, lines).expect("an own file can be written");
            give(&setpriv, &settings);
            let (command, mut arguments) = as_owner(&setpriv, &program);
            arguments.push(settings.display().to_string());
            let started = Process::start(&command, &arguments, &log);
            let process = started.expect("it was found");
            let until = Instant::now() + PATIENCE;
            while process.is_running() && Instant::now() < until {
                if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Ok(Self {
                        _process: process,
                        _folder: folder,
                        port,
                    });
                }
                thread::park_timeout(Duration::from_millis(10));
            }
        }
        let log = fs::read_to_string(log).unwrap_or_default();
        panic!("pgbouncer does not start: {log}");
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn other_user() -> Result<OtherUser, Missing> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    Ok(Some((Program::find("setpriv", &[])?, owner()?)))
}

fn give(to: &OtherUser, path: &Path) {
    if let Some((_, owner)) = to {
        chown(path, Some(owner.user), Some(owner.group)).expect("root may give its own away");
    }
}

/// A program and what goes before its arguments, so that it does not run as root.
fn as_owner(other: &OtherUser, program: &Program) -> (PathBuf, Vec<String>) {
    let Some((setpriv, owner)) = other else {
        return (program.path().to_owned(), Vec::new());
    };
    let arguments = vec![
        format!("--reuid={}", owner.user),
        format!("--regid={}", owner.group),
        "--clear-groups".into(),
        "--".into(),
        program.path().display().to_string(),
    ];
    (setpriv.path().to_owned(), arguments)
}

/// Where distributions put what is not in `PATH`, the newest version first.
fn folders() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|version| {
            let number = version.file_name().to_str()?.parse().ok()?;
            Some((number, version.path().join("bin")))
        })
        .collect();
    versions.sort_unstable();
    versions
        .into_iter()
        .rev()
        .map(|(_, folder)| folder)
        .collect()
}

fn owner() -> Result<Owner, Missing> {
    let missing = || Missing("a user postgres, as whom the server runs instead of root,".into());
    let users = fs::read_to_string("/etc/passwd").map_err(|_| missing())?;
    let user = users.lines().find(|line| line.starts_with("postgres:"));
    let mut fields = user.ok_or_else(missing)?.split(':').skip(2);
    let mut number = || fields.next()?.parse().ok();
    let (user, group) = (number(), number());
    user.zip(group)
        .map(|(user, group)| Owner { user, group })
        .ok_or_else(missing)
}
