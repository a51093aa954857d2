use crate::{DriverError, Secret};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::pin::Pin;
use tokio::io::AsyncRead;

/// A disk on a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskRef {
    /// The pool's uuid.
    pub pool: String,
    /// Path on the pool (for files, the volume's uuid).
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// How full a pool or store is, as it says itself; bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageUse {
    /// Size of the whole.
    pub total: u64,
    /// Bytes taken.
    pub used: u64,
}

/// What a store knows of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateFacts {
    /// Virtual size in bytes.
    pub virtual_bytes: u64,
    /// Bytes on the store.
    pub physical_bytes: u64,
    /// Checksum with its kind, `{SHA-256}…`.
    pub checksum: String,
}

/// What an object on a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectKind {
    /// A template or ISO.
    Template,
    /// A snapshot.
    Snapshot,
    /// A volume that was uploaded and has no place on a pool yet.
    Volume,
}

/// What is to be brought to a store from a URL, and what of it is let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchSpec {
    /// Its name on the store: the uuid of the template or volume.
    pub object: String,
    /// `Template` or `Volume`.
    pub kind: ObjectKind,
    /// Where it is, http or https.
    pub url: String,
    /// The format that it is said to have: `QCOW2`, `RAW`, `ISO` …; something else is refused.
    pub format: String,
    /// The checksum of the file as it is offered: hexadecimal, its kind by its length or before it as in `{SHA-256}…`.
    pub checksum: Option<String>,
    /// Bytes at most, on the way and unpacked.
    pub most_bytes: u64,
    /// Networks (CIDR) of the inside that may be asked all the same; others of the inside never are.
    pub inside: Vec<String>,
}

/// An object's bytes on their way out.
pub struct ObjectReader {
    /// How many there are.
    pub bytes: u64,
    /// They themselves.
    pub body: ObjectBody,
    /// They stand for bytes that never were: a simulated image.
    pub made_up: bool,
}

/// An object that comes from another place of the cloud, as that place knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectSpec {
    /// Its name on the store.
    pub object: String,
    /// What it is.
    pub kind: ObjectKind,
    /// What its bytes have to agree with: so many, with this checksum of SHA-256.
    pub facts: TemplateFacts,
    /// It has no bytes, a simulator made it up.
    pub made_up: bool,
}

/// An object's bytes on their way in.
pub type ObjectBody = Pin<Box<dyn AsyncRead + Send>>;

/// What else a provider needs to reach a store: names as `addImageStore` takes them (`accesskey`, `bucket` …).
pub type StoreDetails = BTreeMap<String, Secret>;

/// Where volumes of running VMs live; each call names the pool by its uuid.
#[async_trait]
pub trait PrimaryStorage: Send + Sync {
    /// Makes contact with a pool that is being added. `url` is as `createStoragePool` was given.
    async fn connect(&self, pool: &str, url: &str) -> Result<StorageUse, DriverError>;
    /// Forgets a pool.
    async fn disconnect(&self, pool: &str) -> Result<(), DriverError>;
    /// Makes an empty disk.
    async fn create(&self, disk: &DiskRef) -> Result<(), DriverError>;
    /// Makes a disk whose first bytes are those of a template.
    async fn create_from_template(&self, disk: &DiskRef, template: &str) -> Result<(), DriverError>;
    /// Deletes a disk.
    async fn delete(&self, disk: &DiskRef) -> Result<(), DriverError>;
    /// Grows a disk to `disk.bytes`.
    async fn resize(&self, disk: &DiskRef) -> Result<(), DriverError>;
    /// The identity of a disk's bytes: equal for a disk and one made from its snapshot or template.
    async fn identity(&self, disk: &DiskRef) -> Result<String, DriverError>;
    /// Keeps the disk's bytes as of now under a snapshot's uuid, on the secondary store.
    async fn snapshot(&self, disk: &DiskRef, snapshot: &str, store: &str) -> Result<TemplateFacts, DriverError>;
    /// Brings a template to a pool before the first disk is made from it; what a driver does at that moment anyway may be nothing now.
    async fn preload(&self, pool: &str, template: &str) -> Result<(), DriverError> {
        let _ = (pool, template);
        Ok(())
    }
    /// Takes away what [`PrimaryStorage::preload`] brought, once the template is gone; disks that lean on it keep it where they are.
    async fn evict(&self, pool: &str, template: &str) -> Result<(), DriverError> {
        let _ = (pool, template);
        Ok(())
    }
    /// Makes a disk whose bytes are those of a snapshot or of an uploaded volume.
    async fn create_from_snapshot(&self, disk: &DiskRef, snapshot: &str, store: &str) -> Result<(), DriverError>;
}

/// Where templates, ISOs, snapshots and uploaded volumes rest; each call names the store by its uuid.
#[async_trait]
pub trait SecondaryStorage: Send + Sync {
    /// Makes contact with a store that is being added, or again after a start.
    async fn connect(&self, store: &str, url: &str, details: &StoreDetails) -> Result<StorageUse, DriverError>;
    /// Brings an object from its URL. It is there when this answers, and nothing of it otherwise; one that is there already stays.
    async fn fetch(&self, store: &str, what: &FetchSpec) -> Result<TemplateFacts, DriverError>;
    /// How much of an object that is being fetched has come, in percent; `None` when nothing is under way or nobody can say.
    async fn progress(&self, store: &str, object: &str) -> Result<Option<u8>, DriverError> {
        let _ = (store, object);
        Ok(None)
    }
    /// Makes a template from a snapshot on the same store.
    async fn template_from_snapshot(&self, store: &str, template: &str, snapshot: &str) -> Result<TemplateFacts, DriverError>;
    /// Puts a second object with the bytes of one beside it, of the same kind. Asked again, the answer is the same.
    async fn duplicate(&self, store: &str, object: &str, copy: &str) -> Result<TemplateFacts, DriverError> {
        Err(DriverError::Unsupported(format!("a copy {copy} of {object} on store {store}")))
    }
    /// Brings a template to another store of this driver.
    async fn copy(&self, from: &str, object: &str, to: &str) -> Result<TemplateFacts, DriverError> {
        let _ = (from, to);
        Err(DriverError::Unsupported(format!("copying {object} from store to store")))
    }
    /// Opens an object to be read from its first byte to its last.
    async fn open(&self, store: &str, object: &str) -> Result<ObjectReader, DriverError> {
        let _ = store;
        Err(DriverError::Unsupported(format!("reading {object}")))
    }
    /// Takes an object in whose bytes come along. It is there when this answers, and nothing of it otherwise; one that is there already
    /// stays, and its bytes need not be read.
    async fn receive(&self, store: &str, what: &ObjectSpec, body: ObjectBody) -> Result<TemplateFacts, DriverError> {
        let _ = (store, body);
        Err(DriverError::Unsupported(format!("taking in {}", what.object)))
    }
    /// Brings an object to where pools can read it, for stores that hosts do not see themselves. Pools ask for what they miss.
    async fn stage(&self, store: &str, object: &str) -> Result<(), DriverError> {
        let _ = (store, object);
        Ok(())
    }
    /// Brings what a pool put on the store to where it is to rest, for stores that hosts do not see themselves.
    async fn settle(&self, store: &str, object: &str) -> Result<(), DriverError> {
        let _ = (store, object);
        Ok(())
    }
    /// The names of all objects on a store, for checks.
    async fn list(&self, store: &str) -> Result<Vec<String>, DriverError> {
        Err(DriverError::Unsupported(format!("listing store {store}")))
    }
    /// Deletes an object by its uuid.
    async fn delete(&self, store: &str, object: &str) -> Result<(), DriverError>;
}
