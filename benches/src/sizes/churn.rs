//! A store in which sessions come and go for long.

use std::cell::RefCell;
use std::error::Error;
use std::future::ready;
use std::path::Path;
use std::time::Instant;

use futures_executor::block_on;
use futures_util::{TryStreamExt, stream};
use revocable::{Result, Sessions};

use super::room;
use super::ticket::{self, AT_ONCE, Ticket};
use crate::backend::Backend;
use crate::workload::Random;

/// The same users come and go in every run.
const SEED: u64 = 20_261_124;

/// How often the sizes are looked at.
const PARTS: usize = 10;

/// How many of the live sessions, and of those that were revoked last, are
/// asked for each time.
const SAMPLE: usize = 2_000;

/// The columns of what [`run`] prints. *Resident* is all of the process, the
/// tokens of the live sessions included: it is for seeing whether it grows.
pub const COLUMNS: &str = "\
| store | created and revoked so far | on disk, MB | on disk / live records | resident, MB | us each |
| --- | ---: | ---: | ---: | ---: | ---: |";

/// The sessions of users who log in and out.
struct Crowd {
    sessions: Sessions,
    /// One of each user; `NONE` while the user logs in anew.
    live: RefCell<Vec<Ticket>>,
    /// The last that were revoked, over and over.
    revoked: RefCell<Vec<Ticket>>,
    random: RefCell<Random>,
}

/// Creates `live` sessions, then creates and revokes `count` more, and prints a
/// row for each tenth. Each time a user at random logs in and the session that
/// was the user's is revoked.
///
/// # Errors
///
/// Those of the store, and of the disk.
///
/// # Panics
///
/// If the store gives a wrong answer.
pub fn run(
    backend: &Backend,
    folder: &Path,
    live: usize,
    count: usize,
) -> std::result::Result<(), Box<dyn Error>> {
    let crowd = Crowd::gather(backend.open(folder, 2 * live)?, live)?;
    let record_bytes = crowd.record_bytes()?;
    let row = |done: &str, us: Option<f64>| -> std::io::Result<()> {
        let disk = room::on_disk(folder)? as f64;
        println!(
            "| {} | {done} | {:.1} | {:.2} | {} | {} |",
            backend.name,
            disk / 1e6,
            disk / record_bytes,
            cell(room::resident().map(|bytes| bytes as f64 / 1e6), 0),
            cell(us, 1),
        );
        Ok(())
    };
    row("0", None)?;
    let mut done = 0;
    for part in 1..=PARTS {
        let steps = count * part / PARTS - done;
        let start = Instant::now();
        crowd.come_and_go(steps)?;
        let us = start.elapsed().as_secs_f64() * 1e6 / steps as f64;
        done += steps;
        crowd.check(live / SAMPLE)?;
        row(&done.to_string(), Some(us))?;
    }

    let Crowd {
        sessions,
        live,
        revoked,
        ..
    } = crowd;
    drop(sessions);
    row("closed", None)?;
    let start = Instant::now();
    let sessions = backend.open(folder, 2 * live.borrow().len())?;
    let opened = start.elapsed();
    let crowd = Crowd {
        sessions,
        live,
        revoked,
        random: Random(SEED).into(),
    };
    // Each and every one.
    crowd.check(1)?;
    row(
        &format!("opened again, in {:.2} s", opened.as_secs_f64()),
        None,
    )?;
    Ok(())
}

impl Crowd {
    fn gather(sessions: Sessions, live: usize) -> Result<Self> {
        let mut tickets = vec![Ticket::NONE; live];
        ticket::create_all(&sessions, live, |ticket| tickets[ticket.number] = ticket)?;
        Ok(Self {
            sessions,
            live: tickets.into(),
            revoked: RefCell::default(),
            random: Random(SEED).into(),
        })
    }

    /// The bytes of all live records in the encoding of the core, the most
    /// compact that there is.
    fn record_bytes(&self) -> Result<f64> {
        let live = self.live.borrow();
        let mut bytes = 0;
        for ticket in live.iter().take(SAMPLE) {
            let session = block_on(ticket.lookup(&self.sessions))?.unwrap();
            bytes += session.record().encode().len();
        }
        Ok(bytes as f64 * live.len() as f64 / live.len().min(SAMPLE) as f64)
    }

    fn come_and_go(&self, steps: usize) -> Result<()> {
        block_on(
            stream::iter((0..steps).map(|step| Ok(self.log_in_again(step))))
                .try_buffer_unordered(AT_ONCE)
                .try_for_each(|()| ready(Ok(()))),
        )
    }

    async fn log_in_again(&self, step: usize) -> Result<()> {
        let old = self.take_one();
        let new = Ticket::create(&self.sessions, old.number).await?;
        self.live.borrow_mut()[old.number] = new;
        assert!(self.sessions.revoke(old.id()).await?, "nothing to revoke");
        let mut revoked = self.revoked.borrow_mut();
        if revoked.len() < SAMPLE {
            revoked.push(old);
        } else {
            revoked[step % SAMPLE] = old;
        }
        Ok(())
    }

    /// The session of a user at random, who does not log in at the moment.
    fn take_one(&self) -> Ticket {
        let mut live = self.live.borrow_mut();
        loop {
            let number = self.random.borrow_mut().below(live.len() as u64) as usize;
            if live[number].number == number {
                return std::mem::replace(&mut live[number], Ticket::NONE);
            }
        }
    }

    /// Every nth of the live sessions is there, and none that was revoked.
    fn check(&self, nth: usize) -> Result<()> {
        let tickets: Vec<_> = self
            .live
            .borrow()
            .iter()
            .copied()
            .step_by(nth.max(1))
            .collect();
        let there = ticket::count(&self.sessions, &tickets)?;
        assert_eq!(there, tickets.len(), "live sessions are missing");
        let there = ticket::count(&self.sessions, &self.revoked.borrow())?;
        assert_eq!(there, 0, "revoked sessions are live");
        Ok(())
    }
}

/// A number with so many digits after the point; a dash if it is not known.
pub fn cell(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_and_goes_is_there_once() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Backend::named("memory").unwrap();
        let crowd = Crowd::gather(memory.open(folder.path(), 0).unwrap(), 1_000).unwrap();
        crowd.come_and_go(5_000).unwrap();
        crowd.check(1).unwrap();
        for ticket in crowd.live.borrow().iter() {
            let user = ticket::user(ticket.number);
            let page = block_on(crowd.sessions.list_for_user(user, None, 10)).unwrap();
            assert_eq!(page.sessions.len(), 1);
        }
    }
}
