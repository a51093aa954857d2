//! An image store that is a folder: a file with its facts for each template, ISO, uploaded volume and snapshot. Files never change.
//!
//! Several processes may have one folder open (hosts that mount it, servers of a farm): what lies in it is read from the folder each
//! time, and what is coming carries its owner's name.
use crate::bring::bring;
use crate::dir::{Files, Incoming, failed};
use crate::download::Progress;
use crate::keep::{Folder, Locks, blocking, plain};
use crate::qemu::{Format, Image, inspect};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stratus_drivers::{DriverError, FetchSpec, ObjectBody, ObjectKind, ObjectReader, ObjectSpec, StorageUse, TemplateFacts};
use tokio::io::AsyncReadExt;

type Done<T = ()> = Result<T, DriverError>;

/// The file system's error without the path: users read it, and where files lie is not theirs to know.
fn io(e: std::io::Error) -> DriverError {
    failed("the image store", &e)
}

/// Where the facts are.
const FACTS: &str = "objects";
/// Bytes that are taken in at a time.
const PART: usize = 256 << 10;

/// What is known of a file on a shelf.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Object {
    /// What kind of file it is.
    pub format: Format,
    /// What it is in the cloud; shelves of old did not write it down.
    #[serde(default = "template")]
    pub kind: ObjectKind,
    /// What the cloud is told of it.
    pub facts: TemplateFacts,
    /// It has no bytes, a simulator made it up; its file is empty.
    #[serde(default)]
    pub made_up: bool,
}

fn template() -> ObjectKind {
    ObjectKind::Template
}

/// A folder of objects.
#[derive(Debug)]
pub struct Shelf {
    root: PathBuf,
    files: Arc<Files>,
    facts: Folder,
    locks: Locks,
    coming: Mutex<HashMap<String, Arc<Progress>>>,
}

impl Shelf {
    /// Opens the folder, making it when it is not there. What was coming for this owner when it was last open goes; `owner` is a name,
    /// and none begins with another.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(root: &Path, owner: &str) -> Done<Arc<Self>> {
        let files = Files::open_of(root, None, owner).map_err(io)?;
        let facts = Folder::open(root.join(FACTS))?;
        Ok(Arc::new(Self { root: root.to_owned(), files, facts, locks: Locks::default(), coming: Mutex::default() }))
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the folder is there; what was mounted at it may have gone.
    pub fn is_there(&self) -> bool {
        self.root.join(FACTS).is_dir()
    }

    /// How full it is.
    ///
    /// # Errors
    /// The file system's.
    pub fn space(&self) -> Done<StorageUse> {
        self.files.space().map_err(io)
    }

    /// An object: its file and what is known of it.
    ///
    /// # Errors
    /// `Missing`, and the file system's.
    pub fn object(&self, object: &str) -> Done<(PathBuf, Object)> {
        let path = self.root.join(plain("an image", object)?);
        let known: Option<Object> = self.facts.get(object)?;
        let missing = || DriverError::Missing(format!("{object} on the image store"));
        known.filter(|_| path.is_file()).map(|known| (path, known)).ok_or_else(missing)
    }

    /// Names of all objects.
    ///
    /// # Errors
    /// The file system's.
    pub fn list(&self) -> Done<Vec<String>> {
        let mut names = self.facts.names()?;
        names.retain(|name| self.root.join(name).is_file());
        Ok(names)
    }

    /// Brings what a URL has, of `limit` bytes at most; one that is there already is the answer.
    ///
    /// # Errors
    /// It does not come, or QEMU may not open it; nothing of it stays.
    pub async fn fetch(&self, what: &FetchSpec, limit: u64) -> Done<TemplateFacts> {
        let name = plain("an image", &what.object)?;
        let _held = self.locks.hold(name).await;
        if let Ok((_, there)) = self.object(name) {
            return Ok(there.facts);
        }
        let progress = Arc::new(Progress::default());
        self.coming().insert(name.to_owned(), progress.clone());
        let _watched = Watched { shelf: self, name };
        let brought = bring(what, &self.files, &progress).await?;
        let (path, limit) = (brought.file.path().to_owned(), what.most_bytes.min(limit));
        let image = blocking(move || inspect(&path, limit)).await?;
        let facts =
            TemplateFacts { virtual_bytes: image.virtual_bytes, physical_bytes: brought.bytes, checksum: brought.digest.to_string() };
        self.put(name, brought.file, Object { format: image.format, kind: what.kind, facts, made_up: false }).await
    }

