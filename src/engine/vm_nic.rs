//! NICs that come and go while a VM lives, in advanced zones.
use crate::group_push::Members;
use crate::saga::Saga;
use crate::vm::{nic_of, wrong_state};
use crate::vm_start::{from_driver, network_spec, nic_spec};
use crate::{Call, Engine, saga};
use serde::{Deserialize, Serialize};
use stratus_model::{Error, Kind, Result, VmState};
use stratus_store::{Network, Nic, Query, Value, Vm, Zone};

static ADD_NIC: Saga<OneNic> = saga!("nic-add": insert undo take_out, prepare undo release, plug undo unplug);
static REMOVE_NIC: Saga<OneNic> = saga!("nic-remove": unplug, release, take_out);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OneNic {
    vm: i64,
    network: i64,
    address: Option<String>,
    /// The NIC's uuid, chosen before anything is done: what is taken back is this NIC and no other in the same network.
    uuid: String,
    nic: Option<i64>,
}

impl Engine {
    /// Refuses where NICs are what the zone gives: a basic zone, a VM in a passing state.
    async fn nics_may_change(&self, vm: &Vm, what: &str) -> Result<()> {
        if self.db.must::<Zone>(vm.zone_id).await?.network_type == "Basic" {
            return Err(Error::invalid("virtualmachineid", format!("the zone has a network type of Basic: {what} there")));
        }
        match vm.vm_state() {
            VmState::Running | VmState::Stopped => Ok(()),
            _ => Err(wrong_state(vm, "its NICs are changed while it runs or is stopped")),
        }
    }

    async fn nic_of_vm(&self, vm: &Vm, nic: &Nic) -> Result<()> {
        match nic.vm_id == vm.id && nic.removed.is_none() {
            true => Ok(()),
            false => Err(Error::invalid("nicid", format!("NIC {} is not one of virtual machine {}", nic.uuid, vm.uuid))),
        }
    }

    /// Connects a VM to one more network.
    pub async fn nic_add(&self, call: &Call, vm: &Vm, network: &Network, address: Option<String>) -> Result<Vm> {
        self.nics_may_change(vm, "no NIC is added").await?;
        if network.zone_id != vm.zone_id || network.traffic_type != "Guest" {
            return Err(Error::invalid("networkid", format!("network {} is not a guest network of the zone", network.uuid)));
        }
        if network.acl_type == "Account" && network.account_id != vm.account_id {
            return Err(Error::invalid("networkid", format!("network {} is another account's", network.uuid)));
        }
        ADD_NIC.run(call, 0, OneNic { vm: vm.id, network: network.id, address, uuid: uuid::Uuid::new_v4().to_string(), nic: None }).await?;
        self.db.must(vm.id).await
    }

    /// Disconnects a VM from a network that is not its default one.
    pub async fn nic_remove(&self, call: &Call, vm: &Vm, nic: &Nic) -> Result<Vm> {
        self.nics_may_change(vm, "no NIC is removed").await?;
        if nic.is_default {
            return Err(Error::invalid("nicid", "the default NIC stays; make another one the default first"));
        }
        if call.job.is_none() || nic.removed.is_none() {
            self.nic_of_vm(vm, nic).await?;
        }
        REMOVE_NIC
            .run(call, 0, OneNic { vm: vm.id, network: nic.network_id, address: None, uuid: nic.uuid.clone(), nic: Some(nic.id) })
            .await?;
        self.db.must(vm.id).await
    }

    /// Makes another NIC of a VM the default one; a running guest takes it up when it boots again.
    pub async fn nic_make_default(&self, vm: &Vm, nic: &Nic) -> Result<Vm> {
        self.nics_may_change(vm, "the default NIC is the only one").await?;
        self.nic_of_vm(vm, nic).await?;
        let (vm, nic) = (vm.id, nic.id);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.update::<Nic>(Query::live().eq("vm_id", vm), vec![("is_default", false.into())]).await?;
                    tx.set::<Nic>(nic, vec![("is_default", true.into())]).await?;
                    tx.must(vm).await
                })
            })
            .await
    }
}

