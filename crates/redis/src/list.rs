//! The sessions of a user.

use std::num::NonZeroU32;

use revocable_core::{Bucket, Page, Result, SessionId, UserId};

use crate::fault::unexpected;
use crate::keys::{Stored, indexed};
use crate::reply;
use crate::script::LIST;
use crate::server::Server;

pub(crate) async fn page(
    server: &Server,
    user: &UserId,
    after: Option<SessionId>,
    limit: NonZeroU32,
) -> Result<Page> {
    let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
    let mut found = sessions(server, user, after, Some(limit.saturating_add(1))).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let mut page = Page {
        next: found.last().filter(|_| more).map(|(id, _)| *id),
        ..Page::default()
    };
    for (id, value) in found {
        let record = Stored::parse(&value).and_then(|stored| stored.record(id).ok());
        match record.filter(|record| record.user == *user) {
            Some(record) => page.records.push(record),
            None => page.damaged.push(id),
        }
    }
    Ok(page)
}

/// What is stored of a user's sessions, in the order of their IDs.
pub(crate) async fn sessions(
    server: &Server,
    user: &UserId,
    after: Option<SessionId>,
    limit: Option<usize>,
) -> Result<Vec<(SessionId, Vec<u8>)>> {
    let after = after.map(|id| id.as_bytes().to_vec());
    let limit = limit.map_or("-1".into(), |limit| limit.to_string());
    let call = server
        .call(&LIST, Bucket::of(user))?
        .arg(indexed(user))
        .arg(after.unwrap_or_default())
        .arg(limit);
    let found = reply::strings(server.ask(&call).await?)?;
    let pairs = found.chunks_exact(2).map(|pair| {
        let id = SessionId::from_slice(&pair[0]).ok_or_else(unexpected)?;
        Ok((id, pair[1].clone()))
    });
    pairs.collect()
}
