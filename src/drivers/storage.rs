use crate::DriverError;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

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
    /// Makes a disk whose bytes are those of a snapshot.
    async fn create_from_snapshot(&self, disk: &DiskRef, snapshot: &str, store: &str) -> Result<(), DriverError>;
}

/// Where templates, ISOs and snapshots rest; each call names the store by its uuid.
#[async_trait]
pub trait SecondaryStorage: Send + Sync {
    /// Makes contact with a store that is being added.
    async fn connect(&self, store: &str, url: &str) -> Result<StorageUse, DriverError>;
    /// Brings a template from its URL.
    async fn fetch(&self, store: &str, template: &str, url: &str) -> Result<TemplateFacts, DriverError>;
    /// Makes a template from a snapshot on the same store.
    async fn template_from_snapshot(&self, store: &str, template: &str, snapshot: &str) -> Result<TemplateFacts, DriverError>;
    /// Puts a second object with the bytes of one beside it, of the same kind. Asked again, the answer is the same.
    async fn duplicate(&self, store: &str, object: &str, copy: &str) -> Result<TemplateFacts, DriverError> {
        Err(DriverError::Unsupported(format!("a copy {copy} of {object} on store {store}")))
    }
    /// Deletes a template or snapshot by its uuid.
    async fn delete(&self, store: &str, object: &str) -> Result<(), DriverError>;
}
