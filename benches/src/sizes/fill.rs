//! A store that is filled once, and opened again.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use futures_executor::block_on;
use serde::{Deserialize, Serialize};

use super::room;
use super::ticket::{self, Ticket};
use crate::backend::Backend;

/// At most about so many of the sessions are asked for again: more than the
/// cache holds that is measured.
const SAMPLE: usize = 200_000;

/// How many are revoked, one after the other, to see that they are gone.
const REVOKED: usize = 200;

/// What came of filling a store.
#[derive(Debug, Serialize, Deserialize)]
pub struct Filled {
    /// By how much the process grew.
    pub resident: Option<u64>,
    /// While the store is open; the log included.
    pub disk_open: u64,
    /// After it was closed.
    pub disk_closed: u64,
    /// How long creating the sessions took.
    pub seconds: f64,
}

/// What came of opening a filled store in a new process.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reopened {
    /// By how much the process grew when the sample had been looked up.
    pub resident: Option<u64>,
    /// How long it took from the beginning to the first answer.
    pub seconds: f64,
}

/// Creates so many sessions in a store in this folder, which is empty.
/// Those that are asked for again if it is durable go to a file.
///
/// # Errors
///
/// Those of the store, and of the disk.
///
/// # Panics
///
/// If the store gives a wrong answer.
pub fn fill(
    backend: &Backend,
    folder: &Path,
    count: usize,
    asked: &Path,
) -> Result<Filled, Box<dyn Error>> {
    let stride = count.div_ceil(SAMPLE);
    let mut sample = vec![Ticket::NONE; count.div_ceil(stride)];
    let before = room::resident();

    let sessions = backend.open(folder, count)?;
    let start = Instant::now();
    ticket::create_all(&sessions, count, |ticket| {
        if ticket.number % stride == 0 {
            sample[ticket.number / stride] = ticket;
        }
    })?;
    let seconds = start.elapsed().as_secs_f64();
    // A cache is as full now as it gets.
    assert_eq!(
        ticket::count(&sessions, &sample)?,
        sample.len(),
        "sessions are missing"
    );
    let resident = growth(before);
    let disk_open = room::on_disk(folder)?;
    if backend.is_durable() {
        write(&sample, asked)?;
    } else {
        revokes_what_it_should(&sessions, &sample)?;
    }
    drop(sessions);
    Ok(Filled {
        resident,
        disk_open,
        disk_closed: room::on_disk(folder)?,
        seconds,
    })
}

/// Opens a store that was filled with so many sessions, and asks for those in
/// the file.
///
/// # Errors
///
/// Those of the store.
///
/// # Panics
///
/// If the store gives a wrong answer.
pub fn reopen(
    backend: &Backend,
    folder: &Path,
    count: usize,
    asked: &Path,
) -> Result<Reopened, Box<dyn Error>> {
    let sample = read(asked)?;
    let before = room::resident();
    let start = Instant::now();
    let sessions = backend.open(folder, count)?;
    assert!(
        block_on(sample[0].lookup(&sessions))?.is_some(),
        "the first session is missing"
    );
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(
        ticket::count(&sessions, &sample)?,
        sample.len(),
        "sessions are missing"
    );
    let resident = growth(before);
    revokes_what_it_should(&sessions, &sample)?;
    Ok(Reopened { resident, seconds })
}

fn revokes_what_it_should(
    sessions: &revocable::Sessions,
    sample: &[Ticket],
) -> revocable::Result<()> {
    let (revoked, others) = sample.split_at(sample.len().min(REVOKED));
    ticket::revoke(sessions, revoked)?;
    assert_eq!(
        ticket::count(sessions, others)?,
        others.len(),
        "others were revoked"
    );
    Ok(())
}

/// A line each: they are read without leaving anything in the allocator.
fn write(sample: &[Ticket], file: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(file)?);
    for ticket in sample {
        writeln!(file, "{} {}", ticket.number, ticket.text())?;
    }
    file.flush()
}

fn read(file: &Path) -> Result<Vec<Ticket>, Box<dyn Error>> {
    let mut file = BufReader::new(File::open(file)?);
    let mut sample = Vec::with_capacity(SAMPLE);
    let mut line = String::new();
    while file.read_line(&mut line)? > 0 {
        let (number, text) = line.trim_end().split_once(' ').ok_or("not a sample")?;
        sample.push(Ticket::new(number.parse()?, text));
        line.clear();
    }
    Ok(sample)
}

fn growth(before: Option<u64>) -> Option<u64> {
    Some(room::resident()?.saturating_sub(before?))
}
