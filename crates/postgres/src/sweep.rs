//! A sweep of sessions and epochs, in steps, in the order of their keys.

use std::sync::Arc;

use revocable_core::{
    EndReason, Ended, Error, ErrorKind, Liveness, Result, SessionId, SweepCursor, SweepOutcome,
    SweepRequest, UserId,
};
use revocable_remote::{settle, write_touch};

use crate::fault::lost_meta;
use crate::link::Parameters;
use crate::server::{Server, get};
use crate::stored::{LOWEST, Uuid, head};

/// Looked at, and removed, by one statement.
const AT_A_TIME: u32 = 256;

/// How often a session may change while it is swept.
const ATTEMPTS: usize = 16;

/// Where a sweep goes on: behind these. `None` where there are no more.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Places {
    session: Option<Uuid>,
    user: Option<String>,
}

impl Places {
    fn of(cursor: Option<&SweepCursor>) -> Result<Self> {
        let Some(cursor) = cursor else {
            return Ok(Self {
                session: Some(LOWEST),
                user: Some(String::new()),
            });
        };
        Self::decode(cursor.as_bytes()).ok_or_else(|| {
            let message = "the sweep's cursor is not of this store";
            Error::new(ErrorKind::InvalidInput, message)
        })
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (session, rest) = match kind & 1 {
            0 => (None, rest),
            _ => {
                let (id, rest) = rest.split_first_chunk()?;
                (Some(Uuid(*id)), rest)
            }
        };
        let user = match kind & 2 {
            0 => rest.is_empty().then_some(None)?,
            _ => Some(std::str::from_utf8(rest).ok()?.to_owned()),
        };
        Some(Self { session, user })
    }

    fn cursor(&self) -> Option<SweepCursor> {
        let kind = u8::from(self.session.is_some()) | u8::from(self.user.is_some()) << 1;
        if kind == 0 {
            return None;
        }
        let mut bytes = vec![kind];
        bytes.extend(self.session.iter().flat_map(|id| id.0));
        bytes.extend(self.user.iter().flat_map(|user| user.bytes()));
        Some(SweepCursor::new(bytes))
    }
}

/// A session that does not seem to be live, and the stamp with which it was seen.
type Suspect = (SessionId, i64);

/// What one statement has found.
#[derive(Default)]
struct Walked {
    examined: u64,
    suspects: Vec<Suspect>,
    /// Ended with everything.
    over: Vec<Uuid>,
    /// `None` at the end.
    behind: Option<Uuid>,
}

pub(crate) async fn step(server: &Arc<Server>, request: SweepRequest) -> Result<SweepOutcome> {
    let mut places = Places::of(request.cursor.as_ref())?;
    let mut outcome = SweepOutcome::default();
    let mut left = request.max_rows.get();
    while let Some(behind) = places.session.filter(|_| left > 0) {
        let limit = left.min(AT_A_TIME);
        left -= limit;
        let walked = walk(server, behind, limit, request.liveness).await?;
        places.session = walked.behind;
        outcome.examined += walked.examined;
        if !walked.over.is_empty() {
            let statement = &server.statements.remove_ended;
            let parameters: Parameters<'_> = &[&server.patience, &walked.over];
            server.writes.write(statement, parameters).await?;
        }
        let expired = expired(server, walked.suspects, request.liveness).await?;
        outcome.ended.extend(expired);
    }
    let before_ms = request.forget_epochs_before_ms;
    left = request.max_rows.get();
    while let Some(behind) = places.user.take_if(|_| left > 0) {
        let limit = left.min(AT_A_TIME);
        left -= limit;
        let (forgotten, behind) = forget(server, &behind, limit, before_ms).await?;
        places.user = behind;
        outcome.epochs_forgotten += forgotten;
    }
    outcome.cursor = places.cursor();
    Ok(outcome)
}

async fn walk(
    server: &Arc<Server>,
    behind: Uuid,
    limit: u32,
    liveness: Liveness,
) -> Result<Walked> {
    let statement = &server.statements.walk;
    let rows = server
        .reads
        .read(statement, &[&behind, &i64::from(limit)])
        .await?;
    let mut walked = Walked::default();
    for row in &rows {
        let id: Uuid = get(row, 0)?;
        let is_over: bool = get::<Option<bool>>(row, 1)?.ok_or_else(lost_meta)?;
        walked.behind = Some(id);
        if is_over {
            walked.over.push(id);
            continue;
        }
        walked.examined += 1;
        // What is damaged is left alone: it could be anything.
        if let Some(id) = id.session()
            && let Ok(record) = head(id, get(row, 3)?)
            && !liveness.is_live(&record)
        {
            walked.suspects.push((id, get(row, 2)?));
        }
    }
    if rows.len() < limit as usize {
        walked.behind = None;
    }
    Ok(walked)
}

