//! Starting a VM: a place on a host, addresses, disks, network, power. Every step finds its own earlier work; every undo frees what
//! a VM that does not run has no right to hold.
use crate::allocators::{UP_TO, tags};
use crate::group_push::Members;
use crate::saga::{Mark, Saga};
use crate::vm::{counted, usage, wrong_state};
use crate::vm_reserve::{let_go, release, reserve};
use crate::{Amount, Call, Demand, Engine, saga};
use serde::{Deserialize, Serialize};
use stratus_drivers::{DiskSpec, DriverError, NetworkSpec, NicSpec, StopMode, VmSpec};
use stratus_model::{Error, Result, VmEvent, VmState, in_full};
use stratus_store::{Host, HostCapacity, IpAddress, JobStep, Network, Nic, Query, ServiceOffering, StoragePool, Vm, Volume};

/// Hosts tried one after another.
const ATTEMPTS: u32 = 3;
/// How often what a failed start leaves is tried to be written, and how long it waits in between.
const WRITES: u32 = 600;
const AGAIN: std::time::Duration = std::time::Duration::from_secs(1);
/// The provider of DHCP, DNS and user data.
pub(crate) const ROUTER: &str = "VirtualRouter";

static START_VM: Saga<StartVm> = saga!("vm-start":
    [own] reserve undo release,
    [own] make_disks undo delete_disks,
    [light] prepare_nics undo release_nics,
    [light] give_password,
    [light] boot undo power_off,
    [own] settle,
);

/// What the steps decide.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct StartVm {
    pub vm: i64,
    pub wanted_host: Option<i64>,
    pub avoid: Vec<i64>,
    pub host: Option<i64>,
    /// Volumes that this start made on their pools.
    pub made: Vec<i64>,
}

/// A driver's complaint as the caller should hear it.
pub(crate) fn from_driver(e: DriverError) -> Error {
    match e {
        DriverError::Unsupported(what) => Error::Unsupported(what),
        other => Error::Unavailable(other.to_string()),
    }
}

impl Engine {
    /// Starts a VM in the call's job; one that runs already is left alone. On failure it is as before, or in Error if it never ran.
    pub async fn vm_start(&self, call: &Call, id: i64, host: Option<i64>) -> Result<Vm> {
        let vm = self.db.must::<Vm>(id).await?;
        match vm.vm_state() {
            VmState::Running => return Ok(vm),
            // A new VM, or this very job before a restart.
            VmState::Starting => {}
            _ => drop(self.vm_move(id, VmEvent::StartRequested, "only a stopped VM can be started", Vec::new()).await?),
        }
        let mut plan = StartVm { vm: id, wanted_host: host, ..Default::default() };
        // The first host's own complaint says more than that in the end no other was left.
        let mut failure: Option<Error> = None;
        for attempt in 0..ATTEMPTS {
            match START_VM.run(call, attempt, plan.clone()).await {
                Ok(_) => return self.db.must(id).await,
                Err(e) => {
                    let again = e.codes().api == 534 && host.is_none();
                    failure.get_or_insert(e);
                    match self.host_tried(call, attempt).await? {
                        Some(tried) if again => plan.avoid.push(tried),
                        _ => break,
                    }
                }
            }
        }
        self.vm_start_given_up(call, id).await?;
        Err(match failure {
            Some(Error::Unavailable(_)) if !call.caller.is_root() => {
                Error::Unavailable(format!("Unable to start virtual machine {}: the hosts that were tried refused it", vm.uuid))
            }
            Some(e) => e,
            None => Error::internal("a start without attempt"),
        })
    }

    /// The host of an attempt that was unwound.
    async fn host_tried(&self, call: &Call, attempt: u32) -> Result<Option<i64>> {
        let q = Query::all().eq("job_id", call.job.unwrap_or(0)).eq("saga", format!("{}#{attempt}", START_VM.name));
        let Some(step) = self.db.find_one::<JobStep>(q).await? else { return Ok(None) };
        Ok(serde_json::from_str::<StartVm>(&step.plan).map_err(Error::internal)?.host)
    }

