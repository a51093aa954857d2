//! The world's memory: one JSON line per change, replayed at open.
//!
//! Each line is one `write(2)`, so a killed process leaves at most one torn line, at the end, of a change that nobody was told of.
//! It is cut off. A line that is whole and makes no sense is not: that is another program's file or a fault, and guessing would lose
//! machines.
use crate::world::{FORMAT, Record, World, lock};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, BufWriter, Error, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A journal is rewritten at open when it has more lines than this and twice what the world needs.
const SMALL: u64 = 1000;

/// Why a world could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file could not be read or written.
    #[error("simulator journal {}: {source}", path.display())]
    Io {
        /// The journal.
        path: PathBuf,
        /// What the system said.
        source: Error,
    },
    /// Another process has it.
    #[error("simulator journal {}: in use by another process", path.display())]
    InUse {
        /// The journal.
        path: PathBuf,
    },
    /// A line before the last is not a record.
    #[error("simulator journal {}, line {line}: {reason}", path.display())]
    Corrupt {
        /// The journal.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

/// Where changes are written down; a world in memory has none.
pub(crate) struct Journal {
    writer: Option<Mutex<Writer>>,
    /// Held as long as the journal lives; a file of its own, because the journal is replaced when it is compacted.
    _lock: Option<File>,
}

struct Writer {
    file: File,
    /// Bytes of whole lines.
    length: u64,
    /// A line could not be written and not be cut off again: nothing more may follow it.
    broken: bool,
}

impl Writer {
    fn line(&mut self, line: &[u8]) -> Result<(), Error> {
        if self.broken {
            return Err(Error::other("an earlier write failed; restart once there is room"));
        }
        match self.file.write_all(line) {
            Ok(()) => {
                self.length += line.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.broken = self.file.set_len(self.length).is_err();
                Err(error)
            }
        }
    }
}

impl Journal {
    /// A journal that keeps nothing.
    pub fn none() -> Self {
        Self { writer: None, _lock: None }
    }

    /// Opens or creates a journal and fills the world from it.
    pub fn open(path: PathBuf, world: &mut World) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { path: path.clone(), source };
        let guard = private().truncate(false).write(true).open(beside(&path, ".lock")).map_err(io)?;
        guard.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::InUse { path: path.clone() },
            TryLockError::Error(source) => io(source),
        })?;
        let mut file = private().read(true).append(true).open(&path).map_err(io)?;
        let read = replay(&file, &path, world)?;
        file.set_len(read.length).map_err(io)?;
        let mut length = read.length;
        if read.lines == 0 || (read.lines > SMALL && read.lines / 2 > world.len()) {
            (file, length) = compact(&path, world).map_err(io)?;
            tracing::debug!(lines = read.lines, bytes = length, "simulator journal rewritten");
        }
        Ok(Self { writer: Some(Mutex::new(Writer { file, length, broken: false })), _lock: Some(guard) })
    }

    /// Writes one record.
    pub fn append(&self, record: &Record<'_>) -> Result<(), Error> {
        let Some(writer) = &self.writer else { return Ok(()) };
        let line = encode(record)?;
        lock(writer).line(&line)
    }
}

/// Only the owner reads it: user data of guests may hold secrets.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    options
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn encode(record: &Record<'_>) -> Result<Vec<u8>, Error> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    Ok(line)
}

struct Replayed {
    lines: u64,
    length: u64,
}

fn replay(file: &File, path: &Path, world: &mut World) -> Result<Replayed, OpenError> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut read = Replayed { lines: 0, length: 0 };
    let mut line = Vec::new();
    loop {
        line.clear();
        reader.read_until(b'\n', &mut line).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        if line.last() != Some(&b'\n') {
            if !line.is_empty() {
                tracing::info!(bytes = line.len(), "the simulator's journal ends in a torn line; it is cut off");
            }
            return Ok(read);
        }
        read.lines += 1;
        read.length += line.len() as u64;
        serde_json::from_slice::<Record<'static>>(&line)
            .map_err(|error| error.to_string())
            .and_then(|record| world.apply(record))
            .map_err(|reason| OpenError::Corrupt { path: path.to_owned(), line: read.lines, reason })?;
    }
}

/// Writes the world as it is into a new journal and puts it in the place of the old one.
fn compact(path: &Path, world: &World) -> Result<(File, u64), Error> {
    let fresh = beside(path, ".new");
    if let Err(error) = std::fs::remove_file(&fresh)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut writer = BufWriter::new(private().append(true).open(&fresh)?);
    let mut length = 0;
    let mut put = |record: Record<'_>| {
        let line = encode(&record)?;
        length += line.len() as u64;
        writer.write_all(&line)
    };
    put(Record::Format(FORMAT))?;
    world.dump(&mut put)?;
    let file = writer.into_inner().map_err(|error| error.into_error())?;
    // The old file goes away here: this once the bytes have to be on the disk first.
    file.sync_data()?;
    std::fs::rename(&fresh, path)?;
    Ok((file, length))
}
