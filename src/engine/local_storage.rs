//! Local storage (STO-06): in a zone that allows it, each host has a pool on its own disks. The pool appears when the host makes contact
//! and goes with it; volumes of offerings with storage type `local` lie there and nowhere else, which pins their VM to the host: it
//! starts there, is not moved without its disks, and high availability is not offered for it (`service_offering.rs`).
//!
//! A zone that stops allowing it keeps the pools that there are, for what lies on them; new volumes are refused.
use crate::places::refuse_used;
use crate::{Call, Engine, Topic};
use std::time::Duration;
use stratus_drivers::HostFacts;
use stratus_model::{Error, Kind, Micros, Result};
use stratus_store::{Host, Query, StoragePool, TemplatePool, Tx, Vm, Volume, Zone};
use uuid::Uuid;

/// How long a VM may take to be expunged with its host.
const PATIENCE: Duration = Duration::from_secs(600);

/// Refuses an offering for local storage in a zone without.
pub(crate) fn allowed(zone: &Zone, field: &str, storage_type: Option<&str>) -> Result<()> {
    match storage_type {
        Some("local") if !zone.local_storage => {
            Err(Error::invalid(field, format!("the offering is for local storage, which zone {} does not allow", zone.name)))
        }
        _ => Ok(()),
    }
}

/// A host was named that is not the one with the VM's disks.
pub(crate) fn elsewhere() -> Error {
    Error::invalid("hostid", "the virtual machine's disks are on the local storage of another host")
}

/// Takes a host's own pool out of the books with the host; its uuid. Refused while volumes are on it.
pub(crate) async fn end(tx: &mut Tx, host: &Host, now: Micros) -> Result<Option<String>> {
    let Some(pool) = tx.find_one::<StoragePool>(Query::live().eq("host_id", host.id)).await? else { return Ok(None) };
    let on = Query::live().eq("pool_id", pool.id).without("state", ["Expunged"]);
    refuse_used::<Volume>(tx, on, Kind::Host, &host.uuid, "volumes are on its local storage: forcedestroylocalstorage destroys what")
        .await?;
    tx.delete::<TemplatePool>(Query::all().eq("pool_id", pool.id)).await?;
    tx.set::<StoragePool>(pool.id, vec![("state", "Removed".into()), ("removed", now.into())]).await?;
    Ok(Some(pool.uuid))
}

async fn insert(tx: &mut Tx, call: &Call, mut pool: StoragePool) -> Result<StoragePool> {
    let host = pool.host_id.unwrap_or(0);
    if let Some(there) = tx.find_one::<StoragePool>(Query::live().eq("host_id", host)).await? {
        return Ok(there);
    }
    crate::places::hold::<Host>(tx, Kind::Host, host).await?;
    tx.insert(&mut pool).await?;
    call.log(tx, Topic::of_caller(call, Kind::StoragePool, pool.id), format!("storage pool {} created", pool.name)).await?;
    Ok(pool)
}

impl Engine {
    /// Sees that a host that has made contact has its own pool, if its zone wants one. That it cannot be had is an alert, not the end of
    /// the host.
    pub(crate) async fn local_pool(&self, call: &Call, host: &Host, facts: &HostFacts) {
        if let Err(error) = self.local_pool_make(call, host, facts).await {
            let why = stratus_model::in_full(&error);
            if let Err(error) =
                self.unequipped(host, &format!("local storage {}", facts.local_storage.as_deref().unwrap_or_default()), &why).await
            {
                tracing::warn!(host = host.id, why, %error, "a host has no local storage, and the alert was not raised");
            }
        }
    }

    async fn local_pool_make(&self, call: &Call, host: &Host, facts: &HostFacts) -> Result<()> {
        let (Some(path), Some(driver)) = (&facts.local_storage, self.drivers.pool(&host.hypervisor)) else { return Ok(()) };
        let there = self.db.count::<StoragePool>(Query::live().eq("host_id", host.id)).await? > 0;
        if there || !self.db.must::<Zone>(host.zone_id).await?.local_storage {
            return Ok(());
        }
        let mut pool = StoragePool {
            uuid: Uuid::new_v4().to_string(),
            name: format!("{} Local Storage", host.name),
            zone_id: host.zone_id,
            pod_id: Some(host.pod_id),
            cluster_id: Some(host.cluster_id),
            scope: "HOST".into(),
            host_id: Some(host.id),
            hypervisor: Some(host.hypervisor.clone()),
            pool_type: "Filesystem".into(),
            provider: crate::pool::PROVIDER.into(),
            url: format!("file://{path}"),
            ip_address: host.ip_address.clone(),
            path: path.clone(),
            state: "Up".into(),
            created: self.clock.now(),
            ..Default::default()
        };
        if let Some(agents) = self.drivers.agents(&host.hypervisor) {
            agents.meant_for(&pool.uuid, std::slice::from_ref(&host.uuid));
        }
        let size = driver.connect(&pool.uuid, &pool.url).await.map_err(|e| crate::places::unreachable("storage pool", e))?;
        pool.capacity_bytes = i64::try_from(size.total).unwrap_or(i64::MAX);
        let (call, uuid) = (call.clone(), pool.uuid.clone());
        let kept = self.db.write(move |tx| Box::pin(async move { insert(tx, &call, pool).await })).await;
        // Another server, or another call, was first.
        if !kept.as_ref().is_ok_and(|kept| kept.uuid == uuid) {
            crate::pool::forget(&driver, &uuid).await;
        }
        kept.map(drop)
    }