    /// How much of an object that is being fetched has come, in percent.
    pub fn progress(&self, object: &str) -> Option<u8> {
        self.coming().get(object).and_then(|progress| progress.percent())
    }

    /// Puts the bytes of an object beside it under another name. Asked again after the first went away, what was made is the answer.
    ///
    /// # Errors
    /// `Missing`, `NoRoom`, and the file system's.
    pub async fn twin(&self, object: &str, twin: &str, kind: Option<ObjectKind>) -> Done<TemplateFacts> {
        let name = plain("an image", twin)?;
        let _held = self.locks.hold(name).await;
        if let Ok((_, there)) = self.object(name) {
            return Ok(there.facts);
        }
        self.copy_in(self.object(object)?, name, kind).await
    }

    /// Brings an object of another shelf; one that is there already is the answer.
    ///
    /// # Errors
    /// `Missing`, `NoRoom`, and the file system's.
    pub async fn copy_from(&self, other: &Self, object: &str) -> Done<TemplateFacts> {
        let name = plain("an image", object)?;
        let _held = self.locks.hold(name).await;
        if let Ok((_, there)) = self.object(name) {
            return Ok(there.facts);
        }
        self.copy_in(other.object(name)?, name, None).await
    }

    async fn copy_in(&self, (from, known): (PathBuf, Object), name: &str, kind: Option<ObjectKind>) -> Done<TemplateFacts> {
        let (coming, _) = self.files.incoming().map_err(io)?;
        tokio::fs::copy(&from, coming.path()).await.map_err(io)?;
        self.put(name, coming, Object { kind: kind.unwrap_or(known.kind), ..known }).await
    }

    /// Takes in an object whose bytes come along: they have to be as many and have the checksum that its facts say, and an image that
    /// QEMU may open, of `limit` bytes at most.
    ///
    /// # Errors
    /// They are not, or there is no room; nothing of it stays.
    pub async fn receive(&self, what: &ObjectSpec, limit: u64, body: ObjectBody) -> Done<TemplateFacts> {
        let name = plain("an image", &what.object)?;
        let _held = self.locks.hold(name).await;
        match self.object(name) {
            Ok((_, there)) if there.facts.checksum == what.facts.checksum => return Ok(there.facts),
            Ok(_) => return Err(DriverError::Failed(format!("{name} is there already, with other bytes"))),
            Err(_) => {}
        }
        let (coming, file) = self.files.incoming().map_err(io)?;
        let known = Object { format: Format::Raw, kind: what.kind, facts: what.facts.clone(), made_up: what.made_up };
        if what.made_up {
            return self.put(name, coming, known).await;
        }
        take(what, body, file).await?;
        let path = coming.path().to_owned();
        let image = blocking(move || inspect(&path, limit)).await?;
        // A disk that grew goes on with zeros behind its image.
        let (is, said) = (image.virtual_bytes, what.facts.virtual_bytes);
        if is > said {
            return Err(DriverError::Failed(format!("the disk of {name} has {is} bytes, and {said} were said")));
        }
        self.put(name, coming, Object { format: image.format, ..known }).await
    }

    /// A new file for what a driver makes itself; [`Shelf::keep`] gives it its name.
    ///
    /// # Errors
    /// The file system's.
    pub fn incoming(&self) -> Done<Incoming> {
        self.files.incoming().map(|(coming, _)| coming).map_err(io)
    }

