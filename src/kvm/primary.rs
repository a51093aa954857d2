//! Primary storage: a folder of qcow2 files. A disk from a template is an overlay over the pool's own copy of that template, which is
//! made once, never written to and goes when neither a disk nor a store needs it.
use crate::image::{self, Format, blocking};
use crate::keep::{gone, io, plain};
use crate::place::{Place, space};
use crate::{Done, Kvm};
use async_trait::async_trait;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stratus_drivers::{DiskRef, DriverError, PrimaryStorage, StorageUse, TemplateFacts};

/// Where templates lie on a pool.
pub(crate) const TEMPLATES: &str = ".templates";
/// How often a running copy is asked about.
const TICK: Duration = Duration::from_millis(100);

#[async_trait]
impl PrimaryStorage for Kvm {
    async fn connect(&self, pool: &str, url: &str) -> Done<StorageUse> {
        let place = self.place_open(pool, url).await?;
        let templates = place.path.join(TEMPLATES);
        std::fs::create_dir_all(&templates).map_err(io(&templates))?;
        self.folders.pools.put(pool, &place)?;
        space(&place.path)
    }
    async fn disconnect(&self, pool: &str) -> Done {
        self.lease_end(pool)?;
        let place: Option<Place> = self.folders.pools.get(plain("a pool", pool)?)?;
        self.folders.pools.remove(pool)?;
        if let Some(place) = place {
            self.place_close(&place).await;
        }
        Ok(())
    }
    async fn create(&self, disk: &DiskRef) -> Done {
        let file = self.disk_file(&disk.pool, &disk.path)?;
        let _held = self.locks.hold(&disk.path).await;
        if file.exists() {
            return Ok(());
        }
        self.appear(&file, async |new| image::create(&self.run, new, disk.bytes, None).await).await
    }
    async fn create_from_template(&self, disk: &DiskRef, template: &str) -> Done {
        self.disk_from_template(disk, template).await
    }
    async fn delete(&self, disk: &DiskRef) -> Done {
        self.disk_delete(disk).await
    }
    async fn resize(&self, disk: &DiskRef) -> Done {
        self.disk_resize(disk).await
    }
    async fn identity(&self, disk: &DiskRef) -> Done<String> {
        let file = self.disk_there(disk)?;
        let raw = temporary(&file)?;
        image::convert(&self.run, (&file, Format::Qcow2), &raw, Format::Raw).await?;
        blocking(move || image::identity(&raw)).await
    }
    async fn snapshot(&self, disk: &DiskRef, snapshot: &str, store: &str) -> Done<TemplateFacts> {
        self.disk_snapshot(disk, snapshot, store).await
    }
    async fn preload(&self, pool: &str, template: &str) -> Done {
        let _kept = self.locks.hold(&format!("template {template}")).await;
        self.base(&self.disk_file(pool, "x")?, plain("a template", template)?).await.map(drop)
    }
    async fn evict(&self, pool: &str, template: &str) -> Done {
        self.base_unused(pool, template).await
    }
    async fn create_from_snapshot(&self, disk: &DiskRef, snapshot: &str, store: &str) -> Done {
        let file = self.disk_file(&disk.pool, &disk.path)?;
        let _held = self.locks.hold(&disk.path).await;
        if file.exists() {
            return Ok(());
        }
        let (from, object) = self.object(store, snapshot)?;
        enough(disk, object.facts.virtual_bytes, snapshot)?;
        self.appear(&file, async |new| {
            image::convert(&self.run, (&from, object.format), new, Format::Qcow2).await?;
            image::resize(&self.run, new, disk.bytes).await
        })
        .await
    }
}

fn enough(disk: &DiskRef, needed: u64, of: &str) -> Done {
    if disk.bytes >= needed {
        return Ok(());
    }
    Err(DriverError::Failed(format!("disk {} of {} bytes is smaller than {of} with {needed}", disk.path, disk.bytes)))
}

