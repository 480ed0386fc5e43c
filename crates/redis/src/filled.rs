//! Which buckets have anything in them.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use redis::Value;
use revocable_core::{Bucket, Error, Result};

use crate::fault::unexpected;
use crate::server::Server;

/// Asked for at a time.
const AT_A_TIME: usize = 64;

/// Of a cluster, where each bucket is a step of its own, and most may be empty. What comes
/// into one meanwhile is found the next time.
pub(crate) struct Filled {
    /// One of these keys is there if anything is.
    names: &'static [&'static str],
    /// The first that is known, and of each from there whether it has something.
    first: usize,
    known: Vec<bool>,
}

impl Filled {
    pub(crate) fn by(names: &'static [&'static str]) -> Self {
        Self {
            names,
            first: 0,
            known: Vec::new(),
        }
    }

    /// The next to go to, from this on; [`Bucket::COUNT`] after the last. Of a single server
    /// this one, since a script goes over many.
    pub(crate) async fn next(&mut self, server: &Server, from: usize) -> Result<usize> {
        if !server.is_cluster() {
            return Ok(from);
        }
        let mut at = from;
        while at < Bucket::COUNT {
            let known = at.checked_sub(self.first);
            match known.and_then(|at| self.known.get(at)) {
                Some(true) => return Ok(at),
                Some(false) => at += 1,
                None => self.ask(server, at).await?,
            }
        }
        Ok(at)
    }

    async fn ask(&mut self, server: &Server, first: usize) -> Result<()> {
        let end = first.saturating_add(AT_A_TIME).min(Bucket::COUNT);
        self.known = stream::iter(first..end)
            .map(async |number| {
                let bucket = Bucket::from_index(number).ok_or_else(unexpected)?;
                let mut exists = redis::cmd("EXISTS");
                for name in self.names {
                    exists.arg(server.keys.of(bucket, name));
                }
                match server.read(&exists).await? {
                    Value::Int(there) => Ok::<_, Error>(there > 0),
                    _ => Err(unexpected()),
                }
            })
            .buffered(AT_A_TIME)
            .try_collect()
            .await?;
        self.first = first;
        Ok(())
    }
}
