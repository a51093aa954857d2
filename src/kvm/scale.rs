//! VMs that grow while they run.
use crate::domain::shares;
use crate::life::missing;
use crate::{Done, Kvm, refusal};
use stratus_drivers::{DriverError, VmSpec};

impl Kvm {
    pub(crate) async fn vm_scale(&self, vm: &VmSpec) -> Done {
        let _held = self.locks.hold(&vm.name).await;
        let domain = self.there(&vm.name).await?;
        let seen = self.seen(&vm.name).await?.ok_or_else(|| missing(&vm.name))?;
        if vm.cpus < seen.cpus || vm.memory_mb < seen.memory_mb {
            return Err(DriverError::Failed(format!("VM {} has more than that; a running VM only grows", vm.name)));
        }
        if vm.memory_mb > seen.memory_mb {
            return Err(DriverError::Unsupported("more memory for a running VM on KVM; stop it first".into()));
        }
        if vm.cpus > seen.cpus && !self.kvm {
            // QEMU 7.2 ends with an assertion when its cache of translated code has no part left for one more CPU.
            return Err(DriverError::Unsupported(
                "more CPUs for a running VM on a host without hardware virtualisation; stop it first".into(),
            ));
        }
        if vm.cpus > seen.cpus {
            self.virt(async |conn| conn.cpus(&domain, vm.cpus).await).await?;
        }
        match self.libvirt.with(async |conn| conn.weigh(&domain, shares(vm)).await).await {
            // No cgroups here, so nothing is weighed.
            Err(problem) if problem.invalid_now() => Ok(()),
            other => other.map_err(refusal),
        }
    }
}
