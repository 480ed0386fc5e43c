//! Sessions in a sled folder: a durable store of
//! [Revocable](https://docs.rs/revocable) for one process, in Rust alone.
//!
//! ```
//! use revocable_core::SessionStore;
//! use revocable_sled::SledStore;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("sessions");
//! let store = SledStore::open(path)?;
//! # futures_executor::block_on(async {
//! store.health().await?;
//! # Ok::<_, revocable_core::Error>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Take SQLite instead
//!
//! if you can. This store is for applications that must not compile C.
//!
//! - sled's own README says: "if reliability is your primary constraint, use
//!   SQLite. sled is beta." 0.34 is the last stable release, of 2021.
//! - Two of the crates that it needs are unmaintained: `fxhash`
//!   (RUSTSEC-2025-0057) and `instant` (RUSTSEC-2024-0384).
//! - Its log grows: with 100,000 live sessions, and millions of others that came
//!   and went, it was thirteen times as large as what lived in it.
//! - A full disk or an I/O error stops the store until it is opened again. After
//!   such an error its engine has been seen to wait for ever; the store notices,
//!   but then only a new process can open the folder.
//!
//! # What is promised
//!
//! - **Durable.** What was acknowledged was synced to the disk: sled's `flush`
//!   does not do that on Linux, so this store syncs the files itself. Only
//!   [`update_soon`](revocable_core::SessionStore::update_soon) waits for up to
//!   a second, and may be lost.
//! - **Whole.** All of a batch is one transaction over all trees, so a session
//!   and its place in the index come and go together.
//! - **Private.** The folder is accessible to its owner only.
//! - **One process**, and one store in it, has the folder open.
//! - **Bounded.** Writes that wait are bounded in number, and so is the cache of
//!   pages ([`cache_capacity`](SledStoreBuilder::cache_capacity)).
//!
//! # How it is made
//!
//! ```text
//! sessions-<generation>   ID (16)                        ->  the record, by `Record::encode`
//! by_user-<generation>    length (1) ‖ user ‖ ID (16)    ->  nothing
//! epochs-<generation>     length (1) ‖ user              ->  position (8) ‖ taken at, Unix ms (8)
//! meta                    generation, position, floor,
//!                         count of sessions              ->  number (8)
//! ```
//!
//! Numbers are big-endian. A lookup is one `get` on the caller's thread; it waits
//! for a transaction that is being applied, and never for the disk: until a
//! transaction is synced, readers see what was there before it. A listing is one
//! view, because nothing is applied meanwhile. All writes go through one
//! thread, which carries out what waits, up to 512 requests, applies it in one
//! transaction, syncs once, tells the listeners and answers. A write that was
//! polled is carried out whether or not its future is polled again, unless the
//! disk hangs before its turn has come.
//!
//! `revoke_everything` writes the number of the next generation, and no more.
//! The trees of the last are cleared away when nobody waits.
//!
//! # When something is wrong
//!
//! | what | kind | what happens |
//! | --- | --- | --- |
//! | folder not empty and not ours, newer format, no permission | `Configuration` from `open` | it is left as it is; the message says what to do |
//! | another store has the folder | `Unavailable` from `open`, after two seconds | works when that store is closed |
//! | a write or a sync fails | `UnknownOutcome` for what was under way, then `Unavailable` for everything | open the store again when the disk is well |
//! | the disk or the engine does not answer a write in [time](SledStoreBuilder::write_timeout) | `UnknownOutcome` for what is under way; `Unavailable` for what waits, which then never happens, and for everything until it ends | works again when the write comes to an end; if it never does, start the process again |
//! | a damaged record | `Corrupt` for that session | it can be revoked; listings, sweeps and revoke-alls go on |
//! | a damaged log | `Corrupt` | restore a backup and revoke everything, or remove the folder |

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod disk;
mod fault;
mod folder;
mod keys;
mod options;
mod shared;
mod store;
mod sweep;
mod watch;
mod writer;

#[cfg(test)]
mod tests;

pub use options::SledStoreBuilder;
pub use store::SledStore;
