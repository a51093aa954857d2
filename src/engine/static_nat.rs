//! Static NAT: a public address that stands for one NIC's own address, and which of its ports are open.
//!
//! What a network's router answers for is one set with a sequence number, made anew from the rows each time. A change moves the number
//! on in its own transaction, so a router that was not reached, or a server that was killed in between, shows as a network whose router
//! took less than there is; [`Engine::public_reconcile`] tells it again.
use crate::public_address::{is_elastic, topic as address_topic, wrong_state as address_state};
use crate::saga::Saga;
use crate::vm::wrong_state;
use crate::vm_start::{from_driver, network_spec};
use crate::{Call, Engine, JobDraft, Topic, saga};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use stratus_drivers::{PortRule, PublicAddress, PublicSet, StaticNat};
use stratus_model::{Error, Kind, Result, VmState};
use stratus_store::{
    FirewallRule, IpAddress, IpRange, Job, Network, NetworkOffering, Nic, OfferingService, Query, Tag, Tx, Value, Vm, sql,
};
use uuid::Uuid;

/// States of a VM that an address can stand for, once it has run: one that fails its first start loses its own address.
const ALIVE: [VmState; 5] = [VmState::Starting, VmState::Running, VmState::Stopping, VmState::Stopped, VmState::Migrating];

static FORGET_NAT: Saga<ForgetNat> = saga!("static-nat-disable": forget undo remember, tell_router);

/// Rules as tags name them.
const TAGGED: &str = "FirewallRule";

/// What is to be taken back, and what it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ForgetNat {
    address: i64,
    was: Option<IpAddress>,
    rules: Vec<i64>,
    tags: Vec<Tag>,
}

/// A rule that is to be made on a static NAT address.
#[derive(Debug, Clone)]
pub struct PortsOpen {
    /// The address.
    pub address: IpAddress,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// First port.
    pub first: i64,
    /// Last port; the first when absent.
    pub last: Option<i64>,
    /// Who may come; everybody when empty.
    pub cidrs: Vec<String>,
}

/// What events about a rule are about.
pub fn topic(r: &FirewallRule) -> Topic {
    Topic { account: r.account_id, domain: r.domain_id, kind: Kind::FirewallRule, id: r.id }
}

impl Engine {
    /// Lets a public address stand for a VM's address: on its default NIC in the address's network, or the one given. Again for the
    /// same VM it changes nothing.
    pub async fn static_nat_enable(
        &self,
        call: &Call,
        address: IpAddress,
        vm: Vm,
        network: Option<i64>,
        guest: Option<String>,
    ) -> Result<()> {
        let nic = self.nat_target(&address, &vm, network, guest.as_deref()).await?;
        let (inner, id) = (call.clone(), address.id);
        let network = nic.network_id;
        self.db.write(move |tx| Box::pin(async move { claim(tx, &inner, id, &vm, &nic).await })).await?;
        if let Err(e) = self.public_apply(network).await {
            let inner = call.clone();
            self.db.write(move |tx| Box::pin(async move { nat_forget(tx, &inner, Query::all().eq("id", id)).await.map(drop) })).await?;
            self.public_apply_later(Some(network)).await;
            return Err(e);
        }
        Ok(())
    }

    /// The NIC that an address is to stand for, or why it cannot.
    async fn nat_target(&self, a: &IpAddress, vm: &Vm, network: Option<i64>, guest: Option<&str>) -> Result<Nic> {
        let range = self.db.must::<IpRange>(a.range_id).await?;
        if !range.for_virtual_network || a.is_system {
            return Err(Error::not_found(Kind::IpAddress, &a.uuid));
        }
        if a.state != "Allocated" {
            return Err(address_state(a, "only an allocated address can stand for a VM"));
        }
        if a.source_nat {
            return Err(Error::invalid("ipaddressid", format!("{} is the source NAT address of its network", a.address)));
        }
        if a.account_id != Some(vm.account_id) {
            return Err(Error::invalid("virtualmachineid", "the VM and the address must be of one account"));
        }
        if !vm.has_run || !ALIVE.contains(&vm.vm_state()) {
            return Err(wrong_state(vm, "a public address stands for a VM that has started and is not destroyed"));
        }
        let home = a.associated_network_id.ok_or_else(|| Error::internal("a public address without network"))?;
        if network.is_some_and(|n| n != home) {
            return Err(Error::invalid("networkid", format!("{} belongs to another network", a.address)));
        }
        let home = self.db.must::<Network>(home).await?;
        let static_nat = Query::all().eq("offering_id", home.offering_id).eq("service", "StaticNat");
        if self.db.find_one::<OfferingService>(static_nat).await?.is_none() {
            return Err(Error::invalid("ipaddressid", format!("the offering of network {} has no StaticNat", home.name)));
        }
        let nic = self.db.find_one::<Nic>(Query::live().eq("vm_id", vm.id).eq("network_id", home.id)).await?;
        let nic = nic.ok_or_else(|| Error::invalid("virtualmachineid", format!("the VM has no NIC in network {}", home.name)))?;
        match (&nic.ip4, guest) {
            (None, _) => Err(wrong_state(vm, "it has no address yet; it gets one when it first starts")),
            (Some(ip), Some(wanted)) if ip != wanted => match self.nic_address_named(nic.id, wanted).await? {
                Some(further) => Ok(Nic { ip4: Some(further.address), ..nic }),
                None => Err(Error::invalid("vmguestip", format!("{wanted} is not an address of the VM in network {}", home.name))),
            },
            _ => Ok(nic),
        }
    }

