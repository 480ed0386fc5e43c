//! Ends of which it is not known whether they took place.

use std::sync::Arc;
use std::time::Duration;

use revocable_core::{EndReason, Ended, ErrorKind, Result, SessionId};
use tokio::time::sleep;

use crate::local::Remote;

/// Between two looks, at first and at the most.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The server may find an old request behind a new one, or be kept from it for a while: so
/// often it has to say that a session is there until that is believed, for half a minute.
const LOOKS: u32 = 12;

/// How often it may not answer, which with the pauses is a quarter of an hour.
const SILENCES: u32 = 180;

/// If the outcome is not known: looks after the sessions that somebody watches and
/// that it may have ended, and tells of those that are gone. What is announced tells
/// all other machines, and not this one, which is to have done so itself.
pub fn settle<S: Remote, T>(
    server: &Arc<S>,
    outcome: &Result<T>,
    reason: EndReason,
    may_end: impl Fn(SessionId) -> bool,
) {
    let is_unknown = |kind| kind == ErrorKind::UnknownOutcome;
    if !outcome
        .as_ref()
        .is_err_and(|error| is_unknown(error.kind()))
    {
        return;
    }
    let watched = server.local().listeners.watched().into_iter();
    let mut left: Vec<_> = watched.filter(|id| may_end(*id)).collect();
    let server = Arc::clone(server);
    server.local().runtime.clone().spawn(async move {
        let (mut pause, mut looks, mut silences) = (SHORTEST_PAUSE, 0, 0);
        while !left.is_empty() && looks < LOOKS && silences < SILENCES {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            match look(&*server, &mut left, reason).await {
                Ok(()) => looks += 1,
                Err(_) => silences += 1,
            }
        }
    });
}

/// Tells of those that are gone, and leaves the others.
async fn look<S: Remote>(server: &S, left: &mut Vec<SessionId>, reason: EndReason) -> Result<()> {
    let mut there = Vec::new();
    for at in (0..left.len()).rev() {
        let id = left[at];
        match server.is_there(id).await {
            Ok(false) => {
                left.swap_remove(at);
                let user = None;
                server
                    .local()
                    .listeners
                    .ended(&[Ended { id, user, reason }]);
            }
            Ok(true) => there.push(id),
            Err(error) => return Err(error),
        }
    }
    *left = there;
    Ok(())
}
