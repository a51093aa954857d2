//! What this host sees of others on shared storage, and what it therefore says of one that is silent.
//!
//! `Dead` is a promise that none of its VMs runs, so it takes all of this: the lease has stood still for its whole time as this host's
//! clock has it; of every VM that the lease names, QEMU holds no disk any more; those locks would be seen here (once, while the host
//! lived, one of its disks on that pool was seen locked: a file system mounted without locks never shows that); and the host answers
//! no ping. A host that dies with VMs on disks of its own is `Unknown` for ever, and so is one that this host has not watched long enough.
//!
//! QEMU locks bytes of an image file while it has it open for writing (`block/file-posix.c`): byte 101 stands for writing. They are
//! looked at without being taken, which would disturb a migration.
use crate::keep::io;
use crate::lease::{DiskAt, Lease};
use crate::{Done, Kvm};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use stratus_drivers::{DriverError, Fate};

/// The byte that QEMU locks for writing.
const WRITES: i64 = 101;
/// Disks of a host that are looked at until one was seen locked.
const TRIED: usize = 4;
/// Longest look at a pool.
const PATIENCE: Duration = Duration::from_secs(10);

/// Another host's lease on a pool.
#[derive(Debug, Clone)]
struct Watched {
    lease: Lease,
    changed: Instant,
    /// It was seen to change, so that who wrote it lived then.
    moved: bool,
    /// A lock of that host's was seen here.
    locks: bool,
}

/// Leases by pool and host.
#[derive(Default)]
pub(crate) struct Witness {
    seen: Mutex<HashMap<(String, String), Watched>>,
    /// Pools that are being looked at.
    looking: Mutex<BTreeSet<String>>,
}

impl Witness {
    fn seen(&self) -> MutexGuard<'_, HashMap<(String, String), Watched>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn looking(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what lies on a pool now; true for those whose locks are still to be seen.
    fn take(&self, pool: &str, found: Vec<Lease>, now: Instant) -> Vec<Lease> {
        let mut seen = self.seen();
        seen.retain(|(at, host), _| at != pool || found.iter().any(|lease| lease.host == *host));
        let mut open = Vec::new();
        for lease in found {
            let key = (pool.to_owned(), lease.host.clone());
            let watched = seen.entry(key).or_insert_with(|| Watched { lease: lease.clone(), changed: now, moved: false, locks: false });
            if (&watched.lease.epoch, watched.lease.turn) != (&lease.epoch, lease.turn) {
                *watched = Watched { lease: lease.clone(), changed: now, moved: true, locks: watched.locks };
            }
            if watched.changed == now && watched.moved && !watched.locks {
                open.push(lease);
            }
        }
        open
    }
}

/// Whether some process, here or wherever the file system knows it, has an image open for writing. One that is gone nobody has.
fn written(file: &Path) -> Done<bool> {
    use nix::fcntl::{FcntlArg, fcntl};
    use nix::libc;
    let image = match std::fs::File::open(file) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        other => other.map_err(io(file))?,
    };
    let mut lock = libc::flock { l_type: libc::F_WRLCK as _, l_whence: libc::SEEK_SET as _, l_start: WRITES, l_len: 1, l_pid: 0 };
    fcntl(&image, FcntlArg::F_OFD_GETLK(&mut lock)).map_err(|e| io(file)(e.into()))?;
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

/// The leases in a folder but one's own. One that cannot be read is as if it had not changed.
fn leases(folder: &Path, own: &str) -> Done<Vec<Lease>> {
    let entries = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(io(folder))?,
    };
    let mut all = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let Some(host) = name.to_str().and_then(|name| name.strip_suffix(".json")).filter(|host| *host != own) else { continue };
        let lease = std::fs::read(entry.path()).ok().and_then(|bytes| serde_json::from_slice::<Lease>(&bytes).ok());
        all.extend(lease.filter(|lease| lease.host == host));
    }
    Ok(all)
}

impl Kvm {
    /// Looks at the leases of others on every shared pool.
    pub(crate) async fn leases_look(&self) {
        let Ok(folders) = self.lease_folders() else { return };
        self.witness.seen().retain(|(pool, _), _| folders.contains_key(pool));
        for (pool, folder) in folders {
            if !self.witness.looking().insert(pool.clone()) {
                continue;
            }
            let (me, own) = (self.me.clone(), self.config.host.clone());
            let work = tokio::spawn(async move {
                let (at, base) = (folder.clone(), folder.parent().map(PathBuf::from).unwrap_or_default());
                let found = crate::image::blocking(move || leases(&at, &own)).await;
                let Some(kvm) = me.upgrade() else { return };
                kvm.witness.looking().remove(&pool);
                match found {
                    Ok(found) => kvm.locks_look(&pool, &base, kvm.witness.take(&pool, found, Instant::now())).await,
                    Err(error) => tracing::warn!(pool, %error, "other hosts' leases cannot be read"),
                }
            });
            // A pool that hangs is left to itself.
            let _ = tokio::time::timeout(PATIENCE, work).await;
        }
    }

