//! Where pools and stores lie: folders of this machine (`file:///…`, and `SharedMountPoint:///…` that somebody else mounted on every
//! host), and NFS exports (`nfs://SERVER/PATH`) that this host mounts itself.
//!
//! An export is mounted below one folder under the uuid of its pool or store, so at the same path on every host: a VM that moves finds its
//! disks where they were. What is not mounted is never used: the empty folder under a mount would take disks and leases that nobody
//! else sees, and lose them when the mount comes back.
use crate::keep::io;
use crate::{Done, Kvm};
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags};
use serde::{Deserialize, Serialize};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;
use stratus_drivers::{DriverError, StorageUse};

/// Longest that mounting may take; a server that does not answer is tried by the kernel for about as long.
const MOUNTING: Duration = Duration::from_secs(150);
/// Longest name of an NFS server.
const NAME_MAX: usize = 253;

/// Where a pool or store lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub url: String,
    pub path: PathBuf,
    /// What is mounted there by this host: `SERVER:/PATH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<String>,
}

/// The place that a URL means, with exports mounted below `mounts` under their own name.
fn place(url: &str, mounts: &Path, name: &str) -> Done<Place> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let scheme = scheme.to_lowercase();
    match scheme.as_str() {
        "file" | "sharedmountpoint" | "filesystem" => {
            let path = folder(url, rest.strip_prefix("localhost").unwrap_or(rest))?;
            Ok(Place { url: url.to_owned(), path, export: None })
        }
        "nfs" | "networkfilesystem" => {
            let (server, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let path = folder(url, path)?;
            let export = format!("{}:{}", server_name(url, server)?, path.display());
            Ok(Place { url: url.to_owned(), path: mounts.join(name), export: Some(export) })
        }
        _ => Err(DriverError::Unsupported(format!("`{url}`: a KVM host takes file:///…, SharedMountPoint:///… and nfs://SERVER/PATH"))),
    }
}

/// An absolute path without ways back.
fn folder(url: &str, path: &str) -> Done<PathBuf> {
    let path = PathBuf::from(path);
    let whole = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !path.is_absolute() || !whole || path == Path::new("/") {
        return Err(DriverError::Failed(format!("`{url}` does not name a folder")));
    }
    Ok(path)
}

/// A server's name or address as `mount` takes it; nothing that it could take for something else.
fn server_name(url: &str, server: &str) -> Done<String> {
    let bare = server.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let fits = match bare {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
            !server.is_empty() && server.len() <= NAME_MAX && !server.starts_with(['-', '.']) && server.chars().all(plain)
        }
    };
    if fits { Ok(server.to_owned()) } else { Err(DriverError::Failed(format!("`{url}` does not name a server"))) }
}

/// How full the file system of a folder is.
pub(crate) fn space(path: &Path) -> Done<StorageUse> {
    let stat = rustix::fs::statvfs(path).map_err(|e| io(path)(e.into()))?;
    let total = stat.f_blocks * stat.f_frsize;
    Ok(StorageUse { total, used: total - stat.f_bfree * stat.f_frsize })
}

/// Whether something is mounted at a folder. The server of what is mounted is not asked.
fn mounted(path: &Path) -> bool {
    let attributes = rustix::fs::statx(CWD, path, AtFlags::STATX_DONT_SYNC, StatxFlags::empty());
    attributes.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

impl Place {
    /// Its folder, if it is to be used: an export has to be mounted there.
    pub fn ready(&self) -> Done<&Path> {
        match &self.export {
            Some(export) if !mounted(&self.path) => Err(DriverError::Unreachable(format!("{export} (not mounted on this host)"))),
            _ => Ok(&self.path),
        }
    }
}

impl Kvm {
    /// Sees that the place that a pool's or store's URL means is there.
    pub(crate) async fn place_open(&self, id: &str, url: &str) -> Done<Place> {
        let place = place(url, &self.config.mounts, crate::keep::plain("a pool or store", id)?)?;
        let Some(export) = &place.export else { return Ok(place) };
        let _one = self.locks.hold(&format!("mount {id}")).await;
        if mounted(&place.path) {
            return Ok(place);
        }
        std::fs::create_dir_all(&place.path).map_err(io(&place.path))?;
        let Some((program, options)) = self.config.mount_nfs.split_first() else {
            return Err(DriverError::Unsupported("NFS: the setting mount_nfs of this host is empty".into()));
        };
        let target = place.path.to_string_lossy();
        let arguments: Vec<&str> = options.iter().map(String::as_str).chain([export.as_str(), &target]).collect();
        let done = self.run.run_for(program, &arguments, MOUNTING).await;
        if done.is_err() || !mounted(&place.path) {
            // Only an empty folder goes.
            let _ = std::fs::remove_dir(&place.path);
        }
        done?;
        place.ready()?;
        Ok(place)
    }

    /// Lets a place go that is not used any more. An export that something still has open stays mounted.
    pub(crate) async fn place_close(&self, place: &Place) {
        if place.export.is_none() {
            return;
        }
        if mounted(&place.path)
            && let Err(error) = self.run.run("umount", &[&place.path]).await
        {
            tracing::warn!(place = %place.path.display(), %error, "an export stays mounted");
            return;
        }
        let _ = std::fs::remove_dir(&place.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_and_exports_are_places() {
        let place = |url: &str| place(url, Path::new("/mnt/stratus"), "id");
        for url in ["file:///var/pool", "SharedMountPoint:///mnt/primary", "SharedMountPoint://localhost/mnt/primary"] {
            assert_eq!(place(url).map(|place| place.export).unwrap(), None, "{url}");
        }
        for url in ["", "/var/pool", "file://", "file:///", "file://var", "file:///a/../etc", "rbd://mon/pool"] {
            assert!(place(url).is_err(), "{url}");
        }
        for (url, export) in [
            ("nfs://filer/primary", "filer:/primary"),
            ("NetworkFilesystem://10.0.0.1/a/b c", "10.0.0.1:/a/b c"),
            ("nfs://[fe80::1]/x", "[fe80::1]:/x"),
        ] {
            let place = place(url).unwrap();
            assert_eq!((place.export.as_deref(), place.path.to_str()), (Some(export), Some("/mnt/stratus/id")), "{url}");
            assert!(matches!(place.ready(), Err(DriverError::Unreachable(_))), "{url} is not mounted");
        }
        for url in
            ["nfs://", "nfs://filer", "nfs://filer/", "nfs:///x", "nfs://-o/x", "nfs://a,b/x", "nfs://u@h/x", "nfs://h:1/x", "nfs://h/../x"]
        {
            assert!(place(url).is_err(), "{url}");
        }
    }

    #[test]
    fn what_is_mounted_is_seen() {
        assert!(mounted(Path::new("/proc")));
        assert!(!mounted(Path::new("/proc/self")));
        assert!(!mounted(Path::new("/nowhere/at/all")));
    }
}