    /// Gives a file that a driver made its name.
    ///
    /// # Errors
    /// `NoRoom`, and the file system's.
    pub async fn keep(&self, name: &str, kind: ObjectKind, coming: Incoming, image: Image) -> Done<TemplateFacts> {
        let path = coming.path().to_owned();
        let (physical_bytes, checksum) = blocking(move || {
            let mut file = File::open(&path).map_err(io)?;
            let digest = crate::digest_of(crate::Kind::Sha256, &mut file).map_err(io)?;
            Ok((file.metadata().map_err(io)?.len(), digest.to_string()))
        })
        .await?;
        let facts = TemplateFacts { virtual_bytes: image.virtual_bytes, physical_bytes, checksum };
        self.put(name, coming, Object { format: image.format, kind, facts, made_up: false }).await
    }

    /// An object is there when both its facts and its file are. The facts go first: a disk may have room for a rename and for no more.
    async fn put(&self, name: &str, coming: Incoming, known: Object) -> Done<TemplateFacts> {
        self.facts.put(plain("an image", name)?, &known).map_err(|e| match e {
            DriverError::NoRoom(_) => DriverError::NoRoom("the image store is full".to_owned()),
            other => other,
        })?;
        let kept = name.to_owned();
        match blocking(move || coming.keep(&kept)).await {
            Ok(_) => Ok(known.facts),
            Err(e) => {
                self.facts.remove(name)?;
                Err(e)
            }
        }
    }

    /// Opens an object to be read.
    ///
    /// # Errors
    /// `Missing`, and the file system's.
    pub async fn read(&self, object: &str) -> Done<ObjectReader> {
        let (path, known) = self.object(object)?;
        if known.made_up {
            let bytes = known.facts.virtual_bytes;
            return Ok(ObjectReader { bytes, body: Box::pin(tokio::io::repeat(0).take(bytes)), made_up: true });
        }
        let file = tokio::fs::File::open(&path).await.map_err(io)?;
        Ok(ObjectReader { bytes: known.facts.physical_bytes, body: Box::pin(file), made_up: false })
    }

    /// Deletes an object; one that is not there is `Ok`. Whoever reads it reads on.
    ///
    /// # Errors
    /// The file system's.
    pub async fn delete(&self, object: &str) -> Done {
        let name = plain("an image", object)?;
        let _held = self.locks.hold(name).await;
        self.files.remove(name).map_err(io)?;
        self.facts.remove(name)
    }

    fn coming(&self) -> MutexGuard<'_, HashMap<String, Arc<Progress>>> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what comes, as holes where it is zeros, and compares it with what was said.
///
/// # Errors
/// It is something else, broke off, or there is no room; the file holds anything then.
pub async fn take(what: &ObjectSpec, mut body: ObjectBody, mut file: File) -> Done {
    let all = what.facts.physical_bytes;
    let (mut part, mut done, mut digest) = (vec![0; PART], 0_u64, Sha256::new());
    loop {
        let n =
            body.read(&mut part).await.map_err(|e| DriverError::Failed(format!("{}: broke off after {done} bytes: {e}", what.object)))?;
        if n == 0 {
            break;
        }
        done += n as u64;
        if done > all {
            return Err(DriverError::Failed(format!("{}: more than the {all} bytes that were said", what.object)));
        }
        digest.update(&part[..n]);
        // Short writes into the page cache: they do not hold the runtime up.
        let written = match part[..n].iter().all(|byte| *byte == 0) {
            true => file.seek(SeekFrom::Current(n as i64)).map(drop),
            false => file.write_all(&part[..n]),
        };
        written.map_err(io)?;
    }
    if done < all {
        return Err(DriverError::Failed(format!("{}: broke off after {done} of {all} bytes", what.object)));
    }
    file.set_len(all).map_err(io)?;
    let is = digest.finalize().iter().fold("{SHA-256}".to_owned(), |text, byte| format!("{text}{byte:02x}"));
    if is != what.facts.checksum {
        return Err(DriverError::Failed(format!("{}: its checksum is {is}, and {} was said", what.object, what.facts.checksum)));
    }
    Ok(())
}

/// Forgets the progress of a fetch that ended, however.
struct Watched<'a> {
    shelf: &'a Shelf,
    name: &'a str,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.shelf.coming().remove(self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, digest_of};