    /// Lets an address stand for nobody; its rules go.
    pub async fn static_nat_disable(&self, call: &Call, id: i64) -> Result<()> {
        let a = self.db.must::<IpAddress>(id).await?;
        if a.static_nat && a.is_system {
            return Err(Error::invalid("ipaddressid", format!("{} came with its VM and goes with it", a.address)));
        }
        FORGET_NAT.run(call, 0, ForgetNat { address: id, was: None, rules: Vec::new(), tags: Vec::new() }).await.map(drop)
    }

    /// Opens ports of a static NAT address, with the job that tells the router.
    pub async fn ports_open(&self, call: &Call, ask: PortsOpen, draft: JobDraft) -> Result<(FirewallRule, Job)> {
        let rule = ports_checked(&ask, call.now())?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                let mut rule = rule.clone();
                Box::pin(async move {
                    // Whoever opens ports of this address at the same time waits here, and then sees ours.
                    let held = Query::all().eq("id", ask.address.id).eq("state", "Allocated").eq("static_nat", true);
                    if !tx.take::<IpAddress>(held, "update_count = update_count + 1", Vec::new()).await? {
                        return Err(Error::invalid(
                            "ipaddressid",
                            format!("{} does not stand for a VM: enable static NAT first", ask.address.address),
                        ));
                    }
                    let network = tx.must::<Network>(ask.address.associated_network_id.unwrap_or(0)).await?;
                    if is_elastic(&tx.must::<NetworkOffering>(network.offering_id).await?) {
                        return Err(Error::invalid("ipaddressid", "an elastic IP forwards every port; security groups say who may come"));
                    }
                    refuse_overlap(tx, &rule).await?;
                    rule.network_id = network.id;
                    tx.insert(&mut rule).await?;
                    call.public_changed(tx, network.id).await?;
                    let job = draft.insert(tx, &call, topic(&rule)).await?;
                    Ok((rule, job))
                })
            })
            .await
    }

    /// Goes on in the job.
    pub async fn ports_open_finish(&self, id: i64) -> Result<FirewallRule> {
        let rule = self.db.must::<FirewallRule>(id).await?;
        if rule.state != "Add" {
            return Ok(rule);
        }
        if let Err(e) = self.public_apply(rule.network_id).await {
            let now = self.clock.now();
            self.db
                .write(move |tx| {
                    Box::pin(async move {
                        tx.set::<FirewallRule>(id, vec![("state", "Revoke".into()), ("removed", now.into())]).await?;
                        bump(tx, rule.network_id).await
                    })
                })
                .await?;
            return Err(e);
        }
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.set::<FirewallRule>(id, vec![("state", "Active".into())]).await?;
                    tx.must(id).await
                })
            })
            .await
    }

    /// Closes the ports of a rule. What the router does not take now it is told again.
    pub async fn ports_close(&self, id: i64) -> Result<()> {
        let rule = self.db.must::<FirewallRule>(id).await?;
        if rule.removed.is_some() {
            return Ok(());
        }
        let network = rule.network_id;
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.set::<FirewallRule>(id, vec![("state", "Revoke".into())]).await?;
                    bump(tx, network).await
                })
            })
            .await?;
        self.public_apply(network).await?;
        let now = self.clock.now();
        self.db.write(move |tx| Box::pin(async move { tx.remove::<FirewallRule>(id, now).await.map(drop) })).await
    }

    /// Notes, in the transaction of the change, that the public addresses of a network are not what its router has.
    pub(crate) async fn public_changed(&self, tx: &mut Tx, network: i64) -> Result<()> {
        bump(tx, network).await
    }

    /// Tells a network's router all of its public addresses. A network that is not implemented has no router: it is told with the first VM.
    pub(crate) async fn public_apply(&self, network: i64) -> Result<()> {
        // Read before the rows: a set is never older than its number.
        let network = self.db.must::<Network>(network).await?;
        if matches!(network.state.as_str(), "Allocated" | "Shutdown") {
            return Ok(());
        }
        let Some(driver) = self.router_of(&network).await? else { return Ok(()) };
        let set = self.public_set(&network).await?;
        let spec = network_spec(&network);
        driver.implement(&spec).await.map_err(from_driver)?;
        driver.apply_public(&spec, &set).await.map_err(from_driver)?;
        let (id, sequence) = (network.id, set.sequence);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let sql = sql!("update network set nat_applied = ? where id = ? and nat_applied < ?");
                    tx.execute(sql, vec![sequence.into(), id.into(), sequence.into()]).await.map(drop)
                })
            })
            .await
    }

    /// The same where a failure is not the caller's: it is logged, and the reconciler tells the router again.
    pub(crate) async fn public_apply_later(&self, network: Option<i64>) {
        let Some(id) = network else { return };
        if let Err(e) = self.public_apply(id).await {
            tracing::warn!(network = id, error = %stratus_model::in_full(&e), "a router was not told of its public addresses; it is told again");
        }
    }

    /// Tells every router that took less than there is; how many.
    pub async fn public_reconcile(&self) -> Result<u64> {
        let behind = self.public_behind().await?;
        for id in &behind {
            self.public_apply_later(Some(*id)).await;
        }
        Ok(behind.len() as u64)
    }

    /// Networks whose router took less than there is.
    pub(crate) async fn public_behind(&self) -> Result<Vec<i64>> {
        let sql = sql!(
            "select id from network where removed is null and nat_applied < nat_sequence \
             and state not in ('Allocated', 'Shutdown') order by id"
        );
        self.db.rows(sql, Vec::new()).await?.iter().map(|r| r.get(0)).collect()
    }

    /// What a network's router is to answer for.
    pub(crate) async fn public_set(&self, network: &Network) -> Result<PublicSet> {
        let of = Query::all().eq("associated_network_id", network.id).within("state", ["Allocating", "Allocated"]);
        let rows = self.db.find::<IpAddress>(of).await?;
        let ranges = self.db.by_ids::<IpRange>(rows.iter().map(|a| a.range_id)).await?;
        let everything = is_elastic(&self.db.must::<NetworkOffering>(network.offering_id).await?);
        let mut rules: HashMap<i64, Vec<PortRule>> = HashMap::new();
        for r in self.db.find::<FirewallRule>(Query::live().eq("network_id", network.id).within("state", ["Add", "Active"])).await? {
            let port = |n: i64| u16::try_from(n).unwrap_or(u16::MAX);
            let cidrs = r.cidrs.as_deref().unwrap_or("0.0.0.0/0").split(',').map(str::to_owned).collect();
            let rule = PortRule { protocol: r.protocol, first: port(r.first_port), last: port(r.last_port), cidrs };
            rules.entry(r.ip_address_id).or_default().push(rule);
        }
        let pods = self.pods_of(rows.iter().filter_map(|a| a.vm_id)).await?;
        let one = |a: IpAddress| {
            let range = ranges.get(&a.range_id)?;
            let guest = a.guest_ip.filter(|_| a.static_nat);
            let pod = a.vm_id.and_then(|vm| pods.get(&vm)).cloned();
            Some(PublicAddress {
                address: a.address,
                netmask: range.netmask.clone().unwrap_or_default(),
                gateway: range.gateway.clone().unwrap_or_default(),
                broadcast_uri: format!("vlan://{}", range.vlan),
                source_nat: a.source_nat,
                static_nat: guest.map(|guest| {
                    let ports = (!everything).then(|| rules.remove(&a.id).unwrap_or_default());
                    StaticNat { guest, ports, pod }
                }),
            })
        };
        Ok(PublicSet { sequence: network.nat_sequence, addresses: rows.into_iter().filter_map(one).collect() })
    }

    /// In the transaction that ends a VM: no address stands for it any more. The networks whose routers are to be told.
    pub(crate) async fn vm_nat_forget(&self, tx: &mut Tx, call: &Call, vm: i64) -> Result<Vec<i64>> {
        nat_forget(tx, call, Query::all().eq("vm_id", vm).eq("static_nat", true)).await
    }
}

