//! How a store is opened.

use std::fmt;
use std::time::Duration;

use redis::cluster::ClusterClient;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{Client, ConnectionInfo, IntoConnectionInfo};
use revocable_core::{Error, ErrorKind, Result};
use revocable_remote::within;
use tokio::runtime::Handle;

use crate::check::{Accepted, check};
use crate::feed::life;
use crate::keys::Keys;
use crate::link::{Limits, Replicas, Target};
use crate::server::Server;
use crate::store::RedisStore;

/// For an answer.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Settings for a [`RedisStore`].
#[derive(Clone)]
pub struct RedisStoreBuilder {
    place: Place,
    prefix: String,
    timeout: Duration,
    replicas: Option<Replicas>,
    accepted: Accepted,
}

#[derive(Clone)]
enum Place {
    Server(String),
    Sentinel {
        sentinels: Vec<String>,
        name: String,
        url: Option<String>,
    },
    Cluster(Vec<String>),
}

impl RedisStoreBuilder {
    pub(crate) fn server(url: &str) -> Self {
        Self::at(Place::Server(url.to_owned()))
    }

    pub(crate) fn sentinel(sentinels: Vec<String>, name: &str) -> Self {
        Self::at(Place::Sentinel {
            sentinels,
            name: name.to_owned(),
            url: None,
        })
    }

    pub(crate) fn cluster(nodes: Vec<String>) -> Self {
        Self::at(Place::Cluster(nodes))
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            prefix: "revocable".into(),
            timeout: Duration::from_secs(1),
            replicas: None,
            accepted: Accepted::default(),
        }
    }

    /// What all keys of the store begin with, `revocable` unless told
    /// otherwise: 1 to 64 of `A-Z a-z 0-9 _ - . : /`. Stores with the same
    /// prefix on the same server and database are one. On another database of the
    /// server take another prefix: databases share the channel, and observers would
    /// hear of what ended in the other.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// With Sentinels: how the servers that they name are to be talked to, as an
    /// address whose host and port are not used. From it come the user, the
    /// password, the number of the database and, with `rediss`, TLS.
    #[must_use]
    pub fn servers_like(mut self, address: &str) -> Self {
        if let Place::Sentinel { url, .. } = &mut self.place {
            *url = Some(address.to_owned());
        }
        self
    }

    /// How long is waited for a connection, and for each answer; a second unless
    /// told otherwise. A lookup takes at most four times as long: it is tried once more on
    /// another connection. So is a write that may be repeated, and a change and a create with a
    /// cap ask before, and again for each time that others are faster. With
    /// [`wait_for_replicas`](Self::wait_for_replicas) its time is added to each answer's. More than
    /// an hour is an hour.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(LONGEST);
        self
    }

    /// Acknowledges a write when so many replicas have it, too (the command
    /// `WAIT`). If they have not within this time, the write is an
    /// [`UnknownOutcome`](ErrorKind::UnknownOutcome): it was done, and may be
    /// undone.
    ///
    /// It makes the loss of acknowledged writes in a fail-over less likely and
    /// does not exclude it: a replica that has none of them may become the
    /// master. Tested with Redis 7.0. Later versions seem to count replicas in another way: there a
    /// write that is repeated because its answer was lost may be acknowledged before replicas
    /// have it. Not for clusters.
    #[must_use]
    pub fn wait_for_replicas(mut self, count: u32, timeout: Duration) -> Self {
        // WAIT with no time waits for ever.
        let timeout = timeout.clamp(Duration::from_millis(1), LONGEST);
        self.replicas = (count > 0).then_some(Replicas { count, timeout });
        self
    }

    /// Takes a server that evicts keys when its memory is full. That logs users
    /// out, and may take what is known of revocations.
    #[must_use]
    pub fn accept_eviction(mut self) -> Self {
        self.accepted.eviction = true;
        self
    }

    /// Takes a server that keeps snapshots only. When it starts again, sessions
    /// come back that were revoked after the last one: call
    /// [`revoke_everything`](revocable_core::SessionStore::revoke_everything)
    /// then.
    #[must_use]
    pub fn accept_snapshots(mut self) -> Self {
        self.accepted.snapshots = true;
        self
    }

    /// Connects, and asks the server how it is set. Inside of a tokio runtime,
    /// in which the connections live from then on; the store itself may be used
    /// from anywhere for as long as the runtime lives.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) for an address that cannot be
    /// read, a password that is wrong, a prefix of other characters, a server
    /// that is too old, a replica, part of a cluster that was not named as one,
    /// or set so that revocations could be undone; the message says what to
    /// do. [`Unavailable`](ErrorKind::Unavailable) if it cannot be reached.
    pub async fn connect(self) -> Result<RedisStore> {
        let runtime = Handle::try_current().map_err(|_| {
            configuration("the store has to be connected inside of a tokio runtime")
        })?;
        if self.replicas.is_some() && matches!(self.place, Place::Cluster(_)) {
            return Err(configuration("a cluster cannot be waited for"));
        }
        // Has no effect if the application has chosen one for its process.
        #[cfg(feature = "tls")]
        let _ = rustls::crypto::ring::default_provider().install_default();
        let limits = Limits {
            timeout: self.timeout,
            replicas: self.replicas,
        };
        let keys = Keys::new(&self.prefix)?;
        let server = Server::new(self.place.target()?, limits, keys, runtime.clone())?;
        let durability = within(&runtime, async {
            let durability = check(&server, self.accepted).await?;
            life(&server).await?;
            Ok::<_, Error>(durability)
        });
        let durability = durability.await?;
        Ok(RedisStore::new(server, durability))
    }
}

