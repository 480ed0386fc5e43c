//! Servers that tests and benchmarks start for themselves: on a free port of
//! loopback, with a data folder of their own, ended with whoever started them.
//!
//! Where a server is not installed, starting it says so by [`Missing`], and a
//! test shows as ignored with that reason.

mod certificates;
mod postgres;
mod process;
mod proxy;
mod redis;
mod redis_several;
mod small_disk;

pub use certificates::Certificates;
pub use postgres::{PgBouncer, Postgres};
pub use process::{Missing, Process, Program, free_port};
pub use proxy::Proxy;
pub use redis::Redis;
pub use redis_several::{RedisCluster, RedisSentinel};

/// Whether this process may mount small file systems for the servers that it starts.
///
/// # Errors
///
/// If not.
pub fn may_mount() -> Result<(), Missing> {
    small_disk::SmallDisk::may_mount()
}
