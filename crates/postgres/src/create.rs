//! New sessions, and the cap.

use revocable_core::{
    Cap, CreateOutcome, CreateRequest, EndReason, Record, Result, SessionId, UserId,
};
use revocable_remote::ended_of;

use crate::fault::unavailable;
use crate::list;
use crate::server::{Server, get, number, overtaken, stamp};
use crate::stored::{Stored, Uuid, record as read};

/// How often the user's other sessions may change while the cap looks at them.
const ATTEMPTS: usize = 256;

/// What the cap has seen, and what it does.
struct Capped {
    /// Each session and its stamp, as the function compares them.
    seen: Vec<u8>,
    /// Those to end; `None` if the cap refuses.
    ending: Option<Vec<SessionId>>,
}

pub(crate) async fn create(server: &Server, request: CreateRequest) -> Result<CreateOutcome> {
    let CreateRequest {
        record,
        expected_epoch,
        cap,
        liveness,
    } = request;
    let (id, stored) = (record.id, Stored::of(&record));
    let (new, bucket, stamp) = (Uuid::of(id), number(id.bucket()), stamp()?);
    // Beyond what any position is: it did not begin here.
    let began = expected_epoch.map(|epoch| i64::try_from(epoch.get()).unwrap_or(i64::MAX));
    let user = record.user.as_str();
    for _ in 0..ATTEMPTS {
        let mut seen = None;
        let mut ending = Vec::new();
        let mut refused = false;
        if let Some(cap) = &cap {
            let is_live = |record: &Record| liveness.is_live(record);
            let capped = look(server, &record.user, cap, is_live).await?;
            refused = capped.ending.is_none();
            ending = capped.ending.unwrap_or_default();
            seen = Some(capped.seen);
        }
        let ids: Vec<Uuid> = ending.iter().copied().map(Uuid::of).collect();
        let rows = server
            .writes
            .write(
                &server.statements.create,
                &[
                    &server.patience,
                    &&server.local.instance[..],
                    &bucket,
                    &new,
                    &user,
                    &stamp,
                    &stored.record,
                    &stored.data,
                    &began,
                    &seen,
                    &ids,
                    &refused,
                ],
            )
            .await?;
        let row = rows.first().ok_or_else(no_outcome)?;
        match get(row, 0)? {
            "created" => {
                let ended = ended_of(&record.user, EndReason::Cap, ending);
                server.local.listeners.ended(&ended);
                return Ok(CreateOutcome::Created { ended });
            }
            "exists" => return read(id, get(row, 1)?, get(row, 2)?).map(CreateOutcome::Exists),
            "superseded" => return Ok(CreateOutcome::Superseded),
            "refused" => return Ok(CreateOutcome::CapReached),
            "again" => {}
            _ => return Err(no_outcome()),
        }
    }
    Err(overtaken())
}

fn no_outcome() -> revocable_core::Error {
    unavailable("the store's functions are of another version")
}

async fn look(
    server: &Server,
    user: &UserId,
    cap: &Cap,
    is_live: impl Fn(&Record) -> bool,
) -> Result<Capped> {
    let mut seen = Vec::new();
    let mut live = Vec::new();
    for (id, found) in list::sessions(server, user, None, None).await? {
        seen.extend_from_slice(&id.0);
        seen.extend_from_slice(&found.stamp.to_be_bytes());
        // A damaged one nobody can present.
        if let Some(id) = id.session()
            && let Ok(record) = found.record(id)
            && is_live(&record)
        {
            live.push((id, record.last_seen_ms));
        }
    }
    let ending = cap.make_room(live);
    Ok(Capped { seen, ending })
}