/// A file beside another that goes by itself unless it is kept.
fn temporary(beside: &Path) -> Done<tempfile::TempPath> {
    let folder = beside.parent().unwrap_or(Path::new("/"));
    let file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder).map_err(io(folder))?;
    Ok(file.into_temp_path())
}

impl Kvm {
    /// Where a disk's file is or would be.
    pub(crate) fn disk_file(&self, pool: &str, path: &str) -> Done<PathBuf> {
        let place: Option<Place> = self.folders.pools.get(plain("a pool", pool)?)?;
        let place = place.ok_or_else(|| DriverError::Unreachable(format!("pool {pool}")))?;
        Ok(place.ready()?.join(plain("a disk", path)?))
    }

    /// A disk's file, which is there.
    pub(crate) fn disk_there(&self, disk: &DiskRef) -> Done<PathBuf> {
        let file = self.disk_file(&disk.pool, &disk.path)?;
        if file.is_file() { Ok(file) } else { Err(DriverError::Missing(format!("disk {} on pool {}", disk.path, disk.pool))) }
    }

    /// Makes a file that appears when it is whole: written beside under another name, flushed, renamed.
    pub(crate) async fn appear(&self, file: &Path, make: impl AsyncFnOnce(&Path) -> Done) -> Done {
        let new = temporary(file)?;
        make(&new).await?;
        let file = file.to_owned();
        blocking(move || {
            std::fs::File::open(&new).and_then(|f| f.sync_all()).map_err(io(&file))?;
            new.persist(&file).map_err(|e| io(&file)(e.error))?;
            let folder = file.parent().unwrap_or(Path::new("/"));
            std::fs::File::open(folder).and_then(|f| f.sync_all()).map_err(io(folder))
        })
        .await
    }

    async fn disk_from_template(&self, disk: &DiskRef, template: &str) -> Done {
        let file = self.disk_file(&disk.pool, &disk.path)?;
        let name = plain("a template", template)?;
        let _held = self.locks.hold(&disk.path).await;
        let _kept = self.locks.hold(&format!("template {name}")).await;
        if file.exists() {
            return Ok(());
        }
        let base = self.base(&file, name).await?;
        let (bytes, _) = image::own(&base)?;
        enough(disk, bytes, template)?;
        let relative = Path::new(TEMPLATES).join(name);
        self.appear(&file, async |new| image::create(&self.run, new, disk.bytes, Some(&relative)).await).await
    }

    /// The copy of a template that disks beside `file` stand on, made if it is not there. The template's lock is held.
    async fn base(&self, file: &Path, name: &str) -> Done<PathBuf> {
        let base = file.with_file_name(TEMPLATES).join(name);
        if !base.exists() {
            let (from, object) = self.template(name)?;
            self.appear(&base, async |new| image::convert(&self.run, (&from, object.format), new, Format::Qcow2).await).await?;
        }
        Ok(base)
    }

    async fn disk_delete(&self, disk: &DiskRef) -> Done {
        let file = self.disk_file(&disk.pool, &disk.path)?;
        let _held = self.locks.hold(&disk.path).await;
        let base = if file.exists() { image::own(&file).ok().and_then(|(_, base)| base) } else { None };
        gone(std::fs::remove_file(&file)).map_err(io(&file))?;
        let name = base.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        match name {
            Some(name) if !self.template_stays(name)? => self.base_unused(&disk.pool, name).await,
            _ => Ok(()),
        }
    }

    /// Removes a pool's copy of a template that no disk there stands on.
    pub(crate) async fn base_unused(&self, pool: &str, template: &str) -> Done {
        let _kept = self.locks.hold(&format!("template {template}")).await;
        let base = self.disk_file(pool, "x")?.with_file_name(TEMPLATES).join(plain("a template", template)?);
        blocking(move || {
            let folder = base.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
            let relative = Path::new(TEMPLATES).join(base.file_name().unwrap_or_default());
            for entry in std::fs::read_dir(folder).map_err(io(folder))?.filter_map(Result::ok) {
                let used = entry.path().is_file() && image::own(&entry.path()).is_ok_and(|(_, on)| on.as_deref() == Some(&relative));
                if used {
                    return Ok(());
                }
            }
            gone(std::fs::remove_file(&base)).map_err(io(&base))
        })
        .await
    }

