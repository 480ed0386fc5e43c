//! The end of sessions.

use revocable_core::{
    Bucket, EndReason, Ended, Epoch, Result, RevokeAllOutcome, RevokeAllRequest, SessionId, UserId,
};
use revocable_remote::{ended_of, tell_of_everything};

use crate::fault::lost_meta;
use crate::server::{Server, get, number};
use crate::stored::Uuid;

pub(crate) async fn revoke(
    server: &Server,
    id: SessionId,
    reason: EndReason,
) -> Result<Option<Ended>> {
    let rows = server
        .writes
        .write(
            &server.statements.revoke,
            &[
                &server.patience,
                &&server.local.instance[..],
                &number(id.bucket()),
                &Uuid::of(id),
                &reason.as_str(),
            ],
        )
        .await?;
    let user: Option<&str> = rows.first().map_or(Ok(None), |row| get(row, 0))?;
    let Some(user) = user else {
        return Ok(None);
    };
    // Not what somebody has made of it.
    let user = UserId::new(user).ok();
    let user = user.filter(|user| Bucket::of(user) == id.bucket());
    let ended = Ended { id, user, reason };
    server.local.listeners.ended(std::slice::from_ref(&ended));
    Ok(Some(ended))
}

pub(crate) async fn revoke_user(
    server: &Server,
    request: RevokeAllRequest,
) -> Result<RevokeAllOutcome> {
    let (user, reason) = (&request.user, request.reason);
    let rows = server
        .writes
        .write(
            &server.statements.revoke_user,
            &[
                &server.patience,
                &&server.local.instance[..],
                &number(Bucket::of(user)),
                &user.as_str(),
                &request.keep.map(Uuid::of),
                &reason.as_str(),
                &request.now_ms,
            ],
        )
        .await?;
    let row = rows.first().ok_or_else(lost_meta)?;
    let position: i64 = get(row, 0)?;
    let ids: Vec<Uuid> = get(row, 1)?;
    let ids: Vec<SessionId> = ids.into_iter().filter_map(Uuid::session).collect();
    let ended = ended_of(user, reason, ids.iter().copied());
    server.local.listeners.ended(&ended);
    Ok(RevokeAllOutcome {
        ended: ids,
        epoch: epoch(position),
    })
}

/// One step, whatever there is: a session is over from before the position at which
/// everything ended.
pub(crate) async fn revoke_everything(server: &Server, reason: EndReason) -> Result<u64> {
    let (statement, instance) = (
        &server.statements.revoke_everything,
        &server.local.instance[..],
    );
    let rows = server
        .writes
        .write(statement, &[&server.patience, &instance, &reason.as_str()])
        .await?;
    let count: i64 = get(rows.first().ok_or_else(lost_meta)?, 0)?;
    let count = u64::try_from(count).unwrap_or(0);
    tell_of_everything(server, count, reason).await;
    Ok(count)
}

/// Positions are never negative.
pub(crate) fn epoch(position: i64) -> Epoch {
    Epoch::from_number(u64::try_from(position).unwrap_or(0))
}