    fn spec(bytes: &[u8]) -> ObjectSpec {
        let facts = TemplateFacts {
            virtual_bytes: bytes.len() as u64,
            physical_bytes: bytes.len() as u64,
            checksum: digest_of(Kind::Sha256, bytes).expect("a sum").to_string(),
        };
        ObjectSpec { object: "one".into(), kind: ObjectKind::Snapshot, facts, made_up: false }
    }

    fn files(root: &Path) -> Vec<PathBuf> {
        let inside = |folder: PathBuf| std::fs::read_dir(folder).expect("lists").map(|e| e.expect("an entry").path());
        inside(root.to_owned()).chain(inside(root.join("incoming"))).chain(inside(root.join("objects"))).filter(|p| p.is_file()).collect()
    }

    #[tokio::test]
    async fn what_comes_along_is_whole_and_as_it_was_said_or_not_there() {
        let dir = tempfile::tempdir().expect("a folder");
        let shelf = Shelf::open(dir.path(), "me").expect("opens");
        let bytes = [vec![7; 3000], vec![0; 600_000], vec![9; 5]].concat();
        let what = spec(&bytes);
        let body = |bytes: &[u8]| -> ObjectBody { Box::pin(std::io::Cursor::new(bytes.to_vec())) };
        let mut changed = bytes.clone();
        changed[10] = 8;
        let most = 1 << 20;
        let cases = [
            (&bytes[..2000], most, "broke off after 2000 of 603005"),
            (&[&bytes[..], b"x"].concat(), most, "more than the 603005"),
            (&changed, most, "its checksum is"),
            (&bytes, 1000, "at most 1000"),
        ];
        for (sent, limit, why) in cases {
            let e = shelf.receive(&what, limit, body(sent)).await.expect_err(why).to_string();
            assert!(e.contains(why), "{why}: {e}");
            assert_eq!(files(dir.path()), Vec::<PathBuf>::new(), "{why}");
        }
        let lying = ObjectSpec { facts: TemplateFacts { virtual_bytes: 1, ..what.facts.clone() }, ..what.clone() };
        assert!(shelf.receive(&lying, most, body(&bytes)).await.is_err());
        for _ in 0..2 {
            assert_eq!(shelf.receive(&what, most, body(&bytes)).await.expect("is taken"), what.facts);
        }
        assert!(std::fs::read(dir.path().join("one")).expect("reads") == bytes);
        assert!(shelf.receive(&spec(&changed), most, body(&changed)).await.is_err(), "other bytes under the same name");
        assert_eq!(
            (shelf.list().expect("lists"), shelf.object("one").expect("is there").1.kind),
            (vec!["one".into()], ObjectKind::Snapshot)
        );
        shelf.delete("one").await.expect("goes");
        assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
    }

    #[tokio::test]
    async fn what_a_simulator_made_up_is_remembered_without_bytes() {
        let dir = tempfile::tempdir().expect("a folder");
        let shelf = Shelf::open(dir.path(), "me").expect("opens");
        let facts = TemplateFacts { virtual_bytes: 5 << 30, physical_bytes: 1 << 30, checksum: "{SHA-256}5".into() };
        let what = ObjectSpec { object: "one".into(), kind: ObjectKind::Template, facts: facts.clone(), made_up: true };
        assert_eq!(shelf.receive(&what, 1, Box::pin(tokio::io::empty())).await.expect("is taken"), facts);
        let reader = shelf.read("one").await.expect("opens");
        assert_eq!((reader.bytes, reader.made_up), (5 << 30, true));
        assert_eq!(shelf.twin("one", "two", None).await.expect("a twin"), facts);
        assert!(shelf.object("two").expect("is there").1.made_up);
    }
}
