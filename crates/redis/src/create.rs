//! New sessions, and the cap.

use revocable_core::{
    Cap, CreateOutcome, CreateRequest, EndReason, Record, Result, SessionId, UserId,
};
use revocable_remote::{ended_of, random};

use crate::fault::unexpected;
use crate::keys::{HEAD, Stored, corrupt, indexed, tail};
use crate::list;
use crate::reply;
use crate::script::CREATE;
use crate::server::{Server, overtaken, seed};

/// How often the user's other sessions may change while the cap looks at them.
const ATTEMPTS: usize = 256;

/// So much later than its deadline the server removes a session that no sweep
/// has found: its clock may be another, and a sweep tells of what it removes.
const MARGIN_MS: i64 = 60 * 60 * 1_000;

/// The year 10,000: later than that is never.
const NEVER_MS: i64 = 253_402_300_800_000;

/// What the cap has seen, and what it does.
struct Capped {
    /// Each session and its stamp, as the script compares them.
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
    let bucket = record.id.bucket();
    let user = indexed(&record.user);
    let session = tail(&record, random()?);
    let began = expected_epoch.map(|epoch| epoch.get().to_string());
    let deadline = removed_at(&record, liveness.now_ms).map(|at| at.to_string());
    for _ in 0..ATTEMPTS {
        let mut call = server
            .call_once(&CREATE, bucket)?
            .key(server.keys.session(record.id))
            .arg(seed()?)
            .arg(&user[..])
            .arg(*record.id.as_bytes())
            .arg(&session[..])
            .arg(began.clone().unwrap_or_default())
            .arg(deadline.clone().unwrap_or_default());
        let mut ending = Vec::new();
        if let Some(cap) = &cap {
            let is_live = |record: &Record| liveness.is_live(record);
            let capped = look(server, &record.user, cap, is_live).await?;
            let refuses = if capped.ending.is_none() {
                "refuse"
            } else {
                ""
            };
            ending = capped.ending.unwrap_or_default();
            let ids: Vec<u8> = ending.iter().flat_map(|id| *id.as_bytes()).collect();
            call = call.arg(capped.seen).arg(ids).arg(refuses);
        }
        let mut answer = reply::array(server.write_once(&call).await?)?;
        match &reply::bytes(reply::next(&mut answer)?)?[..] {
            b"created" => {
                let ended = ended_of(&record.user, EndReason::Cap, ending);
                server.local.listeners.ended(&ended);
                return Ok(CreateOutcome::Created { ended });
            }
            b"exists" => {
                let value = reply::bytes(reply::next(&mut answer)?)?;
                let stored = Stored::parse(&value).ok_or_else(corrupt)?;
                return Ok(CreateOutcome::Exists(stored.record(record.id)?));
            }
            b"superseded" => return Ok(CreateOutcome::Superseded),
            b"refused" => return Ok(CreateOutcome::CapReached),
            b"again" => {}
            _ => return Err(unexpected()),
        }
    }
    Err(overtaken())
}

async fn look(
    server: &Server,
    user: &UserId,
    cap: &Cap,
    is_live: impl Fn(&Record) -> bool,
) -> Result<Capped> {
    let mut seen = Vec::new();
    let mut live = Vec::new();
    for (id, value) in list::sessions(server, user, None, None).await? {
        seen.extend_from_slice(id.as_bytes());
        seen.extend_from_slice(value.get(8..HEAD.min(value.len())).unwrap_or_default());
        // A damaged one nobody can present.
        if let Some(Ok(record)) = Stored::parse(&value).map(|stored| stored.record(id))
            && is_live(&record)
        {
            live.push((id, record.last_seen_ms));
        }
    }
    let ending = cap.make_room(live);
    Ok(Capped { seen, ending })
}

/// When the server may remove a session by itself.
fn removed_at(record: &Record, now_ms: i64) -> Option<i64> {
    // What expired before it was created is for a sweep to find.
    let at = record.expires_ms.max(now_ms).saturating_add(MARGIN_MS);
    (1..NEVER_MS).contains(&at).then_some(at)
}
