//! Stores that the server keeps: folders of its own machine (of every server's, in a farm), driven here. Hosts reach them through the
//! agents' door; what a host needs of one or has made for it goes along with the call, as an errand.
use crate::ask::{Ask, Dispatch, Parcel};
use crate::gate::Place;
use crate::hub::{Hub, What};
use crate::link::{Grant, Links, Way};
use crate::session::Session;
use async_trait::async_trait;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;
use stratus_drivers::{
    DiskRef, DriverError, FetchSpec, IsoSpec, ObjectBody, ObjectKind, ObjectReader, ObjectSpec, SecondaryStorage, StorageUse, StoreDetails,
    TemplateFacts,
};
use stratus_files::Shelf;

type Done<T = ()> = Result<T, DriverError>;

/// What a host is told a store of the server's is.
pub(crate) const CACHE: &str = "cache://agent";

/// The stores that this server keeps, and who is under way with what.
#[derive(Default)]
pub(crate) struct Shelves {
    /// This server's name among those of a farm.
    name: OnceLock<String>,
    links: OnceLock<Links>,
    open: Mutex<HashMap<String, Arc<Shelf>>>,
    /// Errands of calls that are waited for, and the hosts that are on them.
    errands: Mutex<HashMap<u64, (String, Grant)>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The folder that a URL names: `file:///srv/images`.
fn folder(url: &str) -> Done<PathBuf> {
    let rest = url.strip_prefix("file://").map(|rest| rest.strip_prefix("localhost").unwrap_or(rest));
    let path = PathBuf::from(rest.unwrap_or_default());
    let whole = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !path.is_absolute() || !whole || path == Path::new("/") {
        return Err(DriverError::Failed(format!("`{url}` does not name a folder as file:///srv/images does")));
    }
    Ok(path)
}

/// A folder that was there and is not: most likely what was mounted is not any more, and what is under it is not to be written to.
fn gone(store: &str) -> DriverError {
    DriverError::Unreachable(format!("the folder of image store {store}"))
}

impl Shelves {
    /// Gives this server its name, once.
    pub fn named(&self, name: &str) {
        // A second call would be a mistake of `main`; the first name stays.
        let _ = self.name.set(name.to_owned());
    }

    /// Gives it what it signs links with, once.
    pub fn sign_with(&self, links: Links) {
        // As above.
        let _ = self.links.set(links);
    }

    fn name(&self) -> &str {
        self.name.get().map_or("server", String::as_str)
    }

    /// Opens a store's folder; only that of a new one is made.
    fn put(&self, store: &str, url: &str, new: bool) -> Done<Arc<Shelf>> {
        let path = folder(url)?;
        let mut open = lock(&self.open);
        // Opening sweeps what was coming: a folder that is open is not opened again.
        if let Some(shelf) = open.get(store).filter(|shelf| shelf.root() == path) {
            return shelf.is_there().then(|| shelf.clone()).ok_or_else(|| gone(store));
        }
        if !new && !path.is_dir() {
            return Err(gone(store));
        }
        let shelf = Shelf::open(&path, &format!("{}~", self.name()))?;
        open.insert(store.to_owned(), shelf.clone());
        Ok(shelf)
    }

    /// Whether the call that an errand belongs to is still waited for, as far as this server can know.
    pub fn awaits(&self, grant: &Grant) -> bool {
        grant.server != self.name() || lock(&self.errands).contains_key(&grant.errand)
    }

    /// What a link stands for.
    pub fn grant(&self, method: &str, path: &str, query: &str) -> Result<Grant, &'static str> {
        let links = self.links.get().ok_or("this server has no images")?;
        links.open(method, path, query, SystemTime::now())
    }

    /// A fresh link for a host that is on an errand.
    pub fn link(&self, errand: u64, host: &str) -> Done<String> {
        let over = || DriverError::Failed("the call that this was for is over".into());
        let (on_it, grant) = lock(&self.errands).get(&errand).cloned().ok_or_else(over)?;
        let links = self.links.get().filter(|_| on_it == host).ok_or_else(over)?;
        links.make(&grant, SystemTime::now()).map_err(|e| DriverError::Failed(e.to_string()))
    }
}

/// An errand; it is over when this goes.
struct Errand<'h> {
    shelves: &'h Shelves,
    id: u64,
}

impl<'h> Errand<'h> {
    fn of(shelves: &'h Shelves, host: &str, way: Way, store: &str, object: &str, most: u64) -> Self {
        let id = rand::random();
        let (store, object, server) = (store.to_owned(), object.to_owned(), shelves.name().to_owned());
        lock(&shelves.errands).insert(id, (host.to_owned(), Grant { way, store, object, most, errand: id, server }));
        Self { shelves, id }
    }
}