    /// Sees whether locks of living hosts reach this one.
    async fn locks_look(&self, pool: &str, base: &Path, open: Vec<Lease>) {
        for lease in open {
            let here = lease.vms.values().flatten().filter(|disk| disk.pool == pool).take(TRIED);
            let files: Vec<PathBuf> = here.filter_map(|disk| Some(base.join(crate::keep::plain("a disk", &disk.path).ok()?))).collect();
            let seen = crate::image::blocking(move || Ok(files.iter().any(|file| written(file).unwrap_or(false)))).await;
            if let (Ok(true), Some(watched)) = (seen, self.witness.seen().get_mut(&(pool.to_owned(), lease.host.clone()))) {
                watched.locks = true;
            }
        }
    }

    /// For how long a host's lease has stood still on every shared pool that has one, by this host's clock.
    pub fn lease_age(&self, host: &str) -> Option<Duration> {
        self.witness.seen().iter().filter(|((_, of), _)| of == host).map(|(_, w)| w.changed.elapsed()).min()
    }

    /// Whether a lock of a host's guests was ever seen here.
    pub fn locks_seen(&self, host: &str) -> bool {
        self.witness.seen().iter().any(|((_, of), w)| of == host && w.locks)
    }

    /// What became of a silent host, as far as can be seen from here.
    pub(crate) async fn host_fate(&self, host: &str) -> Done<Fate> {
        let seen: BTreeMap<String, Watched> =
            self.witness.seen().iter().filter(|((_, of), _)| of == host).map(|((pool, _), w)| (pool.clone(), w.clone())).collect();
        if seen.values().any(|w| w.moved && w.changed.elapsed() < self.lease_time()) {
            return Ok(Fate::Alive);
        }
        let mut sure = !seen.is_empty() && seen.values().all(|w| w.changed.elapsed() >= self.lease_time());
        for disks in seen.values().flat_map(|w| w.lease.vms.values()) {
            match self.vm_fate(&seen, disks).await? {
                Fate::Alive => return Ok(Fate::Alive),
                Fate::Unknown => sure = false,
                Fate::Dead => {}
            }
        }
        match self.answers(&seen).await {
            Ok(true) => return Ok(Fate::Alive),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(host, %error, "nobody can ask a silent host: this one has no ping");
                sure = false;
            }
        }
        Ok(if sure { Fate::Dead } else { Fate::Unknown })
    }

    /// Whether a VM of another host runs, by its disks: one that is written to tells that it does, one that would show it and does not
    /// tells that it does not.
    async fn vm_fate(&self, seen: &BTreeMap<String, Watched>, disks: &[DiskAt]) -> Done<Fate> {
        let mut fate = Fate::Unknown;
        for disk in disks {
            let Some(watched) = seen.get(&disk.pool) else { continue };
            let file = self.disk_file(&disk.pool, &disk.path)?;
            let look = tokio::time::timeout(PATIENCE, crate::image::blocking(move || written(&file)));
            match look.await.map_err(|_| DriverError::Unreachable(format!("pool {}", disk.pool)))?? {
                true => return Ok(Fate::Alive),
                false if watched.locks => fate = Fate::Dead,
                false => {}
            }
        }
        Ok(fate)
    }

    /// Whether a host answers at one of its addresses. Where it cannot be asked nobody knows.
    async fn answers(&self, seen: &BTreeMap<String, Watched>) -> Done<bool> {
        let own = self.addresses().await;
        let theirs: BTreeSet<_> = seen.values().flat_map(|w| &w.lease.addresses).filter(|a| !own.contains(a)).collect();
        for address in theirs {
            if self.run.ask("ping", &["-n", "-q", "-c", "1", "-W", "2", &address.to_string()]).await?.ok {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(turn: u64) -> Lease {
        Lease { host: "h".into(), epoch: "e".into(), turn, ..Lease::default() }
    }

    #[test]
    fn a_lease_lives_while_its_number_grows_and_goes_with_its_file() {
        let (witness, start) = (Witness::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let of = || witness.seen().get(&("p".to_owned(), "h".to_owned())).cloned();
        assert!(witness.take("p", vec![lease(1)], start).is_empty(), "nobody knows whether it is old");
        assert_eq!(witness.take("p", vec![lease(1)], at(1)).len(), 0);
        assert!(!of().unwrap().moved);
        assert_eq!(witness.take("p", vec![lease(2)], at(2)), [lease(2)]);
        witness.take("p", vec![lease(2)], at(3));
        assert_eq!((of().unwrap().changed, of().unwrap().moved), (at(2), true));
        witness.take("q", Vec::new(), at(4));
        assert!(of().is_some(), "another pool is another");
        witness.take("p", Vec::new(), at(4));
        assert!(of().is_none());
    }

    #[test]
    fn an_image_is_being_written_to_when_its_byte_is_locked_and_not_when_it_is_gone() {
        use nix::fcntl::{FcntlArg, fcntl};
        use nix::libc;
        let image = tempfile::NamedTempFile::new().unwrap();
        assert!(!written(image.path()).unwrap());
        let lock = libc::flock { l_type: libc::F_RDLCK as _, l_whence: libc::SEEK_SET as _, l_start: WRITES, l_len: 1, l_pid: 0 };
        fcntl(image.as_file(), FcntlArg::F_OFD_SETLK(&lock)).unwrap();
        assert!(written(image.path()).unwrap(), "QEMU's locks are shared ones");
        let path = image.path().to_owned();
        drop(image);
        assert!(!written(&path).unwrap());
    }
}
