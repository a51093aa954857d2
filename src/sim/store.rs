//! Secondary storage: templates, snapshots and uploaded volumes.
use crate::Sim;
use crate::fault::Op;
use crate::pool::identity;
use crate::url::{Query, is_simulated};
use crate::world::{Object, Record, Store, lock};
use async_trait::async_trait;
use std::borrow::Cow::Borrowed;
use stratus_drivers::{
    DriverError, FetchSpec, ObjectBody, ObjectKind, ObjectReader, ObjectSpec, SecondaryStorage, StorageUse, StoreDetails, TemplateFacts,
};
use stratus_files::{Digest, Incoming};

type Done<T = ()> = Result<T, DriverError>;

#[async_trait]
impl SecondaryStorage for Sim {
    async fn connect(&self, store: &str, url: &str, _: &StoreDetails) -> Done<StorageUse> {
        self.run(Op::StoreConnect, &[store, url], || self.store_connect(store, url)).await
    }
    async fn fetch(&self, store: &str, what: &FetchSpec) -> Done<TemplateFacts> {
        let there = self.run(Op::Fetch, &[store, &what.object, &what.url], || self.fetch_known(store, what)).await?;
        match there {
            Some(facts) => Ok(facts),
            None => self.fetch_bytes(store, what).await,
        }
    }
    async fn progress(&self, store: &str, object: &str) -> Done<Option<u8>> {
        Ok(self.images.progress(store, object))
    }
    async fn template_from_snapshot(&self, store: &str, template: &str, snapshot: &str) -> Done<TemplateFacts> {
        self.run(Op::TemplateFromSnapshot, &[store, template, snapshot], || {
            let _stays = self.images.stay();
            let facts = self.with_store(store, |store| {
                // Asked again after the snapshot went away, the template that was made from it is still the answer.
                let made = store.objects.get(template).filter(|object| object.kind == ObjectKind::Template);
                let from = store.objects.get(snapshot).filter(|object| object.kind == ObjectKind::Snapshot);
                made.or(from).map(|object| object.facts.clone())
            })?;
            let facts = facts.ok_or_else(|| DriverError::Missing(format!("snapshot {snapshot} on store {store}")))?;
            self.object_put(store, template, Object { kind: ObjectKind::Template, facts })
        })
        .await
    }
    async fn duplicate(&self, store: &str, object: &str, copy: &str) -> Done<TemplateFacts> {
        self.run(Op::ObjectDuplicate, &[store, object, copy], || {
            let _stays = self.images.stay();
            // Asked again after the first one went away, the copy is still the answer.
            let found = self.object(store, copy).or_else(|_| self.object(store, object))?;
            self.object_put(store, copy, found)
        })
        .await
    }
    async fn copy(&self, from: &str, object: &str, to: &str) -> Done<TemplateFacts> {
        self.run(Op::ObjectCopy, &[from, object, to], || {
            let _stays = self.images.stay();
            let found = self.object(from, object)?;
            self.object_put(to, object, found)
        })
        .await
    }
    async fn open(&self, store: &str, object: &str) -> Done<ObjectReader> {
        let found = self.run(Op::ObjectOpen, &[store, object], || self.object(store, object)).await?;
        self.images.read(&found.facts).await
    }
    async fn receive(&self, store: &str, what: &ObjectSpec, body: ObjectBody) -> Done<TemplateFacts> {
        self.run(Op::ObjectReceive, &[store, &what.object], || self.with_store(store, |_| ())).await?;
        if let Ok(there) = self.object(store, &what.object) {
            return Ok(there.facts);
        }
        let object = Object { kind: what.kind, facts: what.facts.clone() };
        if what.made_up {
            let _stays = self.images.stay();
            return self.object_put(store, &what.object, object);
        }
        let (coming, digest) = self.images.take(what, body).await?;
        self.keep_bytes(store, &what.object, object, coming, &digest)
    }
    async fn list(&self, store: &str) -> Done<Vec<String>> {
        self.with_store(store, |store| store.objects.keys().cloned().collect())
    }
    async fn delete(&self, store: &str, object: &str) -> Done {
        self.run(Op::ObjectDelete, &[store, object], || self.object_delete(store, object)).await
    }
}

fn unknown(store: &str) -> DriverError {
    DriverError::Unreachable(format!("store {store}"))
}

impl Sim {
    fn store_connect(&self, store: &str, url: &str) -> Done<StorageUse> {
        let mut query = Query::of(url)?;
        let total = query.bytes("size", self.defaults.store_bytes)?;
        query.done()?;
        if url.starts_with("cache://") && lock(&self.caches).insert(store.to_owned()) {
            // What lies there was needed by calls of an earlier life.
            for object in self.with_store(store, |there| there.objects.keys().cloned().collect::<Vec<_>>()).unwrap_or_default() {
                self.object_delete(store, &object)?;
            }
        }
        self.world.stores.with(store, |stores| {
            self.note(&Record::Store { store: Borrowed(store), total })?;
            let state = stores.entry(store.to_owned()).or_default();
            state.total = total;
            Ok(StorageUse { total, used: state.used })
        })
    }