impl Drop for Errand<'_> {
    fn drop(&mut self) {
        lock(&self.shelves.errands).remove(&self.id);
    }
}

impl Hub {
    /// Gives this server its name among those of a farm, once: what is coming to a folder of all of them is told apart by it.
    pub fn named(&self, name: &str) {
        self.shelves.named(name);
    }

    /// The driver of stores that the server keeps.
    pub fn served(self: &Arc<Self>) -> Arc<Served> {
        Arc::new(Served(self.clone()))
    }

    /// A store that the server keeps; none when hosts reach it themselves.
    pub(crate) async fn shelf(&self, store: &str) -> Done<Option<Arc<Shelf>>> {
        if let Some(shelf) = lock(&self.shelves.open).get(store) {
            return shelf.is_there().then(|| Some(shelf.clone())).ok_or_else(|| gone(store));
        }
        match self.atlas().store(store).await {
            Some(Place { url, served: true, .. }) => self.shelves.put(store, &url, false).map(Some),
            _ => Ok(None),
        }
    }

    async fn must_shelf(&self, store: &str) -> Done<Arc<Shelf>> {
        self.shelf(store).await?.ok_or_else(|| DriverError::Unreachable(format!("store {store}")))
    }

    /// What a host has to have of a store that the server keeps; none where the store or the object is another's.
    async fn wanted(&self, store: &str, object: &str) -> Done<Option<(String, ObjectSpec)>> {
        let Some(shelf) = self.shelf(store).await? else { return Ok(None) };
        match shelf.object(object) {
            Ok((_, is)) => {
                let what = ObjectSpec { object: object.to_owned(), kind: is.kind, facts: is.facts, made_up: is.made_up };
                Ok(Some((store.to_owned(), what)))
            }
            Err(DriverError::Missing(_)) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Asks a host for something that it may need a template for, from whichever store has it.
    pub(crate) async fn ask_with_template<T: DeserializeOwned>(&self, host: &str, session: &Session, template: &str, ask: Ask) -> Done<T> {
        let mut needs = Vec::new();
        for store in self.atlas_stores(host).await {
            // That another store is away is not this template's trouble.
            match self.ensure(What::Store, &store, host, session).await {
                Ok(()) if needs.is_empty() => needs.extend(self.wanted(&store, template).await?),
                Ok(()) => {}
                Err(e) => tracing::warn!(host, store, error = %e, "a host does not reach an image store"),
            }
        }
        self.ask_with(host, session, needs, ask).await
    }

    /// Asks a host for something that it may need an object for.
    pub(crate) async fn ask_with_object<T: DeserializeOwned>(&self, host: &str, session: &Session, at: (&str, &str), ask: Ask) -> Done<T> {
        self.ensure(What::Store, at.0, host, session).await?;
        let needs = self.wanted(at.0, at.1).await?;
        self.ask_with(host, session, needs.into_iter().collect(), ask).await
    }

    /// Asks a host for something about a VM that may have an ISO in its drive.
    pub(crate) async fn ask_with_iso<T: DeserializeOwned>(
        &self,
        host: &str,
        session: &Session,
        iso: Option<&IsoSpec>,
        ask: Ask,
    ) -> Done<T> {
        match iso {
            Some(iso) => self.ask_with_object(host, session, (&iso.store, &iso.iso), ask).await,
            None => session.ask(ask).await,
        }
    }

    async fn ask_with<T: DeserializeOwned>(&self, host: &str, session: &Session, needs: Vec<(String, ObjectSpec)>, ask: Ask) -> Done<T> {
        if needs.is_empty() {
            return session.ask(ask).await;
        }
        let (mut parcels, mut errands) = (Vec::new(), Vec::new());
        for (store, what) in needs {
            let errand = Errand::of(&self.shelves, host, Way::Out, &store, &what.object, 0);
            parcels.push(Parcel { store, what, errand: errand.id });
            errands.push(errand);
        }
        session.ask(Ask::Errand { ask: Box::new(ask), bring: parcels, send: None }).await
    }

    /// Has a disk's bytes kept on a store, by the host that has the disk.
    pub(crate) async fn snapshot_to(
        &self,
        (host, session): (&str, &Session),
        disk: &DiskRef,
        snapshot: &str,
        store: &str,
    ) -> Done<TemplateFacts> {
        let ask = Ask::DiskSnapshot { disk: disk.clone(), snapshot: snapshot.into(), store: store.into() };
        let Some(shelf) = self.shelf(store).await? else {
            self.ensure(What::Store, store, host, session).await?;
            return session.ask(ask).await;
        };
        // Asked again: what came the first time is of that moment.
        if let Ok((_, there)) = shelf.object(snapshot) {
            return Ok(there.facts);
        }
        self.ensure(What::Store, store, host, session).await?;
        // An image of a disk is a little more than the disk: tables, and the header.
        let most = disk.bytes.saturating_add(disk.bytes / 64).saturating_add(16 << 20);
        let errand = Errand::of(&self.shelves, host, Way::In, store, snapshot, most);
        let send = Dispatch { store: store.into(), object: snapshot.into(), kind: ObjectKind::Snapshot, errand: errand.id };
        session.ask(Ask::Errand { ask: Box::new(ask), bring: Vec::new(), send: Some(send) }).await
    }

    /// The stores that a host is to reach: those of the books, and here also those that the books do not know yet.
    async fn atlas_stores(&self, host: &str) -> Vec<String> {
        let mut stores = self.atlas().stores_of(host).await;
        if stores.is_empty() {
            stores.extend(lock(&self.shelves.open).keys().cloned());
        }
        stores
    }
}

/// Image stores of provider `File`: folders of the server's.
pub struct Served(Arc<Hub>);

#[async_trait]
impl SecondaryStorage for Served {
    async fn connect(&self, store: &str, url: &str, _: &StoreDetails) -> Done<StorageUse> {
        // It is everybody's who asks for something of it.
        self.0.state().meant_for_nobody(store);
        let new = self.0.atlas().store(store).await.is_none();
        self.0.shelves.put(store, url, new)?.space()
    }
    async fn fetch(&self, store: &str, what: &FetchSpec) -> Done<TemplateFacts> {
        self.0.must_shelf(store).await?.fetch(what, u64::MAX).await
    }
    async fn progress(&self, store: &str, object: &str) -> Done<Option<u8>> {
        Ok(self.0.must_shelf(store).await?.progress(object))
    }
    async fn template_from_snapshot(&self, store: &str, template: &str, snapshot: &str) -> Done<TemplateFacts> {
        self.0.must_shelf(store).await?.twin(snapshot, template, Some(ObjectKind::Template)).await
    }
    async fn duplicate(&self, store: &str, object: &str, copy: &str) -> Done<TemplateFacts> {
        self.0.must_shelf(store).await?.twin(object, copy, None).await
    }
    async fn copy(&self, from: &str, object: &str, to: &str) -> Done<TemplateFacts> {
        let (from, to) = (self.0.must_shelf(from).await?, self.0.must_shelf(to).await?);
        to.copy_from(&from, object).await
    }
    async fn open(&self, store: &str, object: &str) -> Done<ObjectReader> {
        self.0.must_shelf(store).await?.read(object).await
    }
    async fn receive(&self, store: &str, what: &ObjectSpec, body: ObjectBody) -> Done<TemplateFacts> {
        self.0.must_shelf(store).await?.receive(what, u64::MAX, body).await
    }
    async fn list(&self, store: &str) -> Done<Vec<String>> {
        self.0.must_shelf(store).await?.list()
    }
    async fn delete(&self, store: &str, object: &str) -> Done {
        self.0.must_shelf(store).await?.delete(object).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_of_this_machine_is_a_store() {
        for url in ["file:///srv/images", "file://localhost/srv/images"] {
            assert_eq!(folder(url).expect("a folder"), Path::new("/srv/images"), "{url}");
        }
        for url in ["", "/srv/images", "file://", "file:///", "file://host/x", "file:///a/../b", "nfs://filer/x", "http://x/y"] {
            assert!(folder(url).is_err(), "{url}");
        }
    }

    #[test]
    fn only_the_host_that_is_on_an_errand_gets_a_link_for_it_and_only_until_it_is_over() {
        let shelves = Shelves::default();
        shelves.sign_with(Links::of(b"secret").expect("a key"));
        let errand = Errand::of(&shelves, "h1", Way::In, "s", "o", 5);
        let id = errand.id;
        assert!(shelves.link(id, "h2").is_err());
        let link = shelves.link(id, "h1").expect("a link");
        let (path, query) = link.split_once('?').expect("a query");
        let grant = shelves.grant("PUT", path, query).expect("a good link");
        assert!(shelves.awaits(&grant) && grant.most == 5);
        drop(errand);
        assert!(!shelves.awaits(&grant) && shelves.link(id, "h1").is_err());
        assert!(shelves.awaits(&Grant { server: "another".into(), ..grant }), "another server knows itself");
    }
}
