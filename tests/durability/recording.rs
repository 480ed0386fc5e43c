//! What a process did to files, and what a power cut could have left of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::durability::script::Chance;

/// Something that was done, in the order in which it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Bytes were written.
    Write(PathBuf, u64, Vec<u8>),
    /// A file was cut or grew.
    Length(PathBuf, u64),
    /// A file, or a folder's entries, were made durable.
    Sync(PathBuf),
    /// A file was made.
    File(PathBuf),
    /// A folder was made.
    Folder(PathBuf),
    /// A file got another name.
    Rename(PathBuf, PathBuf),
    /// A file was removed.
    Remove(PathBuf),
    /// The process said something.
    Said(String),
}

/// Reads what the shim wrote.
///
/// # Panics
///
/// If it is no such file. The last record may be cut off.
pub fn events(log: &[u8]) -> Vec<Event> {
    let mut rest = log;
    let mut events = Vec::new();
    while let Some(event) = event(&mut rest) {
        events.push(event);
    }
    events
}

fn event(rest: &mut &[u8]) -> Option<Event> {
    let mut take = |length: usize| {
        let (taken, after) = rest.split_at_checked(length)?;
        *rest = after;
        Some(taken)
    };
    let number = |bytes: &[u8]| {
        let bytes = bytes.iter().rev();
        bytes.fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let kind = *take(1)?.first()?;
    let path_length = number(take(4)?) as usize;
    let path = PathBuf::from(String::from_utf8_lossy(take(path_length)?).into_owned());
    let offset = number(take(8)?);
    let length = number(take(4)?) as usize;
    let data = take(length)?;
    let text = || String::from_utf8_lossy(data).into_owned();
    Some(match kind {
        b'W' => Event::Write(path, offset, data.to_vec()),
        b'T' => Event::Length(path, offset),
        b'S' => Event::Sync(path),
        b'C' => Event::File(path),
        b'D' => Event::Folder(path),
        b'R' => Event::Rename(path, text().into()),
        b'U' => Event::Remove(path),
        b'A' => Event::Said(text()),
        other => panic!("no such kind of record: {other}"),
    })
}

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// What becomes of writes that no sync followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// None of them reached the disk.
    Lost,
    /// Neither they, nor what happened to names since their folder was synced:
    /// a file that was made is not there, one that was renamed has its old
    /// name, one that was removed is still there.
    LostWithNames,
    /// All of them did.
    Kept,
    /// Some did, each sector of 512 bytes for itself, as chance will have it.
    Torn(u32),
}

/// The files at one instant: what is durable, and what may be lost.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    files: BTreeMap<PathBuf, File>,
    /// Removed, but their folder was not synced since.
    removed: Vec<File>,
    folders: BTreeSet<PathBuf>,
}

#[derive(Debug, Clone, Default)]
struct File {
    synced: Vec<u8>,
    /// What was done since, in order.
    unsynced: Vec<Unsafe>,
    /// The name that it had when its folder was last synced.
    durable_name: Option<PathBuf>,
}

#[derive(Debug, Clone)]
enum Unsafe {
    Write(u64, Vec<u8>),
    Length(u64),
}

impl Unsafe {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => {
                let offset = *offset as usize;
                if content.len() < offset + data.len() {
                    content.resize(offset + data.len(), 0);
                }
                content[offset..offset + data.len()].copy_from_slice(data);
            }
            Self::Length(length) => content.resize(*length as usize, 0),
        }
    }

    /// A part of it, by sectors.
    fn torn(&self, chance: &mut Chance, content: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => {
                let (mut at, mut rest) = (*offset, &data[..]);
                while !rest.is_empty() {
                    // To the end of the disk's sector, not of one that begins
                    // with the write.
                    let left = SECTOR - at as usize % SECTOR;
                    let (part, after) = rest.split_at(left.min(rest.len()));
                    if chance.below(2) == 0 {
                        Self::Write(at, part.to_vec()).apply(content);
                    }
                    (at, rest) = (at + part.len() as u64, after);
                }
            }
            Self::Length(_) => {
                if chance.below(2) == 0 {
                    self.apply(content);
                }
            }
        }
    }
}

