//! A VM for another account: it moves there with its disks; its network, security groups and affinity groups are the new owner's.
use crate::vm::{counted, nic_of, topic, usage, wrong_state};
use crate::{Call, Engine};
use stratus_model::{Error, Limit, Result, Role, VmState};
use stratus_store::{
    Account, IpAddress, Network, Nic, Query, SecurityGroup, Tag, Template, TemplatePermission, Tx, Value, Vm, Volume, Zone,
};

/// What a VM is to have with its new owner.
#[derive(Debug, Clone, Default)]
pub struct VmAssign {
    /// Its networks, in an advanced zone; the new owner's own when left out.
    pub networks: Vec<Network>,
    /// Its security groups; `default` when left out.
    pub groups: Vec<SecurityGroup>,
}

impl Engine {
    /// Moves a stopped VM to another account.
    pub async fn vm_assign(&self, call: &Call, vm: Vm, to: Account, ask: VmAssign) -> Result<Vm> {
        if vm.vm_state() != VmState::Stopped {
            return Err(wrong_state(&vm, "it is given to another account while it is stopped"));
        }
        if to.id == vm.account_id {
            return Err(Error::invalid("account", format!("the virtual machine is account {}'s already", to.name)));
        }
        self.no_vm_snapshots(&vm, "virtualmachineid").await?;
        let nat = Query::all().eq("vm_id", vm.id).eq("static_nat", true);
        if self.db.count::<IpAddress>(nat).await? > 0 {
            return Err(Error::invalid("virtualmachineid", "a public address is mapped to it by static NAT; disable that first"));
        }
        self.template_for(&vm, &to).await?;
        let zone = self.db.must::<Zone>(vm.zone_id).await?;
        let networks = self.networks_for(&zone, &to, ask.networks).await?;
        let groups = self.groups_for(&zone, &to, ask.groups).await?;
        let id = vm.id;
        let inner = call.clone();
        let left = self.db.write(move |tx| Box::pin(async move { assign(tx, &inner, vm, to, networks, groups).await })).await?;
        self.group_members_changed(left);
        self.db.must(id).await
    }

    /// Refuses when the new owner may not use the VM's template.
    async fn template_for(&self, vm: &Vm, to: &Account) -> Result<()> {
        let template = self.db.must::<Template>(vm.template_id).await?;
        let shared = Query::all().eq("template_id", template.id).eq("account_id", to.id);
        let role = stratus_model::AccountType::from_number(to.account_type).map(stratus_model::AccountType::role);
        if template.is_public
            || template.account_id == to.id
            || role == Some(Role::Admin)
            || self.db.count::<TemplatePermission>(shared).await? > 0
        {
            return Ok(());
        }
        Err(Error::invalid(
            "account",
            format!("account {} may not use the virtual machine's template {}; share that first", to.name, template.uuid),
        ))
    }

    async fn networks_for(&self, zone: &Zone, to: &Account, asked: Vec<Network>) -> Result<Vec<Network>> {
        let guest = || Query::live().eq("zone_id", zone.id).eq("traffic_type", "Guest");
        if zone.network_type == "Basic" {
            if !asked.is_empty() {
                return Err(Error::invalid("networkids", "a basic zone has its own guest network; leave it out"));
            }
            return self.db.find(guest().page(0, 1)).await;
        }
        let networks = match asked.is_empty() {
            true => self.db.find(guest().eq("account_id", to.id).eq("acl_type", "Account").page(0, 1)).await?,
            false => asked,
        };
        if networks.is_empty() {
            return Err(Error::invalid("networkids", format!("account {} has no network of its own in this zone: name one", to.name)));
        }
        match networks.iter().find(|n| n.zone_id != zone.id || n.acl_type == "Account" && n.account_id != to.id) {
            Some(n) => Err(Error::invalid("networkids", format!("account {} cannot use network {} here", to.name, n.uuid))),
            None => Ok(networks),
        }
    }

    async fn groups_for(&self, zone: &Zone, to: &Account, asked: Vec<SecurityGroup>) -> Result<Vec<i64>> {
        if !zone.security_groups {
            return match asked.is_empty() {
                true => Ok(Vec::new()),
                false => Err(Error::invalid("securitygroupids", "this zone does not have security groups")),
            };
        }
        if asked.is_empty() {
            return Ok(vec![self.default_group(to.id).await?.id]);
        }
        match asked.iter().find(|g| g.account_id != to.id) {
            Some(g) => Err(Error::invalid("securitygroupids", format!("security group {} is not account {}'s", g.uuid, to.name))),
            None => Ok(asked.into_iter().map(|g| g.id).collect()),
        }
    }
}

async fn assign(tx: &mut Tx, call: &Call, vm: Vm, to: Account, networks: Vec<Network>, groups: Vec<i64>) -> Result<Vec<i64>> {
    let volumes = tx.find::<Volume>(Query::live().eq("vm_id", vm.id)).await?;
    let mut takes = counted(&vm).to_vec();
    takes.extend([(Limit::Volume, volumes.len() as i64), (Limit::PrimaryStorage, volumes.iter().map(|v| v.size_bytes).sum())]);
    call.give_back(tx, vm.account_id, &takes).await?;
    call.take(tx, to.id, &takes).await?;
    let owner = || vec![("account_id", to.id.into()), ("domain_id", to.domain_id.into())];
    let after = Vm { account_id: to.id, domain_id: to.domain_id, ..vm.clone() };
    let facts = (Some(vm.service_offering_id), Some(vm.template_id));
    usage(tx, call, "VM.DESTROY", &vm, vm.id, Some(&vm.name), facts.0, facts.1, None).await?;
    usage(tx, call, "VM.CREATE", &after, vm.id, Some(&vm.name), facts.0, facts.1, None).await?;
    for v in &volumes {
        tx.set::<Volume>(v.id, owner()).await?;
        usage(tx, call, "VOLUME.DELETE", &vm, v.id, Some(&v.name), v.disk_offering_id, v.template_id, Some(v.size_bytes)).await?;
        usage(tx, call, "VOLUME.CREATE", &after, v.id, Some(&v.name), v.disk_offering_id, v.template_id, Some(v.size_bytes)).await?;
        tx.update::<Tag>(Query::all().eq("resource_type", "Volume").eq("resource_id", v.id), owner()).await?;
    }
    tx.update::<Tag>(Query::all().eq("resource_type", "UserVm").eq("resource_id", vm.id), owner()).await?;
    for nic in tx.find::<Nic>(Query::live().eq("vm_id", vm.id)).await? {
        call.address_give_back(tx, nic.id).await?;
        tx.set::<Nic>(nic.id, vec![("ip4", Value::Null)]).await?;
        tx.remove::<Nic>(nic.id, call.now()).await?;
    }
    for (device, network) in networks.iter().enumerate() {
        tx.insert(&mut nic_of(&after, network, device as i64)).await?;
    }
    crate::affinity::forget(tx, vm.id).await?;
    let left = call.groups_leave(tx, vm.id).await?;
    if !groups.is_empty() {
        call.groups_join(tx, vm.id, &groups).await?;
    }
    let mut set = owner();
    set.push(("group_id", Value::Null));
    tx.advance::<Vm>(vm.id, &vm.state, vm.update_count, &vm.state, set).await?;
    call.log(tx, topic(&after), format!("VM {} is now account {}'s", vm.uuid, to.name)).await?;
    Ok(left)
}
