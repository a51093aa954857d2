//! Disks that go to another place while their VM runs: along with it to another host, or under it on this one. What comes out is a
//! whole image, whatever the old one stood on; the old one stays for the engine to delete.
use crate::image;
use crate::keep::{gone, io};
use crate::libvirt::{Conn, Domain, Problem};
use crate::xml::escaped;
use crate::{Done, Kvm};
use std::path::Path;
use std::time::Duration;
use stratus_drivers::{DiskRef, DriverError, VmSpec};

/// How often a running copy is asked about.
const TICK: Duration = Duration::from_millis(200);

/// The parts of a domain's XML before, in and after the disk of a file.
fn disk_of<'a>(xml: &'a str, file: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let at = xml.find(&format!("'{file}'"))?;
    let begin = xml[..at].rfind("<disk ")?;
    let end = at + xml[at..].find("</disk>")?;
    Some((&xml[..begin], &xml[begin..end], &xml[end..]))
}

/// A domain's XML with a disk in another file that stands on nothing; the guest's name of it.
pub(crate) fn moved(xml: &str, from: &Path, to: &Path) -> Result<(String, String), DriverError> {
    let (from, to) = (escaped(&from.to_string_lossy()), escaped(&to.to_string_lossy()));
    let unknown = || DriverError::Failed(format!("the VM has no disk {from}"));
    let (before, disk, after) = disk_of(xml, &from).ok_or_else(unknown)?;
    let name = disk.split("<target dev='").nth(1).and_then(|rest| rest.split('\'').next()).ok_or_else(unknown)?;
    let mut changed = disk.to_owned();
    // What it stands on, with everything below that.
    if let (Some(begin), Some(end)) = (changed.find("<backingStore"), changed.rfind("</backingStore>")) {
        changed.replace_range(begin..end + "</backingStore>".len(), "<backingStore/>");
    }
    let changed = changed.replace(&format!("'{from}'"), &format!("'{to}'"));
    Ok((format!("{before}{changed}{after}"), name.to_owned()))
}

impl Kvm {
    /// Makes the files that another host is about to fill.
    pub(crate) async fn disks_expect(&self, disks: &[(DiskRef, DiskRef)]) -> Done {
        for (_, there) in disks {
            let file = self.disk_file(&there.pool, &there.path)?;
            let _held = self.locks.hold(&there.path).await;
            if !file.exists() {
                self.appear(&file, async |new| image::create(&self.run, new, there.bytes, None).await).await?;
            }
        }
        Ok(())
    }

    /// A domain's XML with disks in their new places, and the guest's names of them.
    pub(crate) fn xml_with_disks(&self, mut xml: String, disks: &[(DiskRef, DiskRef)]) -> Done<(String, Vec<String>)> {
        let mut names = Vec::new();
        for (here, there) in disks {
            let (from, to) = (self.disk_file(&here.pool, &here.path)?, self.disk_file(&there.pool, &there.path)?);
            let (changed, name) = moved(&xml, &from, &to)?;
            xml = changed;
            names.push(name);
        }
        Ok((xml, names))
    }

    /// Moves disks of a VM that stays here. Those that were moved before, or that it does not have, are left alone.
    pub(crate) async fn disks_move(&self, vm: &VmSpec, disks: &[(DiskRef, DiskRef)]) -> Done {
        let _held = self.locks.hold(&vm.name).await;
        let domain = self.there(&vm.name).await?;
        for (here, there) in disks {
            let (from, to) = (self.disk_file(&here.pool, &here.path)?, self.disk_file(&there.pool, &there.path)?);
            let seen = self.seen(&vm.name).await?.ok_or_else(|| DriverError::Missing(format!("VM {}", vm.name)))?;
            if seen.disks.iter().any(|(_, file)| *file == to) {
                continue;
            }
            let target = seen.disks.iter().find(|(_, file)| *file == from).map(|(target, _)| target.clone());
            let target = target.ok_or_else(|| DriverError::Missing(format!("disk {} of VM {}", here.path, vm.name)))?;
            // The host's lease names both while it may be either.
            let copied = self.disk_mirror(&domain, &target, &to).await;
            self.lease_anew(&vm.name).await;
            if let Err(error) = copied {
                // Nothing is left that writes to the new file; whether it goes is the engine's to say.
                let end = self.libvirt.with(async |conn| conn.block_job_end(&domain, &target, false).await).await;
                tracing::debug!(vm = vm.name, target, ?end, "a copy of a disk was given up");
                return Err(error);
            }
        }
        Ok(())
    }

    /// Copies a disk, then what the guest writes meanwhile, until both are the same; then the guest goes on with the copy.
    async fn disk_mirror(&self, domain: &Domain, target: &str, to: &Path) -> Done {
        // An earlier attempt may have left a copy under way, and a file.
        let _ = self.libvirt.with(async |conn| conn.block_job_end(domain, target, false).await).await;
        gone(std::fs::remove_file(to)).map_err(io(to))?;
        let file = escaped(&to.to_string_lossy());
        let xml = format!("<disk type='file'><source file='{file}'/><driver type='qcow2'/></disk>");
        self.virt(async |conn| conn.block_copy(domain, target, &xml).await).await?;
        loop {
            match self.virt(async |conn| conn.block_job(domain, target).await).await? {
                None => return Err(DriverError::Failed(format!("copying disk {target} of {} ended early", domain.name))),
                Some((done, all)) if all > 0 && done == all => {
                    // The last bytes count as copied a moment before QEMU is ready to change over.
                    match self.libvirt.with(async |conn: &mut Conn| conn.block_job_end(domain, target, true).await).await {
                        Ok(()) => return Ok(()),
                        Err(lost @ Problem::Lost(_)) => return Err(crate::refusal(lost)),
                        Err(refused) => tracing::debug!(%refused, target, "a copied disk is not taken yet"),
                    }
                }
                Some(_) => {}
            }
            tokio::time::sleep(TICK).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_disk_stands_on_nothing_and_the_others_stay() {
        let xml = "<domain><devices><disk type='file' device='disk'><source file='/a/one' index='2'/><backingStore type='file'>\
                   <source file='/a/.templates/t'/><backingStore/></backingStore><target dev='vda' bus='virtio'/><address slot='4'/></disk>\
                   <disk type='file' device='disk'><source file='/a/two'/><backingStore/><target dev='vdb' bus='virtio'/></disk></devices></domain>";
        let (after, name) = moved(xml, Path::new("/a/one"), Path::new("/b/new")).unwrap();
        assert_eq!(name, "vda");
        assert!(
            after.contains("<source file='/b/new' index='2'/><backingStore/><target dev='vda' bus='virtio'/><address slot='4'/>"),
            "{after}"
        );
        assert!(after.contains("/a/two") && !after.contains("/a/one") && !after.contains("templates"), "{after}");
        assert_eq!(moved(xml, Path::new("/a/two"), Path::new("/b/2")).unwrap().1, "vdb");
        assert!(moved(xml, Path::new("/a/three"), Path::new("/b/3")).is_err());
    }
}
