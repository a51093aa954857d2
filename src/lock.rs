//! One process a data directory.
use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A data directory that is ours until this is dropped. The kernel drops the lock with the process, so a killed server leaves none.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Takes a directory, made with mode 0700 when it is not there; refused in a sentence when another process has it.
    pub fn take(path: &Path) -> Result<Self> {
        let shown = path.display();
        DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| format!("cannot make the data directory {shown}"))?;
        let path = path.canonicalize().with_context(|| format!("cannot find the data directory {shown}"))?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .with_context(|| format!("cannot write in the data directory {shown}"))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            // The number only helps; the sentence stands without it.
            let _ = lock.read_to_string(&mut holder);
            let holder = if holder.is_empty() { String::new() } else { format!(" (process {})", holder.trim()) };
            bail!("the data directory {shown} is in use by another stratus{holder}: stop that one, or choose another with --data-dir");
        }
        lock.set_len(0)?;
        lock.rewind()?;
        writeln!(lock, "{}", std::process::id())?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_in_use_is_refused_and_free_again_afterwards() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = DataDir::take(&dir.path().join("d")).expect("takes it");
        let refused = DataDir::take(&dir.path().join("d")).expect_err("in use").to_string();
        assert!(refused.contains(&format!("in use by another stratus (process {})", std::process::id())), "{refused}");
        drop(first);
        DataDir::take(&dir.path().join("d")).expect("free again");
    }
}