    /// Writes down what a failed start leaves, waiting for a database that cannot be written (a full disk): a job that ended before that
    /// would leave a VM in Starting that nobody looks after. A start of the server in between takes the job up again.
    async fn vm_start_given_up(&self, call: &Call, id: i64) -> Result<()> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.vm_start_failed(call, id).await {
                Err(e @ Error::Internal(..)) if tries < WRITES => {
                    tracing::warn!(vm = id, error = %in_full(&e), "what a failed start leaves was not written; tried again");
                    tokio::time::sleep(AGAIN).await;
                }
                other => return other,
            }
        }
    }

    /// What a failed start leaves: a stopped VM, or one in Error that counts for nothing if it never ran.
    async fn vm_start_failed(&self, call: &Call, id: i64) -> Result<()> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let vm = tx.must::<Vm>(id).await?;
                    if vm.vm_state() != VmState::Starting {
                        return Ok(());
                    }
                    let event = if vm.has_run { VmEvent::OperationFailed } else { VmEvent::OperationFailedToError };
                    let to = vm.vm_state().on(event).ok_or_else(|| wrong_state(&vm, "it cannot fail to start from here"))?;
                    tx.advance::<Vm>(id, &vm.state, vm.update_count, to.word(), Vec::new()).await?;
                    // The saga has freed these already, unless it could not write.
                    let_go(tx, &call, id).await?;
                    if to == VmState::Error {
                        call.give_back(tx, vm.account_id, &counted(&vm)).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// What a VM asks of a host.
    pub(crate) fn demand(&self, vm: &Vm, host: Option<i64>, avoid: Vec<i64>, offering: &ServiceOffering) -> Demand {
        Demand {
            zone: vm.zone_id,
            barred: Default::default(),
            pod: None,
            cluster: None,
            host,
            hypervisor: (!vm.hypervisor.is_empty()).then(|| vm.hypervisor.clone()),
            tags: tags(offering.host_tags.as_deref()),
            amount: amount(vm),
            account: vm.account_id,
            avoid,
            apart: Vec::new(),
        }
    }

    /// Hosts for a demand, as the allocator that the settings or the offering name proposes them.
    pub(crate) async fn place_candidates(&self, demand: &Demand, offering: &ServiceOffering) -> Result<Vec<Host>> {
        let planner = offering.deployment_planner.clone().or_else(|| self.settings.text("vm.deployment.planner"));
        let named = crate::allocators::of_planner(planner.as_deref()).or_else(|| self.settings.text("vm.allocation.algorithm"));
        let allocator = self.allocators.host(named.as_deref()).ok_or_else(|| Error::internal("no host allocator"))?;
        let mut found = allocator.candidates(self, demand, UP_TO).await?;
        // An allocator from outside may not know of dedications.
        found.retain(|h| !demand.barred.has(h));
        Ok(found)
    }

    /// Whether a VM's disks lie on a pool of its cluster.
    pub(crate) async fn bound_to_cluster(&self, vm: &Vm) -> Result<bool> {
        let volumes = Query::live().eq("vm_id", vm.id).not_null("pool_id");
        let pools = Query::live().key_in::<Volume>("id", "pool_id", volumes).not_null("cluster_id");
        Ok(self.db.count::<StoragePool>(pools).await? > 0)
    }

    /// The pod that an address asked for belongs to, in a basic zone.
    async fn pod_wanted(&self, vm: &Vm) -> Result<Option<i64>> {
        for nic in self.db.find::<Nic>(Query::live().eq("vm_id", vm.id).not_null("requested_ip4")).await? {
            let q = Query::all().eq("network_id", nic.network_id).eq("address", nic.requested_ip4).not_null("pod_id");
            if let Some(pod) = self.db.find_one::<IpAddress>(q).await?.and_then(|a| a.pod_id) {
                return Ok(Some(pod));
            }
        }
        Ok(None)
    }

    /// What the VM already has binds it: its address to a pod in a basic zone, its disks to a cluster; its affinity groups keep it from
    /// hosts.
    pub(crate) async fn bind(&self, vm: &Vm, demand: &mut Demand) -> Result<()> {
        let volumes = self.db.find::<Volume>(Query::live().eq("vm_id", vm.id).not_null("pool_id")).await?;
        let pools = self.db.by_ids::<StoragePool>(volumes.iter().filter_map(|v| v.pool_id)).await?;
        if let Some(shut) = pools.values().find(|p| p.state != "Up") {
            return Err(Error::Unavailable(format!("The storage pool {} of the VM's disks is in the state {}", shut.name, shut.state)));
        }
        demand.cluster = pools.values().find_map(|p| p.cluster_id);
        if let Some(host) = pools.values().find_map(|p| p.host_id) {
            if demand.host.is_some_and(|wanted| wanted != host) {
                return Err(crate::local_storage::elsewhere());
            }
            demand.host = Some(host);
        }
        if vm.pod_id.is_some() && vm.has_run {
            demand.pod = vm.pod_id;
        } else {
            demand.pod = self.pod_wanted(vm).await?;
        }
        demand.apart = self.affinity_avoid(vm.id).await?;
        demand.barred = self.barred_for(vm).await?;
        Ok(())
    }

    /// Why no host took a VM: in full to administrators, that nothing had room to others.
    pub(crate) async fn no_host(&self, call: &Call, vm: &Vm, d: &Demand) -> Result<Error> {
        let short = format!("Unable to create a deployment for the virtual machine {}: no host has room for it", vm.uuid);
        if !call.caller.is_root() {
            return Ok(Error::NoCapacity(short));
        }
        let rows = self.db.find::<HostCapacity>(Query::all().eq("zone_id", vm.zone_id).page(0, 50)).await?;
        let hosts = self.db.by_ids::<Host>(rows.iter().map(|r| r.host_id)).await?;
        let mut reasons = Vec::new();
        for r in &rows {
            let Some(h) = hosts.get(&r.host_id).filter(|h| h.removed.is_none()) else { continue };
            let why = if !r.open {
                format!("is {} and {}", h.state, h.resource_state)
            } else if d.avoid.contains(&r.host_id) {
                "was tried and failed".into()
            } else if d.apart.contains(&r.host_id) {
                "has another VM of one of its anti-affinity groups".into()
            } else if d.barred.has(h) {
                "is dedicated to others, or not of the places that the VM is to be in".into()
            } else if d.host.is_some_and(|w| w != r.host_id) {
                "is not the host asked for".into()
            } else if d.hypervisor.as_ref().is_some_and(|w| *w != r.hypervisor) {
                format!("is {}, the template is for {}", r.hypervisor, vm.hypervisor)
            } else if d.pod.is_some_and(|w| w != r.pod_id) || d.cluster.is_some_and(|w| w != r.cluster_id) {
                "is outside the pod or cluster of the VM's address and disks".into()
            } else if !crate::allocators::has_tags(h.tags.as_deref(), &d.tags) {
                format!("lacks the tags {}", d.tags.join(","))
            } else if r.max_guests > 0 && r.guests >= r.max_guests {
                format!("has {} guests, as many as a host of its hypervisor takes", r.guests)
            } else if r.cpu_total - r.cpu_used < d.amount.cpu {
                format!("has {} of {} MHz free, {} are needed", r.cpu_total - r.cpu_used, r.cpu_total, d.amount.cpu)
            } else if r.memory_total - r.memory_used < d.amount.memory {
                format!(
                    "has {} of {} MiB free, {} are needed",
                    (r.memory_total - r.memory_used) >> 20,
                    r.memory_total >> 20,
                    d.amount.memory >> 20
                )
            } else {
                "was taken by others at the same moment".into()
            };
            reasons.push(format!("{} {why}", h.name));
        }
        Ok(Error::NoCapacity(format!(
            "{short} ({})",
            if reasons.is_empty() { "there is no host in the zone".into() } else { reasons.join("; ") }
        )))
    }

    /// A VM as its driver is to run it.
    pub(crate) async fn vm_spec(&self, vm: &Vm) -> Result<VmSpec> {
        let mut volumes = self.db.find::<Volume>(Query::live().eq("vm_id", vm.id).not_null("pool_id")).await?;
        volumes.sort_by_key(|v| v.device_id);
        let pools = self.db.by_ids::<StoragePool>(volumes.iter().filter_map(|v| v.pool_id)).await?;
        let mut nics = self.db.find::<Nic>(Query::live().eq("vm_id", vm.id)).await?;
        nics.sort_by_key(|n| (!n.is_default, n.device_id));
        let offering = self.db.must::<ServiceOffering>(vm.service_offering_id).await?;
        Ok(VmSpec {
            name: vm.instance_name.clone(),
            uuid: vm.uuid.clone(),
            host_name: vm.name.clone(),
            cpus: vm.cpus as u32,
            cpu_mhz: vm.cpu_mhz as u32,
            memory_mb: vm.memory_mb as u64,
            disks: volumes.iter().filter_map(|v| disk_spec(v, v.pool_id.and_then(|p| pools.get(&p))?)).collect(),
            nics: self.nic_specs(vm, &offering, &nics).await?,
            user_data: vm.user_data.clone(),
            ssh_public_key: vm.ssh_public_key.clone(),
            iso: self.iso_spec(vm).await?,
            metadata: self.vm_metadata(vm, &offering.name).await?,
        })
    }
}

