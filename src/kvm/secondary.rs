//! Secondary storage: a folder with a file and its facts for each template, ISO, uploaded volume and snapshot (`stratus-files`; what
//! comes from outside is checked there, and looked at once more here for what this hypervisor can run). Files never change.
use crate::image::{self, Format, Image, blocking};
use crate::keep::{Folder, io, plain};
use crate::place::Place;
use crate::{Done, Kvm};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use stratus_drivers::{DriverError, FetchSpec, ObjectReader, SecondaryStorage, StorageUse, StoreDetails, TemplateFacts};
use stratus_files::{Files, Incoming, Progress, bring};

/// What is known of a file on a store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Object {
    pub format: Format,
    pub facts: TemplateFacts,
}

/// Stores that were used since the start, and what is coming to them.
#[derive(Default)]
pub(crate) struct Stores {
    open: Mutex<HashMap<PathBuf, Arc<Files>>>,
    coming: Mutex<HashMap<(String, String), Arc<Progress>>>,
}

#[async_trait]
impl SecondaryStorage for Kvm {
    async fn connect(&self, store: &str, url: &str, _details: &StoreDetails) -> Done<StorageUse> {
        let place = self.place_open(store, url).await?;
        Folder::open(place.path.join("objects"))?;
        self.folders.stores.put(store, &place)?;
        self.files(store)?.space().map_err(io(&place.path))
    }
    async fn fetch(&self, store: &str, what: &FetchSpec) -> Done<TemplateFacts> {
        let (files, name) = (self.files(store)?, plain("an image", &what.object)?);
        let _held = self.locks.hold(name).await;
        if let Ok((_, there)) = self.object(store, name) {
            return Ok(there.facts);
        }
        let (key, progress) = ((store.to_owned(), name.to_owned()), Arc::new(Progress::default()));
        let coming = || self.stores.coming.lock().unwrap_or_else(PoisonError::into_inner);
        coming().insert(key.clone(), progress.clone());
        let brought = bring(what, &files, &progress).await;
        coming().remove(&key);
        let (brought, limit) = (brought?, what.most_bytes.min(self.config.image_max));
        let path = brought.file.path().to_owned();
        let image = blocking(move || image::inspect(&path, limit)).await?;
        self.object_keep(store, name, brought.file, image).await
    }
    async fn progress(&self, store: &str, object: &str) -> Done<Option<u8>> {
        let coming = self.stores.coming.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(coming.get(&(store.to_owned(), object.to_owned())).and_then(|progress| progress.percent()))
    }
    async fn template_from_snapshot(&self, store: &str, template: &str, snapshot: &str) -> Done<TemplateFacts> {
        self.object_twin(store, snapshot, template).await
    }
    async fn duplicate(&self, store: &str, object: &str, copy: &str) -> Done<TemplateFacts> {
        self.object_twin(store, object, copy).await
    }
    async fn copy(&self, from: &str, object: &str, to: &str) -> Done<TemplateFacts> {
        let name = plain("an image", object)?;
        let _held = self.locks.hold(name).await;
        if let Ok((_, there)) = self.object(to, name) {
            return Ok(there.facts);
        }
        let (file, known) = self.object(from, name)?;
        self.object_copy(&file, &known, to, name).await
    }
    async fn open(&self, store: &str, object: &str) -> Done<ObjectReader> {
        let (path, known) = self.object(store, object)?;
        let file = tokio::fs::File::open(&path).await.map_err(io(&path))?;
        Ok(ObjectReader { bytes: known.facts.physical_bytes, body: Box::pin(file), made_up: false })
    }
    async fn list(&self, store: &str) -> Done<Vec<String>> {
        Ok(self.files(store)?.names())
    }
    async fn delete(&self, store: &str, object: &str) -> Done {
        let (files, name) = (self.files(store)?, plain("an image", object)?);
        let _held = self.locks.hold(name).await;
        self.objects(store)?.remove(name)?;
        files.remove(name).map_err(io(Path::new(name)))?;
        if self.template(name).is_err() {
            for pool in self.folders.pools.names()? {
                self.base_unused(&pool, name).await?;
            }
        }
        Ok(())
    }
}

impl Kvm {
    fn store(&self, store: &str) -> Done<Place> {
        let place: Option<Place> = self.folders.stores.get(plain("a store", store)?)?;
        let place = place.ok_or_else(|| DriverError::Unreachable(format!("store {store}")))?;
        place.ready()?;
        Ok(place)
    }

    fn objects(&self, store: &str) -> Done<Folder> {
        Folder::open(self.store(store)?.path.join("objects"))
    }

    /// A store's files. Opened once: opening sweeps what was coming.
    pub(crate) fn files(&self, store: &str) -> Done<Arc<Files>> {
        let path = self.store(store)?.path;
        let mut open = self.stores.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(files) = open.get(&path) {
            return Ok(files.clone());
        }
        let files = Files::open_of(&path, None, &self.config.host).map_err(io(&path))?;
        open.insert(path, files.clone());
        Ok(files)
    }

    /// An object on a store: its file and what is known of it.
    pub(crate) fn object(&self, store: &str, object: &str) -> Done<(PathBuf, Object)> {
        let path = self.store(store)?.path.join(plain("an image", object)?);
        let known: Option<Object> = self.objects(store)?.get(object)?;
        known
            .filter(|_| path.is_file())
            .map(|known| (path, known))
            .ok_or_else(|| DriverError::Missing(format!("{object} on store {store}")))
    }

    /// A template on any store that is connected.
    pub(crate) fn template(&self, template: &str) -> Done<(PathBuf, Object)> {
        for store in self.folders.stores.names()? {
            if let Ok(found) = self.object(&store, template) {
                return Ok(found);
            }
        }
        Err(DriverError::Missing(format!("template {template}")))
    }

    /// Puts the bytes of an object beside it under another name. Asked again after the first went away, what was made is the answer.
    async fn object_twin(&self, store: &str, object: &str, twin: &str) -> Done<TemplateFacts> {
        let name = plain("an image", twin)?;
        let _held = self.locks.hold(name).await;
        if let Ok((_, there)) = self.object(store, name) {
            return Ok(there.facts);
        }
        let (from, known) = self.object(store, object)?;
        self.object_copy(&from, &known, store, name).await
    }

    async fn object_copy(&self, from: &Path, known: &Object, store: &str, name: &str) -> Done<TemplateFacts> {
        let (coming, _) = self.files(store)?.incoming().map_err(io(from))?;
        tokio::fs::copy(from, coming.path()).await.map_err(io(from))?;
        let image = Image { format: known.format, virtual_bytes: known.facts.virtual_bytes };
        self.object_keep(store, name, coming, image).await
    }

    /// Gives a file that came its name, and writes down what is known of it.
    pub(crate) async fn object_keep(&self, store: &str, name: &str, coming: Incoming, image: Image) -> Done<TemplateFacts> {
        let checksum = image::digest(coming.path()).await?;
        let kept = name.to_owned();
        let physical_bytes = blocking(move || coming.keep(&kept)).await?;
        let facts = TemplateFacts { virtual_bytes: image.virtual_bytes, physical_bytes, checksum };
        self.objects(store)?.put(name, &Object { format: image.format, facts: facts.clone() })?;
        Ok(facts)
    }
}
