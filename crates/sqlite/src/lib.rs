//! Sessions in a SQLite file.

mod fault;
mod offload;
mod open;
mod options;
mod readers;
mod row;
mod scan;
mod schema;
mod store;
mod writer;

pub use options::SqliteStoreBuilder;
pub use store::SqliteStore;
