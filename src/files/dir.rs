//! The directory: whole files under their names, and those that are still coming.
use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stratus_drivers::{DriverError, StorageUse};

/// Where files are while they come.
const INCOMING: &str = "incoming";

/// A directory of whole files.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    /// Bytes at most, all files together; none: what the disk has.
    quota: Option<u64>,
    /// How the names of files begin that come through this process.
    owner: String,
    sizes: Mutex<HashMap<String, u64>>,
}

/// Whether this can be the name of a file: letters, digits and hyphens, so that none leads out of the directory.
fn is_name(name: &str) -> bool {
    (1..=128).contains(&name.len()) && name != INCOMING && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn no_name(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` is not a name for a file"))
}

/// What the system said, as a driver's error: a full disk is no room, everything else a failure.
pub(crate) fn failed(what: &str, e: &io::Error) -> DriverError {
    match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            DriverError::NoRoom(format!("{what}: {e}"))
        }
        _ => DriverError::Failed(format!("{what}: {e}")),
    }
}

impl Files {
    /// Opens the directory, making it when it is not there; what was still coming when it was last open goes.
    pub fn open(root: &Path, quota: Option<u64>) -> io::Result<Arc<Self>> {
        Self::open_of(root, quota, "")
    }

    /// The same for one of several owners of the directory, each in a process of its own: what comes for the others stays. `owner` is
    /// a name, and none begins with another.
    pub fn open_of(root: &Path, quota: Option<u64>, owner: &str) -> io::Result<Arc<Self>> {
        let incoming = root.join(INCOMING);
        DirBuilder::new().recursive(true).mode(0o700).create(&incoming)?;
        for left in std::fs::read_dir(&incoming)? {
            let left = left?;
            if left.file_name().to_str().is_none_or(|name| name.starts_with(owner)) {
                std::fs::remove_file(left.path())?;
            }
        }
        let mut sizes = HashMap::new();
        for entry in std::fs::read_dir(root)? {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str().filter(|n| is_name(n))
                && entry.file_type()?.is_file()
            {
                sizes.insert(name.to_owned(), entry.metadata()?.len());
            }
        }
        File::open(root)?.sync_all()?;
        Ok(Arc::new(Self { root: root.to_owned(), quota, owner: owner.to_owned(), sizes: Mutex::new(sizes) }))
    }

    fn sizes(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The size of a whole file in bytes, if it is there.
    pub fn size(&self, name: &str) -> Option<u64> {
        self.sizes().get(name).copied()
    }

    /// The names of all whole files.
    pub fn names(&self) -> Vec<String> {
        self.sizes().keys().cloned().collect()
    }

    /// Where a file is, or would be.
    pub fn path(&self, name: &str) -> io::Result<PathBuf> {
        if is_name(name) { Ok(self.root.join(name)) } else { Err(no_name(name)) }
    }

    /// How full it is: against the quota where there is one, else against the disk.
    pub fn space(&self) -> io::Result<StorageUse> {
        let used = self.sizes().values().sum();
        let disk = rustix::fs::statvfs(&self.root)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let total = self.quota.unwrap_or(u64::MAX).min(free.saturating_add(used));
        Ok(StorageUse { total, used })
    }

    /// A new file; it goes again unless [`Incoming::keep`] is called.
    pub fn incoming(self: &Arc<Self>) -> io::Result<(Incoming, File)> {
        let path = self.root.join(INCOMING).join(format!("{}{}", self.owner, uuid::Uuid::new_v4()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        Ok((Incoming { files: self.clone(), path, kept: false }, file))
    }

    /// Takes a file away; one that is not there is `Ok`. Whoever reads it reads on.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match std::fs::remove_file(self.path(name)?) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        self.sizes().remove(name);
        Ok(())
    }
}

/// A file that has no name yet.
#[derive(Debug)]
pub struct Incoming {
    files: Arc<Files>,
    path: PathBuf,
    kept: bool,
}

impl Incoming {
    /// Where it is meanwhile.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it durable under a name; a file of that name is replaced. Blocks.
    pub fn keep(mut self, name: &str) -> Result<u64, DriverError> {
        let to = self.files.path(name).map_err(|e| failed("a file", &e))?;
        let keep = || -> io::Result<u64> {
            let file = File::open(&self.path)?;
            file.sync_all()?;
            file.metadata().map(|m| m.len())
        };
        let bytes = keep().map_err(|e| failed("keeping a file", &e))?;
        let mut sizes = self.files.sizes();
        let others: u64 = sizes.iter().filter(|(n, _)| n.as_str() != name).map(|(_, s)| s).sum();
        if self.files.quota.is_some_and(|q| others.saturating_add(bytes) > q) {
            return Err(DriverError::NoRoom(format!("{bytes} bytes more are above the quota")));
        }
        let moved = std::fs::rename(&self.path, &to).and_then(|()| File::open(&self.files.root)?.sync_all());
        moved.map_err(|e| failed("keeping a file", &e))?;
        self.kept = true;
        sizes.insert(name.to_owned(), bytes);
        Ok(bytes)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.kept
            && let Err(e) = std::fs::remove_file(&self.path)
            && e.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(error = %e, "a file that did not come whole was not removed; it goes at the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_name_is_whole_or_not_there() {
        let dir = tempfile::tempdir().expect("a folder");
        let files = Files::open(dir.path(), Some(5)).expect("opens");
        let (coming, mut file) = files.incoming().expect("a file");
        file.write_all(b"abc").expect("written");
        assert_eq!(files.size("a"), None);
        assert_eq!(coming.keep("a").expect("kept"), 3);
        assert_eq!((files.size("a"), files.space().expect("space").used), (Some(3), 3));
        let (coming, mut file) = files.incoming().expect("a file");
        file.write_all(b"xyz").expect("written");
        assert!(matches!(coming.keep("b"), Err(DriverError::NoRoom(_))), "3 + 3 bytes do not fit 5");
        let (left, _) = files.incoming().expect("a file");
        std::mem::forget(left);
        drop(files);
        let files = Files::open(dir.path(), None).expect("opens again");
        assert_eq!(files.names(), ["a"]);
        assert_eq!(std::fs::read_dir(dir.path().join(INCOMING)).expect("lists").count(), 0, "what was coming is gone");
        for name in ["", "..", "../a", "a/b", INCOMING] {
            assert!(files.path(name).is_err(), "{name}");
        }
        files.remove("a").expect("removed");
        files.remove("a").expect("removed already");
        assert!(files.names().is_empty());
    }
}
