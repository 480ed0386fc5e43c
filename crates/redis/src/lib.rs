//! Sessions on a Redis or Valkey server.

mod check;
mod create;
mod fault;
mod feed;
mod keys;
mod link;
mod list;
mod notice;
mod options;
mod reply;
mod revoke;
mod runtime;
mod script;
mod server;
mod store;
mod sweep;
mod touches;
mod update;

pub use check::Durability;
pub use options::RedisStoreBuilder;
pub use store::RedisStore;
