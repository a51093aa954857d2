//! What this host says on storage that others see: which VMs it runs, renewed every few seconds, a file on each shared pool.
//!
//! One lease a host and not one a VM: the traffic is a small file for each host and pool however many guests there are, and a host that
//! has no VMs can be told dead as well. It names VMs ahead: one that is to start or to arrive is written down before it may. Others
//! watch whether the number in it grows, each by its own clock (`witness.rs`); no two machines have to agree on the time.
//!
//! A host that cannot renew its lease on a pool for two thirds of `lease_seconds` cuts the power of the VMs with disks there, so that
//! nothing of them runs when others may say so. It is the driver that does this: one that was killed keeps nothing and stops nothing.
//! That its guests run on is then seen by QEMU's own locks on their disks, without which nobody is called dead.
use crate::domain::Seen;
use crate::keep::{gone, io, plain};
use crate::place::Place;
use crate::primary::TEMPLATES;
use crate::{Done, Kvm};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use stratus_drivers::{DriverError, VmSpec};

/// Where leases lie on a pool.
const FOLDER: &str = ".hosts";
/// Longest wait for a pool to take a lease; it is tried on without being waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a VM that was to start or to arrive is named although it is not seen.
const EXPECTED: Duration = Duration::from_secs(600);
/// Renewals after which this host's addresses are looked up again.
const ADDRESSES: u64 = 20;
/// How long libvirt may take to cut a VM's power before its process is ended.
const CUT: Duration = Duration::from_secs(15);

/// What stands in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// The host's uuid.
    pub host: String,
    /// The start of the driver that renews it.
    pub epoch: String,
    /// Grows with each renewal.
    pub turn: u64,
    /// When, in seconds since 1970 by the host's clock; for people, nobody reckons with it.
    pub at: u64,
    /// Addresses of the host.
    pub addresses: Vec<Ipv4Addr>,
    /// Every VM that runs there or is about to, with its disks on shared pools.
    pub vms: BTreeMap<String, Vec<DiskAt>>,
}

/// A disk on a shared pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DiskAt {
    pub pool: String,
    pub path: String,
}

/// What this host says, and how well it is heard.
#[derive(Default)]
pub(crate) struct Leases {
    /// Held while it is written, so that an older word never follows a newer one.
    word: tokio::sync::Mutex<Word>,
    /// By pool.
    kept: Mutex<HashMap<String, Kept>>,
}

#[derive(Default)]
struct Word {
    epoch: String,
    turn: u64,
    addresses: Vec<Ipv4Addr>,
    vms: BTreeMap<String, Named>,
}

struct Named {
    disks: Vec<DiskAt>,
    /// Named ahead: until when it stays although it is not seen.
    until: Option<Instant>,
}

struct Kept {
    /// When the last renewal that succeeded began.
    renewed: Instant,
    writing: bool,
}

impl Leases {
    fn kept(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renews the leases and looks at the others' until the driver is gone.
pub(crate) async fn keep(kvm: Weak<Kvm>) {
    loop {
        let Some(it) = kvm.upgrade() else { return };
        let pause = it.lease_time() / 15;
        if let Err(error) = it.lease_renew().await {
            tracing::warn!(%error, "a lease was not renewed");
        }
        it.lease_fence().await;
        it.leases_look().await;
        drop(it);
        tokio::time::sleep(pause).await;
    }
}

/// Writes a lease where it appears whole, and only when the pool has it: not into the empty folder that a pool leaves which is no longer
/// mounted.
fn write(folder: &Path, lease: &Lease) -> Done {
    if !folder.with_file_name(TEMPLATES).is_dir() {
        return Err(DriverError::Missing(format!("the pool of {}", folder.display())));
    }
    if !folder.is_dir() {
        std::fs::create_dir(folder).or_else(|e| if folder.is_dir() { Ok(()) } else { Err(e) }).map_err(io(folder))?;
    }
    let bytes = serde_json::to_vec(lease).map_err(|e| DriverError::Failed(e.to_string()))?;
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder).map_err(io(folder))?;
    file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(io(folder))?;
    let path = folder.join(format!("{}.json", plain("a host", &lease.host)?));
    file.persist(&path).map(drop).map_err(|e| io(&path)(e.error))
}

impl Kvm {
    /// How long a lease lasts.
    pub(crate) fn lease_time(&self) -> Duration {
        Duration::from_secs(self.config.lease_seconds.max(3))
    }

    /// Whether other hosts see a pool as this one does: its URL says so, or the settings do.
    pub(crate) fn pool_shared(&self, pool: &str) -> Done<bool> {
        let place: Option<Place> = self.folders.pools.get(plain("a pool", pool)?)?;
        let everywhere = |place: Place| place.export.is_some() || place.url.to_lowercase().starts_with("sharedmountpoint:");
        let mounted = place.is_some_and(everywhere);
        Ok(mounted || self.config.shared_pools.iter().any(|shared| shared == pool))
    }

