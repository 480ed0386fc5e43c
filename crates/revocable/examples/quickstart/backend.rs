//! The store that the user chose.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use revocable::{
    CachedStore, Error, ErrorKind, MemoryStore, MokaStore, Result, SessionStore, SledStore,
    SqliteStore,
};

/// What can be chosen: the word, and what it stands for.
const BACKENDS: [(&str, &str); 6] = [
    ("sqlite", "a SQLite file (the default)"),
    ("sled", "a sled folder"),
    ("memory", "in memory; ends with the program"),
    (
        "moka",
        "in memory, with room for a number of sessions and no more",
    ),
    (
        "cached-sqlite",
        "a SQLite file of its own, with a cache in front",
    ),
    ("cached-sled", "a sled folder, with a cache in front"),
];

/// A store, and how to speak of it.
pub(crate) struct Backend {
    pub(crate) store: Box<dyn SessionStore>,
    pub(crate) shown: String,
    /// Whether the next run finds what this one leaves.
    pub(crate) survives: bool,
}

/// Opens the store that the arguments name.
pub(crate) fn open(mut arguments: impl Iterator<Item = OsString>) -> Result<Backend> {
    let name = arguments.next().unwrap_or_else(|| "sqlite".into());
    let name = name.to_string_lossy().into_owned();
    let path = arguments.next().map(PathBuf::from);
    let survives = !matches!(name.as_str(), "memory" | "moka");
    if arguments.next().is_some() || (path.is_some() && !survives) {
        return Err(usage(&format!(
            "too many arguments for the backend {name:?}"
        )));
    }
    let or = |usual: &str| path.clone().unwrap_or_else(|| usual.into());
    let file = || or("quickstart.db");
    let folder = || or("quickstart.sled");
    let (store, place): (Box<dyn SessionStore>, Option<PathBuf>) = match name.as_str() {
        "memory" => (Box::new(MemoryStore::new()), None),
        "moka" => (Box::new(MokaStore::with_capacity(10_000)), None),
        "sqlite" => (Box::new(SqliteStore::open(file())?), Some(file())),
        "sled" => (Box::new(SledStore::open(folder())?), Some(folder())),
        "cached-sqlite" => {
            let store = SqliteStore::builder(file()).exclusive(true).open()?;
            (Box::new(CachedStore::new(store)?), Some(file()))
        }
        "cached-sled" => {
            let store = SledStore::open(folder())?;
            (Box::new(CachedStore::new(store)?), Some(folder()))
        }
        _ => return Err(usage(&format!("there is no backend {name:?}"))),
    };
    let place = place.as_deref().map(Path::display);
    let shown = place.map_or_else(|| name.clone(), |place| format!("{name}, {place}"));
    Ok(Backend {
        store,
        shown,
        survives,
    })
}

fn usage(what: &str) -> Error {
    let mut text =
        format!("{what}; say `cargo run --example quickstart -- BACKEND [PATH]`, where BACKEND is");
    for (name, about) in BACKENDS {
        text.push_str(&format!("\n  {name:<13}  {about}"));
    }
    Error::new(ErrorKind::Configuration, text)
}
