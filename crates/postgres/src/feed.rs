//! What others do, as it is announced.

use std::sync::Arc;

use revocable_core::{Error, Feed, Mark, Result};
use revocable_remote::{Channel, Message, Subscription, carried_on};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;
use tokio_postgres::{Client, Notification};

use crate::fault::{Failure, configuration, lost_meta};
use crate::link::Parameters;
use crate::notice::{hex, mark, read};
use crate::server::{Server, get};

/// A connection that listens to the store's channel.
struct Listener {
    server: Arc<Server>,
    /// The connection ends with it.
    _connection: Client,
    messages: mpsc::Receiver<Notification>,
    /// Held while a mark of this feed is sent.
    sending: Arc<Mutex<()>>,
}

pub(crate) fn not_followed() -> Error {
    configuration(
        "a store with a pool of the application's own, or behind PgBouncer, announces the \
         changes of others only if it is told by `announcements` where",
    )
}

pub(crate) async fn follow(server: &Arc<Server>) -> Result<Box<dyn Feed>> {
    let place = server.announces.clone().ok_or_else(not_followed)?;
    let server = Arc::clone(server);
    let runtime = server.local.runtime.clone();
    let subscription = carried_on(&runtime, async move {
        let channel = format!("{}_notices", server.schema);
        let listening = timeout(server.limits.timeout, place.listen(&channel));
        let (connection, messages) = listening
            .await
            .unwrap_or_else(|_| Err(Failure::connecting_took_too_long()))
            .map_err(Failure::reading)?;
        let (life, local) = (life(&server).await?, &server.local);
        let (runtime, instance) = (local.runtime.clone(), local.instance);
        let listener = Listener {
            server,
            _connection: connection,
            messages,
            sending: Arc::default(),
        };
        Ok(Subscription::new(listener, runtime, instance, vec![life]))
    });
    Ok(Box::new(subscription.await?))
}

/// The life of the data, as a mark brings it back.
async fn life(server: &Server) -> Result<Vec<u8>> {
    let rows = server.reads.read(&server.statements.life, &[]).await?;
    let life = get(rows.first().ok_or_else(lost_meta)?, 0).map(hex)?;
    Ok(life.into_bytes())
}

impl Channel for Listener {
    type Raw = Notification;

    async fn receive(&mut self) -> Option<Notification> {
        self.messages.recv().await
    }

    fn read(&self, raw: &Notification) -> Option<Message> {
        read(raw.payload(), &self.server.local.instance)
    }

    fn send(&self, new: Mark) -> impl Future<Output = Result<()>> + Send + 'static {
        let (server, sending) = (Arc::clone(&self.server), Arc::clone(&self.sending));
        async move {
            // As one that is lost on the way.
            let Ok(_own_turn) = sending.try_lock() else {
                return Ok(());
            };
            // It may wait for others that announce, on a connection that the application
            // may need. One of a feed that was left may be at that, and more would wait
            // with it.
            let Ok(_turn) = timeout(server.limits.timeout, server.marking.lock()).await else {
                return Ok(());
            };
            let text = mark(&server.local.instance, &new);
            let parameters: Parameters<'_> = &[&text, &server.patience];
            let rows = server
                .marks
                .read(&server.statements.mark, parameters)
                .await?;
            rows.first().map(|_| ()).ok_or_else(lost_meta)
        }
    }
}