    /// The folders of leases on shared pools, by pool. A host that was not added has none.
    pub(crate) fn lease_folders(&self) -> Done<BTreeMap<String, PathBuf>> {
        let mut all = BTreeMap::new();
        if self.folders.hosts.get::<String>(&self.config.host)?.is_none() {
            return Ok(all);
        }
        for pool in self.folders.pools.names()? {
            if self.pool_shared(&pool)? {
                // Also when it is not mounted: that it cannot be written to is to be noticed.
                let place: Option<Place> = self.folders.pools.get(&pool)?;
                all.extend(place.map(|place| (pool, place.path.join(FOLDER))));
            }
        }
        Ok(all)
    }

    /// Says what runs here on every shared pool.
    async fn lease_renew(&self) -> Done {
        let folders = self.lease_folders()?;
        let mut word = self.leases.word.lock().await;
        if let Err(error) = self.lease_look(&mut word).await {
            // What was said of them still stands.
            tracing::debug!(%error, "libvirt does not say what runs");
        }
        let lease = self.lease_next(&mut word).await;
        self.leases.kept().retain(|pool, kept| folders.contains_key(pool) || kept.writing);
        let lease = &lease;
        let writes = folders.iter().map(|(pool, folder)| async move {
            if let Err(error) = self.lease_write(pool, folder, lease).await {
                tracing::warn!(pool, %error, "this host has no fresh lease on a pool");
            }
        });
        futures_all(writes).await;
        Ok(())
    }

    /// Brings the word up to date with what libvirt runs.
    async fn lease_look(&self, word: &mut Word) -> Done {
        let domains = self.virt(async |conn| conn.domains().await).await?;
        let now = Instant::now();
        word.vms.retain(|name, named| domains.iter().any(|d| d.name == *name) || named.until.is_some_and(|until| until > now));
        for domain in domains {
            let known = word.vms.get(&domain.name).is_some_and(|named| named.until.is_none());
            if known {
                continue;
            }
            if let Some(seen) = self.seen(&domain.name).await? {
                let disks = self.disks_shared(&seen)?;
                word.vms.insert(domain.name, Named { disks, until: None });
            }
        }
        Ok(())
    }

    /// The disks of a domain that lie on shared pools.
    fn disks_shared(&self, seen: &Seen) -> Done<Vec<DiskAt>> {
        let mut all = Vec::new();
        for (pool, folder) in self.lease_folders()? {
            for (_, file) in &seen.disks {
                let inside = file.parent() == folder.parent();
                if let Some(path) = file.file_name().and_then(|name| name.to_str()).filter(|_| inside) {
                    all.push(DiskAt { pool: pool.clone(), path: path.to_owned() });
                }
            }
        }
        Ok(all)
    }

    async fn lease_next(&self, word: &mut Word) -> Lease {
        if word.epoch.is_empty() {
            word.epoch = uuid::Uuid::new_v4().to_string();
        }
        if word.turn.is_multiple_of(ADDRESSES) {
            word.addresses = self.addresses().await;
        }
        word.turn += 1;
        Lease {
            host: self.config.host.clone(),
            epoch: word.epoch.clone(),
            turn: word.turn,
            at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            addresses: word.addresses.clone(),
            vms: word.vms.iter().map(|(name, named)| (name.clone(), named.disks.clone())).collect(),
        }
    }

    /// This host's own IPv4 addresses.
    pub(crate) async fn addresses(&self) -> Vec<Ipv4Addr> {
        let Ok(text) = self.run.run("ip", &["-j", "-4", "addr", "show", "scope", "global"]).await else { return Vec::new() };
        let links: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap_or_default();
        let infos = links.iter().filter_map(|link| link["addr_info"].as_array()).flatten();
        infos.filter_map(|info| info["local"].as_str()?.parse().ok()).collect()
    }

    /// Writes a lease to a pool. A pool that hangs is not asked again before it has answered.
    async fn lease_write(&self, pool: &str, folder: &Path, lease: &Lease) -> Done {
        let began = Instant::now();
        {
            let mut all = self.leases.kept();
            let kept = all.entry(pool.to_owned()).or_insert(Kept { renewed: began, writing: false });
            if kept.writing {
                return Err(DriverError::Unreachable(format!("pool {pool}")));
            }
            kept.writing = true;
        }
        let (me, name, folder, lease) = (self.me.clone(), pool.to_owned(), folder.to_owned(), lease.clone());
        let work = tokio::spawn(async move {
            let done = crate::image::blocking(move || write(&folder, &lease)).await;
            if let Some(kvm) = me.upgrade()
                && let Some(kept) = kvm.leases.kept().get_mut(&name)
            {
                kept.writing = false;
                kept.renewed = if done.is_ok() { began } else { kept.renewed };
            }
            done
        });
        let waited = tokio::time::timeout(PATIENCE, work).await;
        let done = waited.map_err(|_| DriverError::Unreachable(format!("pool {pool}")))?;
        done.map_err(|e| DriverError::Failed(e.to_string()))?
    }

