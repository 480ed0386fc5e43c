//! What a process keeps beside the server, and how verbs run.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use getrandom::SysRng;
use getrandom::rand_core::TryRng;
use revocable_core::{Bucket, Change, EndListeners, Error, ErrorKind, Result, SessionId};
use tokio::runtime::Handle;

use crate::abandoned::{Abandoned, write};
use crate::runtime::within;
use crate::touches::Touches;

/// The name of a store in its process: whoever did something knows it again.
pub type Instance = [u8; 16];

/// What the process keeps.
pub struct Local {
    /// In which the connections live.
    pub runtime: Handle,
    /// Goes with what is announced.
    pub instance: Instance,
    /// Who is told of sessions that end.
    pub listeners: EndListeners,
    /// What is to be written without anybody waiting for it.
    pub touches: Touches,
    pub(crate) abandoned: Arc<Abandoned>,
}

impl Local {
    /// With a new name.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the system has no entropy.
    pub fn new(runtime: Handle) -> Result<Self> {
        Ok(Self {
            runtime,
            instance: random()?,
            listeners: EndListeners::new(),
            touches: Touches::default(),
            abandoned: Arc::default(),
        })
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Local")
    }
}

/// A store's server, as far as it is needed here.
pub trait Remote: Send + Sync + 'static {
    /// What the process keeps beside it.
    fn local(&self) -> &Local;

    /// Whether the server has this session. One that is damaged is there.
    ///
    /// # Errors
    ///
    /// If the server does not say.
    fn is_there(&self, id: SessionId) -> impl Future<Output = Result<bool>> + Send;

    /// Writes a touch, which may be lost in a crash.
    ///
    /// # Errors
    ///
    /// As any write.
    fn touch(&self, id: SessionId, touch: Change) -> impl Future<Output = Result<()>> + Send;
}

/// Runs a write on the connections' runtime, to its end, whoever waits, and after
/// all writes of the bucket that were abandoned before (of all buckets if none is named).
///
/// # Errors
///
/// As the work, and [`UnknownOutcome`](ErrorKind::UnknownOutcome) if the runtime ends
/// meanwhile.
pub async fn carried<S, T, F>(
    server: &Arc<S>,
    bucket: Option<Bucket>,
    work: impl FnOnce(Arc<S>) -> F,
) -> Result<T>
where
    S: Remote,
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    // Large, and handed on several times.
    let work = Box::pin(work(Arc::clone(server)));
    let local = server.local();
    write(&local.runtime, &local.abandoned, bucket, work).await
}

/// Runs what only reads, after all writes of the bucket that were abandoned before,
/// wherever it is polled.
///
/// # Errors
///
/// As the work.
pub async fn asked<S: Remote, T>(
    server: &S,
    bucket: Option<Bucket>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let local = server.local();
    let settled = async {
        local.abandoned.settled(bucket).await;
        work.await
    };
    within(&local.runtime, settled).await
}

/// Random bytes of the operating system.
///
/// # Errors
///
/// `Unavailable` if it has none.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|error| {
        Error::new(ErrorKind::Unavailable, "the entropy source failed")
            .with_source(error.to_string())
    })?;
    Ok(bytes)
}
