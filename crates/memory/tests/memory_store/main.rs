//! What `MemoryStore` promises beyond the contract of every store.

mod epochs;
mod limit;
mod listeners;
mod support;
mod sweep;
