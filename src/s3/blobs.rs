//! Bytes in files. A file is named by a random id and never changes once it is whole; which files count is said by rows elsewhere.
//!
//! The order that a crash cannot break: the file is written and fsynced with its folder, then the row is committed, then the file that
//! the row replaced is unlinked. Whatever is left over is named by no row, and [`Blobs::sweep`] takes it away.
use std::collections::{HashMap, HashSet};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The folder of all files.
pub struct Blobs {
    root: PathBuf,
    /// The 256 folders, open, to be fsynced; each from its first file on, so that a start does not wait for them.
    folders: Vec<OnceLock<File>>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// Being written, not named by a row yet.
    writing: HashSet<String>,
    /// Being read, and whether they are to be unlinked when that ends.
    reading: HashMap<String, (usize, bool)>,
}

impl Blobs {
    /// Opens the folder, making it when it is not there.
    pub fn open(root: &Path) -> io::Result<Arc<Self>> {
        DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        let folders = std::iter::repeat_with(OnceLock::new).take(256).collect();
        Ok(Arc::new(Self { root: root.to_owned(), folders, held: Mutex::default() }))
    }

    /// The folder of a file, made when it is not there.
    fn folder(&self, id: &str) -> io::Result<&File> {
        let n = id.get(..2).and_then(|t| u8::from_str_radix(t, 16).ok()).unwrap_or(0);
        let known = &self.folders[usize::from(n)];
        if let Some(folder) = known.get() {
            return Ok(folder);
        }
        let dir = self.root.join(format!("{n:02x}"));
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let folder = File::open(&dir)?;
        File::open(&self.root)?.sync_all()?;
        Ok(known.get_or_init(|| folder))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a file is. Ids come from our own rows; one that is none leads nowhere.
    fn path(&self, id: &str) -> PathBuf {
        let safe = uuid::Uuid::try_parse(id).unwrap_or_default().to_string();
        self.root.join(&safe[..2]).join(safe)
    }

    /// A new file's id and file. It is unlinked again unless [`Fresh::keep`] is called.
    pub fn create(self: &Arc<Self>) -> io::Result<(Fresh, File)> {
        let fresh = self.fresh();
        self.folder(&fresh.id)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.path(&fresh.id))?;
        Ok((fresh, file))
    }

    fn fresh(self: &Arc<Self>) -> Fresh {
        let id = uuid::Uuid::new_v4().to_string();
        self.held().writing.insert(id.clone());
        Fresh { blobs: self.clone(), id, kept: false }
    }

    /// Makes a written file durable.
    pub fn sync(&self, id: &str, file: &File) -> io::Result<()> {
        file.sync_all()?;
        self.sync_folder(id)
    }

    fn sync_folder(&self, id: &str) -> io::Result<()> {
        self.folder(id)?.sync_all()
    }

    /// Another name for the same bytes, durable: what a copy of a whole file costs.
    pub fn link(self: &Arc<Self>, id: &str) -> io::Result<Fresh> {
        let fresh = self.fresh();
        self.folder(&fresh.id)?;
        std::fs::hard_link(self.path(id), self.path(&fresh.id))?;
        self.sync_folder(&fresh.id)?;
        Ok(fresh)
    }

    /// Opens a file to read.
    pub fn read(&self, id: &str) -> io::Result<File> {
        File::open(self.path(id))
    }

    /// Keeps files from being unlinked while they are read one after the other.
    pub fn hold(self: &Arc<Self>, ids: Vec<String>) -> Hold {
        let mut held = self.held();
        for id in &ids {
            held.reading.entry(id.clone()).or_insert((0, false)).0 += 1;
        }
        drop(held);
        Hold { blobs: self.clone(), ids }
    }

    /// Unlinks files that no row names any more; one that is being read, when that ends.
    pub fn remove(&self, ids: &[String]) {
        for id in ids {
            if let Some(reading) = self.held().reading.get_mut(id) {
                reading.1 = true;
                continue;
            }
            self.unlink(id);
        }
    }

    fn unlink(&self, id: &str) {
        if let Err(e) = std::fs::remove_file(self.path(id))
            && e.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(error = %e, "a file of the object storage could not be removed; the next sweep tries again");
        }
    }

    /// Every file there is but those being written, in this order of looking: a file whose writing ends in between has its row by then.
    pub fn candidates(&self) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        for n in 0..256 {
            let folder = match std::fs::read_dir(self.root.join(format!("{n:02x}"))) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            for entry in folder {
                found.extend(entry?.file_name().to_str().filter(|name| uuid::Uuid::try_parse(name).is_ok()).map(str::to_owned));
            }
        }
        let held = self.held();
        found.retain(|id| !held.writing.contains(id));
        Ok(found)
    }
}

/// A file that no row names yet.
pub struct Fresh {
    blobs: Arc<Blobs>,
    /// Its id.
    pub id: String,
    kept: bool,
}

impl Fresh {
    /// A row names it now.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !self.kept {
            self.blobs.unlink(&self.id);
        }
        self.blobs.held().writing.remove(&self.id);
    }
}

/// Files being read.
pub struct Hold {
    blobs: Arc<Blobs>,
    ids: Vec<String>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut gone = Vec::new();
        let mut held = self.blobs.held();
        for id in &self.ids {
            if let Some(reading) = held.reading.get_mut(id) {
                reading.0 -= 1;
                if reading.0 == 0 {
                    if reading.1 {
                        gone.push(id.clone());
                    }
                    held.reading.remove(id);
                }
            }
        }
        drop(held);
        gone.iter().for_each(|id| self.blobs.unlink(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_lives_as_long_as_somebody_wants_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let blobs = Blobs::open(dir.path()).expect("opens");
        let (fresh, mut file) = blobs.create().expect("a file");
        file.write_all(b"x").expect("written");
        let id = fresh.id.clone();
        assert!(blobs.candidates().expect("lists").is_empty(), "a file being written is nobody's to sweep");
        fresh.keep();
        assert_eq!(blobs.candidates().expect("lists"), std::slice::from_ref(&id));
        let hold = blobs.hold(vec![id.clone()]);
        blobs.remove(std::slice::from_ref(&id));
        assert!(blobs.read(&id).is_ok(), "a reader is in the middle of it");
        drop(hold);
        assert!(blobs.read(&id).is_err());
        let (given_up, _) = blobs.create().expect("a file");
        let id = given_up.id.clone();
        drop(given_up);
        assert!(blobs.read(&id).is_err());
        assert!(blobs.read("../../etc/passwd").is_err());
    }
}