/// Holds the row of a VM that an address can stand for until the transaction ends. False when there is none.
async fn hold(tx: &mut Tx, vm: i64) -> Result<bool> {
    let alive = Query::live().eq("id", vm).eq("has_run", true).within("state", ALIVE.map(VmState::word));
    tx.take::<Vm>(alive, "launch_index = launch_index", Vec::new()).await
}

/// Binds address and NIC in one conditional statement. The VM's row is held: its end and this do not pass each other.
async fn claim(tx: &mut Tx, call: &Call, address: i64, vm: &Vm, nic: &Nic) -> Result<()> {
    if !hold(tx, vm.id).await? {
        let why = "a public address stands for a VM that has started and is not destroyed";
        return Err(wrong_state(&tx.must::<Vm>(vm.id).await?, why));
    }
    let ip = nic.ip4.clone().unwrap_or_default();
    let mine = Query::all().eq("nat_nic_id", nic.id).eq("guest_ip", ip.as_str());
    if let Some(other) = tx.find_one::<IpAddress>(mine).await? {
        return match other.id == address {
            true => Ok(()),
            false => Err(Error::RuleConflict(format!("The VM's address {ip} has the public address {} already", other.address))),
        };
    }
    let free = Query::all()
        .eq("id", address)
        .eq("state", "Allocated")
        .eq("static_nat", false)
        .eq("source_nat", false)
        .eq("account_id", vm.account_id);
    let set = "static_nat = 1, vm_id = ?, nat_nic_id = ?, guest_ip = ?, nat_uuid = ?, update_count = update_count + 1";
    let args: Vec<Value> = vec![vm.id.into(), nic.id.into(), ip.into(), Uuid::new_v4().to_string().into()];
    if !tx.take::<IpAddress>(free, set, args).await? {
        let a = tx.must::<IpAddress>(address).await?;
        return Err(match a.static_nat {
            true => Error::RuleConflict(format!("The public address {} stands for another VM already", a.address)),
            false => address_state(&a, "only an allocated address can stand for a VM"),
        });
    }
    bump(tx, nic.network_id).await?;
    let a = tx.must::<IpAddress>(address).await?;
    call.log(tx, address_topic(&a), format!("{} stands for VM {}", a.address, vm.uuid)).await
}

