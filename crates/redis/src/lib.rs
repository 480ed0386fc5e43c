//! Sessions on a Redis or Valkey server: the store of
//! [Revocable](https://docs.rs/revocable) for several machines.
//!
//! ```no_run
//! use revocable_core::SessionStore;
//! use revocable_redis::RedisStore;
//!
//! # async fn connect() -> revocable_core::Result<()> {
//! let store = RedisStore::connect("redis://127.0.0.1/").await?;
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
//! - **Durable as the server is.** [`Durability`] names the kinds, and
//!   [`RedisStore::durability`] says which one the server had when it was
//!   connected. Only with `appendfsync always` does an acknowledged write survive
//!   a loss of power. A server that keeps snapshots alone comes back from a restart
//!   with sessions that were revoked since the last one, and is refused; one that
//!   keeps nothing is taken: its end is the end of all sessions.
//! - **A fail-over may undo what was acknowledged**, a revocation too: replication is
//!   asynchronous, and whoever becomes the master may not have it.
//!   [`wait_for_replicas`](RedisStoreBuilder::wait_for_replicas) makes that less
//!   likely and does not exclude it. Nor does the lease of a cache help: what came
//!   back is in the store. Where that is not acceptable, take a store whose
//!   replication is synchronous.
//! - **Not evicted.** A server that evicts keys when it is full is refused.
//! - **Shared** by any number of processes and machines. All read from the master;
//!   one that is made a replica while it is connected is noticed within half a second by who
//!   reads, and by a cache's marks.
//!   A listener hears of what ended in its own process, and behind a
//!   `CachedStore` of what ended anywhere.
//! - **Private.** The server gets digests, never tokens; users, addresses and the
//!   application's data it gets as they are, so use TLS (`rediss`, feature `tls`)
//!   where the network is not yours.
//!
//! # How it works
//!
//! All that belongs to a user is in one bucket of 4,096, which the ID of a session
//! names, and in one slot of a cluster. Every verb that writes is one script, which
//! the server runs while nothing else does: the session, its place in the index of
//! the bucket and what is announced change together or not at all. A lookup is one
//! `MGET`. A change is a lookup and a script that writes if nobody has changed the
//! session meanwhile. A create with a cap reads the user's sessions first, so it
//! costs their size. `revoke_all_for_user` holds up the server in proportion to the
//! user's sessions. `revoke_everything` takes the same time however many sessions there
//! are: it goes over the buckets, and what has ended is left to the sweep. It counts
//! those too that the server has removed by their deadline and no sweep has found.
//!
//! A write that the connection was lost under is sent once more, on another one. The
//! server knows it by a name, for a minute, and answers what it answered the first
//! time; for that every such write leaves a short key on the server for a minute. If that is
//! not answered either, it is an `UnknownOutcome`. A create is sent once, and leaves no such
//! key: with its answer lost it is an `UnknownOutcome` at once. So that this is seldom, a
//! connection of which nothing was heard for a second is asked whether it is there before. (To
//! a cluster creates go as all else does.) A write that was begun is carried to its end whoever
//! waits.
//!
//! The server removes what no sweep has found an hour after the absolute deadline, by
//! its own clock. All other time comes with the call.
//!
//! In a cluster each bucket is one step, and so is everything that concerns one user.
//! `revoke_everything` goes from bucket to bucket: all sessions have ended when it
//! returns, and while it is under way some have and others have not. Each primary announces
//! what it does in a channel of its own, and a cache in front subscribes at each of them, at the
//! addresses that the cluster announces (TLS: by the announced host names). Its marks bring
//! back who has which slots, as each primary knows it: when that changes the cache begins anew.
//! A primary that is cut off answers until it notices, for as long as `cluster-node-timeout`:
//! what was revoked meanwhile on the one that took its place is live there, with a cache and
//! without one.
//!
//! While a slot is moved to another primary some of its keys are here and some there. Then
//! nothing is written in its buckets, because who ended a user's sessions would miss some; and
//! no cache answers anything. What can be read whole is, and the rest is `Unavailable`. (Of a
//! write it is an `UnknownOutcome`: the client of a cluster sends by itself again what it has no
//! answer to, and a refusal need not be the first answer.)
//!
//! # When something is wrong
//!
//! | what | kind | what happens |
//! | --- | --- | --- |
//! | wrong address or password, a server that is too old, a replica, evicts, or keeps snapshots alone | `Configuration` from `connect` | the message says what to do |
//! | the server cannot be reached, is loading, is stopped | `Unavailable`, within four times the [`timeout`](RedisStoreBuilder::timeout) | connected again at the next call |
//! | the connection is lost, or no answer comes in time, twice, or for a create once; or a cluster answers something else | `UnknownOutcome` for writes, `Unavailable` for the rest | repeat the call |
//! | the server has no memory left | `Full` | nobody can log in; lookups and revocations go on |
//! | the server has no room on its disk | `Full`, or with `appendfsync always` `Unavailable` and the server ends by itself | nobody can log in and nothing can be revoked; lookups go on while the server runs |
//! | the cluster moves the slot to another primary | `UnknownOutcome` for writes, `Unavailable` for the rest | it can be read where it is whole; writing goes on when it is done |
//! | a damaged record | `Corrupt` for that session | it can be revoked and counts for no cap; listings, sweeps and revoke-alls go on |
//! | somebody took keys of the store away | `Corrupt`, or the sessions are gone | nobody logs in to a bucket that has lost a part of what is known of revocations, until `revoke_everything`; a cache empties itself when all were taken; not when single sessions were |
//!
//! Needs Redis 6.2 or Valkey; it is tested with Redis 7.0. The user that it connects as needs its keys, the
//! channel of its announcements and `INFO`: `~PREFIX:* &PREFIX:notices +@all
//! -@dangerous +info`; and `+config|get`, so that the store can tell how durable the
//! server is. On a cluster the channels are `&PREFIX:notices:*`, and Redis 6.2 wants `+cluster`.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod check;
mod cluster_feed;
mod create;
mod fault;
mod feed;
mod filled;
mod keys;
mod link;
mod list;
mod members;
mod notice;
mod options;
mod reply;
mod revoke;
mod script;
mod server;
mod store;
mod sweep;
mod update;

pub use check::Durability;
pub use options::RedisStoreBuilder;
pub use store::RedisStore;