pub(crate) fn disk_spec(v: &Volume, pool: &StoragePool) -> Option<DiskSpec> {
    let path = v.path.clone()?;
    Some(DiskSpec { path, pool: pool.uuid.clone(), device: v.device_id.unwrap_or(0) as u32, bytes: v.size_bytes as u64 })
}

/// A NIC as everybody knows it; who plugs it is told its rate too (`nic_rate.rs`).
pub(crate) fn nic_spec(n: &Nic) -> NicSpec {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    NicSpec {
        uuid: n.uuid.clone(),
        mac: n.mac.clone(),
        ip: text(&n.ip4),
        netmask: text(&n.netmask),
        gateway: text(&n.gateway),
        broadcast_uri: text(&n.broadcast_uri),
        default: n.is_default,
        rate_mbps: None,
    }
}

pub(crate) fn network_spec(n: &Network) -> NetworkSpec {
    NetworkSpec {
        uuid: n.uuid.clone(),
        cidr: n.cidr.clone().unwrap_or_default(),
        gateway: n.gateway.clone().unwrap_or_default(),
        dns: [&n.dns1, &n.dns2].into_iter().flatten().cloned().collect(),
        broadcast_uri: n.broadcast_uri.clone().unwrap_or_default(),
        pod: None,
    }
}

