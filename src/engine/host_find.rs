//! Hosts that a VM could move to.
use crate::allocators::has_tags;
use crate::{Engine, Listing};
use stratus_model::{Error, Kind, Result, VmState};
use stratus_store::{Host, HostCapacity, Query, ServiceOffering, Vm};

/// A host that a VM could move to, and whether it fits there.
#[derive(Debug, Clone)]
pub struct MoveTarget {
    /// The host.
    pub host: Host,
    /// Whether it has room, its offering's tags, and is open to the VM's owner.
    pub suitable: bool,
}

impl Engine {
    /// Hosts of the VM's cluster but its own: their storage is the VM's too, so its disks stay where they are.
    pub async fn hosts_for_migration(&self, vm: &Vm, keyword: Option<&str>, page: (i64, i64)) -> Result<Listing<MoveTarget>> {
        let (VmState::Running, Some(from)) = (vm.vm_state(), vm.host_id) else {
            let why = "only a running virtual machine moves".to_owned();
            return Err(Error::State { kind: Kind::Vm, id: vm.uuid.clone(), state: vm.state.clone(), why });
        };
        let from = self.db.must::<Host>(from).await?;
        let mut q = Query::live().eq("cluster_id", from.cluster_id).eq("host_type", &from.host_type).ne("id", from.id);
        if let Some(text) = keyword {
            q = q.holds(&["name"], text);
        }
        let count = self.db.count::<Host>(q.clone()).await?;
        let hosts = self.db.find::<Host>(q.page(page.0, page.1)).await?;
        let rooms = self.db.find::<HostCapacity>(Query::all().within("host_id", hosts.iter().map(|h| h.id))).await?;
        let wanted = self.db.get::<ServiceOffering>(vm.service_offering_id).await?.and_then(|o| o.host_tags);
        let wanted = crate::allocators::tags(wanted.as_deref());
        let barred = self.barred_to(vm.account_id, vm.zone_id).await?;
        let need = crate::vm_start::amount(vm);
        let fits = |h: &Host| {
            let room = rooms.iter().find(|r| r.host_id == h.id);
            let free =
                room.is_some_and(|r| r.open && r.cpu_total - r.cpu_used >= need.cpu && r.memory_total - r.memory_used >= need.memory);
            free && has_tags(h.tags.as_deref(), &wanted) && !barred.has(h)
        };
        let rows = hosts.into_iter().map(|host| MoveTarget { suitable: fits(&host), host }).collect();
        Ok(Listing { rows, count })
    }
}
