//! What all clones of a store share.

use std::sync::Arc;

use redis::Value;
use revocable_core::{Bucket, Change, Error, ErrorKind, Record, Result, SessionId};
use revocable_remote::{Local, Remote, random};
use tokio::runtime::Handle;

use crate::fault;
use crate::feed::first_bucket;
use crate::keys::{Keys, Stored, corrupt};
use crate::link::{Limits, Link, Target};
use crate::reply;
use crate::script::{Call, Script};
use crate::update::update;

/// The server, and what is known of it.
pub(crate) struct Server {
    pub(crate) keys: Keys,
    pub(crate) target: Arc<Target>,
    pub(crate) limits: Limits,
    /// A lookup does not wait behind writes that wait for replicas.
    reads: Link,
    writes: Link,
    pub(crate) local: Local,
}

impl Server {
    pub(crate) fn new(target: Target, limits: Limits, keys: Keys, runtime: Handle) -> Result<Self> {
        let target = Arc::new(target);
        // Of what is never there.
        let question = redis::cmd("DEL").arg(keys.of(first_bucket()?, "x")).take();
        Ok(Self {
            keys,
            reads: Link::new(Arc::clone(&target), limits).of_master(question),
            writes: Link::new(Arc::clone(&target), limits),
            target,
            limits,
            local: Local::new(runtime)?,
        })
    }

    /// Whether the buckets are spread over several servers.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(*self.target, Target::Cluster { .. })
    }

    pub(crate) async fn read(&self, command: &redis::Cmd) -> Result<Value> {
        self.reads.read(command).await
    }

    /// How the server is set, whether it is a master or not.
    pub(crate) async fn settings(&self, command: &redis::Cmd) -> Result<Value> {
        self.writes.read(command).await
    }

    pub(crate) async fn write(&self, call: &Call) -> Result<Value> {
        self.writes.write(call).await
    }

    /// What a script says that changes nothing.
    pub(crate) async fn ask(&self, call: &Call) -> Result<Value> {
        self.reads.ask(call).await
    }

    /// A write that is sent once. A cluster's connection sends by itself again what it has no
    /// answer to, so there it has a name.
    pub(crate) async fn write_once(&self, call: &Call) -> Result<Value> {
        match self.is_cluster() {
            true => self.writes.write(call).await,
            false => self.writes.write_once(call).await,
        }
    }

    /// A run of a script in this bucket, with a name of its own: sent twice, it
    /// is carried out once.
    pub(crate) fn call(&self, script: &'static Script, bucket: Bucket) -> Result<Call> {
        let name: [u8; 16] = random()?;
        Ok(self.named_call(script, bucket, name.to_vec()))
    }

    /// One for [`write_once`](Self::write_once).
    pub(crate) fn call_once(&self, script: &'static Script, bucket: Bucket) -> Result<Call> {
        match self.is_cluster() {
            true => self.call(script, bucket),
            false => Ok(self.named_call(script, bucket, Vec::new())),
        }
    }

    fn named_call(&self, script: &'static Script, bucket: Bucket, name: Vec<u8>) -> Call {
        let channel = match self.is_cluster() {
            true => self.keys.channel_of(""),
            false => self.keys.channel(),
        };
        Call::new(script, self.keys.since(bucket))
            .arg(name)
            .arg(channel)
            .arg(self.local.instance)
    }

    /// What is stored of a session that has not ended with all others.
    pub(crate) async fn value(&self, id: SessionId) -> Result<Option<Vec<u8>>> {
        let command = redis::cmd("MGET")
            .arg(self.keys.session(id))
            .arg(self.keys.since(id.bucket()))
            .take();
        let mut answer = reply::array(self.read(&command).await?)?;
        let value = reply::optional(reply::next(&mut answer)?)?;
        let since = reply::optional(reply::next(&mut answer)?)?;
        let Some(value) = value else {
            return Ok(None);
        };
        // Without it nobody knows whether the session has ended.
        let since = reply::number(&since.ok_or_else(corrupt)?)?;
        match Stored::parse(&value) {
            Some(stored) if !stored.is_of_now(since) => Ok(None),
            Some(_) => Ok(Some(value)),
            None => Err(corrupt()),
        }
    }

    pub(crate) async fn find(&self, id: SessionId) -> Result<Option<Arc<Record>>> {
        match self.value(id).await? {
            None => Ok(None),
            Some(value) => Stored::parse(&value)
                .ok_or_else(corrupt)?
                .record(id)
                .map(Some),
        }
    }

    /// The names of the buckets from this on, as many as one script may take and not more than
    /// that: on a cluster one.
    pub(crate) fn stretch(&self, first: usize, most: usize) -> Vec<String> {
        let most = if self.is_cluster() { 1 } else { most };
        let end = first.saturating_add(most).min(Bucket::COUNT);
        (first..end).map(|number| format!("{number:03x}")).collect()
    }
}

impl Remote for Server {
    fn local(&self) -> &Local {
        &self.local
    }

    async fn is_there(&self, id: SessionId) -> Result<bool> {
        match self.value(id).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(true),
            value => Ok(value?.is_some()),
        }
    }

    async fn touch(&self, id: SessionId, touch: Change) -> Result<()> {
        update(self, id, &touch).await.map(|_| ())
    }
}

/// The bucket with this number in hexadecimal.
pub(crate) fn bucket_of(text: &str) -> Result<Bucket> {
    let number = usize::from_str_radix(text, 16).ok();
    number
        .and_then(Bucket::from_index)
        .ok_or_else(fault::unexpected)
}

/// Where a bucket begins to count: not where it did in another life.
pub(crate) fn seed() -> Result<String> {
    // Lua counts exactly up to 2^53.
    let number = u64::from_be_bytes(random()?) >> 12;
    Ok(number.to_string())
}

/// Others were faster, each time.
pub(crate) fn overtaken() -> Error {
    Error::new(
        ErrorKind::Conflict,
        "others change the same sessions faster than this call can",
    )
}