impl Disk {
    /// Goes on by one event.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Write(path, offset, data) => {
                self.unsafe_(path, Unsafe::Write(*offset, data.clone()))
            }
            Event::Length(path, length) => self.unsafe_(path, Unsafe::Length(*length)),
            Event::Sync(path) => {
                if let Some(file) = self.files.get_mut(path) {
                    let unsynced = std::mem::take(&mut file.unsynced);
                    unsynced
                        .iter()
                        .for_each(|change| change.apply(&mut file.synced));
                }
                for (name, file) in &mut self.files {
                    if name.parent() == Some(path) {
                        file.durable_name = Some(name.clone());
                    }
                }
                let is_elsewhere = |file: &File| {
                    let name = file.durable_name.as_deref();
                    name.and_then(Path::parent) != Some(path)
                };
                self.removed.retain(is_elsewhere);
            }
            Event::File(path) => {
                self.files.entry(path.clone()).or_default();
            }
            Event::Folder(path) => {
                self.folders.insert(path.clone());
            }
            Event::Rename(from, to) => {
                if let Some(file) = self.files.remove(from) {
                    self.removed.extend(self.files.insert(to.clone(), file));
                }
            }
            Event::Remove(path) => {
                self.removed.extend(self.files.remove(path));
            }
            Event::Said(_) => {}
        }
    }

    fn unsafe_(&mut self, path: &Path, change: Unsafe) {
        let file = self.files.entry(path.to_path_buf()).or_default();
        file.unsynced.push(change);
    }

    /// Lays the files out in another folder, as a power cut now could leave
    /// them.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn lay_out(&self, from: &Path, to: &Path, unsynced: Unsynced) -> io::Result<()> {
        let moved = |path: &Path| to.join(path.strip_prefix(from).unwrap_or(path));
        for folder in &self.folders {
            std::fs::create_dir_all(moved(folder))?;
        }
        let mut chance = Chance::new(7, 0);
        if let Unsynced::Torn(seed) = unsynced {
            chance = Chance::new(seed, 1);
        }
        let names_lost = unsynced == Unsynced::LostWithNames;
        let gone = self.removed.iter().filter(|_| names_lost);
        let gone = gone.map(|file| (None, file));
        let there = self.files.iter().map(|(name, file)| (Some(name), file));
        for (name, file) in gone.chain(there) {
            let name = match names_lost {
                true => file.durable_name.as_ref(),
                false => name,
            };
            let Some(path) = name else { continue };
            let mut content = file.synced.clone();
            for change in &file.unsynced {
                match unsynced {
                    Unsynced::Lost | Unsynced::LostWithNames => {}
                    Unsynced::Kept => change.apply(&mut content),
                    Unsynced::Torn(_) => change.torn(&mut chance, &mut content),
                }
            }
            let path = moved(path);
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(path, content)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_synced_is_lost_or_kept_or_torn() {
        let path = PathBuf::from("/from/file");
        let mut disk = Disk::default();
        disk.apply(&Event::File(path.clone()));
        disk.apply(&Event::Write(path.clone(), 0, vec![1; 2_000]));
        disk.apply(&Event::Sync(path.clone()));
        disk.apply(&Event::Write(path.clone(), 0, vec![2; 2_000]));
        let left = |unsynced| {
            let to = tempfile::tempdir().unwrap();
            disk.lay_out(Path::new("/from"), to.path(), unsynced)
                .unwrap();
            std::fs::read(to.path().join("file")).ok()
        };
        assert_eq!(left(Unsynced::Lost), Some(vec![1; 2_000]));
        assert_eq!(left(Unsynced::LostWithNames), None);
        assert_eq!(left(Unsynced::Kept), Some(vec![2; 2_000]));
        let torn = left(Unsynced::Torn(1)).unwrap();
        assert!(torn.contains(&1) && torn.contains(&2));
        assert!(
            torn.chunks(SECTOR)
                .all(|sector| sector.iter().all(|byte| *byte == sector[0]))
        );
    }

    #[test]
    fn a_small_write_is_torn_where_a_sector_ends() {
        let path = PathBuf::from("/from/file");
        let mut disk = Disk::default();
        disk.apply(&Event::File(path.clone()));
        disk.apply(&Event::Write(path.clone(), 0, vec![1; 1_024]));
        disk.apply(&Event::Sync(path.clone()));
        disk.apply(&Event::Write(path, 500, vec![2; 24]));
        let left = |seed| {
            let to = tempfile::tempdir().unwrap();
            disk.lay_out(Path::new("/from"), to.path(), Unsynced::Torn(seed))
                .unwrap();
            let content = std::fs::read(to.path().join("file")).unwrap();
            assert_eq!(content[..500], [1; 500]);
            assert_eq!(content[524..], [1; 500]);
            assert!(content[500..512].iter().all(|byte| *byte == content[500]));
            assert!(content[512..524].iter().all(|byte| *byte == content[512]));
            (content[500], content[512])
        };
        let all: BTreeSet<_> = (0..64).map(left).collect();
        assert_eq!(all.len(), 4, "{all:?}");
    }
}
