//! How much room a store takes, in memory and on disk, when it was filled and
//! while sessions come and go. The binary `sizes` prints it.
//!
//! Each store is measured in a process of its own: what one has left behind in
//! the allocator must not count for the next.

pub mod churn;
pub mod fill;
pub mod room;
pub mod ticket;
