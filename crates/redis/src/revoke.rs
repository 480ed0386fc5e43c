//! The end of sessions.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use revocable_core::{
    Bucket, EndReason, Ended, Epoch, Error, ErrorKind, Result, RevokeAllOutcome, RevokeAllRequest,
    SessionId, UserId,
};
use revocable_remote::{ended_of, random, tell_of_everything};

use crate::fault::unexpected;
use crate::filled::Filled;
use crate::keys::indexed;
use crate::reply;
use crate::script::{EVERYTHING, REVOKE, REVOKE_ALL};
use crate::server::{Server, bucket_of, seed};

/// Of a cluster, asked at a time.
const BUCKETS_AT_A_TIME: usize = 32;

/// Up to how much a position is higher than the last. Lua counts up to 2^53, and a bucket begins
/// below 2^52: that is enough for 2^32 revocations of a user's sessions in each bucket, and 2^20
/// of everything.
const USERS_BITS: u32 = 20;
const EVERYBODYS_BITS: u32 = 32;

/// By how much, at random. A replica that took the place of a master may lack positions that
/// logins have begun at: such a login is above what is revoked afterwards or below it, and is
/// refused, and not at the same position.
fn jump(bits: u32) -> Result<String> {
    let number = u64::from_be_bytes(random()?) >> (64 - bits);
    Ok((number + 1).to_string())
}

pub(crate) async fn revoke(
    server: &Server,
    id: SessionId,
    reason: EndReason,
) -> Result<Option<Ended>> {
    let call = server
        .call(&REVOKE, id.bucket())?
        .key(server.keys.session(id))
        .arg(*id.as_bytes())
        .arg(reason.as_str());
    let Some(user) = reply::strings(server.write(&call).await?)?.pop() else {
        return Ok(None);
    };
    let user = user.split_first().and_then(|(_, name)| {
        let name = std::str::from_utf8(name).ok()?;
        let user = UserId::new(name).ok()?;
        // Not what damage has made of it.
        (Bucket::of(&user) == id.bucket()).then_some(user)
    });
    let ended = Ended { id, user, reason };
    server.local.listeners.ended(std::slice::from_ref(&ended));
    Ok(Some(ended))
}

pub(crate) async fn revoke_all(
    server: &Server,
    request: RevokeAllRequest,
) -> Result<RevokeAllOutcome> {
    let keep = request.keep.map(|id| id.as_bytes().to_vec());
    let call = server
        .call(&REVOKE_ALL, Bucket::of(&request.user))?
        .arg(seed()?)
        .arg(indexed(&request.user))
        .arg(keep.unwrap_or_default())
        .arg(request.reason.as_str())
        .arg(request.now_ms.to_string())
        .arg(jump(USERS_BITS)?);
    let answer = reply::strings(server.write(&call).await?)?;
    let [position, ids] = &answer[..] else {
        return Err(unexpected());
    };
    let ids = reply::ids(ids)?;
    let ended = ended_of(&request.user, request.reason, ids.iter().copied());
    server.local.listeners.ended(&ended);
    Ok(RevokeAllOutcome {
        ended: ids,
        epoch: Epoch::from_number(reply::number(position)?),
    })
}

/// On one server one step. On a cluster one after the other, a bucket at a time:
/// a user's sessions end together, and all have when this returns.
pub(crate) async fn revoke_everything(server: &Server, reason: EndReason) -> Result<u64> {
    let count = match server.is_cluster() {
        false => end_buckets(server, server.stretch(0, usize::MAX), reason).await,
        true => end_one_by_one(server, reason).await.map_err(|error| {
            let half_way = "some sessions have ended and others have not: repeat the call";
            Error::new(ErrorKind::UnknownOutcome, half_way).with_source(error)
        }),
    }?;
    tell_of_everything(server, count, reason).await;
    Ok(count)
}

async fn end_one_by_one(server: &Server, reason: EndReason) -> Result<u64> {
    // Those without any of these neither have a session nor has a login begun in one.
    let mut filled = Filled::by(&["p", "g", "f", "i", "d"]);
    let (mut there, mut at) = (Vec::new(), 0);
    while at < Bucket::COUNT {
        at = filled.next(server, at).await?;
        there.extend(Some(at).filter(|at| *at < Bucket::COUNT));
        at += 1;
    }
    stream::iter(there)
        .map(|bucket| end_buckets(server, server.stretch(bucket, 1), reason))
        .buffer_unordered(BUCKETS_AT_A_TIME)
        .try_fold(0_u64, async |sum, count| Ok(sum.saturating_add(count)))
        .await
}

/// By one script.
async fn end_buckets(server: &Server, buckets: Vec<String>, reason: EndReason) -> Result<u64> {
    let first = buckets.first().ok_or_else(unexpected)?;
    let call = server.call(&EVERYTHING, bucket_of(first)?)?;
    let call = call.arg(reason.as_str()).arg(jump(EVERYBODYS_BITS)?);
    let call = call.args(buckets);
    let answer = reply::strings(server.write(&call).await?)?;
    reply::number(answer.first().ok_or_else(unexpected)?)
}
