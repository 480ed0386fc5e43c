//! What is announced, as it comes.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use revocable_core::{Error, ErrorKind, Feed, Mark, Notice, Result};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use crate::local::Instance;
use crate::marks::Marks;
use crate::runtime::within;

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// What has happened, whoever did it.
    Notice(Notice),
    /// A mark, by whom, and how it found the store.
    Mark {
        /// Marks of others are nobody's business.
        by: Instance,
        /// As it was sent.
        mark: Mark,
        /// Through which part of the channel it has come, from 0 on.
        part: usize,
        /// The life of the data, and whatever else may not change unnoticed: another one when
        /// somebody has taken the data away, or has put another server in the place of
        /// this one.
        state: Vec<u8>,
    },
}

/// A connection of its own that is subscribed to what the store announces, or several of which
/// each brings a part. It ends when one is lost: nothing makes another one in silence.
pub trait Channel: Send + Sync + 'static {
    /// The next message, as it came; `None` at the end. May be dropped, and loses nothing
    /// then.
    fn receive(&mut self) -> impl Future<Output = Option<Self::Raw>> + Send;

    /// A message as it comes.
    type Raw: Send;

    /// Reads one; `None` if this version cannot.
    fn read(&self, raw: &Self::Raw) -> Option<Message>;

    /// Sends a mark through each part, by the store's own connections, so that it shows which
    /// server they lead to.
    fn send(&self, mark: Mark) -> impl Future<Output = Result<()>> + Send + 'static;
}

/// A feed of what comes through a channel.
pub struct Subscription<C> {
    channel: C,
    runtime: Handle,
    /// By whom its marks are sent.
    instance: Instance,
    /// Of each part.
    states: Vec<Vec<u8>>,
    marks: Marks,
    /// Why no mark will come back.
    refused: Arc<OnceLock<Error>>,
    is_over: bool,
}

impl<C: Channel> Subscription<C> {
    /// With the state that each part of the channel was in after it was subscribed to.
    pub fn new(channel: C, runtime: Handle, instance: Instance, states: Vec<Vec<u8>>) -> Self {
        Self {
            channel,
            runtime,
            instance,
            marks: Marks::through(states.len()),
            states,
            refused: Arc::default(),
            is_over: false,
        }
    }

    async fn hear(&mut self, wait: Duration) -> Result<Option<Notice>> {
        let until = Instant::now().checked_add(wait);
        loop {
            let received = match until {
                Some(until) => match timeout_at(until, self.channel.receive()).await {
                    Ok(received) => received,
                    Err(_) => return Ok(None),
                },
                None => self.channel.receive().await,
            };
            let raw = received.ok_or_else(|| gap("the subscription has ended"))?;
            let message = self
                .channel
                .read(&raw)
                .ok_or_else(|| gap("something was announced that this version cannot read"))?;
            match message {
                Message::Notice(notice) => return Ok(Some(notice)),
                // Of another store: perhaps of another database, which has the same channel
                // and another life.
                Message::Mark { by, .. } if by != self.instance => {}
                Message::Mark { part, state, .. } if self.states.get(part) != Some(&state) => {
                    return Err(gap("the store's data were taken away or have moved"));
                }
                Message::Mark { part, mark, .. } => {
                    if let Some(mark) = self.marks.came_back(part, mark) {
                        return Ok(Some(Notice::Mark(mark)));
                    }
                }
            }
        }
    }

    fn stands(&self) -> Result<()> {
        if self.is_over {
            return Err(gap("the feed is over"));
        }
        match self.refused.get() {
            Some(error) => Err(gap("no mark can be sent").with_source(error.to_string())),
            None => Ok(()),
        }
    }
}

fn gap(message: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, message)
}

#[async_trait]
impl<C: Channel> Feed for Subscription<C> {
    /// Does not wait for the server: what it announces goes on while it is slow to take a
    /// mark. One that it does not take in time does not come back.
    async fn mark(&mut self, mark: Mark) -> Result<()> {
        self.stands()?;
        self.marks.sent(mark);
        let (sent, refused) = (self.channel.send(mark), Arc::clone(&self.refused));
        self.runtime.spawn(async move {
            match sent.await {
                Ok(()) => {}
                Err(error) if error.is_transient() => {
                    tracing::debug!(%error, "a mark was not sent");
                }
                Err(error) => {
                    let _ = refused.set(error);
                }
            }
        });
        Ok(())
    }

    async fn next(&mut self, wait: Duration) -> Result<Option<Notice>> {
        self.stands()?;
        let runtime = self.runtime.clone();
        let heard = within(&runtime, self.hear(wait)).await;
        self.is_over = heard.is_err();
        heard
    }
}

impl<C> fmt::Debug for Subscription<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}
