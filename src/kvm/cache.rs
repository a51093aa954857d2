//! Stores that the server keeps, as this host has them: a folder of its own each in the state folder, where an object lies as long as
//! it is needed. The agent has it brought before a call that needs it and asks for it to go afterwards; one that a guest has in its
//! drive by then stays until no guest has it.
use crate::keep::plain;
use crate::place::Place;
use crate::{Done, Kvm};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The URL of such a store.
pub(crate) const CACHE: &str = "cache://agent";

/// What is to go as soon as no guest has it in its drive: store and object.
#[derive(Default)]
pub(crate) struct Leaving(Mutex<BTreeSet<(String, String)>>);

impl Leaving {
    fn all(&self) -> MutexGuard<'_, BTreeSet<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kvm {
    pub(crate) fn cache_place(&self, store: &str) -> Done<Place> {
        let path = self.config.state_dir.join("cache").join(plain("a store", store)?);
        Ok(Place { url: CACHE.to_owned(), path, export: None })
    }

    pub(crate) fn is_cache(&self, store: &str) -> Done<bool> {
        Ok(self.store(store)?.url == CACHE)
    }

    /// Notes that an object is needed again; it does not go while this is held, nor after it.
    pub(crate) async fn cache_wanted(&self, store: &str, object: &str) -> impl Drop + use<> {
        let held = self.locks.hold(&format!("cache {store} {object}")).await;
        self.leaving.all().remove(&(store.to_owned(), object.to_owned()));
        held
    }

    /// Lets an object go, at once or when it is in no drive any more.
    pub(crate) async fn cache_drop(&self, store: &str, object: &str) -> Done {
        let held = self.locks.hold(&format!("cache {store} {object}")).await;
        self.leaving.all().insert((store.to_owned(), object.to_owned()));
        self.cache_out(store, object, &held).await
    }

    /// Deletes what is in no drive; the object's lock is held.
    async fn cache_out<L>(&self, store: &str, object: &str, _held: &L) -> Done {
        let shelf = self.shelf(store)?;
        if let Ok((file, _)) = shelf.object(object)
            && self.in_a_drive(&file).await?
        {
            return Ok(());
        }
        shelf.delete(object).await?;
        self.leaving.all().remove(&(store.to_owned(), object.to_owned()));
        Ok(())
    }

    /// After a start: what lies in caches was needed by calls that are over.
    pub(crate) fn caches_leave(&self) -> Done {
        for store in self.folders.stores.names()? {
            if self.is_cache(&store)? {
                let names = self.shelf(&store)?.list()?;
                self.leaving.all().extend(names.into_iter().map(|name| (store.clone(), name)));
            }
        }
        Ok(())
    }

    /// Takes away what no guest has in its drive any more.
    pub(crate) async fn caches_sweep(&self) -> Done {
        let leaving = self.leaving.all().clone();
        for (store, object) in leaving {
            let held = self.locks.hold(&format!("cache {store} {object}")).await;
            // Somebody may have said meanwhile that it is needed.
            let still = self.leaving.all().contains(&(store.clone(), object.clone()));
            if still {
                self.cache_out(&store, &object, &held).await?;
            }
        }
        Ok(())
    }

    async fn in_a_drive(&self, file: &Path) -> Done<bool> {
        for domain in self.virt(async |conn| conn.domains().await).await? {
            if self.seen(&domain.name).await?.is_some_and(|seen| seen.iso.as_deref() == Some(file)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
