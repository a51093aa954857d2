//! What versions of hypervisors can do, as a fresh install knows them.
use crate::{Call, Engine, Listing, Topic};
use stratus_model::{Error, Kind, Result};
use stratus_store::{Host, HostCapacity, HypervisorCapability, Query, Tx, Vm};
use uuid::Uuid;

/// Hypervisor, version, guests a host, security groups, data disks a VM, hosts a cluster (0 for any number), storage moves with a VM.
const KNOWN: &[(&str, &str, i64, bool, i64, i64, bool)] = &[
    ("XenServer", "default", 50, true, 6, 0, false),
    ("XenServer", "XCP 1.0", 50, true, 6, 0, false),
    ("XenServer", "5.6", 50, true, 6, 0, false),
    ("XenServer", "5.6 FP1", 50, true, 6, 0, false),
    ("XenServer", "5.6 SP2", 50, true, 6, 0, false),
    ("XenServer", "6.0", 50, true, 13, 0, false),
    ("XenServer", "6.0.2", 50, true, 13, 0, false),
    ("XenServer", "6.1.0", 50, true, 13, 0, true),
    ("XenServer", "6.2.0", 500, true, 13, 0, true),
    ("VMware", "default", 128, false, 13, 32, false),
    ("VMware", "4.0", 128, false, 13, 32, false),
    ("VMware", "4.1", 128, false, 13, 32, false),
    ("VMware", "5.0", 128, false, 13, 32, true),
    ("VMware", "5.1", 128, false, 13, 32, true),
    ("KVM", "default", 50, true, 6, 0, false),
    ("LXC", "default", 50, true, 6, 0, false),
    ("Ovm", "default", 25, true, 6, 0, false),
    ("Ovm", "2.3", 25, true, 6, 0, false),
    ("Hyperv", "6.2", 1024, false, 64, 0, true),
    // The original says 50; our simulated hosts are made for many more.
    ("Simulator", "default", 100_000, true, 6, 0, false),
];

/// What a fresh database knows of hypervisors.
pub(crate) async fn seed_hypervisor_capabilities(tx: &mut Tx) -> Result<()> {
    let row = |&(hypervisor, version, max_guests, security_groups, disks, hosts, moves): &(&str, &str, i64, bool, i64, i64, bool)| {
        HypervisorCapability {
            uuid: Uuid::new_v4().to_string(),
            hypervisor: hypervisor.into(),
            version: version.into(),
            max_guests,
            security_groups,
            max_data_volumes: disks,
            max_hosts_per_cluster: (hosts > 0).then_some(hosts),
            storage_motion: moves,
            vm_snapshot: hypervisor != "LXC",
            ..Default::default()
        }
    };
    tx.insert_all(&KNOWN.iter().map(row).collect::<Vec<_>>()).await
}

impl Engine {
    /// What is known of a hypervisor, or of all.
    pub async fn hypervisor_capability_list(
        &self,
        id: Option<i64>,
        hypervisor: Option<&str>,
        keyword: Option<&str>,
        page: (i64, i64),
    ) -> Result<Listing<HypervisorCapability>> {
        let mut q = Query::all().eq_opt("id", id).eq_opt("hypervisor", hypervisor.map(crate::hypervisor::canonical));
        if let Some(text) = keyword {
            q = q.holds(&["hypervisor"], text);
        }
        let count = self.db.count::<HypervisorCapability>(q.clone()).await?;
        Ok(Listing { count, rows: self.db.find(q.page(page.0, page.1)).await? })
    }

    /// What is known of the hypervisor of a host, of its version where that is known.
    pub(crate) async fn hypervisor_capability(&self, hypervisor: &str, version: Option<&str>) -> Result<Option<HypervisorCapability>> {
        let known = self.db.find::<HypervisorCapability>(Query::all().eq("hypervisor", crate::hypervisor::canonical(hypervisor))).await?;
        let of = |v: &str| known.iter().find(|c| c.version.eq_ignore_ascii_case(v)).cloned();
        Ok(version.and_then(of).or_else(|| of("default")))
    }

    /// Data disks that a VM may have: as many as its host's hypervisor takes, or what is usual for its kind while it has no host.
    pub(crate) async fn data_volumes_most(&self, vm: &Vm) -> Result<i64> {
        let host = match vm.host_id.or(vm.last_host_id) {
            Some(id) => self.db.get::<Host>(id).await?,
            None => None,
        };
        let version = host.and_then(|h| h.hypervisor_version);
        Ok(self.hypervisor_capability(&vm.hypervisor, version.as_deref()).await?.map_or(i64::MAX, |c| c.max_data_volumes))
    }

    /// VMs that a host may have; 0 for any number.
    pub(crate) async fn guests_most(&self, host: &Host) -> Result<i64> {
        Ok(self.hypervisor_capability(&host.hypervisor, host.hypervisor_version.as_deref()).await?.map_or(0, |c| c.max_guests))
    }

    /// Changes how many guests a host takes, or whether it can have security groups.
    pub async fn hypervisor_capability_update(
        &self,
        call: &Call,
        c: HypervisorCapability,
        guests: Option<i64>,
        groups: Option<bool>,
    ) -> Result<HypervisorCapability> {
        if guests.is_some_and(|n| n < 1) {
            return Err(Error::invalid("maxguestslimit", "must be at least 1"));
        }
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let set = vec![
                        ("max_guests", guests.unwrap_or(c.max_guests).into()),
                        ("security_groups", groups.unwrap_or(c.security_groups).into()),
                    ];
                    tx.set::<HypervisorCapability>(c.id, set).await?;
                    hosts_take_up(tx, c.id).await?;
                    let text = format!("changed what is known of {} {}", c.hypervisor, c.version);
                    call.log(tx, Topic::of_caller(&call, Kind::Configuration, c.id), text).await?;
                    tx.must(c.id).await
                })
            })
            .await
    }
}

/// Lets the hosts that a capability is about take as many guests as it says from now on.
async fn hosts_take_up(tx: &mut Tx, id: i64) -> Result<()> {
    let c = tx.must::<HypervisorCapability>(id).await?;
    let of_kind = Query::live().eq("hypervisor", c.hypervisor.as_str());
    let about = match c.version.as_str() {
        // Hosts of versions that nothing else is known of.
        "default" => {
            let known = tx.find::<HypervisorCapability>(Query::all().eq("hypervisor", c.hypervisor.as_str())).await?;
            let known = of_kind.clone().within("hypervisor_version", known.into_iter().map(|k| k.version).filter(|v| v != "default"));
            of_kind.key_not_in::<Host>("id", "id", known)
        }
        version => of_kind.eq("hypervisor_version", version),
    };
    let these = Query::all().key_in::<Host>("host_id", "id", about);
    tx.update::<HostCapacity>(these, vec![("max_guests", c.max_guests.into())]).await.map(drop)
}
