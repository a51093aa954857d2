//! Snapshots of whole VMs, inside their qcow2 files: with memory by QEMU's `savevm`, of disks alone by QMP's transaction, of a VM
//! that does not run by `qemu-img`. The files are the only record, so any host that reaches them can go back.
use crate::image::{self, Inner};
use crate::libvirt::Domain;
use crate::life::reference;
use crate::{Done, Kvm};
use std::path::PathBuf;
use stratus_drivers::{DriverError, VmSnapshotSpec, VmSpec};

impl Kvm {
    fn vm_files(&self, vm: &VmSpec) -> Done<Vec<PathBuf>> {
        vm.disks.iter().map(|disk| self.disk_there(&reference(disk))).collect()
    }

    /// The snapshot on the root disk, if it is there.
    async fn inner(&self, files: &[PathBuf], name: &str) -> Done<Option<Inner>> {
        let Some(root) = files.first() else { return Ok(None) };
        Ok(image::inners(&self.run, root).await?.into_iter().find(|inner| inner.name == name))
    }

    pub(crate) async fn vm_keep(&self, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Done {
        let _held = self.locks.hold(&vm.name).await;
        let (files, name) = (self.vm_files(vm)?, crate::keep::plain("a snapshot", &snapshot.uuid)?);
        if self.inner(&files, name).await?.is_some() {
            return Ok(());
        }
        match self.virt(async |conn| conn.domain(&vm.name).await).await? {
            Some(domain) if snapshot.memory => self.human(&domain, &format!("savevm {name}")).await,
            Some(domain) => self.blocks(&domain, "blockdev-snapshot-internal-sync", name).await,
            None => self.each(&files, "-c", name).await,
        }
    }

    pub(crate) async fn vm_revert(&self, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Done {
        let held = self.locks.hold(&vm.name).await;
        let (files, name) = (self.vm_files(vm)?, crate::keep::plain("a snapshot", &snapshot.uuid)?);
        let inner = self.inner(&files, name).await?;
        let inner = inner.ok_or_else(|| DriverError::Missing(format!("snapshot {name} of VM {}", vm.name)))?;
        match self.virt(async |conn| conn.domain(&vm.name).await).await? {
            Some(domain) if inner.memory > 0 => {
                self.human(&domain, &format!("loadvm {name}")).await?;
                // The guest goes on even if it was kept while it stood still.
                self.human(&domain, "cont").await
            }
            Some(domain) => {
                let xml = self.virt(async |conn| conn.xml(&domain).await).await?;
                self.virt(async |conn| conn.destroy(&domain).await).await?;
                let outcome = self.each(&files, "-a", name).await;
                self.virt(async |conn| conn.create(&xml).await).await?;
                self.rates_hold(&vm.name).await?;
                drop(held);
                outcome
            }
            None => self.each(&files, "-a", name).await,
        }
    }

    pub(crate) async fn vm_forget(&self, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Done {
        let _held = self.locks.hold(&vm.name).await;
        let name = crate::keep::plain("a snapshot", &snapshot.uuid)?;
        // Disks that are gone took theirs with them.
        let files: Vec<_> = vm.disks.iter().filter_map(|disk| self.disk_there(&reference(disk)).ok()).collect();
        match self.virt(async |conn| conn.domain(&vm.name).await).await? {
            Some(domain) => {
                if self.inner(&files, name).await?.is_some() {
                    self.human(&domain, &format!("delvm {name}")).await?;
                }
                Ok(())
            }
            None => {
                for file in &files {
                    if image::inners(&self.run, file).await?.iter().any(|inner| inner.name == name) {
                        image::inner(&self.run, "-d", name, file).await?;
                    }
                }
                Ok(())
            }
        }
    }

    async fn each(&self, files: &[PathBuf], what: &str, name: &str) -> Done {
        for file in files {
            image::inner(&self.run, what, name, file).await?;
        }
        Ok(())
    }

    /// A line for QEMU's monitor, which answers nothing when it is content.
    async fn human(&self, domain: &Domain, line: &str) -> Done {
        let answer = self.virt(async |conn| conn.monitor(domain, line, true).await).await?;
        if answer.trim().is_empty() { Ok(()) } else { Err(DriverError::Failed(format!("VM {}: {}", domain.name, answer.trim()))) }
    }

    /// The same for all disks of a running VM in one transaction.
    async fn blocks(&self, domain: &Domain, what: &str, name: &str) -> Done {
        let text = self.virt(async |conn| conn.monitor(domain, r#"{"execute":"query-block"}"#, false).await).await?;
        let answer: serde_json::Value = serde_json::from_str(&text).map_err(|e| DriverError::Failed(format!("QEMU: {e}")))?;
        let writable = |block: &&serde_json::Value| block["inserted"]["ro"] == false;
        let nodes = answer["return"].as_array().into_iter().flatten().filter(writable).map(|block| &block["inserted"]["node-name"]);
        let actions: Vec<_> = nodes.map(|node| serde_json::json!({"type": what, "data": {"device": node, "name": name}})).collect();
        let command = serde_json::json!({"execute": "transaction", "arguments": {"actions": actions}});
        let text = self.virt(async |conn| conn.monitor(domain, &command.to_string(), false).await).await?;
        let answer: serde_json::Value = serde_json::from_str(&text).map_err(|e| DriverError::Failed(format!("QEMU: {e}")))?;
        match answer["error"]["desc"].as_str() {
            None => Ok(()),
            Some(why) => Err(DriverError::Failed(format!("VM {}: {why}", domain.name))),
        }
    }
}
