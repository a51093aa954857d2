//! Bytes, for what has some. The simulator computes nothing, so nothing ever writes to its disks: bytes come in from outside, by a URL
//! of a real server, and go out again.
//!
//! An image is a file named by the SHA-256 of its bytes, beside the journal. Identities have the form of that checksum, so an object or
//! disk has bytes exactly when the file of its identity is there; a deploy, a snapshot, a copy costs no byte and no file. A file
//! goes with the last thing that has its identity; what a crash leaves goes at the next open. Everything else (built-in templates,
//! those of simulated URLs, what [`Sim::scribble`] wrote) has a made-up identity: read out, it is one block that says so and zeros.
use crate::pool::{EMPTY, identity};
use crate::world::lock;
use crate::{OpenError, Sim};
use std::collections::HashMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use stratus_drivers::{DriverError, FetchSpec, ObjectBody, ObjectReader, ObjectSpec, TemplateFacts};
use stratus_files::shelf::take;
use stratus_files::{Brought, Digest, Files, Incoming, Progress, bring, sniff};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, repeat};

/// Where images are.
pub(crate) struct Images {
    /// The directory; none for a world in memory, which has a temporary one.
    root: Option<PathBuf>,
    /// Opened when the first image comes: most worlds never have one.
    files: OnceLock<(Arc<Files>, Option<TempDir>)>,
    opening: Mutex<()>,
    /// Read while something takes an identity over from something else, written while a file goes: nothing gets the identity of a file
    /// that is just going.
    going: RwLock<()>,
    /// What is being fetched, by store and object.
    coming: Mutex<HashMap<(String, String), Arc<Progress>>>,
}

/// The file of an identity.
fn file_of(identity: &str) -> Option<&str> {
    identity.strip_prefix("{SHA-256}")
}

fn failed(e: impl std::fmt::Display) -> DriverError {
    DriverError::Failed(format!("the simulator's images: {e}"))
}

impl Images {
    /// Opens the directory if it is there.
    pub fn open(root: Option<PathBuf>) -> Result<Self, OpenError> {
        let (opening, going, coming) = (Mutex::default(), RwLock::default(), Mutex::default());
        let files = OnceLock::new();
        if let Some(path) = root.as_deref().filter(|p| p.is_dir()) {
            let opened = Files::open(path, None).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
            let _ = files.set((opened, None));
        }
        Ok(Self { root, files, opening, going, coming })
    }

    /// The directory, made when it is not there yet.
    fn files(&self) -> Result<Arc<Files>, DriverError> {
        let _one = lock(&self.opening);
        if let Some((files, _)) = self.files.get() {
            return Ok(files.clone());
        }
        let made = match &self.root {
            Some(root) => (Files::open(root, None).map_err(failed)?, None),
            None => {
                let dir = tempfile::tempdir().map_err(failed)?;
                (Files::open(dir.path(), None).map_err(failed)?, Some(dir))
            }
        };
        Ok(self.files.get_or_init(|| made).0.clone())
    }

    fn size(&self, identity: &str) -> Option<u64> {
        self.files.get()?.0.size(file_of(identity)?)
    }

    /// Keeps files from going until it is dropped.
    pub fn stay(&self) -> RwLockReadGuard<'_, ()> {
        self.going.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Percent of what is being fetched.
    pub fn progress(&self, store: &str, object: &str) -> Option<u8> {
        lock(&self.coming).get(&(store.to_owned(), object.to_owned()))?.percent()
    }

    /// Brings a file, watched under the name of the object that it is for.
    pub async fn bring(&self, store: &str, what: &FetchSpec) -> Result<Brought, DriverError> {
        let files = self.files()?;
        let (key, progress) = ((store.to_owned(), what.object.clone()), Arc::new(Progress::default()));
        lock(&self.coming).insert(key.clone(), progress.clone());
        let _watched = Watched { images: self, key };
        bring(what, &files, &progress).await
    }

    /// Takes in a file whose bytes come along.
    pub async fn take(&self, what: &ObjectSpec, body: ObjectBody) -> Result<(Incoming, Digest), DriverError> {
        let digest = Digest::read(&what.facts.checksum)?;
        let (coming, file) = self.files()?.incoming().map_err(failed)?;
        take(what, body, file).await?;
        Ok((coming, digest))
    }