    /// What needs no fetching: an object that is there, or one whose URL is of the simulated world.
    fn fetch_known(&self, store: &str, what: &FetchSpec) -> Done<Option<TemplateFacts>> {
        let there =
            self.with_store(store, |store| store.objects.get(&what.object).filter(|o| o.kind == what.kind).map(|o| o.facts.clone()))?;
        if there.is_some() {
            return Ok(there);
        }
        // The query of a template's URL belongs to the server that has it.
        Query::of(&what.url)?;
        if !is_simulated(&what.url) {
            return Ok(None);
        }
        // Of what was never there only a checksum of our own kind can be compared.
        let sum = identity(&what.url);
        if what.checksum.as_ref().is_some_and(|wanted| wanted.starts_with("{SHA-256}") && !wanted.eq_ignore_ascii_case(&sum)) {
            return Err(DriverError::Failed(format!("the checksum of the file is {sum}")));
        }
        let virtual_bytes = self.defaults.template_bytes;
        let facts = TemplateFacts { virtual_bytes, physical_bytes: virtual_bytes / 4, checksum: sum };
        self.object_put(store, &what.object, Object { kind: what.kind, facts }).map(Some)
    }

    /// Brings real bytes: first the file, then the record that names it.
    async fn fetch_bytes(&self, store: &str, what: &FetchSpec) -> Done<TemplateFacts> {
        let brought = self.images.bring(store, what).await?;
        let bytes = brought.bytes;
        let virtual_bytes = brought.image.virtual_bytes(bytes);
        let facts = TemplateFacts { virtual_bytes, physical_bytes: bytes, checksum: brought.digest.to_string() };
        let object = Object { kind: what.kind, facts };
        self.keep_bytes(store, &what.object, object, brought.file, &brought.digest)
    }

    /// Names a file that came, then writes down whose bytes it is.
    fn keep_bytes(&self, store: &str, name: &str, object: Object, coming: Incoming, digest: &Digest) -> Done<TemplateFacts> {
        let identity = object.facts.checksum.clone();
        let keep = || {
            let _stays = self.images.stay();
            coming.keep(&digest.hex)?;
            self.object_put(store, name, object)
        };
        // Renaming and two flushes: short, and rare enough to hold one thread of the runtime.
        let put = keep();
        if put.is_err() {
            self.images_released([&identity].into_iter());
        }
        put
    }

    fn object(&self, store: &str, object: &str) -> Done<Object> {
        let found = self.with_store(store, |store| store.objects.get(object).cloned())?;
        found.ok_or_else(|| DriverError::Missing(format!("{object} on store {store}")))
    }

    pub(crate) fn with_store<T>(&self, store: &str, ask: impl FnOnce(&Store) -> T) -> Done<T> {
        self.world.stores.with(store, |stores| stores.get(store).map(ask)).ok_or_else(|| unknown(store))
    }

    /// Puts an object on a store and answers its facts. A snapshot that is there keeps the bytes it was made with.
    pub(crate) fn object_put(&self, store: &str, name: &str, object: Object) -> Done<TemplateFacts> {
        self.world.stores.with(store, |stores| {
            let state = stores.get_mut(store).ok_or_else(|| unknown(store))?;
            let facts = object.facts.clone();
            match state.objects.get(name) {
                Some(there) if there.kind != object.kind => {
                    return Err(DriverError::Failed(format!("{name} is there already, as a {:?}", there.kind)));
                }
                Some(there) if there.kind != ObjectKind::Template || there.facts == facts => return Ok(there.facts.clone()),
                _ => {}
            }
            let free = state.total.saturating_sub(state.used);
            if facts.physical_bytes > free {
                let needs = facts.physical_bytes;
                return Err(DriverError::NoRoom(format!("store {store} has {free} bytes left, {name} needs {needs}")));
            }
            self.note(&Record::Object { store: Borrowed(store), object: Borrowed(name), is: Borrowed(&object) })?;
            state.put(name, object);
            Ok(facts)
        })
    }

    fn object_delete(&self, store: &str, object: &str) -> Done {
        let gone = self.world.stores.with(store, |stores| {
            let state = stores.get_mut(store).ok_or_else(|| unknown(store))?;
            if state.objects.contains_key(object) {
                self.note(&Record::ObjectGone { store: Borrowed(store), object: Borrowed(object) })?;
            }
            Ok(state.take(object))
        })?;
        self.images_released(gone.iter().map(|object| &object.facts.checksum));
        Ok(())
    }
}