async fn insert(call: &Call, plan: &mut OneNic) -> Result<()> {
    let (inner, p) = (call.clone(), plan.clone());
    let id = call
        .db
        .write(move |tx| {
            Box::pin(async move {
                let (vm, network) = (tx.must::<Vm>(p.vm).await?, tx.must::<Network>(p.network).await?);
                let nics = tx.find::<Nic>(Query::live().eq("vm_id", vm.id)).await?;
                if let Some(made) = nics.iter().find(|n| n.uuid == p.uuid) {
                    return Ok(made.id);
                }
                if nics.iter().any(|n| n.network_id == network.id) {
                    return Err(Error::InUse { kind: Kind::Network, id: network.uuid, why: "the virtual machine has a NIC in it".into() });
                }
                // Numbers of NICs that are gone count too: their MAC addresses are not used twice.
                let all = tx.find::<Nic>(Query::all().eq("vm_id", vm.id)).await?;
                let device = all.iter().map(|n| n.device_id + 1).max().unwrap_or(0);
                let (uuid, requested_ip4) = (p.uuid.clone(), p.address.clone());
                let mut nic = Nic { uuid, requested_ip4, created: inner.now(), ..nic_of(&vm, &network, device) };
                nic.is_default = nics.is_empty();
                tx.insert(&mut nic).await?;
                let owner = (vm.account_id, vm.domain_id);
                let taken = inner.address_take(tx, &network, None, p.address.as_deref(), vm.id, nic.id, owner).await?;
                let range = inner.range_of(tx, &taken).await?;
                let set = vec![
                    ("ip4", taken.address.into()),
                    ("gateway", range.gateway.or(network.gateway).into()),
                    ("netmask", range.netmask.or(network.netmask).into()),
                ];
                tx.set::<Nic>(nic.id, set).await?;
                Ok(nic.id)
            })
        })
        .await?;
    plan.nic = Some(id);
    Ok(())
}

/// The VM, its NIC and the NIC's network; none when the NIC was never made.
async fn parts(call: &Call, plan: &OneNic) -> Result<Option<(Vm, Nic, Network)>> {
    let Some(nic) = plan.nic else { return Ok(None) };
    Ok(Some((call.db.must(plan.vm).await?, call.db.must(nic).await?, call.db.must(plan.network).await?)))
}

async fn prepare(call: &Call, plan: &mut OneNic) -> Result<()> {
    let Some((vm, nic, _)) = parts(call, plan).await? else { return Ok(()) };
    let Some(driver) = call.router_of_vm(&vm).await?.filter(|_| vm.vm_state() == VmState::Running) else { return Ok(()) };
    let (network, nic) = call.network_of(call, nic).await?;
    let network = network_spec(&network);
    driver.implement(&network).await.map_err(from_driver)?;
    driver.prepare(&network, &nic_spec(&nic), &vm.instance_name).await.map_err(from_driver)
}

async fn release(call: &Call, plan: &mut OneNic) -> Result<()> {
    let Some((vm, nic, network)) = parts(call, plan).await? else { return Ok(()) };
    let Some(driver) = call.router_of_vm(&vm).await? else { return Ok(()) };
    driver.release(&network_spec(&network), &nic_spec(&nic), &vm.instance_name).await.map_err(from_driver)
}

async fn plug(call: &Call, plan: &mut OneNic) -> Result<()> {
    let Some((vm, nic, _)) = parts(call, plan).await? else { return Ok(()) };
    if vm.vm_state() != VmState::Running {
        return Ok(());
    }
    let (driver, host) = call.host_of_vm(vm.host_id).await?;
    call.group_rules_ahead(&vm, &host, Members::Others).await?;
    driver.plug(&host.uuid, &vm.instance_name, &call.nic_plugged(&vm, &nic).await?).await.map_err(from_driver)
}

async fn unplug(call: &Call, plan: &mut OneNic) -> Result<()> {
    let Some((vm, nic, _)) = parts(call, plan).await? else { return Ok(()) };
    if vm.vm_state() != VmState::Running {
        return Ok(());
    }
    let (driver, host) = call.host_of_vm(vm.host_id).await?;
    driver.unplug(&host.uuid, &vm.instance_name, &nic_spec(&nic)).await.map_err(from_driver)
}

async fn take_out(call: &Call, plan: &mut OneNic) -> Result<()> {
    let (inner, uuid) = (call.clone(), plan.uuid.clone());
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let Some(nic) = tx.find_one::<Nic>(Query::live().eq("uuid", uuid)).await? else { return Ok(()) };
                inner.address_give_back(tx, nic.id).await?;
                tx.set::<Nic>(nic.id, vec![("ip4", Value::Null)]).await?;
                tx.remove::<Nic>(nic.id, inner.now()).await.map(drop)
            })
        })
        .await
}
