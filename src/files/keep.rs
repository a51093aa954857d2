//! What a driver has to remember itself, as one JSON file a thing, and names that become parts of paths.
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use stratus_drivers::DriverError;

/// An error of the file system as a driver's, with the path.
pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> DriverError + '_ {
    move |e| match e.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => DriverError::NoRoom(format!("{}: {e}", path.display())),
        _ => DriverError::Failed(format!("{}: {e}", path.display())),
    }
}

/// A name as part of a path or of an argument; refused when it could be anything else.
///
/// # Errors
/// It is refused; the text names `what` it is the name of.
pub fn plain<'a>(what: &str, name: &'a str) -> Result<&'a str, DriverError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 120 || name.starts_with(['.', '-']) || !name.chars().all(fits) {
        return Err(DriverError::Failed(format!("{what} has the name {name:?}, which cannot be a file's")));
    }
    Ok(name)
}

/// A folder of documents.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// Opens a folder that only its owner reads, making it if need be.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(path: PathBuf) -> Result<Self, DriverError> {
        fs::create_dir_all(&path).map_err(io(&path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).map_err(io(&path))?;
        Ok(Self(path))
    }

    fn file(&self, name: &str) -> Result<PathBuf, DriverError> {
        Ok(self.0.join(format!("{}.json", plain("a document", name)?)))
    }

    /// A document, if it is there.
    ///
    /// # Errors
    /// The file system's, or it is no such document.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, DriverError> {
        let path = self.file(name)?;
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| DriverError::Failed(format!("{}: {e}", path.display()))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(io(&path)(e)),
        }
    }

    /// Writes a document: whole or not at all, and there after a power cut.
    ///
    /// # Errors
    /// The file system's.
    pub fn put<T: Serialize>(&self, name: &str, value: &T) -> Result<(), DriverError> {
        let path = self.file(name)?;
        let bytes = serde_json::to_vec(value).map_err(|e| DriverError::Failed(e.to_string()))?;
        let mut file = tempfile::NamedTempFile::new_in(&self.0).map_err(io(&path))?;
        file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(io(&path))?;
        file.persist(&path).map_err(|e| io(&path)(e.error))?;
        fs::File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(io(&self.0))
    }

    /// Removes a document; one that is gone is fine.
    ///
    /// # Errors
    /// The file system's.
    pub fn remove(&self, name: &str) -> Result<(), DriverError> {
        let path = self.file(name)?;
        gone(fs::remove_file(&path)).map_err(io(&path))
    }

    /// The names of all documents.
    ///
    /// # Errors
    /// The file system's.
    pub fn names(&self) -> Result<Vec<String>, DriverError> {
        let entries = fs::read_dir(&self.0).map_err(io(&self.0))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".json").map(str::to_owned));
        Ok(names.collect())
    }
}

/// Runs what blocks elsewhere.
///
/// # Errors
/// Those of the work, or that it came to no end.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, DriverError> + Send + 'static) -> Result<T, DriverError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| DriverError::Failed(e.to_string()))?
}

/// What is gone already was to go.
///
/// # Errors
/// Whatever else went wrong.
pub fn gone(answer: std::io::Result<()>) -> std::io::Result<()> {
    match answer {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// One at a time, for each name.
#[derive(Debug, Default)]
pub struct Locks(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

impl Locks {
    /// Waits for whoever holds the name; it is held until the guard goes.
    pub async fn hold(&self, name: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, lock| lock.strong_count() > 0);
            match all.get(name).and_then(Weak::upgrade) {
                Some(lock) => lock,
                None => {
                    let lock = Arc::new(tokio::sync::Mutex::default());
                    all.insert(name.to_owned(), Arc::downgrade(&lock));
                    lock
                }
            }
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_folder_are_refused() {
        for name in ["", ".", "..", "../x", "a/b", "-rf", ".hidden", "a b", "a\0", "ä"] {
            assert!(plain("a disk", name).is_err(), "{name:?}");
        }
        for name in ["i-2-3-VM", "00000000-0000-4000-8000-00000000dead", "conformance-empty"] {
            assert_eq!(plain("a disk", name).expect("works"), name);
        }
    }

    #[test]
    fn documents_come_back() {
        let folder = tempfile::tempdir().expect("works");
        let folder = Folder::open(folder.path().join("x")).expect("works");
        assert_eq!(folder.get::<u32>("one").expect("works"), None);
        folder.put("one", &1).expect("works");
        folder.put("one", &2).expect("works");
        assert_eq!(folder.get::<u32>("one").expect("works"), Some(2));
        assert_eq!(folder.names().expect("works"), ["one"]);
        folder.remove("one").expect("works");
        folder.remove("one").expect("works");
        assert_eq!(folder.names().expect("works"), Vec::<String>::new());
    }
}
