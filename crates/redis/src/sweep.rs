//! A sweep of sessions and epochs, in steps, one bucket after the other.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use revocable_core::{
    Bucket, EndReason, Ended, Error, ErrorKind, Liveness, Result, SessionId, SweepCursor,
    SweepOutcome, SweepRequest,
};
use revocable_remote::{settle, write_touch};

use crate::fault::unexpected;
use crate::filled::Filled;
use crate::keys::{HEAD, Stored, UP_TO_TIMES, split_member};
use crate::reply;
use crate::script::{EXPIRE, FORGET, WALK};
use crate::server::{Server, bucket_of};

/// Looked at by one script, while which the server does nothing else.
const SESSIONS_AT_A_TIME: u32 = 256;

/// ... of so many buckets, most of which may be empty.
const BUCKETS_AT_A_TIME: usize = 256;

/// Sessions that seem not to be live, read whole at a time.
const READ_AT_A_TIME: usize = 64;

/// How often a session may change while it is swept.
const ATTEMPTS: usize = 16;

/// Where a part of a sweep goes on: in this bucket, behind this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Place {
    bucket: usize,
    after: Vec<u8>,
}

impl Place {
    fn is_end(&self) -> bool {
        self.bucket >= Bucket::COUNT
    }

    /// Goes to the next bucket that has something, if this has not. Whether there is one.
    async fn go_to_next(&mut self, server: &Server, filled: &mut Filled) -> Result<bool> {
        let bucket = filled.next(server, self.bucket).await?;
        if bucket != self.bucket {
            *self = Self {
                bucket,
                after: Vec::new(),
            };
        }
        Ok(!self.is_end())
    }

    /// From what a script says, of which the last bucket was this.
    fn after_script(bucket: &[u8], after: Vec<u8>, last: &str) -> Result<Self> {
        let text = std::str::from_utf8(bucket).map_err(|_| unexpected())?;
        Ok(match text {
            "" => Self {
                bucket: bucket_of(last)?.index() + 1,
                after: Vec::new(),
            },
            text => Self {
                bucket: bucket_of(text)?.index(),
                after,
            },
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.bucket as u32).to_be_bytes());
        out.extend_from_slice(&(self.after.len() as u32).to_be_bytes());
        out.extend_from_slice(&self.after);
    }

    fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (bucket, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (after, rest) = rest.split_at_checked(length)?;
        let place = Self {
            bucket: usize::try_from(u32::from_be_bytes(*bucket)).ok()?,
            after: after.to_vec(),
        };
        Some((place, rest))
    }
}

/// Where a sweep goes on.
#[derive(Debug, Clone, Default)]
struct Places {
    sessions: Place,
    epochs: Place,
}

impl Places {
    fn of(cursor: &SweepCursor) -> Result<Self> {
        let places = || {
            let (sessions, rest) = Place::decode(cursor.as_bytes())?;
            let (epochs, rest) = Place::decode(rest)?;
            rest.is_empty().then_some(Self { sessions, epochs })
        };
        places().ok_or_else(|| {
            let message = "the sweep's cursor is not of this store";
            Error::new(ErrorKind::InvalidInput, message)
        })
    }

    fn cursor(&self) -> Option<SweepCursor> {
        if self.sessions.is_end() && self.epochs.is_end() {
            return None;
        }
        let mut bytes = Vec::new();
        self.sessions.encode(&mut bytes);
        self.epochs.encode(&mut bytes);
        Some(SweepCursor::new(bytes))
    }
}

pub(crate) async fn step(server: &Arc<Server>, request: SweepRequest) -> Result<SweepOutcome> {
    let mut places = match &request.cursor {
        Some(cursor) => Places::of(cursor)?,
        None => Places::default(),
    };
    let mut outcome = SweepOutcome::default();
    let mut left = request.max_rows.get();
    let mut filled = Filled::by(&["i", "d"]);
    while left > 0 && !places.sessions.is_end() {
        if !places.sessions.go_to_next(server, &mut filled).await? {
            break;
        }
        let limit = left.min(SESSIONS_AT_A_TIME);
        let walked = walk(server, &mut places.sessions, limit).await?;
        left -= limit.min(walked.of_limit);
        outcome.examined += walked.found.len() as u64;
        let expired = expired(server, walked.found, request.liveness).await?;
        outcome.ended.extend(expired);
    }
    let before_ms = request.forget_epochs_before_ms;
    left = request.max_rows.get();
    filled = Filled::by(&["e"]);
    while left > 0 && !places.epochs.is_end() {
        if !places.epochs.go_to_next(server, &mut filled).await? {
            break;
        }
        let limit = left.min(SESSIONS_AT_A_TIME);
        let (forgotten, of_limit) = forget(server, &mut places.epochs, limit, before_ms).await?;
        left -= limit.min(of_limit);
        outcome.epochs_forgotten += forgotten;
    }
    outcome.cursor = places.cursor();
    Ok(outcome)
}

/// A session that is not live, its place in the index, and what it was.
type Ending = (SessionId, Vec<u8>, [u8; HEAD]);

struct Walked {
    /// Members of the index, and the beginning of what is stored.
    found: Vec<(Vec<u8>, Vec<u8>)>,
    /// How much of the limit is used up.
    of_limit: u32,
}