impl Place {
    fn target(self) -> Result<Target> {
        Ok(match self {
            Self::Server(url) => Target::Server(Client::open(address(&url)?).map_err(no_address)?),
            Self::Sentinel {
                sentinels,
                name,
                url,
            } => {
                let sentinels = addresses(&sentinels)?;
                let servers = url.as_deref().map(address).transpose()?;
                let like = servers.map(|info| {
                    let like = SentinelNodeConnectionInfo::default()
                        .set_redis_connection_info(info.redis_settings().clone());
                    match info.addr() {
                        redis::ConnectionAddr::TcpTls { .. } => {
                            like.set_tls_mode(redis::TlsMode::Secure)
                        }
                        _ => like,
                    }
                });
                let client =
                    SentinelClient::build(sentinels, name, like, SentinelServerType::Master);
                Target::Sentinel(tokio::sync::Mutex::new(client.map_err(no_address)?))
            }
            Self::Cluster(nodes) => {
                let nodes = addresses(&nodes)?;
                let none = || configuration("no address of a member of the cluster was given");
                let like = Box::new(nodes.first().cloned().ok_or_else(none)?);
                let client = ClusterClient::new(nodes).map_err(no_address)?;
                Target::Cluster { client, like }
            }
        })
    }
}

/// Without what it was: it may hold a password.
fn address(url: &str) -> Result<ConnectionInfo> {
    url.into_connection_info().map_err(no_address)
}

fn addresses(urls: &[String]) -> Result<Vec<ConnectionInfo>> {
    urls.iter().map(|url| address(url)).collect()
}

fn no_address(error: redis::RedisError) -> Error {
    configuration("the address is not of the form redis://user:password@host:port/database")
        .with_source(error.category().to_owned())
}

fn configuration(message: &'static str) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Addresses have passwords in them.
        let place = match &self.place {
            Place::Server(_) => "server",
            Place::Sentinel { .. } => "sentinel",
            Place::Cluster(_) => "cluster",
        };
        f.debug_struct("RedisStoreBuilder")
            .field("place", &place)
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .field("replicas", &self.replicas)
            .field("accepted", &self.accepted)
            .finish()
    }
}
