//! Further addresses of a NIC (VM-21): taken of its network for as long as the NIC is there. A guest sets them up itself, and a public
//! address may stand for one of them.
use crate::addresses::FREE;
use crate::saga::Saga;
use crate::vm::wrong_state;
use crate::{Call, Engine, Listing, saga};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use stratus_model::{Error, Kind, Result, VmState};
use stratus_store::{IpAddress, Network, Nic, NicSecondaryIp, Query, Tx, Value, Vm, Zone};
use uuid::Uuid;

static ADD: Saga<OneAddress> = saga!("nic-address-add": choose, take);

/// The uuid is chosen, and saved, before the address is taken: a step that runs again after a crash finds its own row.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct OneAddress {
    nic: i64,
    wanted: Option<String>,
    uuid: Option<String>,
}

impl Engine {
    /// NICs of a VM.
    pub async fn nic_list(&self, vm: &Vm, nic: Option<i64>, keyword: Option<&str>, page: (i64, i64)) -> Result<Listing<Nic>> {
        let mut q = Query::live().eq("vm_id", vm.id).eq_opt("id", nic);
        if let Some(k) = keyword {
            q = q.holds(&["ip4", "mac"], k);
        }
        Ok(Listing { count: self.db.count::<Nic>(q.clone()).await?, rows: self.db.find(q.page(page.0, page.1)).await? })
    }

    /// Further addresses by the key of their NIC, in the order in which they were taken.
    pub async fn nic_addresses(&self, nics: &[i64]) -> Result<HashMap<i64, Vec<NicSecondaryIp>>> {
        let mut by_nic: HashMap<i64, Vec<NicSecondaryIp>> = HashMap::new();
        for chunk in nics.chunks(1000) {
            for row in self.db.find::<NicSecondaryIp>(Query::live().within("nic_id", chunk.iter().copied())).await? {
                by_nic.entry(row.nic_id).or_default().push(row);
            }
        }
        Ok(by_nic)
    }

    /// Gives a NIC one more address of its network, the `wanted` one or any free one. Runs in a job.
    pub async fn nic_address_add(&self, call: &Call, nic: &Nic, wanted: Option<String>) -> Result<NicSecondaryIp> {
        let plan = ADD.run(call, 0, OneAddress { nic: nic.id, wanted, uuid: None }).await?;
        let found = self.db.find_one(Query::all().eq("uuid", plan.uuid)).await?;
        found.ok_or_else(|| Error::internal("an address without a row"))
    }

    /// Takes a further address off its NIC.
    pub async fn nic_address_remove(&self, row: NicSecondaryIp) -> Result<()> {
        let now = self.clock.now();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let nat = Query::all().eq("nat_nic_id", row.nic_id).eq("guest_ip", row.address.as_str()).eq("static_nat", true);
                    if let Some(public) = tx.find_one::<IpAddress>(nat).await? {
                        let why = format!("the public address {} stands for it; disable static NAT first", public.address);
                        return Err(Error::InUse { kind: Kind::IpAddress, id: row.address, why });
                    }
                    let_go(tx, Query::live().eq("id", row.id), now).await
                })
            })
            .await
    }

    /// Gives all further addresses of a NIC back, in the transaction that ends it.
    pub(crate) async fn nic_addresses_give_back(&self, tx: &mut Tx, nic: i64) -> Result<()> {
        let_go(tx, Query::live().eq("nic_id", nic), self.clock.now()).await
    }

    /// The further address of a NIC with this text.
    pub(crate) async fn nic_address_named(&self, nic: i64, address: &str) -> Result<Option<NicSecondaryIp>> {
        self.db.find_one(Query::live().eq("nic_id", nic).eq("address", address)).await
    }

    /// Each further address is taken, of a live NIC, and once.
    pub(crate) async fn check_nic_addresses(&self, found: &mut Vec<String>) -> Result<()> {
        let rows = self.db.find::<NicSecondaryIp>(Query::live()).await?;
        let nics = self.db.by_ids::<Nic>(rows.iter().map(|r| r.nic_id)).await?;
        let addresses = self.db.by_ids::<IpAddress>(rows.iter().map(|r| r.ip_address_id)).await?;
        let mut once = std::collections::HashSet::new();
        for r in rows {
            if nics.get(&r.nic_id).is_none_or(|n| n.removed.is_some()) {
                found.push(format!("NIC {} is gone and keeps the further address {}", r.nic_id, r.address));
            }
            let held =
                addresses.get(&r.ip_address_id).is_some_and(|a| a.state == "Allocated" && a.nic_id.is_none() && a.address == r.address);
            if !held || !once.insert(r.ip_address_id) {
                found.push(format!("further address {} of NIC {} is not that NIC's alone", r.address, r.nic_id));
            }
        }
        Ok(())
    }
}

/// Removes rows and frees their addresses.
async fn let_go(tx: &mut Tx, which: Query, now: i64) -> Result<()> {
    for row in tx.find::<NicSecondaryIp>(which).await? {
        if tx.remove::<NicSecondaryIp>(row.id, now).await? {
            tx.take::<IpAddress>(Query::all().eq("id", row.ip_address_id), FREE, Vec::new()).await?;
        }
    }
    Ok(())
}

async fn choose(_: &Call, plan: &mut OneAddress) -> Result<()> {
    plan.uuid.get_or_insert_with(|| Uuid::new_v4().to_string());
    Ok(())
}

async fn take(call: &Call, plan: &mut OneAddress) -> Result<()> {
    let (inner, plan) = (call.clone(), plan.clone());
    call.db.write(move |tx| Box::pin(async move { insert(tx, &inner, plan).await })).await
}

async fn insert(tx: &mut Tx, call: &Call, plan: OneAddress) -> Result<()> {
    let uuid = plan.uuid.unwrap_or_default();
    if tx.find_one::<NicSecondaryIp>(Query::all().eq("uuid", uuid.as_str())).await?.is_some() {
        return Ok(());
    }
    let nic = tx.must::<Nic>(plan.nic).await?;
    let (vm, network) = (tx.must::<Vm>(nic.vm_id).await?, tx.must::<Network>(nic.network_id).await?);
    if nic.removed.is_some() || matches!(vm.vm_state(), VmState::Destroyed | VmState::Expunging | VmState::Error) {
        return Err(wrong_state(&vm, "its NICs get no more addresses"));
    }
    let basic = tx.must::<Zone>(network.zone_id).await?.network_type == "Basic";
    if basic && vm.pod_id.is_none() {
        return Err(wrong_state(&vm, "its addresses are those of a pod, and it has not been in one yet; start it first"));
    }
    let pod = vm.pod_id.filter(|_| basic);
    let owner = (nic.account_id, nic.domain_id);
    // Taken for NIC 0, which nobody is, because a NIC holds one address itself; then for none: the row below says whose it is.
    let taken = call.address_take(tx, &network, pod, plan.wanted.as_deref(), vm.id, 0, owner).await?;
    tx.set::<IpAddress>(taken.id, vec![("nic_id", Value::Null)]).await?;
    let mut row = NicSecondaryIp {
        uuid,
        nic_id: nic.id,
        vm_id: vm.id,
        network_id: network.id,
        ip_address_id: taken.id,
        address: taken.address,
        account_id: nic.account_id,
        domain_id: nic.domain_id,
        created: call.now(),
        ..Default::default()
    };
    tx.insert(&mut row).await.map(drop)
}
