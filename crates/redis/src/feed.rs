//! What others do, as it is announced.

use std::sync::Arc;

use futures_util::StreamExt;
use redis::aio::PubSubStream;
use redis::{Client, Msg};
use revocable_core::{Bucket, Feed, Mark, Result};
use revocable_remote::{Channel, Message, Subscription, carried_on, random};

use crate::cluster_feed::follow_cluster;
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
    carried_on(&runtime, async move {
        match &*Arc::clone(&server.target) {
            Target::Server(client) => follow_one(server, client.clone()).await,
            Target::Sentinel(sentinel) => {
                let found = async {
                    let found = sentinel.lock().await.async_get_client().await;
                    found.map_err(Failure::no_connection)
                };
                let found = in_time(server.limits.timeout, found).await;
                follow_one(server, found.map_err(Failure::reading)?).await
            }
            Target::Cluster { like, .. } => follow_cluster(server, like).await,
        }
    })
    .await
}

async fn follow_one(server: Arc<Server>, client: Client) -> Result<Box<dyn Feed>> {
    let subscribed = subscribe(&client, server.keys.channel());
    let messages = in_time(server.limits.timeout, subscribed)
        .await
        .map_err(Failure::reading)?;
    let (life, local) = (life(&server).await?, &server.local);
    let (runtime, instance) = (local.runtime.clone(), local.instance);
    let listener = Listener { server, messages };
    let feed = Subscription::new(listener, runtime, instance, vec![life]);
    Ok(Box::new(feed))
}

pub(crate) async fn subscribe(client: &Client, channel: Vec<u8>) -> Result<PubSubStream, Failure> {
    let made = client.get_async_pubsub().await;
    let mut connection = made.map_err(Failure::no_connection)?;
    let subscribed = connection.subscribe(channel).await;
    subscribed.map_err(Failure::of)?;
    Ok(connection.into_on_message())
}

/// The bucket where the life is kept, and health is tried.
pub(crate) fn first_bucket() -> Result<Bucket> {
    Bucket::from_index(0).ok_or_else(unexpected)
}

/// The life of the data; one begins if there is none.
pub(crate) async fn life(server: &Server) -> Result<Vec<u8>> {
    let key = server.keys.life(first_bucket()?);
    server.read(&begin_life(&key)?).await?;
    let get = redis::cmd("GET").arg(&key).take();
    reply::bytes(server.read(&get).await?)
}

/// Has no effect where there is one.
pub(crate) fn begin_life(key: &[u8]) -> Result<redis::Cmd> {
    let life = random::<16>()?;
    Ok(redis::cmd("SET").arg(key).arg(&life).arg("NX").take())
}

impl Channel for Listener {
    type Raw = Msg;

    async fn receive(&mut self) -> Option<Msg> {
        self.messages.next().await
    }

    fn read(&self, raw: &Msg) -> Option<Message> {
        read(raw.get_payload_bytes(), &self.server.local.instance, 0)
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
