//! Primary storage: pools and disks. A disk is thin; whether it has bytes is said by its identity (`images.rs`).
use crate::Sim;
use crate::fault::Op;
use crate::url::Query;
use crate::world::{Disk, Object, Pool, Record, TemplateCopy};
use async_trait::async_trait;
use sha2::{Digest, Sha256};
use std::borrow::Cow::Borrowed;
use std::collections::HashMap;
use std::fmt::Write;
use stratus_drivers::{DiskRef, DriverError, ObjectKind, PrimaryStorage, StorageUse, TemplateFacts};

type Done<T = ()> = Result<T, DriverError>;

#[async_trait]
impl PrimaryStorage for Sim {
    async fn connect(&self, pool: &str, url: &str) -> Done<StorageUse> {
        self.run(Op::PoolConnect, &[pool, url], || self.pool_connect(pool, url)).await
    }
    async fn disconnect(&self, pool: &str) -> Done {
        self.run(Op::PoolDisconnect, &[pool], || self.pool_disconnect(pool)).await
    }
    async fn create(&self, disk: &DiskRef) -> Done {
        self.run(Op::DiskCreate, &[&disk.pool, &disk.path], || self.disk_create(disk, (0, identity(EMPTY)))).await
    }
    async fn create_from_template(&self, disk: &DiskRef, template: &str) -> Done {
        self.run(Op::DiskFromTemplate, &[&disk.pool, &disk.path, template], || {
            let _stays = self.images.stay();
            let source = self.template_source(&disk.pool, template)?;
            self.disk_create(disk, source)
        })
        .await
    }
    async fn preload(&self, pool: &str, template: &str) -> Done {
        self.run(Op::PoolPreload, &[pool, template], || {
            let _stays = self.images.stay();
            let (physical, identity) = self.template_source(pool, template)?;
            self.template_put(pool, template, TemplateCopy { physical, identity })
        })
        .await
    }
    async fn evict(&self, pool: &str, template: &str) -> Done {
        self.run(Op::PoolEvict, &[pool, template], || self.template_evict(pool, template)).await
    }
    async fn delete(&self, disk: &DiskRef) -> Done {
        self.run(Op::DiskDelete, &[&disk.pool, &disk.path], || self.disk_delete(disk)).await
    }
    async fn resize(&self, disk: &DiskRef) -> Done {
        self.run(Op::DiskResize, &[&disk.pool, &disk.path], || self.disk_resize(disk)).await
    }
    async fn identity(&self, disk: &DiskRef) -> Done<String> {
        self.run(Op::DiskIdentity, &[&disk.pool, &disk.path], || {
            self.with_disk(&disk.pool, &disk.path, |_, there| Ok(there.identity.clone()))
        })
        .await
    }
    async fn snapshot(&self, disk: &DiskRef, snapshot: &str, store: &str) -> Done<TemplateFacts> {
        self.run(Op::Snapshot, &[&disk.pool, &disk.path, snapshot, store], || {
            let _stays = self.images.stay();
            let facts = self.with_disk(&disk.pool, &disk.path, |_, there| {
                let Disk { bytes, physical, identity, .. } = there;
                Ok(TemplateFacts { virtual_bytes: *bytes, physical_bytes: *physical, checksum: identity.clone() })
            })?;
            self.object_put(store, snapshot, Object { kind: ObjectKind::Snapshot, facts })
        })
        .await
    }
    async fn create_from_snapshot(&self, disk: &DiskRef, snapshot: &str, store: &str) -> Done {
        self.run(Op::DiskFromSnapshot, &[&disk.pool, &disk.path, snapshot, store], || {
            let _stays = self.images.stay();
            let kinds = [ObjectKind::Snapshot, ObjectKind::Volume];
            let source = self.with_store(store, |store| store.objects.get(snapshot).and_then(bytes_of(&kinds)))?;
            let source = source.ok_or_else(|| DriverError::Missing(format!("snapshot {snapshot} on store {store}")))?;
            self.disk_create(disk, source)
        })
        .await
    }
}

