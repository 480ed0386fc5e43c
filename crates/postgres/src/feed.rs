//! What is announced, as it comes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use revocable_core::{Error, Feed, Mark, Notice, Result};
use revocable_remote::{Marks, carried_on, within};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::{Client, Notification};

use crate::fault::{Failure, configuration, lost_meta, unavailable};
use crate::notice::{Message, hex, mark, read};
use crate::server::{Server, get};

/// A connection of its own that listens to the store's channel. It ends when it is
/// lost: nothing makes another one in silence.
struct Subscription {
    server: Arc<Server>,
    /// The connection ends with it.
    _connection: Client,
    messages: mpsc::Receiver<Notification>,
    /// A number that is another when somebody has made the store's tables again, or
    /// put another database in the place of this one. Every mark brings it back.
    life: String,
    marks: Marks,
    is_over: bool,
}

pub(crate) fn not_followed() -> Error {
    configuration(
        "a store with a pool of the application's own, or behind PgBouncer, announces the \
         changes of others only if it is told by `announcements` where",
    )
}

pub(crate) async fn follow(server: &Arc<Server>) -> Result<Box<dyn Feed>> {
    let place = server.announces.clone().ok_or_else(not_followed)?;
    let subscribing = Arc::clone(server);
    let subscription = carried_on(&server.local.runtime, async move {
        let channel = format!("{}_notices", subscribing.schema);
        let listening = timeout(subscribing.limits.timeout, place.listen(&channel));
        let (connection, messages) = listening
            .await
            .unwrap_or_else(|_| Err(Failure::connecting_took_too_long()))
            .map_err(Failure::reading)?;
        Ok(Subscription {
            life: life(&subscribing).await?,
            server: subscribing,
            _connection: connection,
            messages,
            marks: Marks::default(),
            is_over: false,
        })
    });
    Ok(Box::new(subscription.await?))
}

/// The life of the data.
async fn life(server: &Server) -> Result<String> {
    let rows = server.reads.read(&server.statements.life, &[]).await?;
    get(rows.first().ok_or_else(lost_meta)?, 0).map(hex)
}

impl Subscription {
    async fn receive(&mut self, wait: Duration) -> Result<Option<Notice>> {
        let until = Instant::now().checked_add(wait);
        loop {
            let message = match until {
                Some(until) => match timeout_at(until, self.messages.recv()).await {
                    Ok(message) => message,
                    Err(_) => return Ok(None),
                },
                None => self.messages.recv().await,
            };
            let message = message.ok_or_else(|| unavailable("the subscription has ended"))?;
            let message =
                read(message.payload(), &self.server.local.instance).ok_or_else(|| {
                    unavailable("something was announced that this version cannot read")
                })?;
            match message {
                Message::Notice(notice) => return Ok(Some(notice)),
                Message::Mark { by, .. } if by != self.server.local.instance => {}
                Message::Mark { life, .. } if life != self.life => {
                    return Err(unavailable("the store's data were taken away"));
                }
                Message::Mark { mark, .. } if self.marks.came_back(mark) => {
                    return Ok(Some(Notice::Mark(mark)));
                }
                Message::Mark { .. } => {}
            }
        }
    }
}

#[async_trait]
impl Feed for Subscription {
    async fn mark(&mut self, new: Mark) -> Result<()> {
        if self.is_over {
            return Err(unavailable("the feed is over"));
        }
        self.marks.sent(new);
        let server = Arc::clone(&self.server);
        let sent = carried_on(&self.server.local.runtime, async move {
            let text = mark(&server.local.instance, &new);
            let rows = server.reads.read(&server.statements.mark, &[&text]).await?;
            rows.first().map(|_| ()).ok_or_else(lost_meta)
        });
        self.is_over = true;
        sent.await?;
        self.is_over = false;
        Ok(())
    }

    async fn next(&mut self, wait: Duration) -> Result<Option<Notice>> {
        if self.is_over {
            return Err(unavailable("the feed is over"));
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