pub(crate) fn amount(vm: &Vm) -> Amount {
    Amount { cpu: vm.cpus * vm.cpu_mhz, memory: vm.memory_mb << 20 }
}

async fn make_disks(call: &Call, plan: &mut StartVm, mark: Mark) -> Result<Option<i64>> {
    let volumes = call.db.find::<Volume>(Query::live().eq("vm_id", plan.vm).eq("state", "Creating")).await?;
    if volumes.is_empty() {
        return Ok(None);
    }
    for volume in &volumes {
        call.volume_bytes(volume).await?;
        plan.made.push(volume.id);
    }
    let plan = plan.clone();
    call.db
        .write(move |tx| {
            Box::pin(async move {
                for volume in volumes {
                    tx.set::<Volume>(volume.id, vec![("state", "Ready".into())]).await?;
                }
                mark.write(tx, &plan).await.map(Some)
            })
        })
        .await
}

async fn delete_disks(call: &Call, plan: &mut StartVm) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    for volume in call.db.find::<Volume>(Query::live().eq("vm_id", plan.vm).not_null("pool_id")).await? {
        if !vm.has_run || volume.state == "Creating" || plan.made.contains(&volume.id) {
            call.volume_unmake(&volume).await?;
        }
    }
    Ok(())
}

async fn prepare_nics(call: &Call, plan: &mut StartVm) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    let Some(driver) = call.router_of_vm(&vm).await? else { return Ok(()) };
    for nic in call.db.find::<Nic>(Query::live().eq("vm_id", vm.id)).await? {
        let (row, nic) = call.network_of(call, nic).await?;
        let network = call.network_share(&row, &vm).await?;
        driver.implement(&network).await.map_err(from_driver)?;
        driver.prepare(&network, &nic_spec(&nic), &vm.instance_name).await.map_err(from_driver)?;
        // Public addresses that were taken before the network had a router.
        if row.nat_applied < row.nat_sequence {
            call.public_apply(row.id).await?;
        }
    }
    Ok(())
}