/// Lets addresses stand for nobody, with their rules. The networks that carry them.
async fn nat_forget(tx: &mut Tx, call: &Call, which: Query) -> Result<Vec<i64>> {
    let found = tx.find::<IpAddress>(which.eq("static_nat", true)).await?;
    let mut networks = BTreeSet::new();
    for a in found {
        let set = "static_nat = 0, vm_id = null, nat_nic_id = null, guest_ip = null, nat_uuid = null, update_count = update_count + 1";
        tx.take::<IpAddress>(Query::all().eq("id", a.id), set, Vec::new()).await?;
        rules_forget(tx, call, a.id).await?;
        networks.extend(a.associated_network_id);
    }
    for network in &networks {
        bump(tx, *network).await?;
    }
    Ok(networks.into_iter().collect())
}

/// Removes the rules of an address. Their keys.
pub(crate) async fn rules_forget(tx: &mut Tx, call: &Call, address: i64) -> Result<Vec<i64>> {
    let mine = Query::live().eq("ip_address_id", address);
    let ids: Vec<i64> = tx.find::<FirewallRule>(mine.clone()).await?.into_iter().map(|r| r.id).collect();
    for id in &ids {
        call.tags_forget(tx, TAGGED, *id).await?;
    }
    tx.update::<FirewallRule>(mine, vec![("state", "Revoke".into()), ("removed", call.now().into())]).await?;
    Ok(ids)
}

async fn bump(tx: &mut Tx, network: i64) -> Result<()> {
    tx.execute(sql!("update network set nat_sequence = nat_sequence + 1 where id = ?"), vec![network.into()]).await.map(drop)
}

