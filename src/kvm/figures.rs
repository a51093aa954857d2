//! What VMs did since they started, from libvirt's counters.
use crate::libvirt::Stats;
use crate::{Done, Kvm};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use stratus_drivers::{VmFigures, VmMemory};

/// CPU time of each VM when it was last asked for, in nanoseconds.
#[derive(Default)]
pub(crate) struct Last(Mutex<HashMap<String, (Instant, u64)>>);

impl Last {
    /// Use of all CPUs in hundredths of a percent since the last time. Nothing is known the first time.
    fn share(&self, vm: &str, spent: u64, cpus: u64, now: Instant) -> u32 {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(vm.to_owned(), (now, spent));
        let Some((then, before)) = before else { return 0 };
        let passed = now.duration_since(then).as_nanos().saturating_mul(u128::from(cpus.max(1)));
        let used = u128::from(spent.saturating_sub(before)) * 10_000;
        used.checked_div(passed).map_or(0, |share| share.min(10_000) as u32)
    }

    fn only(&self, vms: &[VmFigures]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|name, _| vms.iter().any(|vm| vm.name == *name));
    }
}

/// What the balloon says; libvirt answers in KiB. A guest without the driver says nothing of itself.
fn memory(stats: &Stats) -> Option<VmMemory> {
    let bytes = |name: &str| stats.number(name) << 10;
    let (target, total, free) = (bytes("balloon.current"), bytes("balloon.available"), bytes("balloon.unused"));
    (total > 0).then_some(VmMemory { target, total, free })
}

impl Kvm {
    pub(crate) async fn vm_figures(&self) -> Done<Vec<VmFigures>> {
        let now = Instant::now();
        let stats = self.virt(async |conn| conn.stats().await).await?;
        let mut floods = self.floods().await;
        let mut all = Vec::new();
        for one in stats {
            let cpus = one.number("vcpu.current");
            all.push(VmFigures {
                cpu: self.figures.share(&one.name, one.number("cpu.time"), cpus, now),
                network_in: one.sum("net", "rx.bytes"),
                network_out: one.sum("net", "tx.bytes"),
                disk_read: one.sum("block", "rd.bytes"),
                disk_written: one.sum("block", "wr.bytes"),
                reads: one.sum("block", "rd.reqs"),
                writes: one.sum("block", "wr.reqs"),
                floods: floods.remove(&one.name).unwrap_or_default(),
                halted: self.halted.lock().unwrap_or_else(PoisonError::into_inner).contains(&one.name),
                unlimited: self.unlimited.has(&one.name),
                memory: memory(&one),
                name: one.name,
            });
        }
        self.figures.only(&all);
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn use_of_the_cpus_is_between_two_looks() {
        let (last, start) = (Last::default(), Instant::now());
        assert_eq!(last.share("a", 5_000_000_000, 2, start), 0);
        let later = start + Duration::from_secs(2);
        assert_eq!(last.share("a", 6_000_000_000, 2, later), 2500, "one second of two times two");
        assert_eq!(last.share("a", 6_000_000_000, 2, later), 0, "no time passed");
        assert_eq!(last.share("a", 0, 2, later + Duration::from_secs(1)), 0, "started again");
    }
}