/// Looks at up to so many sessions, and removes what has ended before and is
/// still there.
async fn walk(server: &Arc<Server>, place: &mut Place, limit: u32) -> Result<Walked> {
    let buckets = server.stretch(place.bucket, BUCKETS_AT_A_TIME);
    let (Some(first), Some(last)) = (buckets.first(), buckets.last().cloned()) else {
        return Err(unexpected());
    };
    let call = server
        .call(&WALK, bucket_of(first)?)?
        .arg(limit.to_string())
        .arg(&place.after[..])
        .arg(UP_TO_TIMES.to_string())
        .args(buckets);
    let mut answer = reply::array(server.write(&call).await?)?;
    let bucket = reply::bytes(reply::next(&mut answer)?)?;
    let after = reply::bytes(reply::next(&mut answer)?)?;
    let found = reply::strings(reply::next(&mut answer)?)?;
    *place = Place::after_script(&bucket, after, &last)?;
    let pairs = found.chunks_exact(2);
    let found: Vec<_> = pairs.map(|p| (p[0].clone(), p[1].clone())).collect();
    Ok(Walked {
        // It says where it was only if the limit was reached.
        of_limit: if bucket.is_empty() {
            found.len() as u32
        } else {
            limit
        },
        found,
    })
}

/// Removes those that are not live, as far as they are still as they were
/// seen.
async fn expired(
    server: &Arc<Server>,
    found: Vec<(Vec<u8>, Vec<u8>)>,
    liveness: Liveness,
) -> Result<Vec<Ended>> {
    let mut suspects: Vec<(SessionId, Vec<u8>)> = found
        .into_iter()
        .filter_map(|(member, beginning)| {
            let (_, id, _) = split_member(&member)?;
            // From times alone, which may be damaged: then from all of it.
            let seems_live = Stored::parse(&beginning)
                .and_then(|stored| stored.times())
                .is_some_and(|times| liveness.is_live(times));
            (!seems_live).then_some((id, member))
        })
        .collect();
    let mut ended = Vec::new();
    // Somebody may change one between the look and the removal, and it is judged
    // again: what it has become may have expired all the same.
    for _ in 0..ATTEMPTS {
        if suspects.is_empty() {
            break;
        }
        let removed = remove(server, suspects.clone(), liveness).await?;
        let is_removed = |id: SessionId| removed.iter().any(|ended| ended.id == id);
        suspects.retain(|(id, _)| !is_removed(*id));
        ended.extend(removed);
        let mut changed = Vec::new();
        for (id, member) in suspects {
            let record = match server.find(id).await {
                Err(error) if error.kind() == ErrorKind::Corrupt => continue,
                record => record?,
            };
            if record.is_some_and(|record| !liveness.is_live(&*record)) {
                changed.push((id, member));
            }
        }
        suspects = changed;
    }
    Ok(ended)
}

/// One attempt.
async fn remove(
    server: &Arc<Server>,
    suspects: Vec<(SessionId, Vec<u8>)>,
    liveness: Liveness,
) -> Result<Vec<Ended>> {
    let mut ending: Vec<Ending> = stream::iter(suspects)
        .map(async |(id, member)| {
            // It was used: that counts.
            write_touch(&**server, id).await;
            let value = match server.value(id).await {
                Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(None),
                value => value?,
            };
            let stored = value.as_deref().and_then(Stored::parse);
            let expired = stored.filter(|stored| {
                let record = stored.record(id);
                record.is_ok_and(|record| !liveness.is_live(&*record))
            });
            Ok(expired.map(|stored| (id, member, stored.head)))
        })
        .buffered(READ_AT_A_TIME)
        .try_filter_map(async |ending| Ok::<_, Error>(ending))
        .try_collect()
        .await?;
    let mut ended = Vec::new();
    while let Some((first, _, _)) = ending.first() {
        let bucket = first.bucket();
        let several = !server.is_cluster();
        let (now, later): (Vec<_>, _) = ending
            .into_iter()
            .partition(|(id, _, _)| several || id.bucket() == bucket);
        ending = later;
        let ids: Vec<SessionId> = now.iter().map(|(id, _, _)| *id).collect();
        let arguments = now
            .into_iter()
            .flat_map(|(_, member, head)| [member, head.to_vec()]);
        let call = server.call(&EXPIRE, bucket)?.args(arguments);
        let outcome = server.write(&call).await;
        settle(server, &outcome, EndReason::Expired, |id| ids.contains(&id));
        let removed: Vec<Ended> = reply::strings(outcome?)?
            .iter()
            .filter_map(|member| {
                let (user, id, _) = split_member(member)?;
                let reason = EndReason::Expired;
                Some(Ended { id, user, reason })
            })
            .collect();
        server.local.listeners.ended(&removed);
        ended.extend(removed);
    }
    Ok(ended)
}

/// How many were forgotten, and how much of the limit is used up.
async fn forget(
    server: &Arc<Server>,
    place: &mut Place,
    limit: u32,
    before_ms: i64,
) -> Result<(u64, u32)> {
    let buckets = server.stretch(place.bucket, BUCKETS_AT_A_TIME);
    let (Some(first), Some(last)) = (buckets.first(), buckets.last().cloned()) else {
        return Err(unexpected());
    };
    let after = match &place.after[..] {
        [] => b"-inf",
        after => after,
    };
    let call = server
        .call(&FORGET, bucket_of(first)?)?
        .arg(limit.to_string())
        .arg(after)
        .arg(before_ms.to_string())
        .args(buckets);
    let answer = reply::strings(server.write(&call).await?)?;
    let [forgotten, bucket, after] = &answer[..] else {
        return Err(unexpected());
    };
    *place = Place::after_script(bucket, after.clone(), &last)?;
    let forgotten = reply::number(forgotten)?;
    // At least that; whoever has not reached it goes on.
    let of_limit = if bucket.is_empty() {
        u32::try_from(forgotten).unwrap_or(limit)
    } else {
        limit
    };
    Ok((forgotten, of_limit))
}