async fn forget(call: &Call, plan: &mut ForgetNat) -> Result<()> {
    let (inner, id) = (call.clone(), plan.address);
    let (was, rules, tags) = call
        .db
        .write(move |tx| {
            Box::pin(async move {
                let was = tx.must::<IpAddress>(id).await?;
                let rules = tx.find::<FirewallRule>(Query::live().eq("ip_address_id", id)).await?;
                let rules: Vec<i64> = rules.into_iter().map(|r| r.id).collect();
                let tags = Query::all().eq("resource_type", TAGGED).within("resource_id", rules.iter().copied());
                let tags = tx.find::<Tag>(tags).await?;
                nat_forget(tx, &inner, Query::all().eq("id", id)).await?;
                Ok((was, rules, tags))
            })
        })
        .await?;
    // Run again, this step finds nothing; then the first run's plan was lost with it, and so is the way back.
    if was.static_nat {
        (plan.was, plan.rules, plan.tags) = (Some(was), rules, tags);
    }
    Ok(())
}

async fn remember(call: &Call, plan: &mut ForgetNat) -> Result<()> {
    let Some(was) = plan.was.clone() else { return Ok(()) };
    let (rules, tags) = (plan.rules.clone(), plan.tags.clone());
    let network = was.associated_network_id;
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let free = Query::all().eq("id", was.id).eq("state", "Allocated").eq("static_nat", false).eq("uuid", was.uuid.as_str());
                let set = "static_nat = 1, vm_id = ?, nat_nic_id = ?, guest_ip = ?, nat_uuid = ?, update_count = update_count + 1";
                let args: Vec<Value> = vec![was.vm_id.into(), was.nat_nic_id.into(), was.guest_ip.into(), was.nat_uuid.into()];
                if hold(tx, was.vm_id.unwrap_or(0)).await? && tx.take::<IpAddress>(free, set, args).await? {
                    let set = vec![("state", Value::from("Active")), ("removed", Value::Null)];
                    tx.update::<FirewallRule>(Query::all().within("id", rules), set).await?;
                    tx.insert_all(&tags).await?;
                }
                match was.associated_network_id {
                    Some(n) => bump(tx, n).await,
                    None => Ok(()),
                }
            })
        })
        .await?;
    call.public_apply_later(network).await;
    Ok(())
}

async fn tell_router(call: &Call, plan: &mut ForgetNat) -> Result<()> {
    match call.db.must::<IpAddress>(plan.address).await?.associated_network_id {
        Some(network) => call.public_apply(network).await,
        None => Ok(()),
    }
}

fn ports_checked(ask: &PortsOpen, now: i64) -> Result<FirewallRule> {
    let protocol = ask.protocol.trim().to_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp") {
        return Err(Error::invalid("protocol", format!("'{}' is neither tcp nor udp", ask.protocol)));
    }
    let last = ask.last.unwrap_or(ask.first);
    for (field, port) in [("startport", ask.first), ("endport", last)] {
        if !(1..=65535).contains(&port) {
            return Err(Error::invalid(field, format!("{port} is not a port (1 to 65535)")));
        }
    }
    if last < ask.first {
        return Err(Error::invalid("endport", format!("{last} comes before startport {}", ask.first)));
    }
    let cidrs = ask.cidrs.iter().map(|c| crate::group_rules::network(c)).collect::<Result<Vec<String>>>()?;
    let (account_id, domain_id) = (ask.address.account_id.unwrap_or(1), ask.address.domain_id.unwrap_or(1));
    Ok(FirewallRule {
        uuid: Uuid::new_v4().to_string(),
        purpose: "StaticNat".into(),
        ip_address_id: ask.address.id,
        account_id,
        domain_id,
        protocol,
        first_port: ask.first,
        last_port: last,
        cidrs: (!cidrs.is_empty()).then(|| cidrs.join(",")),
        state: "Add".into(),
        created: now,
        ..Default::default()
    })
}

async fn refuse_overlap(tx: &mut Tx, rule: &FirewallRule) -> Result<()> {
    let others = Query::live().eq("ip_address_id", rule.ip_address_id).eq("protocol", rule.protocol.as_str());
    let others = others.at_most("first_port", rule.last_port).at_least("last_port", rule.first_port);
    match tx.find_one::<FirewallRule>(others).await? {
        None => Ok(()),
        Some(o) => {
            let why = format!(
                "{} {}-{} overlaps rule {} ({}-{})",
                rule.protocol, rule.first_port, rule.last_port, o.uuid, o.first_port, o.last_port
            );
            Err(Error::RuleConflict(why))
        }
    }
}
