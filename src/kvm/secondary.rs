//! Secondary storage: a folder of files (`stratus-files`; what comes from outside is checked there) that this host sees, or one of this
//! host's own for a store that the server keeps (`cache.rs`).
use crate::cache::CACHE;
use crate::image::{Image, own};
use crate::keep::plain;
use crate::place::Place;
use crate::{Done, Kvm};
use async_trait::async_trait;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use stratus_drivers::{
    DriverError, FetchSpec, ObjectBody, ObjectKind, ObjectReader, ObjectSpec, SecondaryStorage, StorageUse, StoreDetails, TemplateFacts,
};
use stratus_files::qemu::Format;
use stratus_files::shelf::Object;
use stratus_files::{Incoming, Shelf};

/// Stores that were used since the start.
#[derive(Default)]
pub(crate) struct Stores {
    open: Mutex<HashMap<PathBuf, Arc<Shelf>>>,
}

#[async_trait]
impl SecondaryStorage for Kvm {
    async fn connect(&self, store: &str, url: &str, _details: &StoreDetails) -> Done<StorageUse> {
        let place = match url {
            CACHE => self.cache_place(store)?,
            url => self.place_open(store, url).await?,
        };
        std::fs::create_dir_all(&place.path).map_err(crate::keep::io(&place.path))?;
        self.folders.stores.put(store, &place)?;
        self.shelf(store)?.space()
    }
    async fn fetch(&self, store: &str, what: &FetchSpec) -> Done<TemplateFacts> {
        self.shelf(store)?.fetch(what, self.config.image_max).await
    }
    async fn progress(&self, store: &str, object: &str) -> Done<Option<u8>> {
        Ok(self.shelf(store)?.progress(object))
    }
    async fn template_from_snapshot(&self, store: &str, template: &str, snapshot: &str) -> Done<TemplateFacts> {
        self.shelf(store)?.twin(snapshot, template, Some(ObjectKind::Template)).await
    }
    async fn duplicate(&self, store: &str, object: &str, copy: &str) -> Done<TemplateFacts> {
        self.shelf(store)?.twin(object, copy, None).await
    }
    async fn copy(&self, from: &str, object: &str, to: &str) -> Done<TemplateFacts> {
        let (from, to) = (self.shelf(from)?, self.shelf(to)?);
        to.copy_from(&from, object).await
    }
    async fn open(&self, store: &str, object: &str) -> Done<ObjectReader> {
        self.shelf(store)?.read(object).await
    }
    async fn receive(&self, store: &str, what: &ObjectSpec, body: ObjectBody) -> Done<TemplateFacts> {
        if what.made_up {
            return Err(DriverError::Unsupported(format!("{}: a simulated image has no bytes for a real host", what.object)));
        }
        let _held = self.cache_wanted(store, &what.object).await;
        self.shelf(store)?.receive(what, self.config.image_max, body).await
    }
    async fn list(&self, store: &str) -> Done<Vec<String>> {
        self.shelf(store)?.list()
    }
    async fn delete(&self, store: &str, object: &str) -> Done {
        let (shelf, name) = (self.shelf(store)?, plain("an image", object)?);
        if self.is_cache(store)? {
            return self.cache_drop(store, name).await;
        }
        shelf.delete(name).await?;
        if !self.template_stays(name)? {
            for pool in self.folders.pools.names()? {
                self.base_unused(&pool, name).await?;
            }
        }
        Ok(())
    }
}

impl Kvm {
    /// Where a store lies, be it ready or not.
    pub(crate) fn store(&self, store: &str) -> Done<Place> {
        let place: Option<Place> = self.folders.stores.get(plain("a store", store)?)?;
        place.ok_or_else(|| DriverError::Unreachable(format!("store {store}")))
    }

    /// A store's files. Opened once: opening sweeps what was coming.
    pub(crate) fn shelf(&self, store: &str) -> Done<Arc<Shelf>> {
        let path = self.store(store)?.ready()?.to_owned();
        let mut open = self.stores.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shelf) = open.get(&path) {
            return Ok(shelf.clone());
        }
        let shelf = Shelf::open(&path, &self.config.host)?;
        open.insert(path, shelf.clone());
        Ok(shelf)
    }

    /// An object on a store: its file and what is known of it.
    pub(crate) fn object(&self, store: &str, object: &str) -> Done<(PathBuf, Object)> {
        self.shelf(store)?.object(object)
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

    /// Whether a pool's copy of a template is to stay without disks that stand on it: a store has the template. What the server's
    /// stores have is not seen here; whoever knows that it went asks for the copy to go ([`PrimaryStorage::evict`]).
    ///
    /// [`PrimaryStorage::evict`]: stratus_drivers::PrimaryStorage::evict
    pub(crate) fn template_stays(&self, template: &str) -> Done<bool> {
        for store in self.folders.stores.names()? {
            if self.is_cache(&store)? || self.object(&store, template).is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts a disk's bytes that were copied here on a store.
    pub(crate) async fn snapshot_keep(&self, store: &str, snapshot: &str, coming: Incoming) -> Done<TemplateFacts> {
        let (virtual_bytes, _) = own(coming.path())?;
        let image = Image { format: Format::Qcow2, virtual_bytes };
        self.shelf(store)?.keep(snapshot, ObjectKind::Snapshot, coming, image).await
    }
}
