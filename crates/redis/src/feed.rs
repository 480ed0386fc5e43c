//! What is announced, as it comes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use redis::aio::PubSubStream;
use revocable_core::{Bucket, Error, ErrorKind, Feed, Mark, Notice, Result};
use revocable_remote::{Marks, carried_on, random, within};
use tokio::time::{Instant, timeout_at};

use crate::fault::{Failure, unexpected};
use crate::link::{Target, in_time};
use crate::notice::{Message, read};
use crate::reply;
use crate::script::MARK;
use crate::server::Server;

/// A connection of its own that is subscribed to the store's channel. It ends
/// when it is lost: nothing makes another one in silence.
struct Subscription {
    server: Arc<Server>,
    messages: PubSubStream,
    /// A number that is gone when somebody takes the store's data away, or puts
    /// another server in the place of this one. Every mark brings it back.
    life: Vec<u8>,
    marks: Marks,
    is_over: bool,
}

pub(crate) async fn follow(server: &Arc<Server>) -> Result<Box<dyn Feed>> {
    let subscribing = Arc::clone(server);
    let subscription = carried_on(&server.local.runtime, async move {
        let longest = subscribing.limits.timeout;
        let messages = in_time(longest, subscribe(&subscribing))
            .await
            .map_err(Failure::reading)?;
        Ok(Subscription {
            life: life(&subscribing).await?,
            server: subscribing,
            messages,
            marks: Marks::default(),
            is_over: false,
        })
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

impl Subscription {
    async fn receive(&mut self, wait: Duration) -> Result<Option<Notice>> {
        let until = Instant::now().checked_add(wait);
        loop {
            let message = match until {
                Some(until) => match timeout_at(until, self.messages.next()).await {
                    Ok(message) => message,
                    Err(_) => return Ok(None),
                },
                None => self.messages.next().await,
            };
            let message = message.ok_or_else(|| gap("the subscription has ended"))?;
            let message = read(message.get_payload_bytes(), &self.server.local.instance)
                .ok_or_else(|| gap("something was announced that this version cannot read"))?;
            match message {
                Message::Notice(notice) => return Ok(Some(notice)),
                // Of another store: perhaps of another database, which has the same
                // channels and another life.
                Message::Mark { by, .. } if by != self.server.local.instance => {}
                Message::Mark { life, .. } if life != self.life => {
                    return Err(gap("the store's data were taken away"));
                }
                Message::Mark { mark, .. } if self.marks.came_back(mark) => {
                    return Ok(Some(Notice::Mark(mark)));
                }
                Message::Mark { .. } => {}
            }
        }
    }
}

fn gap(message: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, message)
}

#[async_trait]
impl Feed for Subscription {
    async fn mark(&mut self, mark: Mark) -> Result<()> {
        if self.is_over {
            return Err(gap("the feed is over"));
        }
        self.marks.sent(mark);
        let server = Arc::clone(&self.server);
        let sent = carried_on(&self.server.local.runtime, async move {
            let bucket = first_bucket()?;
            let call = server.call(&MARK, bucket)?;
            server
                .ask(&call.key(server.keys.life(bucket)).arg(mark))
                .await
        });
        self.is_over = true;
        sent.await?;
        self.is_over = false;
        Ok(())
    }

    async fn next(&mut self, wait: Duration) -> Result<Option<Notice>> {
        if self.is_over {
            return Err(gap("the feed is over"));
        }
        let runtime = self.server.local.runtime.clone();
        let received = within(&runtime, self.receive(wait)).await;
        self.is_over = received.is_err();
        received
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}
