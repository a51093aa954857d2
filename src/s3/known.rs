//! What was looked up for one request and is still true for the next: keys and buckets. Every write to the database forgets it all, so
//! a disabled user or a changed policy counts from the very next request; where other processes write too, nothing is kept.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use stratus_engine::Engine;
use stratus_model::{Caller, Result};
use stratus_store::S3Bucket;
use zeroize::Zeroizing;

/// Most entries of a kind: names come from outside.
const MOST: usize = 1000;

/// A key's user and secret.
pub type Keyholder = (Arc<Caller>, Arc<Zeroizing<String>>);

#[derive(Default)]
struct Entries {
    at: u64,
    keys: HashMap<String, Keyholder>,
    buckets: HashMap<String, Arc<S3Bucket>>,
}

impl Entries {
    /// The entries of this state of the database.
    fn of(&mut self, at: u64) -> &mut Self {
        if self.at != at || self.keys.len() > MOST || self.buckets.len() > MOST {
            *self = Self { at, ..Self::default() };
        }
        self
    }
}

/// What is known for as long as nothing is written.
#[derive(Default)]
pub struct Known(Mutex<Entries>);

impl Known {
    fn with<T>(&self, at: Option<u64>, look: impl FnOnce(&mut Entries) -> Option<T>) -> Option<T> {
        let at = at?;
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody slower than a write neither finds nor leaves anything.
        if entries.at > at {
            return None;
        }
        look(entries.of(at))
    }

    /// The user of an access key with its secret.
    pub async fn key(&self, engine: &Engine, access: &str) -> Result<Option<Keyholder>> {
        // Taken before the look-up: what is written meanwhile makes the entry one of a state that is over.
        let at = engine.db.written();
        if let Some(found) = self.with(at, |e| e.keys.get(access).cloned()) {
            return Ok(Some(found));
        }
        let Some((caller, secret)) = engine.by_api_key(access).await? else { return Ok(None) };
        let found: Keyholder = (Arc::new(caller), Arc::new(Zeroizing::new(secret)));
        self.with(at, |e| e.keys.insert(access.to_owned(), found.clone()));
        Ok(Some(found))
    }

    /// The live bucket of this name.
    pub async fn bucket(&self, engine: &Engine, name: &str) -> Result<Option<Arc<S3Bucket>>> {
        let at = engine.db.written();
        if let Some(found) = self.with(at, |e| e.buckets.get(name).cloned()) {
            return Ok(Some(found));
        }
        let Some(found) = engine.bucket_named(name).await?.map(Arc::new) else { return Ok(None) };
        self.with(at, |e| e.buckets.insert(name.to_owned(), found.clone()));
        Ok(Some(found))
    }
}
