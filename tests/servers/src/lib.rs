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

pub use certificates::Certificates;
pub use postgres::{PgBouncer, Postgres};
pub use process::{Missing, Process, Program, free_port};
pub use proxy::Proxy;
pub use redis::Redis;
pub use redis_several::{RedisCluster, RedisSentinel};