/// An identity in the form of a checksum.
pub(crate) fn identity(of: &str) -> String {
    Sha256::digest(of).iter().fold("{SHA-256}".to_owned(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Of this a disk is made to which nothing was written.
pub(crate) const EMPTY: &str = "nothing written";

/// What a disk takes from an object of one of these kinds: its physical size and identity.
fn bytes_of(kinds: &[ObjectKind]) -> impl Fn(&Object) -> Option<(u64, String)> {
    move |object| kinds.contains(&object.kind).then(|| (object.facts.physical_bytes, object.facts.checksum.clone()))
}

/// The pool, if it was added.
pub(crate) fn known<'a>(pools: &'a mut HashMap<String, Pool>, pool: &str) -> Done<&'a mut Pool> {
    pools.get_mut(pool).ok_or_else(|| DriverError::Unreachable(format!("pool {pool}")))
}

impl Sim {
    /// What a disk of a template is made from: the pool's own copy, else the one on a store.
    fn template_source(&self, pool: &str, template: &str) -> Done<(u64, String)> {
        let here = self.world.pools.with(pool, |pools| Ok(known(pools, pool)?.templates.get(template).cloned()))?;
        if let Some(copy) = here {
            return Ok((copy.physical, copy.identity));
        }
        let source = self.world.stores.find(|store| store.objects.get(template).and_then(bytes_of(&[ObjectKind::Template])));
        source.ok_or_else(|| DriverError::Missing(format!("template {template}")))
    }

    /// Puts a template's copy on a pool; one that is there stays.
    fn template_put(&self, pool: &str, template: &str, copy: TemplateCopy) -> Done {
        self.world.pools.with(pool, |pools| {
            let state = known(pools, pool)?;
            if state.templates.contains_key(template) {
                return Ok(());
            }
            let (free, needs) = (state.total.saturating_sub(state.used), copy.physical);
            if needs > free {
                return Err(DriverError::NoRoom(format!("pool {pool} has {free} bytes left, template {template} needs {needs}")));
            }
            self.note(&Record::TemplateCopy { pool: Borrowed(pool), template: Borrowed(template), copy: Borrowed(&copy) })?;
            state.put_template(template, copy);
            Ok(())
        })
    }

    fn template_evict(&self, pool: &str, template: &str) -> Done {
        let gone = self.world.pools.with(pool, |pools| {
            let state = known(pools, pool)?;
            if state.templates.contains_key(template) {
                self.note(&Record::TemplateCopyGone { pool: Borrowed(pool), template: Borrowed(template) })?;
            }
            Ok(state.take_template(template))
        })?;
        self.images_released(gone.iter().map(|copy| &copy.identity));
        Ok(())
    }

    fn pool_connect(&self, pool: &str, url: &str) -> Done<StorageUse> {
        let mut query = Query::of(url)?;
        let total = query.bytes("size", self.defaults.pool_bytes)?;
        query.done()?;
        self.world.pools.with(pool, |pools| {
            self.note(&Record::Pool { pool: Borrowed(pool), total })?;
            let state = pools.entry(pool.to_owned()).or_default();
            state.total = total;
            Ok(StorageUse { total, used: state.used })
        })
    }

    fn pool_disconnect(&self, pool: &str) -> Done {
        self.world.pools.with(pool, |pools| {
            if pools.contains_key(pool) {
                self.note(&Record::PoolGone { pool: Borrowed(pool) })?;
                pools.remove(pool);
            }
            Ok(())
        })
    }

    /// Makes a disk from (physical size, identity). One that is there stays as it is: its VM may have written to it since.
    pub(crate) fn disk_create(&self, disk: &DiskRef, (physical, identity): (u64, String)) -> Done {
        let DiskRef { pool, path, bytes } = disk;
        self.world.pools.with(pool, |pools| {
            let state = known(pools, pool)?;
            match state.disks.get(path) {
                Some(there) if there.bytes == *bytes => return Ok(()),
                Some(there) => return Err(DriverError::Failed(format!("disk {path} is there with {} bytes, not {bytes}", there.bytes))),
                None => {}
            }
            let physical = physical.min(*bytes);
            let free = state.total.saturating_sub(state.used);
            if physical > free || *bytes > state.total {
                let total = state.total;
                return Err(DriverError::NoRoom(format!(
                    "pool {pool} has {free} of {total} bytes left, disk {path} of {bytes} needs {physical}"
                )));
            }
            let made = Disk { bytes: *bytes, physical, identity, boots: 0, kept: Default::default() };
            self.note(&Record::Disk { pool: Borrowed(pool), path: Borrowed(path), disk: Borrowed(&made) })?;
            state.put(path, made);
            Ok(())
        })
    }

    fn disk_delete(&self, disk: &DiskRef) -> Done {
        let DiskRef { pool, path, .. } = disk;
        let gone = self.world.pools.with(pool, |pools| {
            let state = known(pools, pool)?;
            if state.disks.contains_key(path) {
                self.note(&Record::DiskGone { pool: Borrowed(pool), path: Borrowed(path) })?;
            }
            Ok(state.take(path))
        })?;
        if let Some(disk) = gone {
            self.images_released(disk.kept.values().chain([&disk.identity]));
        }
        Ok(())
    }

    fn disk_resize(&self, disk: &DiskRef) -> Done {
        let DiskRef { pool, path, bytes } = disk;
        self.world.pools.with(pool, |pools| {
            let state = known(pools, pool)?;
            let total = state.total;
            let there = state.disks.get_mut(path).ok_or_else(|| missing(pool, path))?;
            if there.bytes > *bytes {
                return Err(DriverError::Failed(format!("disk {path} has {} bytes and does not shrink to {bytes}", there.bytes)));
            }
            if *bytes > total {
                return Err(DriverError::NoRoom(format!("pool {pool} has {total} bytes in all, disk {path} would have {bytes}")));
            }
            self.disk_change(disk, there, |there| there.bytes = *bytes).map(drop)
        })
    }

    /// Writes a changed disk down and then puts it in the place of the old one. What it takes on the pool stays.
    fn disk_change<'a>(&self, at: &DiskRef, there: &'a mut Disk, change: impl FnOnce(&mut Disk)) -> Done<&'a Disk> {
        let mut changed = there.clone();
        change(&mut changed);
        self.note(&Record::Disk { pool: Borrowed(&at.pool), path: Borrowed(&at.path), disk: Borrowed(&changed) })?;
        *there = changed;
        Ok(there)
    }

    fn with_disk<T>(&self, pool: &str, path: &str, work: impl FnOnce(&Self, &mut Disk) -> Done<T>) -> Done<T> {
        self.world.pools.with(pool, |pools| {
            let disk = known(pools, pool)?.disks.get_mut(path);
            work(self, disk.ok_or_else(|| missing(pool, path))?)
        })
    }

    /// Whether a disk is where a VM expects it.
    pub(crate) fn disk_present(&self, pool: &str, path: &str) -> Done {
        self.with_disk(pool, path, |_, _| Ok(()))
    }

    /// Counts a boot from a disk.
    pub(crate) fn disk_boot(&self, pool: &str, path: &str) -> Done<u32> {
        let at = DiskRef { pool: pool.to_owned(), path: path.to_owned(), bytes: 0 };
        self.with_disk(pool, path, |sim, disk| Ok(sim.disk_change(&at, disk, |disk| disk.boots += 1)?.boots))
    }

    fn at(pool: &str, path: &str) -> DiskRef {
        DiskRef { pool: pool.to_owned(), path: path.to_owned(), bytes: 0 }
    }

    /// Keeps a disk's bytes as of now under a VM snapshot's uuid; what is kept already stays.
    pub(crate) fn disk_keep(&self, pool: &str, path: &str, snapshot: &str) -> Done {
        self.with_disk(pool, path, |sim, disk| match disk.kept.contains_key(snapshot) {
            true => Ok(()),
            false => sim.disk_change(&Self::at(pool, path), disk, |d| drop(d.kept.insert(snapshot.into(), d.identity.clone()))).map(drop),
        })
    }

    /// Whether a disk has a VM snapshot.
    pub(crate) fn disk_kept(&self, pool: &str, path: &str, snapshot: &str) -> Done {
        self.with_disk(pool, path, |_, disk| match disk.kept.contains_key(snapshot) {
            true => Ok(()),
            false => Err(DriverError::Missing(format!("snapshot {snapshot} of disk {path}"))),
        })
    }

    /// Gives a disk the bytes that it had at a VM snapshot.
    pub(crate) fn disk_revert(&self, pool: &str, path: &str, snapshot: &str) -> Done {
        let was = self.with_disk(pool, path, |sim, disk| {
            let Some(then) = disk.kept.get(snapshot).cloned() else { return Ok(None) };
            let was = disk.identity.clone();
            sim.disk_change(&Self::at(pool, path), disk, |d| d.identity = then).map(|_| Some(was))
        })?;
        self.images_released(was.iter());
        Ok(())
    }

    /// Forgets a VM snapshot of a disk.
    pub(crate) fn disk_forget(&self, pool: &str, path: &str, snapshot: &str) -> Done {
        let was = self.with_disk(pool, path, |sim, disk| match disk.kept.get(snapshot).cloned() {
            Some(was) => sim.disk_change(&Self::at(pool, path), disk, |d| drop(d.kept.remove(snapshot))).map(|_| Some(was)),
            None => Ok(None),
        })?;
        self.images_released(was.iter());
        Ok(())
    }

    /// Writes to a disk, as its guest would: it has another, made-up identity afterwards, which is the answer.
    pub fn scribble(&self, disk: &DiskRef) -> Result<String, DriverError> {
        let (was, is) = self.with_disk(&disk.pool, &disk.path, |sim, there| {
            let was = there.identity.clone();
            let fresh = identity(&format!("{} {} {was}", disk.pool, disk.path));
            Ok((was, sim.disk_change(disk, there, |there| there.identity = fresh)?.identity.clone()))
        })?;
        self.images_released([&was].into_iter());
        Ok(is)
    }

    /// The same disk in another place, the VM that uses it being under way there. One that is there came the first time.
    pub(crate) fn disk_follow(&self, from: &DiskRef, to: &DiskRef) -> Done {
        let _stays = self.images.stay();
        if self.disk_present(&to.pool, &to.path).is_ok() {
            return Ok(());
        }
        let source = self.with_disk(&from.pool, &from.path, |_, there| Ok((there.physical, there.identity.clone())))?;
        self.disk_create(to, source)
    }
}

fn missing(pool: &str, path: &str) -> DriverError {
    DriverError::Missing(format!("disk {path} on pool {pool}"))
}
