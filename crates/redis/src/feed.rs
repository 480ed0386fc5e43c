//! What others do, as it is announced.

use std::sync::Arc;

use futures_util::StreamExt;
use redis::Msg;
use redis::aio::PubSubStream;
use revocable_core::{Bucket, Error, ErrorKind, Feed, Mark, Result};
use revocable_remote::{Channel, Message, Subscription, carried_on, random};

use crate::fault::{Failure, unexpected};
use crate::link::{Target, in_time};
use crate::notice::read;
use crate::reply;
use crate::script::MARK;
use crate::server::Server;

/// A connection that is subscribed to the store's channel.
struct Listener {
    server: Arc<Server>,
    messages: PubSubStream,
}

pub(crate) async fn follow(server: &Arc<Server>) -> Result<Box<dyn Feed>> {
    let server = Arc::clone(server);
    let runtime = server.local.runtime.clone();
    let subscription = carried_on(&runtime, async move {
        let longest = server.limits.timeout;
        let messages = in_time(longest, subscribe(&server))
            .await
            .map_err(Failure::reading)?;
        let (life, local) = (life(&server).await?, &server.local);
        let (runtime, instance) = (local.runtime.clone(), local.instance);
        let listener = Listener { server, messages };
        Ok(Subscription::new(listener, runtime, instance, life))
    });
    Ok(Box::new(subscription.await?))
}

async fn subscribe(server: &Server) -> Result<PubSubStream, Failure> {
    let client = match &*server.target {
        Target::Server(client) => client.clone(),
        Target::Sentinel(sentinel) => {
            let found = sentinel.lock().await.async_get_client().await;
            found.map_err(Failure::no_connection)?
        }
        Target::Cluster(_) => return Err(Failure::NoConnection(not_followed())),
    };
    let made = client.get_async_pubsub().await;
    let mut connection = made.map_err(Failure::no_connection)?;
    let subscribed = connection.subscribe(server.keys.channel()).await;
    subscribed.map_err(Failure::of)?;
    Ok(connection.into_on_message())
}

/// The parts of a cluster each have a channel, and there is no order among
/// them.
pub(crate) fn not_followed() -> Error {
    Error::new(
        ErrorKind::Configuration,
        "a cluster does not announce the changes of others",
    )
}

/// The bucket where the life is kept, and health is tried.
pub(crate) fn first_bucket() -> Result<Bucket> {
    Bucket::from_index(0).ok_or_else(unexpected)
}

/// The life of the data; one begins if there is none.
pub(crate) async fn life(server: &Server) -> Result<Vec<u8>> {
    let key = server.keys.life(first_bucket()?);
    let begin = redis::cmd("SET")
        .arg(&key)
        .arg(&random::<16>()?)
        .arg("NX")
        .take();
    server.read(&begin).await?;
    let get = redis::cmd("GET").arg(&key).take();
    reply::bytes(server.read(&get).await?)
}

impl Channel for Listener {
    type Raw = Msg;

    async fn receive(&mut self) -> Option<Msg> {
        self.messages.next().await
    }

    fn read(&self, raw: &Msg) -> Option<Message> {
        read(raw.get_payload_bytes(), &self.server.local.instance)
    }

    fn send(&self, mark: Mark) -> impl Future<Output = Result<()>> + Send + 'static {
        let server = Arc::clone(&self.server);
        async move {
            let bucket = first_bucket()?;
            let call = server.call(&MARK, bucket)?;
            let call = call.key(server.keys.life(bucket)).arg(mark);
            server.ask(&call).await.map(|_| ())
        }
    }
}
