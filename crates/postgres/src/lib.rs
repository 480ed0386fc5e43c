//! Sessions in a PostgreSQL database.

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