    /// The bytes of an object or disk of so many bytes.
    pub async fn read(&self, facts: &TemplateFacts) -> Result<ObjectReader, DriverError> {
        let name = file_of(&facts.checksum).filter(|_| self.size(&facts.checksum).is_some());
        let Some(name) = name else { return Ok(made_up(facts)) };
        let path = self.files()?.path(name).map_err(failed)?;
        let (path, facts) = (path.clone(), facts.clone());
        let opened = tokio::task::spawn_blocking(move || opened(&path, &facts)).await.map_err(failed)?;
        let (file, bytes, more) = opened?;
        let body = tokio::fs::File::from_std(file).chain(repeat(0).take(more));
        Ok(ObjectReader { bytes: bytes + more, body: Box::pin(body), made_up: false })
    }
}

/// An image, its bytes, and the zeros behind them: a plain disk that has grown goes on with zeros, any other image is its file.
fn opened(path: &Path, facts: &TemplateFacts) -> Result<(std::fs::File, u64, u64), DriverError> {
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let plain = sniff(&mut file).is_ok_and(|image| image.is_plain());
    std::io::Seek::rewind(&mut file).map_err(failed)?;
    Ok((file, bytes, if plain { facts.virtual_bytes.saturating_sub(bytes) } else { 0 }))
}

/// What stands for bytes that never were: an empty disk is zeros, anything else says what it is in its first block.
fn made_up(facts: &TemplateFacts) -> ObjectReader {
    let bytes = facts.virtual_bytes;
    let mut start = Vec::new();
    if facts.checksum != identity(EMPTY) {
        start = format!("simulated image {}\n", facts.checksum).into_bytes();
        start.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    let rest = bytes - start.len() as u64;
    ObjectReader { bytes, body: Box::pin(Cursor::new(start).chain(repeat(0).take(rest))), made_up: true }
}

/// Forgets the progress of a fetch that ended, however.
struct Watched<'a> {
    images: &'a Images,
    key: (String, String),
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        lock(&self.images.coming).remove(&self.key);
    }
}

impl Sim {
    /// Whether anything has this identity. Objects are asked first: they are few, and a template's image is asked for with every
    /// disk that goes.
    fn is_named(&self, identity: &str) -> bool {
        let on_store = |store: &crate::world::Store| store.objects.values().any(|o| o.facts.checksum == identity).then_some(());
        let has = |disk: &crate::world::Disk| disk.identity == identity || disk.kept.values().any(|kept| kept == identity);
        let on_pool = |pool: &crate::world::Pool| {
            let copied = || pool.templates.values().any(|copy| copy.identity == identity);
            (pool.disks.values().any(has) || copied()).then_some(())
        };
        self.world.stores.find(on_store).is_some() || self.world.pools.find(on_pool).is_some()
    }

    /// Takes the files away of identities that nothing has any more. Called without the lock of what had them.
    pub(crate) fn images_released<'a>(&self, identities: impl Iterator<Item = &'a String>) {
        for identity in identities.filter(|i| self.images.size(i).is_some()) {
            let _going = self.images.going.write().unwrap_or_else(PoisonError::into_inner);
            if self.is_named(identity) {
                continue;
            }
            let (Some((files, _)), Some(name)) = (self.images.files.get(), file_of(identity)) else { continue };
            if let Err(e) = files.remove(name) {
                tracing::warn!(error = %e, "an image that nothing has any more was not removed; it goes at the next start");
            }
        }
    }

    /// Takes away what a crash left between a file and its record.
    pub(crate) fn images_sweep(&self) {
        let names = self.images.files.get().map(|(files, _)| files.names()).unwrap_or_default();
        let identities: Vec<String> = names.iter().map(|name| format!("{{SHA-256}}{name}")).collect();
        self.images_released(identities.iter());
    }

    /// The names of all images, for checks.
    pub fn images(&self) -> Vec<String> {
        self.images.files.get().map(|(files, _)| files.names()).unwrap_or_default()
    }

    /// Images that nothing has: at rest there are none.
    pub fn images_astray(&self) -> Vec<String> {
        self.images().into_iter().filter(|name| !self.is_named(&format!("{{SHA-256}}{name}"))).collect()
    }
}