async fn release_nics(call: &Call, plan: &mut StartVm) -> Result<()> {
    call.nics_release(plan.vm).await
}

async fn give_password(call: &Call, plan: &mut StartVm) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    call.password_deliver(&vm).await
}

async fn boot(call: &Call, plan: &mut StartVm) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    let (driver, host) = call.host_of_vm(plan.host).await?;
    let spec = call.vm_spec(&vm).await?;
    introduce(call, &vm, &spec).await?;
    call.group_rules_ahead(&vm, &host, Members::Others).await?;
    driver.start(&host.uuid, &spec).await.map_err(from_driver)?;
    Ok(())
}

/// Tells the routers of a VM's networks what its guest is to hear.
async fn introduce(call: &Call, vm: &Vm, spec: &VmSpec) -> Result<()> {
    let Some(router) = call.router_of_vm(vm).await?.filter(|router| router.tells_guests()) else { return Ok(()) };
    for nic in call.db.find::<Nic>(Query::live().eq("vm_id", vm.id)).await? {
        let row = call.db.must::<Network>(nic.network_id).await?;
        router.introduce(&call.network_share(&row, vm).await?, spec).await.map_err(from_driver)?;
    }
    Ok(())
}

async fn power_off(call: &Call, plan: &mut StartVm) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    let (driver, host) = call.host_of_vm(plan.host).await?;
    driver.stop(&host.uuid, &vm.instance_name, StopMode::Forced).await.map_err(from_driver)
}

async fn settle(call: &Call, plan: &mut StartVm, mark: Mark) -> Result<Option<i64>> {
    let (inner, id, plan) = (call.clone(), plan.vm, plan.clone());
    let row = call
        .db
        .write(move |tx| {
            Box::pin(async move {
                let vm = tx.must::<Vm>(id).await?;
                if vm.vm_state() != VmState::Running {
                    let to = vm.vm_state().on(VmEvent::OperationSucceeded).ok_or_else(|| wrong_state(&vm, "it was not starting"))?;
                    let set = vec![("has_run", true.into()), ("started", inner.now().into()), ("last_host_id", vm.host_id.into())];
                    tx.advance::<Vm>(id, &vm.state, vm.update_count, to.word(), set).await?;
                    let (offering, template) = (Some(vm.service_offering_id), Some(vm.template_id));
                    usage(tx, &inner, "VM.START", &vm, vm.id, Some(&vm.name), offering, template, None).await?;
                }
                mark.write(tx, &plan).await
            })
        })
        .await?;
    if let Err(e) = call.group_arrival(id).await {
        tracing::warn!(vm = id, error = %e, "hosts of its security groups' friends were not told of a VM");
    }
    Ok(Some(row))
}

impl Engine {
    /// The driver of a host and the host.
    pub(crate) async fn host_of_vm(&self, host: Option<i64>) -> Result<(std::sync::Arc<dyn stratus_drivers::Host>, Host)> {
        let id = host.ok_or_else(|| Error::internal("a VM without host"))?;
        let host = self.db.must::<Host>(id).await?;
        let driver = self.drivers.host(&host.hypervisor);
        let driver = driver.ok_or_else(|| Error::Unavailable(format!("this server has no driver for {}", host.hypervisor)))?;
        Ok((driver, host))
    }

    /// Takes back what the network elements did for a VM's NICs.
    pub(crate) async fn nics_release(&self, vm: i64) -> Result<()> {
        let vm = self.db.must::<Vm>(vm).await?;
        let Some(driver) = self.router_of_vm(&vm).await? else { return Ok(()) };
        for nic in self.db.find::<Nic>(Query::live().eq("vm_id", vm.id)).await? {
            let network = self.network_share(&self.db.must::<Network>(nic.network_id).await?, &vm).await?;
            driver.release(&network, &nic_spec(&nic), &vm.instance_name).await.map_err(from_driver)?;
        }
        Ok(())
    }
}
