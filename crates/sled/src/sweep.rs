//! Sweeping: looks on the caller's thread, removes on the writer's.

use revocable_core::{
    Error, ErrorKind, Liveness, Result, SessionId, SweepCursor, SweepOutcome, SweepRequest,
};

use crate::fault;
use crate::keys::Taken;
use crate::shared::{Found, Shared};
use crate::writer::{Request, Writer};

/// How many sessions are looked at, and removed, at a time: a batch that holds
/// up other writers for a few milliseconds.
const STRETCH: u32 = 256;

/// Where a sweep is: first it goes through the sessions, then through the
/// epochs. In a cursor: a letter and the last key, which may be damaged.
enum Place {
    Sessions(Vec<u8>),
    Epochs(Vec<u8>),
}

impl Place {
    fn read(cursor: Option<&SweepCursor>) -> Result<Self> {
        let Some(cursor) = cursor else {
            return Ok(Self::Sessions(Vec::new()));
        };
        match cursor.as_bytes().split_first() {
            Some((b's', key)) => Ok(Self::Sessions(key.to_vec())),
            Some((b'e', key)) => Ok(Self::Epochs(key.to_vec())),
            _ => Err(Error::new(
                ErrorKind::InvalidInput,
                "the sweep's cursor is not of this store",
            )),
        }
    }

    fn write(&self) -> SweepCursor {
        let bytes = match self {
            Self::Sessions(key) => [b"s", &key[..]].concat(),
            Self::Epochs(key) => [b"e", &key[..]].concat(),
        };
        SweepCursor::new(bytes)
    }
}

/// One step, of at most so many sessions and so many epochs.
pub(crate) async fn step(
    shared: &Shared,
    writer: &Writer,
    request: SweepRequest,
) -> Result<SweepOutcome> {
    let mut outcome = SweepOutcome::default();
    let mut left = request.max_rows.get();
    let after = match Place::read(request.cursor.as_ref())? {
        Place::Epochs(after) => after,
        Place::Sessions(mut after) => loop {
            if left == 0 {
                outcome.cursor = Some(Place::Sessions(after).write());
                settle(writer, request.liveness).await?;
                return Ok(outcome);
            }
            let limit = left.min(STRETCH);
            let stretch = sessions(shared, &after, limit, &request.liveness)?;
            outcome.examined += u64::from(stretch.examined);
            left -= stretch.examined;
            if !stretch.expired.is_empty() {
                let expire = |answer| Request::Expire(stretch.expired, request.liveness, answer);
                outcome.ended.extend(writer.ask(expire).await?);
            }
            if stretch.examined < limit {
                break Vec::new();
            }
            after = stretch.last;
        },
    };
    let before_ms = request.forget_epochs_before_ms;
    let old = epochs(shared, after, request.max_rows.get(), before_ms)?;
    if old.keys.is_empty() {
        settle(writer, request.liveness).await?;
    } else {
        let forget = |answer| Request::Forget(old.keys, before_ms, answer);
        outcome.epochs_forgotten = writer.ask(forget).await?;
    }
    outcome.cursor = old.next.map(|last| Place::Epochs(last).write());
    Ok(outcome)
}

/// Waits until what was looked at is on the disk: a sweep looks at the trees
/// themselves, where a transaction shows before it is synced and before any other
/// reader sees it.
async fn settle(writer: &Writer, liveness: Liveness) -> Result<()> {
    let nothing = |answer| Request::Expire(Vec::new(), liveness, answer);
    writer.ask(nothing).await?;
    Ok(())
}

/// Goes on without an error if all that was looked at has ended meanwhile, and
/// is being cleared away.
fn unless_ended<T>(
    shared: &Shared,
    generation: u64,
    found: sled::Result<T>,
) -> fault::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(_) if shared.trees().generation != generation => Ok(None),
        Err(error) => Err(error.into()),
    }
}

struct Stretch {
    examined: u32,
    expired: Vec<SessionId>,
    last: Vec<u8>,
}

/// Looks at the next sessions. The iterator is no snapshot: the writer looks
/// again at what is expired.
fn sessions(
    shared: &Shared,
    after: &[u8],
    limit: u32,
    liveness: &Liveness,
) -> fault::Result<Stretch> {
    let trees = shared.read()?.trees.clone();
    let start = behind(after);
    let mut stretch = Stretch {
        examined: 0,
        expired: Vec::new(),
        last: Vec::new(),
    };
    for entry in trees.sessions.range(start..).take(limit as usize) {
        let Some((key, bytes)) = unless_ended(shared, trees.generation, entry)? else {
            break;
        };
        stretch.examined += 1;
        stretch.last = key.to_vec();
        let Some(id) = SessionId::from_slice(&key) else {
            continue;
        };
        if let Found::Whole(record) = Found::decode(id, &bytes)
            && !liveness.is_live(&*record)
        {
            stretch.expired.push(id);
        }
    }
    Ok(stretch)
}

/// The first key that can come after this one; none is empty.
fn behind(key: &[u8]) -> Vec<u8> {
    if key.is_empty() {
        return Vec::new();
    }
    [key, &[0]].concat()
}

/// Keys of epochs that may be forgotten, and where to go on.
#[derive(Default)]
struct Old {
    keys: Vec<Vec<u8>>,
    next: Option<Vec<u8>>,
}

fn epochs(shared: &Shared, after: Vec<u8>, limit: u32, before_ms: i64) -> fault::Result<Old> {
    let trees = shared.read()?.trees.clone();
    let start = behind(&after);
    let mut old = Old::default();
    let mut last = None;
    for (looked_at, entry) in trees.epochs.range(start..).enumerate() {
        if looked_at == limit as usize {
            old.next = last;
            break;
        }
        let Some((key, value)) = unless_ended(shared, trees.generation, entry)? else {
            break;
        };
        if Taken::decode(&value).is_some_and(|taken| taken.at_ms < before_ms) {
            old.keys.push(key.to_vec());
        }
        last = Some(key.to_vec());
    }
    Ok(old)
}
