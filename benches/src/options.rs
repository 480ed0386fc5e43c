//! What a comparison is told, and the disk that it is told to use.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// `[--quick] [--json FILE] [--svg FILE] [--dir FOLDER]`
#[derive(Debug)]
pub struct Options {
    /// Fewer rounds: a first impression.
    pub quick: bool,
    /// The file that the results are written to as well.
    pub json: Option<PathBuf>,
    /// The file that a picture of the times is written to, if the comparison has
    /// one.
    pub svg: Option<PathBuf>,
    /// The folder that the databases go to.
    pub dir: PathBuf,
}

impl Options {
    /// The options among these arguments; `None` if there is anything else.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self {
            quick: false,
            json: None,
            svg: None,
            dir: std::env::current_exe().ok()?.parent()?.to_owned(),
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--json" => options.json = Some(arguments.next()?.into()),
                "--svg" => options.svg = Some(arguments.next()?.into()),
                "--dir" => options.dir = arguments.next()?.into(),
                _ => return None,
            }
        }
        Some(options)
    }
}

/// What a commit costs at the least: the median time, in microseconds, of
/// writing 4 KiB and syncing.
///
/// # Errors
///
/// If the folder cannot be written to.
pub fn sync_us(folder: &Path) -> io::Result<u128> {
    let mut file = tempfile::tempfile_in(folder)?;
    let mut times = Vec::new();
    for _ in 0..25 {
        let start = Instant::now();
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&[1; 4_096])?;
        file.sync_data()?;
        times.push(start.elapsed().as_micros());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