/// Removes those that are not live. Somebody may change one between the look and the
/// removal, and it is judged again: what it has become may have expired all the same.
async fn expired(
    server: &Arc<Server>,
    mut suspects: Vec<Suspect>,
    liveness: Liveness,
) -> Result<Vec<Ended>> {
    // They were used: that counts.
    let (touched, untouched): (Vec<_>, _) = suspects
        .drain(..)
        .partition(|(id, _)| server.local.touches.waits_for(*id));
    let mut ended = remove(server, &untouched).await?;
    let mut left: Vec<SessionId> = untouched.into_iter().map(|(id, _)| id).collect();
    left.retain(|id| !ended.iter().any(|ended| ended.id == *id));
    left.extend(touched.into_iter().map(|(id, _)| id));
    for id in left {
        for _ in 0..ATTEMPTS {
            write_touch(&**server, id).await;
            let found = match server.value(id).await? {
                Some(found) => found,
                None => break,
            };
            if !found
                .record(id)
                .is_ok_and(|record| !liveness.is_live(&*record))
            {
                break;
            }
            let removed = remove(server, &[(id, found.stamp)]).await?;
            if !removed.is_empty() {
                ended.extend(removed);
                break;
            }
        }
    }
    Ok(ended)
}

/// Removes those that are still as they were seen. One alone is waited for if somebody
/// changes it at the moment, several are not.
async fn remove(server: &Arc<Server>, seen: &[Suspect]) -> Result<Vec<Ended>> {
    if seen.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = seen.iter().map(|(id, _)| Uuid::of(*id)).collect();
    let stamps: Vec<i64> = seen.iter().map(|(_, stamp)| *stamp).collect();
    let instance = &server.local.instance[..];
    let statement = &server.statements.expire;
    let parameters: Parameters<'_> = &[&server.patience, &instance, &ids, &stamps];
    let outcome = server.writes.write(statement, parameters).await;
    let may_end = |id| ids.contains(&Uuid::of(id));
    settle(server, &outcome, EndReason::Expired, may_end);
    let rows = outcome?;
    let mut ended = Vec::new();
    for row in &rows {
        let user = UserId::new(get::<&str>(row, 0)?).ok();
        let ids: Vec<Uuid> = get(row, 1)?;
        ended.extend(ids.into_iter().filter_map(Uuid::session).map(|id| Ended {
            id,
            user: user.clone(),
            reason: EndReason::Expired,
        }));
    }
    server.local.listeners.ended(&ended);
    Ok(ended)
}

/// How many were forgotten, and behind which user to go on.
async fn forget(
    server: &Arc<Server>,
    behind: &str,
    limit: u32,
    before_ms: i64,
) -> Result<(u64, Option<String>)> {
    let limit = i32::try_from(limit).unwrap_or(i32::MAX);
    let rows = server
        .writes
        .write(
            &server.statements.forget,
            &[&server.patience, &behind, &limit, &before_ms],
        )
        .await?;
    let row = rows.first().ok_or_else(lost_meta)?;
    let forgotten: i64 = get(row, 0)?;
    Ok((u64::try_from(forgotten).unwrap_or(0), get(row, 1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_one() {
        let user = || Some("älice".to_owned());
        for (session, user) in [
            (Some(LOWEST), user()),
            (Some(Uuid([7; 16])), None),
            (None, Some(String::new())),
            (None, user()),
        ] {
            let places = Places { session, user };
            let cursor = places.cursor().unwrap();
            assert_eq!(Places::of(Some(&cursor)).unwrap(), places);
        }
        let end = Places {
            session: None,
            user: None,
        };
        assert_eq!(end.cursor(), None);
        for bytes in [&b""[..], &[1; 16], &[0, 1], &[2, 0xff]] {
            let error = Places::of(Some(&SweepCursor::new(bytes))).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bytes:?}");
        }
    }
}
