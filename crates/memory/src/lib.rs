//! The exact in-memory store of Revocable: [`MemoryStore`].
//!
//! It keeps the whole contract of
//! [`SessionStore`](revocable_core::SessionStore) and is gone with the
//! process. It never drops a live session: a store that is
//! [limited](MemoryStore::with_limit) refuses new ones.
//!
//! # How it is made
//!
//! ```text
//! MemoryStore ── 128 shards, each behind one lock, chosen by the user's bucket
//!                 ├─ sessions   ID -> Arc<Record>
//!                 ├─ users      user -> IDs in order, at positions that only fall
//!                 └─ epochs     user -> position of the last revoke-all; floor
//!             └── room          how many sessions there are, of how many allowed
//! ```
//!
//! A session's ID names the bucket of its user, so everything of one user is in
//! one shard, and each verb about a session or a user is one critical section
//! without an await point: atomic, also if its future is dropped. Only
//! `revoke_everything` takes all locks, and a sweep one after the other.

mod by_id;
mod epochs;
mod room;
mod shard;
mod store;
mod sweep;
mod users;

pub use store::MemoryStore;
