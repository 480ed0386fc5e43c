//! What the members of a cluster announce.
//!
//! Each announces what it does in a channel of its own, which is subscribed to at that very
//! member: what the cluster passes on between its members may be lost and nobody is told. A
//! mark goes to each of them, and has come back when it has from all.
//!
//! A revocation is announced by whoever has the slot of its bucket. So the state that a mark
//! brings back from each member says who has which slots as that member knows it, and when
//! that has changed since the feed began the feed is over. A slot is moved with the knowledge of
//! the member that had it, and one that takes the place of another is chosen by the others. While
//! slots are moved nothing can be followed.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::{join_all, try_join_all};
use futures_util::stream::{self, SelectAll, Stream, StreamExt};
use redis::aio::PubSubStream;
use redis::{Client, ConnectionAddr, ConnectionInfo, Msg};
use revocable_core::{Bucket, Error, ErrorKind, Feed, Mark, Result};
use revocable_remote::{Channel, Message, Subscription};

use crate::fault::{Failure, unexpected};
use crate::feed::{begin_life, subscribe};
use crate::link::{Connection, in_time, untimed};
use crate::members::{Member, members};
use crate::notice::read;
use crate::reply;
use crate::script::MARK;
use crate::server::Server;

/// With the number of its part. Nothing when that has ended.
type Part = Pin<Box<dyn Stream<Item = (usize, Option<Msg>)> + Send + Sync>>;

struct Listener {
    server: Arc<Server>,
    messages: SelectAll<Part>,
    /// To each member, for the marks, and one of its buckets.
    members: Vec<(Connection, Bucket)>,
}

pub(crate) async fn follow_cluster(
    server: Arc<Server>,
    like: &ConnectionInfo,
) -> Result<Box<dyn Feed>> {
    let nodes = redis::cmd("CLUSTER").arg("NODES").take();
    let found = members(&text(server.read(&nodes).await?)?, by_name(like))?;
    let reached = found.iter().map(|member| reach(&server, member, like));
    let reached = try_join_all(reached).await?;
    let (mut messages, mut to, mut states) = (SelectAll::new(), Vec::new(), Vec::new());
    for (part, (member, reached)) in found.iter().zip(reached).enumerate() {
        // Subscribed to are those that every one of them knows, and no others.
        if !reached
            .known
            .iter()
            .eq(found.iter().map(|member| &member.id))
        {
            return Err(unclear("the members of the cluster do not agree"));
        }
        let end = stream::iter([None]);
        let until_end = reached.messages.map(Some).chain(end);
        let of_part: Part = Box::pin(until_end.map(move |message| (part, message)));
        messages.push(of_part);
        to.push((reached.connection, member.bucket));
        states.push(reached.state);
    }
    let local = &server.local;
    let (runtime, instance) = (local.runtime.clone(), local.instance);
    let listener = Listener {
        server,
        messages,
        members: to,
    };
    let feed = Subscription::new(listener, runtime, instance, states);
    Ok(Box::new(feed))
}

/// A member, subscribed to.
struct Reached {
    connection: Connection,
    messages: PubSubStream,
    /// As it was after that.
    state: Vec<u8>,
    /// The IDs of the members that it knows.
    known: Vec<String>,
}

async fn reach(server: &Server, member: &Member, like: &ConnectionInfo) -> Result<Reached> {
    let longest = server.limits.timeout;
    let connect = async {
        let client = Client::open(member.place(like)).map_err(Failure::no_connection)?;
        let config = untimed();
        let made = client.get_multiplexed_async_connection_with_config(&config);
        let connection = made.await.map_err(Failure::no_connection)?;
        let messages = subscribe(&client, server.keys.channel_of(&member.id)).await?;
        Ok((Connection::Server(connection), messages))
    };
    let (mut connection, messages) = in_time(longest, connect).await.map_err(Failure::reading)?;
    let asked = async {
        let me = redis::cmd("CLUSTER").arg("MYID").take();
        let me = connection.send(&me).await?;
        let life = server.keys.life(member.bucket);
        let begin = begin_life(&life).map_err(Failure::NoConnection)?;
        connection.send(&begin).await?;
        let call = server
            .call(&MARK, member.bucket)
            .map_err(Failure::NoConnection)?;
        let call = call.key(life).arg([]);
        Ok((me, connection.run(&call).await?))
    };
    let (me, said) = in_time(longest, asked).await.map_err(Failure::reading)?;
    if text(me)? != member.id {
        return Err(unclear("another server is in the place of a member"));
    }
    let mut said = reply::array(said)?;
    let state = reply::bytes(reply::next(&mut said)?)?;
    let known = members(&text(reply::next(&mut said)?)?, by_name(like))?;
    Ok(Reached {
        connection,
        messages,
        state,
        known: known.into_iter().map(|member| member.id).collect(),
    })
}

impl Channel for Listener {
    type Raw = (usize, Msg);

    async fn receive(&mut self) -> Option<(usize, Msg)> {
        let (part, message) = self.messages.next().await?;
        message.map(|message| (part, message))
    }

    fn read(&self, (part, message): &(usize, Msg)) -> Option<Message> {
        let bytes = message.get_payload_bytes();
        read(bytes, &self.server.local.instance, *part)
    }

    fn send(&self, mark: Mark) -> impl Future<Output = Result<()>> + Send + 'static {
        let (server, members) = (Arc::clone(&self.server), self.members.clone());
        async move {
            let longest = server.limits.timeout;
            let sent = members.into_iter().map(async |(mut connection, bucket)| {
                let call = server.call(&MARK, bucket)?;
                let call = call.key(server.keys.life(bucket)).arg(mark);
                let sent = in_time(longest, connection.run(&call)).await;
                sent.map(|_| ()).map_err(Failure::reading)
            });
            join_all(sent).await.into_iter().collect()
        }
    }
}

/// Whether members are to be found by their names, which is what certificates are for.
fn by_name(like: &ConnectionInfo) -> bool {
    matches!(like.addr(), ConnectionAddr::TcpTls { .. })
}

fn text(value: redis::Value) -> Result<String> {
    let bytes = match value {
        redis::Value::VerbatimString { text, .. } => return Ok(text),
        value => reply::bytes(value)?,
    };
    String::from_utf8(bytes).map_err(|_| unexpected())
}

fn unclear(message: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, message)
}
