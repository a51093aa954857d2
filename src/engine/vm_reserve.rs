//! What a VM that starts takes before anything is made: a place on a host, addresses, room on pools, in one transaction.
use crate::Call;
use crate::allocators::UP_TO;
use crate::saga::Mark;
use crate::vm_start::{StartVm, amount};
use crate::volume_place::{leave_pool, no_pool, take_pool};
use stratus_model::{Error, Result};
use stratus_store::{Host, Network, Nic, Placement, Query, ServiceOffering, StoragePool, Tx, Value, Vm, Volume};

/// What a VM that starts still has to get beside a place on a host.
#[derive(Clone)]
struct Needs {
    vm: Vm,
    /// Its addresses come from the range of its pod.
    of_pod: bool,
    /// NICs without an address, with their networks.
    nics: Vec<(Nic, Network)>,
    /// Volumes without a pool.
    volumes: Vec<Volume>,
}

/// What came of taking a host.
#[derive(Default)]
enum Taken {
    /// Everything is the VM's, and the step is saved under this key.
    All(i64),
    /// The host has no room any more.
    #[default]
    NoRoom,
    /// The pools that were looked at have no room any more.
    NoPool,
}

/// The text of the error that undoes a taking in which the pools ran out.
const POOLS_GONE: &str = "room on the pools";

impl Needs {
    async fn of(call: &Call, vm: Vm) -> Result<Self> {
        let nics = call.db.find::<Nic>(Query::live().eq("vm_id", vm.id).null("ip4")).await?;
        let mut networks = call.db.by_ids::<Network>(nics.iter().map(|n| n.network_id)).await?;
        // Two NICs of a VM are in different networks.
        let with = |nic: Nic| networks.remove(&nic.network_id).map(|network| (nic, network));
        Ok(Self {
            of_pod: call.db.must::<stratus_store::Zone>(vm.zone_id).await?.network_type == "Basic",
            nics: nics.into_iter().filter_map(with).collect(),
            volumes: call.db.find::<Volume>(Query::live().eq("vm_id", vm.id).null("pool_id")).await?,
            vm,
        })
    }

    /// Takes a place, addresses and pools, and saves the step with them.
    async fn take(self, call: &Call, host: Host, plan: StartVm, mark: Mark) -> Result<Taken> {
        let mut volumes = Vec::with_capacity(self.volumes.len());
        for v in &self.volumes {
            let pools = call.pool_candidates(&self.vm, (host.cluster_id, Some(host.id)), v, &[]).await?;
            // Another host's own storage may have room.
            if pools.is_empty() && call.volume_wishes(v).await?.local {
                return Ok(Taken::NoRoom);
            }
            if pools.is_empty() {
                return Err(no_pool(v));
            }
            volumes.push((v.clone(), pools));
        }
        let inner = call.clone();
        let outcome = call.db.write(move |tx| Box::pin(async move { self.take_in(tx, &inner, &host, &volumes, plan, mark).await })).await;
        match crate::affinity::taken_is_no_room(outcome) {
            Err(Error::Raced(what)) if what == POOLS_GONE => Ok(Taken::NoPool),
            other => other,
        }
    }

    async fn take_in(
        &self,
        tx: &mut Tx,
        call: &Call,
        host: &Host,
        volumes: &[(Volume, Vec<StoragePool>)],
        plan: StartVm,
        mark: Mark,
    ) -> Result<Taken> {
        let vm = &self.vm;
        if !call.place(tx, vm.id, host.id, amount(vm)).await? {
            return Ok(Taken::NoRoom);
        }
        let set = vec![("host_id", host.id.into()), ("pod_id", host.pod_id.into()), ("cluster_id", host.cluster_id.into())];
        tx.set::<Vm>(vm.id, set).await?;
        for (nic, network) in &self.nics {
            let pod = self.of_pod.then_some(host.pod_id);
            let owner = (vm.account_id, vm.domain_id);
            let address = call.address_take(tx, network, pod, nic.requested_ip4.as_deref(), vm.id, nic.id, owner).await?;
            let range = call.range_of(tx, &address).await?;
            let set = vec![
                ("ip4", address.address.into()),
                ("gateway", range.gateway.or_else(|| network.gateway.clone()).into()),
                ("netmask", range.netmask.or_else(|| network.netmask.clone()).into()),
            ];
            tx.set::<Nic>(nic.id, set).await?;
        }
        for (volume, pools) in volumes {
            let mut placed = false;
            for pool in pools {
                placed = take_pool(tx, volume.id, pool, call.pool_total(pool)).await?;
                if placed {
                    break;
                }
            }
            if !placed {
                return Err(Error::Raced(POOLS_GONE.into()));
            }
        }
        mark.write(tx, &plan).await.map(Taken::All)
    }
}

/// A place on a host, addresses and pools: all of them or nothing.
pub(crate) async fn reserve(call: &Call, plan: &mut StartVm, mark: Mark) -> Result<Option<i64>> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    let mine = call.db.find_one::<Placement>(Query::all().eq("vm_id", plan.vm)).await?;
    let offering = call.db.must::<ServiceOffering>(vm.service_offering_id).await?;
    let mut demand = call.demand(&vm, plan.wanted_host, plan.avoid.clone(), &offering);
    call.bind(&vm, &mut demand).await?;
    let needs = Needs::of(call, vm).await?;
    for _ in 0..UP_TO {
        let found = match &mine {
            Some(p) => vec![call.db.must::<Host>(p.host_id).await?],
            None => call.place_candidates(&demand, &offering).await?,
        };
        if found.is_empty() {
            break;
        }
        for host in found {
            let taken = StartVm { host: Some(host.id), ..plan.clone() };
            let id = host.id;
            match needs.clone().take(call, host, taken.clone(), mark.clone()).await? {
                Taken::All(row) => {
                    *plan = taken;
                    return Ok(Some(row));
                }
                Taken::NoRoom => demand.avoid.push(id),
                // Other pools are looked for with the next round of hosts.
                Taken::NoPool => break,
            }
        }
    }
    demand.avoid.clone_from(&plan.avoid);
    Err(call.no_host(call, &needs.vm, &demand).await?)
}

/// Frees whatever a VM that does not run has no right to hold.
pub(crate) async fn release(call: &Call, plan: &mut StartVm) -> Result<()> {
    let (inner, vm) = (call.clone(), plan.vm);
    call.db.write(move |tx| Box::pin(async move { let_go(tx, &inner, vm).await })).await
}

/// As [`release`], in the transaction of what follows from it.
pub(crate) async fn let_go(tx: &mut Tx, call: &Call, vm: i64) -> Result<()> {
    for volume in tx.find::<Volume>(Query::live().eq("vm_id", vm).eq("state", "Creating")).await? {
        leave_pool(tx, &volume).await?;
    }
    // A VM that has run keeps its address while it is stopped.
    if !tx.must::<Vm>(vm).await?.has_run {
        for nic in tx.find::<Nic>(Query::live().eq("vm_id", vm)).await? {
            call.address_give_back(tx, nic.id).await?;
            tx.set::<Nic>(nic.id, vec![("ip4", Value::Null), ("gateway", Value::Null), ("netmask", Value::Null)]).await?;
        }
    }
    call.unplace(tx, vm).await?;
    tx.set::<Vm>(vm, vec![("host_id", Value::Null)]).await.map(drop)
}