    /// The pools of a zone's hosts that are up, now that the zone wants them.
    pub(crate) async fn local_pools_of(&self, call: &Call, zone: &Zone) -> Result<()> {
        for host in self.db.find::<Host>(Query::live().eq("zone_id", zone.id).eq("state", "Up")).await? {
            let Some(driver) = self.drivers.host(&host.hypervisor) else { continue };
            match driver.connect(&host.uuid, &host.url).await {
                Ok(facts) => self.local_pool(call, &host, &facts).await,
                // It gets its pool when it makes contact again.
                Err(error) => tracing::warn!(host = host.id, %error, "a host that is Up does not say where its local storage is"),
            }
        }
        Ok(())
    }

    /// The host that a VM's disks on local storage pin it to.
    pub(crate) async fn host_of_disks(&self, vm: i64) -> Result<Option<i64>> {
        let mine = Query::live().eq("vm_id", vm).not_null("pool_id");
        let pools = Query::all().not_null("host_id").key_in::<Volume>("id", "pool_id", mine);
        Ok(self.db.find_one::<StoragePool>(pools).await?.and_then(|pool| pool.host_id))
    }

    /// The host on whose local storage a disk for a VM has to be: where it runs, or where its other disks are.
    pub(crate) async fn host_for(&self, vm: &Vm) -> Result<Option<i64>> {
        match vm.host_id {
            Some(host) => Ok(Some(host)),
            None => self.host_of_disks(vm.id).await,
        }
    }

    /// Refuses a disk for a VM that cannot be where the disk is.
    pub(crate) async fn same_host(&self, volume: &Volume, vm: &Vm) -> Result<()> {
        let Some(pool) = volume.pool_id else { return Ok(()) };
        let Some(host) = self.db.must::<StoragePool>(pool).await?.host_id else { return Ok(()) };
        match self.host_for(vm).await? {
            Some(other) if other != host => {
                Err(Error::invalid("id", "the volume is on the local storage of another host than the virtual machine's; migrate it first"))
            }
            _ => Ok(()),
        }
    }

    /// The host on whose local storage a volume has to be because of its VM: where that runs, or where its other disks are.
    pub(crate) async fn host_beside(&self, volume: &Volume) -> Result<Option<i64>> {
        let Some(vm) = volume.vm_id else { return Ok(None) };
        if let Some(host) = self.db.get::<Vm>(vm).await?.and_then(|vm| vm.host_id) {
            return Ok(Some(host));
        }
        let others = Query::live().eq("vm_id", vm).ne("id", volume.id).not_null("pool_id");
        let pools = Query::all().not_null("host_id").key_in::<Volume>("id", "pool_id", others);
        Ok(self.db.find_one::<StoragePool>(pools).await?.and_then(|pool| pool.host_id))
    }

    /// Destroys for good what lies on a host's local storage: the VMs with disks there, and volumes that nobody has.
    pub async fn local_storage_destroy(&self, call: &Call, host: &Host) -> Result<()> {
        let on = || Query::live().key_in::<StoragePool>("pool_id", "id", Query::live().eq("host_id", host.id));
        let volumes = self.db.find::<Volume>(on()).await?;
        let vms = self.db.by_ids::<Vm>(volumes.iter().filter_map(|volume| volume.vm_id)).await?;
        let mut jobs = Vec::new();
        for vm in vms.into_values() {
            let parameters = serde_json::json!({ "id": vm.uuid, "expunge": "true" }).to_string();
            let why = "destroying a VM with the local storage of its host";
            let draft = crate::account_end::draft("destroyVirtualMachine", "VM.DESTROY", why, &parameters);
            jobs.push(self.job_submit(call, draft, crate::vm::topic(&vm)).await?);
        }
        for job in jobs {
            self.job_wait(job.id, PATIENCE).await?;
        }
        for volume in self.db.find::<Volume>(on().null("vm_id")).await? {
            self.volume_delete(call, volume).await?;
        }
        Ok(())
    }
}