    async fn disk_resize(&self, disk: &DiskRef) -> Done {
        let file = self.disk_there(disk)?;
        let _held = self.locks.hold(&disk.path).await;
        let (bytes, _) = image::own(&file)?;
        if disk.bytes < bytes {
            let why = format!("disk {} has {bytes} bytes; with {} its end would be lost", disk.path, disk.bytes);
            return Err(DriverError::Failed(why));
        }
        if disk.bytes == bytes {
            return Ok(());
        }
        match self.user_of(&file).await? {
            Some((domain, target)) => self.virt(async |conn| conn.resize(&domain, &target, disk.bytes).await).await,
            None => image::resize(&self.run, &file, disk.bytes).await,
        }
    }

    async fn disk_snapshot(&self, disk: &DiskRef, snapshot: &str, store: &str) -> Done<TemplateFacts> {
        let file = self.disk_there(disk)?;
        let shelf = self.shelf(store)?;
        let _held = self.locks.hold(snapshot).await;
        if let Ok((_, there)) = self.object(store, snapshot) {
            return Ok(there.facts);
        }
        let coming = shelf.incoming()?;
        match self.user_of(&file).await? {
            Some((domain, target)) => self.disk_copy_live(&domain, &target, coming.path()).await?,
            None => image::convert(&self.run, (&file, Format::Qcow2), coming.path(), Format::Qcow2).await?,
        }
        self.snapshot_keep(store, snapshot, coming).await
    }

    /// Copies a disk of a running VM as it is at this moment: QEMU keeps what the guest overwrites meanwhile until it was copied.
    async fn disk_copy_live(&self, domain: &crate::libvirt::Domain, target: &str, to: &Path) -> Done {
        use crate::libvirt::job_running;
        let _one = self.locks.hold(&format!("backup {}", domain.name)).await;
        let seen = self.seen(&domain.name).await?.ok_or_else(|| DriverError::Missing(format!("VM {}", domain.name)))?;
        let mut disks = String::new();
        for (name, _) in &seen.disks {
            disks.push_str(&if name == target {
                let file = crate::xml::escaped(&to.to_string_lossy());
                format!("<disk name='{name}' backup='yes' type='file'><target file='{file}'/><driver type='qcow2'/></disk>")
            } else {
                format!("<disk name='{name}' backup='no'/>")
            });
        }
        let xml = format!("<domainbackup mode='push'><disks>{disks}</disks></domainbackup>");
        // libvirt makes the target itself.
        gone(std::fs::remove_file(to)).map_err(io(to))?;
        self.virt(async |conn| conn.backup(domain, &xml).await).await?;
        while job_running(self.virt(async |conn| conn.job(domain, false).await).await?.0) {
            tokio::time::sleep(TICK).await;
        }
        let (outcome, why) = self.virt(async |conn| conn.job(domain, true).await).await?;
        // VIR_DOMAIN_JOB_COMPLETED
        if outcome == 3 {
            return Ok(());
        }
        let why = why.unwrap_or_else(|| "it did not end well".to_owned());
        Err(crate::run::full_or_failed(format!("copying disk {target} of {}: {why}", domain.name)))
    }

    /// The running VM that has a file open as a disk, and the disk's name in it.
    pub(crate) async fn user_of(&self, file: &Path) -> Done<Option<(crate::libvirt::Domain, String)>> {
        for domain in self.virt(async |conn| conn.domains().await).await? {
            let Some(seen) = self.seen(&domain.name).await? else { continue };
            if let Some((target, _)) = seen.disks.into_iter().find(|(_, path)| path == file) {
                return Ok(Some((domain, target)));
            }
        }
        Ok(None)
    }
}
