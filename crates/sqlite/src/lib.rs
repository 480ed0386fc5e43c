//! Sessions in a SQLite file: the durable store of
//! [Revocable](https://docs.rs/revocable) for one machine.
//!
//! ```
//! use revocable_core::SessionStore;
//! use revocable_sqlite::SqliteStore;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("sessions.db");
//! let store = SqliteStore::open(path)?;
//! # futures_executor::block_on(async {
//! store.health().await?;
//! # Ok::<_, revocable_core::Error>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! Applications hand the store to `Sessions` of `revocable-core`; the verbs are
//! those of [`SessionStore`](revocable_core::SessionStore).
//!
//! # What is promised
//!
//! - **Durable.** What was acknowledged survives the end of the process and a
//!   loss of power: each commit is synced to the disk (`synchronous=FULL`, on
//!   macOS `fullfsync`) before anybody is told of it, as far as the disk and
//!   the file system keep their own promises. Only
//!   [`update_soon`](revocable_core::SessionStore::update_soon) waits for up to
//!   a second, and may be lost.
//! - **Private.** A new file is readable by its owner only, and so are the
//!   files that SQLite keeps beside it (`-wal`, `-shm`). What is removed is
//!   overwritten where that needs no further writing (`secure_delete=FAST`);
//!   the write-ahead log may still hold it until it is written over.
//! - **Several processes** of one machine may use the file at the same time, and
//!   see each other's revocations at once. A listener hears of what ended in its
//!   own process. All have to be of the same version: a newer one may change
//!   the schema. Never put the file on a network file system. A store that
//!   should have the file to itself, so that a cache in front of it need not
//!   ask for the changes of others, is opened
//!   [exclusively](SqliteStoreBuilder::exclusive).
//! - **Bounded.** Writes that wait are bounded in number, the write-ahead log to
//!   some 8 MiB (32 MiB while others read all the time, more only while
//!   somebody keeps a transaction open), and pages that a sweep freed are given
//!   back when nobody waits.
//!
//! # How it works
//!
//! A lookup is one prepared statement on the caller's thread, with a connection
//! from a pool: it waits neither for the writer nor, as a rule, for the disk. So
//! it blocks the caller's thread for some microseconds, or for a read of the
//! disk; [`offload_reads`](SqliteStoreBuilder::offload_reads) moves it to
//! threads of the store's own.
//!
//! A session whose user, client and data together have more than 768 bytes keeps
//! user agent and data in a table of their own, which costs its lookups a second
//! search and nobody else's anything: SQLite reads the whole row, with all the
//! pages that it goes on to, of each key that it compares on the way to another.
//! Keep in a session what every request needs, and the rest in a table of the
//! application.
//!
//! All writes go through one thread, which takes what waits, up to 512 requests,
//! runs them in one transaction, commits once and answers. A request that fails
//! takes no other with it: then they run again, each under a savepoint of its own. A write that was begun is carried out
//! whether or not its future is polled again.
//!
//! The store works with any async runtime, or none.
//!
//! # When something is wrong
//!
//! | what | kind | what happens |
//! | --- | --- | --- |
//! | folder missing, not a database, another application's, newer schema, no permission, SQLite too old | `Configuration` from `open` | the file is left as it is; the message says what to do |
//! | locked by somebody for longer than [`busy_timeout`](SqliteStoreBuilder::busy_timeout) | `Unavailable` | nothing was changed; works again when the lock is gone |
//! | another store has the file to itself, or this one cannot have it | `Unavailable` from `open` | works when that store is closed, or its process has ended |
//! | disk or quota full | `Full`, `UnknownOutcome` | reads go on; writes go on as soon as there is room. Revoking needs some KiB of it too, in the log |
//! | [`max_file_size`](SqliteStoreBuilder::max_file_size) reached | `Full` | revoking and sweeping are still possible |
//! | I/O error, file gone or read-only | `Unavailable`, `UnknownOutcome` for a commit that was under way | opened again at the next request |
//! | a damaged record, or a destroyed page of one session's data | `Corrupt` for that session | it can be revoked and counts for no cap; listings, sweeps and revoke-alls go on |
//! | a damaged page | `Corrupt` for the sessions on it | the cap counts the others; once a write has met it, all writes are refused until the store is opened again; reads go on |
//!
//! `health` takes the lock, writes a page to the log and takes it back. That
//! there is room for more, and that the disk can be synced, it cannot say.
//!
//! Back the file up with SQLite's own means (`VACUUM INTO`, `.backup`), and know
//! what a restored backup is: sessions that were revoked since come back. Call
//! `revoke_everything` after a restore.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod claim;
mod fault;
mod offload;
mod open;
mod options;
mod readers;
mod row;
mod scan;
mod schema;
mod store;
mod sweep;
mod writer;

pub use options::SqliteStoreBuilder;
pub use store::SqliteStore;
