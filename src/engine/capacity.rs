//! What hosts and pools have to give. `used` moves only by conditional statements together with the row that takes it, so that at
//! rest it equals the sum of placements (hosts) and of volumes' sizes (pools).
use crate::Engine;
use crate::dedication::Barred;
use stratus_model::{Error, Kind, Result};
use stratus_store::{HostCapacity, Job, Placement, Query, StoragePool, Tx, Vm};

/// CPU in MHz and memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Amount {
    /// MHz.
    pub cpu: i64,
    /// Bytes.
    pub memory: i64,
}

/// What a VM asks of a place to run: where it may be and how much it needs.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Demand {
    /// The zone.
    pub zone: i64,
    /// Places that are dedicated to others.
    #[serde(default)]
    pub barred: Barred,
    /// The pod, when its address or disks bind it to one.
    pub pod: Option<i64>,
    /// The cluster, when its disks bind it to one.
    pub cluster: Option<i64>,
    /// The host, when an administrator chose it.
    pub host: Option<i64>,
    /// The hypervisor that its template is for.
    pub hypervisor: Option<String>,
    /// Tags that the host must have.
    pub tags: Vec<String>,
    /// How much.
    pub amount: Amount,
    /// Whose the VM is, for allocators that spread or gather an account's VMs.
    #[serde(default)]
    pub account: i64,
    /// Hosts that were tried already.
    pub avoid: Vec<i64>,
    /// Hosts that its affinity groups keep it from.
    #[serde(default)]
    pub apart: Vec<i64>,
}

impl Engine {
    /// Takes a place on a host for a VM. Run again, it finds its own placement; false when the host no longer has room.
    pub async fn place(&self, tx: &mut Tx, vm: i64, host: i64, amount: Amount) -> Result<bool> {
        if let Some(mine) = tx.find_one::<Placement>(Query::all().eq("vm_id", vm)).await? {
            if mine.host_id == host {
                return Ok(true);
            }
            return Err(Error::internal(format!("vm {vm} already has a place on host {}", mine.host_id)));
        }
        if !host_take(tx, host, amount).await? {
            return Ok(false);
        }
        let now = self.clock.now();
        let mut p = Placement { vm_id: vm, host_id: host, cpu: amount.cpu, memory: amount.memory, created: now, ..Default::default() };
        tx.insert(&mut p).await?;
        crate::affinity::hosts_take(tx, vm, host).await?;
        Ok(true)
    }

    /// Gives a VM's place back; nothing when it has none.
    pub async fn unplace(&self, tx: &mut Tx, vm: i64) -> Result<()> {
        for p in tx.find::<Placement>(Query::all().eq("vm_id", vm)).await? {
            leave(tx, &p).await?;
        }
        Ok(())
    }

    /// Gives back places that no VM uses: those of VMs in states without a host on which no job is at work. How many.
    pub async fn placements_clean(&self) -> Result<u64> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let mut cleaned = 0;
                    for p in tx.find::<Placement>(Query::all()).await? {
                        let vm = tx.must::<Vm>(p.vm_id).await?;
                        let busy = Query::live().eq("status", 0).eq("instance_type", Kind::Vm.instance_type()).eq("instance_id", vm.id);
                        let used = vm.vm_state().holds_host() && vm.host_id == Some(p.host_id);
                        if !used && tx.count::<Job>(busy).await? == 0 {
                            leave(tx, &p).await?;
                            cleaned += 1;
                        }
                    }
                    Ok(cleaned)
                })
            })
            .await
    }

    /// What a pool has in all after over-provisioning, bytes.
    pub fn pool_total(&self, pool: &StoragePool) -> i64 {
        let factor = self.settings.factor("storage.overprovisioning.factor", "storagepool", pool.id);
        (pool.capacity_bytes as f64 * factor) as i64
    }

    /// What a host has in all after its cluster's over-commitment.
    pub fn host_total(&self, cluster: &stratus_store::Cluster, cpus: i64, mhz: i64, memory: i64) -> Amount {
        let of = |text: &str| text.parse::<f64>().ok().filter(|f| *f > 0.0).unwrap_or(1.0);
        Amount {
            cpu: ((cpus * mhz) as f64 * of(&cluster.cpu_overcommit)) as i64,
            memory: (memory as f64 * of(&cluster.memory_overcommit)) as i64,
        }
    }

    /// The capacity row of a host.
    pub async fn host_capacity(&self, host: i64) -> Result<Option<HostCapacity>> {
        self.db.find_one(Query::all().eq("host_id", host)).await
    }
}

/// Takes room on a host that is open; false when there is none.
pub(crate) async fn host_take(tx: &mut Tx, host: i64, amount: Amount) -> Result<bool> {
    let fits = tx
        .execute(
            stratus_store::sql!(
                "update host_capacity set cpu_used = cpu_used + ?, memory_used = memory_used + ?, guests = guests + 1, \
                 update_count = update_count + 1 where host_id = ? and open = 1 and cpu_used + ? <= cpu_total \
                 and memory_used + ? <= memory_total and (max_guests = 0 or guests < max_guests)"
            ),
            vec![amount.cpu.into(), amount.memory.into(), host.into(), amount.cpu.into(), amount.memory.into()],
        )
        .await?;
    Ok(fits == 1)
}

/// Counts room on a host that is taken already, whatever is left of it.
pub(crate) async fn host_force(tx: &mut Tx, host: i64, amount: Amount) -> Result<()> {
    let sql = stratus_store::sql!(
        "update host_capacity set cpu_used = cpu_used + ?, memory_used = memory_used + ?, guests = guests + 1, \
         update_count = update_count + 1 where host_id = ?"
    );
    tx.execute(sql, vec![amount.cpu.into(), amount.memory.into(), host.into()]).await.map(drop)
}

/// Gives one place back, and with it the VM's right to keep others of its groups from that host.
pub(crate) async fn leave(tx: &mut Tx, p: &Placement) -> Result<()> {
    if tx.delete::<Placement>(Query::all().eq("id", p.id)).await? == 1 {
        tx.execute(
            stratus_store::sql!(
                "update host_capacity set cpu_used = cpu_used - ?, memory_used = memory_used - ?, guests = guests - 1, \
                 update_count = update_count + 1 where host_id = ?"
            ),
            vec![p.cpu.into(), p.memory.into(), p.host_id.into()],
        )
        .await?;
        crate::affinity::hosts_leave(tx, p.vm_id, p.host_id).await?;
    }
    Ok(())
}

/// Takes bytes of a pool that has `total` in all; false when there is no room.
pub(crate) async fn pool_take(tx: &mut Tx, pool: i64, bytes: i64, total: i64) -> Result<bool> {
    let matched = tx
        .execute(
            stratus_store::sql!("update storage_pool set used_bytes = used_bytes + ? where id = ? and used_bytes + ? <= ?"),
            vec![bytes.into(), pool.into(), bytes.into(), total.into()],
        )
        .await?;
    Ok(matched == 1)
}

/// Gives bytes of a pool back.
pub(crate) async fn pool_give_back(tx: &mut Tx, pool: i64, bytes: i64) -> Result<()> {
    let args = vec![bytes.into(), pool.into()];
    tx.execute(stratus_store::sql!("update storage_pool set used_bytes = used_bytes - ? where id = ?"), args).await.map(drop)
}