    /// Names a VM before it may run here. The pools of its disks have to have that in writing; others hear of it when they can.
    pub(crate) async fn lease_name(&self, vm: &VmSpec) -> Done {
        let folders = self.lease_folders()?;
        if folders.is_empty() {
            return Ok(());
        }
        let on = |pool: &str| folders.contains_key(pool);
        let disks: Vec<DiskAt> =
            vm.disks.iter().filter(|disk| on(&disk.pool)).map(|disk| DiskAt { pool: disk.pool.clone(), path: disk.path.clone() }).collect();
        let mut word = self.leases.word.lock().await;
        word.vms.insert(vm.name.clone(), Named { disks: disks.clone(), until: Some(Instant::now() + EXPECTED) });
        let lease = self.lease_next(&mut word).await;
        for (pool, folder) in &folders {
            let written = self.lease_write(pool, folder, &lease).await;
            if disks.iter().any(|disk| disk.pool == *pool) {
                written.map_err(|e| DriverError::Failed(format!("VM {} does not run without a lease on its pool: {e}", vm.name)))?;
            }
        }
        Ok(())
    }

    /// Has the disks of a VM looked at anew: it has others now.
    pub(crate) async fn lease_anew(&self, vm: &str) {
        if let Some(named) = self.leases.word.lock().await.vms.get_mut(vm) {
            named.until = Some(Instant::now() + EXPECTED);
        }
    }

    /// Takes this host's lease from a pool that it leaves.
    pub(crate) fn lease_end(&self, pool: &str) -> Done {
        let Some(folder) = self.lease_folders()?.remove(pool) else { return Ok(()) };
        let path = folder.join(format!("{}.json", self.config.host));
        gone(std::fs::remove_file(&path)).map_err(io(&path))?;
        // Another host's lease keeps the folder.
        let _ = std::fs::remove_dir(&folder);
        self.leases.kept().remove(pool);
        Ok(())
    }

    /// Cuts the power of VMs on pools where this host was not heard for too long.
    async fn lease_fence(&self) {
        let limit = self.lease_time() * 2 / 3;
        let late: Vec<String> =
            self.leases.kept().iter().filter(|(_, kept)| kept.renewed.elapsed() > limit).map(|(pool, _)| pool.clone()).collect();
        if late.is_empty() {
            return;
        }
        let word = self.leases.word.lock().await;
        let there = |named: &Named| named.disks.iter().any(|disk| late.contains(&disk.pool));
        let ends: Vec<String> = word.vms.iter().filter(|(_, named)| there(named)).map(|(name, _)| name.clone()).collect();
        drop(word);
        for vm in ends {
            tracing::error!(vm, pools = ?late, "this host is not heard on a pool any more: the VM's power is cut before others start it");
            if let Err(error) = self.power_cut(&vm).await {
                tracing::error!(vm, %error, "the VM's power was not cut");
            }
        }
    }

    /// Ends a VM without asking its disks or its guest anything.
    async fn power_cut(&self, vm: &str) -> Done {
        let cut = self.virt(async |conn| match conn.domain(vm).await? {
            Some(domain) => conn.destroy(&domain).await,
            None => Ok(()),
        });
        match tokio::time::timeout(CUT, cut).await {
            Ok(Ok(())) => Ok(()),
            _ => self.process_end(vm),
        }
    }

    /// Ends a VM's process by the number that libvirt keeps of it, if it is that VM's still.
    fn process_end(&self, vm: &str) -> Done {
        let file = self.config.libvirt_socket.with_file_name("qemu").join(format!("{}.pid", plain("a VM", vm)?));
        let text = std::fs::read_to_string(&file).map_err(io(&file))?;
        let number = text.trim().parse::<i32>().ok().filter(|n| *n > 1).and_then(rustix::process::Pid::from_raw);
        let pid = number.ok_or_else(|| DriverError::Failed(format!("{} has no number in it", file.display())))?;
        let line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        if !line.contains("qemu") || !line.contains(&format!("guest={vm},")) {
            return Ok(());
        }
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).map_err(|e| io(&file)(e.into()))
    }
}

/// Waits for all.
async fn futures_all(all: impl Iterator<Item = impl Future>) {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    std::future::poll_fn(move |cx| {
        all.retain_mut(|one| one.as_mut().poll(cx).is_pending());
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
