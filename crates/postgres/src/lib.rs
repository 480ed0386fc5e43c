//! Sessions in a PostgreSQL database: the store of
//! [Revocable](https://docs.rs/revocable) for several machines, and the one to take where a
//! revocation must not be undone.
//!
//! ```no_run
//! use revocable_core::SessionStore;
//! use revocable_postgres::PostgresStore;
//!
//! # async fn connect() -> revocable_core::Result<()> {
//! let store = PostgresStore::connect("postgresql://app@127.0.0.1/app").await?;
//! store.health().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Applications hand the store to `Sessions` of `revocable-core`; the verbs are
//! those of [`SessionStore`](revocable_core::SessionStore). It is connected inside
//! of a tokio runtime, in which its connections live, and may then be used from
//! any executor, for as long as that runtime lives.
//!
//! # What is promised
//!
//! - **Durable.** An acknowledged write was synced by the server, also where the database
//!   has `synchronous_commit` off; touches alone are not waited for.
//!   [`PostgresStore::durability`] tells whether a synchronous standby has it, too. Only then
//!   does a **fail-over** undo nothing, and only if the old primary is fenced off: as long as it
//!   runs and is reached it answers lookups as of then, with a cache and without one. A server
//!   whose `fsync` is off is refused.
//! - **Shared** by any number of processes and machines. Sessions are read from the
//!   primary alone: a replica is behind. A listener hears of what ended in its own process,
//!   and behind a `CachedStore` of what ended anywhere.
//! - **Private.** The server gets digests, never tokens; users, addresses and the
//!   application's data it gets as they are. With `sslmode=require` (feature `tls`) the
//!   connection is encrypted, and the server's certificate and name are checked.
//!
//! # How it works
//!
//! The store has a schema, `revocable` unless told otherwise, with tables and one function
//! for each verb that writes. So a write is one statement and one transaction, and is never
//! left open. [`connect`](PostgresStoreBuilder::connect) makes the schema, or somebody
//! applies [`schema_sql`](PostgresStore::schema_sql). The application's user then needs
//! `USAGE` of the schema and `SELECT, INSERT, UPDATE, DELETE` on its tables.
//!
//! - **Positions.** `positions` has one row with that of the last revocation. A
//!   `revoke_all_for_user` takes the next one and keeps the row until it is committed, so
//!   that positions are committed in their order; a sequence would promise neither that
//!   nor to keep one that a crash undid. So revoke-alls are one after the other, each as long
//!   as a sync takes; creates and single revocations wait for none.
//! - **Logins against revoke-alls.** Both lock the user's bucket, one of 4,096, for their
//!   transaction (an advisory lock: nothing is written for it). READ COMMITTED alone would
//!   let a revoke-all miss a login that commits at the same time. A revocation of one session
//!   shares that lock: a create of it that is being committed, perhaps for long because a
//!   standby is waited for, ends first.
//! - **The end of everything** is one row, in `meta`: a session carries the position it was created at,
//!   and is over from below `since`. A sweep removes what is over. It waits for the
//!   creates and revocations that are under way, and they for it. It counts tables of up to
//!   40 MB, some 80,000 sessions; beyond, the number is the server's estimate.
//! - **Changes** are a lookup and a write that takes place if nobody has changed the session
//!   meanwhile. A touch changes no indexed column and leaves the application's data alone.
//! - **The cap** reads the user's sessions first, and holds them while the new one is created.
//! - **Announcements** are made by `NOTIFY` in the revoking transaction, of what ends or gets a
//!   new secret or data, not of touches. The server commits transactions that announce one
//!   after the other, in the whole cluster, so single revocations wait for each other as long
//!   as a sync takes, or a standby. A listener that hangs, of any application in any database
//!   of the cluster, keeps the server's queue from being emptied; when its 8 GB are full nothing
//!   that announces is committed (`pg_notification_queue_usage()` tells), so nothing is
//!   revoked: `Unavailable`.
//!
//! # Behind PgBouncer
//!
//! With transaction pooling say [`behind_pgbouncer`](PostgresStoreBuilder::behind_pgbouncer):
//! the store then leaves nothing on a connection, and the server plans each statement anew.
//! Set for the store's user what it otherwise tells each connection:
//! `ALTER ROLE app SET statement_timeout = '1s'`, and READ COMMITTED if the database has
//! another default. Announcements do not go through it: name the server's own address by
//! [`announcements`](PostgresStoreBuilder::announcements), or a cache in front builds only with
//! `read_again_after`.
//!
//! # When something is wrong
//!
//! | what | kind | what happens |
//! | --- | --- | --- |
//! | wrong address or password, missing rights, a schema of another version, a server that is too old or does not sync, another isolation | `Configuration` from `connect` | the message says what to do |
//! | the server cannot be reached, starts, takes no writes, is a replica | `Unavailable`, within some times the [`timeout`](PostgresStoreBuilder::timeout) | connected again at the next call |
//! | somebody locks the tables or a session | `Unavailable` after the time-out: nothing was done | |
//! | the connection is lost | `UnknownOutcome` for writes; lookups are tried once more, then `Unavailable` | repeat the call |
//! | the server says nothing at all | `UnknownOutcome` for writes, `Unavailable` for lookups and for all that finds no free connection | no more connections are made than there may be |
//! | a connection leads to a replica: after a fail-over, or by a pool that goes to any server | `Unavailable`, after one more try | nothing is read there |
//! | a deadlock that the server finds before the time-out (its `deadlock_timeout` is a second), or a serialization failure | none: tried again, up to 8 times | |
//! | no room on the disk for the tables | `Full` | nobody can log in; lookups and revocations go on, a `revoke_all_for_user` as long as it finds room for the user's position |
//! | no room for the server's log | it stops: `Unavailable` | |
//! | a damaged record, or a damaged page of the server's | `Corrupt` for that session | with a damaged record it can be revoked and counts for no cap, and listings, sweeps and revoke-alls go on past it; whatever reads a damaged page fails |
//! | the row of `meta` or of `positions` was deleted | `Corrupt` | nobody gets in without `meta`, nobody logs in without `positions`, until `revoke_everything`, which mends them; a session can be revoked |
//! | the tables were made again | the sessions are gone | logins from before are refused, and a cache empties itself |
//!
//! Needs PostgreSQL 13 or newer, in UTF-8; it is tested with PostgreSQL 15, and with PgBouncer
//! 1.18.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod check;
mod connect;
mod create;
mod fault;
mod feed;
mod link;
mod list;
mod notice;
mod options;
mod revoke;
mod schema;
mod server;
mod statements;
mod store;
mod stored;
mod sweep;
mod update;

pub use check::Durability;
pub use options::PostgresStoreBuilder;
pub use store::PostgresStore;
