//! How much room the stores take: `sizes [--sessions N] [--churn [N]] [--live
//! N] [--store NAME] [--dir FOLDER]`.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has nothing better to do than to stop"
)]

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::str::FromStr;

use revocable_benches::backend::{BACKENDS, Backend, Kept};
use revocable_benches::sizes::churn::{self, cell};
use revocable_benches::sizes::fill::{self, Filled, Reopened};
use revocable_benches::sizes::ticket::{AT_ONCE, DATA};
use serde::de::DeserializeOwned;

const USAGE: &str =
    "usage: sizes [--sessions N] [--churn [N]] [--live N] [--store NAME] [--dir FOLDER]

--sessions N   how many sessions a store is filled with; 1,000,000 unless told
--churn [N]    how many sessions come and go; 10,000,000 unless told. Then the
               stores are filled as above only if --sessions is there too.
--live N       how many sessions are there while others come and go; 100,000
               unless told, at least 1,024
--store NAME   this store alone: memory, moka, sqlite, cached-sqlite, sled or
               cached-sled
--dir FOLDER   where the databases go; the folder of this program unless told.
               It has to be on a disk: in memory nothing is durable.";

/// The database of a store that is measured.
const STORE: &str = "store";
/// Some of its sessions, for the process that opens it again.
const ASKED: &str = "asked";

#[derive(Debug)]
struct Options {
    sessions: Option<usize>,
    churn: Option<usize>,
    live: usize,
    store: Option<&'static Backend>,
    dir: PathBuf,
    /// What a child process is to do; not for people.
    child: Option<String>,
}

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            sessions: None,
            churn: None,
            live: 100_000,
            store: None,
            dir: std::env::current_exe().ok()?.parent()?.to_owned(),
            child: None,
        };
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--sessions" => options.sessions = Some(number(arguments.next()?)?),
                "--churn" => {
                    let given = arguments.next_if(|next| !next.starts_with("--"));
                    options.churn = Some(given.map_or(Some(10_000_000), number)?);
                }
                "--live" => options.live = number(arguments.next()?)?,
                "--store" => options.store = Some(Backend::named(&arguments.next()?)?),
                "--dir" => options.dir = arguments.next()?.into(),
                "--child" => options.child = Some(arguments.next()?),
                _ => return None,
            }
        }
        // Among fewer, those who log in at the same moment would be all.
        (options.live >= 2 * AT_ONCE).then_some(options)
    }

    fn stores(&self) -> impl Iterator<Item = &'static Backend> {
        let only = self.store.map(|store| store.name);
        BACKENDS
            .iter()
            .filter(move |store| only.is_none_or(|only| store.name == only))
    }
}

fn number(text: String) -> Option<usize> {
    usize::from_str(&text.replace(['_', ','], ""))
        .ok()
        .filter(|number| *number >= 10)
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return Ok(ExitCode::from(2));
    };
    if let Some(task) = &options.child {
        do_task(task, &options)?;
        return Ok(ExitCode::SUCCESS);
    }
    if options.churn.is_none() || options.sessions.is_some() {
        fill_all(&options, options.sessions.unwrap_or(1_000_000))?;
    }
    if let Some(count) = options.churn {
        churn_all(&options, count)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn fill_all(options: &Options, count: usize) -> Result<(), Box<dyn Error>> {
    println!(
        "{count} sessions, each of a user of its own, with {DATA} bytes of data, a user agent and an address."
    );
    println!(
        "Bytes are per session. Resident is the growth of a process, the store's caches included.\n"
    );
    println!(
        "| store | resident | resident, opened again | on disk, open | on disk, closed | fill, s | open again, s |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for store in options.stores() {
        let folder = Folder::new(&options.dir)?;
        let told = folder.ask(store, "fill", &["--sessions", &count.to_string()])?;
        let filled: Filled = told.parse()?;
        let reopened: Option<Reopened> = if store.is_durable() {
            Some(
                folder
                    .ask(store, "reopen", &["--sessions", &count.to_string()])?
                    .parse()?,
            )
        } else {
            None
        };
        let each = |bytes: u64| bytes as f64 / count as f64;
        let disk = |bytes| store.is_durable().then_some(each(bytes));
        println!(
            "| {} | {} | {} | {} | {} | {:.1} | {} |",
            store.name,
            cell(filled.resident.map(each), 0),
            cell(reopened.as_ref().and_then(|it| it.resident).map(each), 0),
            cell(disk(filled.disk_open), 0),
            cell(disk(filled.disk_closed), 0),
            filled.seconds,
            cell(reopened.as_ref().map(|it| it.seconds), 3),
        );
    }
    println!();
    Ok(())
}

fn churn_all(options: &Options, count: usize) -> Result<(), Box<dyn Error>> {
    let live = options.live;
    println!(
        "{live} users, each with one session; {count} times one of them logs in and the old session is revoked,"
    );
    println!("{AT_ONCE} at a time, each acknowledged as durable.\n");
    println!("{}", churn::COLUMNS);
    // The store behind a cache has the same file.
    let chosen = |store: &&Backend| match store.kept {
        Kept::InMemory => false,
        Kept::OnDisk => true,
        Kept::BehindACache => options.store.is_some(),
    };
    for store in options.stores().filter(chosen) {
        let folder = Folder::new(&options.dir)?;
        let (live, count) = (live.to_string(), count.to_string());
        let arguments = ["--live", &live, "--churn", &count];
        let status = folder.child(store, "churn", &arguments)?.status()?;
        if !status.success() {
            return Err(format!("{}: {status}", store.name).into());
        }
    }
    println!();
    Ok(())
}

/// In a process of its own.
fn do_task(task: &str, options: &Options) -> Result<(), Box<dyn Error>> {
    let backend = options.store.ok_or("no store")?;
    let folder = &options.dir.join(STORE);
    let asked = options.dir.join(ASKED);
    let count = options.sessions.unwrap_or(0);
    let told = match task {
        "fill" => serde_json::to_vec(&fill::fill(backend, folder, count, &asked)?)?,
        "reopen" => serde_json::to_vec(&fill::reopen(backend, folder, count, &asked)?)?,
        "churn" => {
            churn::run(
                backend,
                folder,
                options.live,
                options.churn.ok_or("no count")?,
            )?;
            return Ok(());
        }
        _ => return Err("no such task".into()),
    };
    Ok(std::io::stdout().write_all(&told)?)
}

/// Where a store is measured; removed afterwards.
struct Folder(tempfile::TempDir);

/// What a child process wrote.
struct Told(Vec<u8>);

impl Folder {
    fn new(parent: &Path) -> std::io::Result<Self> {
        let folder = tempfile::tempdir_in(parent)?;
        fs::create_dir(folder.path().join(STORE))?;
        Ok(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn child(&self, store: &Backend, task: &str, arguments: &[&str]) -> std::io::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--child", task, "--store", store.name, "--dir"]);
        command.arg(self.path()).args(arguments);
        Ok(command)
    }

    fn ask(&self, store: &Backend, task: &str, arguments: &[&str]) -> Result<Told, Box<dyn Error>> {
        let mut command = self.child(store, task, arguments)?;
        let output = command.stderr(Stdio::inherit()).output()?;
        if output.status.success() {
            Ok(Told(output.stdout))
        } else {
            Err(format!("{}: {task}: {}", store.name, output.status).into())
        }
    }
}

impl Told {
    fn parse<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.0)
    }
}
