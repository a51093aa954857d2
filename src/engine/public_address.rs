//! Public addresses of accounts: taken from a zone's public ranges and given back.
//!
//! One conditional statement takes an address from `Free` to `Allocating`; its network's router is told, then it is `Allocated`. On its
//! way back it is `Releasing` until the router has let go. An address that is taken anew has a new uuid: what was said of the one
//! before, its EC2 allocation id with it, must not mean this one. Which guest has which address is in [`crate::static_nat`].
use crate::network_offering::OfferingDetails;
use crate::saga::Saga;
use crate::{Call, Engine, JobDraft, Topic, saga};
use serde::{Deserialize, Serialize};
use stratus_model::{Error, Kind, Limit, Result};
use stratus_store::{
    Account, Dialect, IpAddress, IpRange, Job, Network, NetworkOffering, OfferingService, Query, Tx, UsageEvent, Value, Vm, Zone,
};
use uuid::Uuid;

/// Free addresses looked at in one go, and how often when all of those were lost to others.
const CANDIDATES: i64 = 16;
const ROUNDS: usize = 8;

const TAKE: &str = "state = 'Allocating', uuid = ?, account_id = ?, domain_id = ?, associated_network_id = ?, allocated = ?, \
                    update_count = update_count + 1";
const FREE: &str = "state = 'Free', account_id = null, domain_id = null, associated_network_id = null, allocated = null, vm_id = null, \
                    nat_nic_id = null, guest_ip = null, nat_uuid = null, source_nat = 0, static_nat = 0, is_system = 0, \
                    update_count = update_count + 1";

static ASSOCIATE_IP: Saga<OfAddress> = saga!("ip-associate": tell_router undo let_go, settle);
static RELEASE_IP: Saga<OfAddress> = saga!("ip-release": begin undo keep, tell_router, free);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OfAddress {
    address: i64,
}

/// What an account asks for.
#[derive(Debug, Clone, Default)]
pub struct IpAssociate {
    /// Who is to own it.
    pub owner: Account,
    /// The zone, when no network says it.
    pub zone: Option<Zone>,
    /// The guest network that is to use it; a basic zone has one.
    pub network: Option<Network>,
}

/// What events about an address are about.
pub fn topic(a: &IpAddress) -> Topic {
    Topic { account: a.account_id.unwrap_or(1), domain: a.domain_id.unwrap_or(1), kind: Kind::IpAddress, id: a.id }
}

pub(crate) fn wrong_state(a: &IpAddress, why: &str) -> Error {
    Error::State { kind: Kind::IpAddress, id: a.uuid.clone(), state: a.state.clone(), why: why.into() }
}

/// Whether an offering gives elastic IPs: a static NAT address of a shared network, with nothing but security groups before the guest.
pub fn is_elastic(offering: &NetworkOffering) -> bool {
    OfferingDetails::of(offering)
        .capabilities
        .iter()
        .any(|(s, c, v)| s.eq_ignore_ascii_case("StaticNat") && c.eq_ignore_ascii_case("ElasticIp") && v.eq_ignore_ascii_case("true"))
}

fn source_nat_of(network: i64) -> Query {
    Query::all().eq("associated_network_id", network).eq("source_nat", true)
}

/// The ranges of a zone's public addresses.
pub(crate) fn public_ranges() -> Query {
    Query::live().eq("for_virtual_network", true)
}

impl Engine {
    /// Takes a public address for an account, with the job that tells its network's router.
    pub async fn ip_associate(&self, call: &Call, ask: IpAssociate, draft: JobDraft) -> Result<(IpAddress, Job)> {
        let network = self.public_home(call, &ask).await?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    call.take(tx, ask.owner.id, &[(Limit::PublicIp, 1)]).await?;
                    let address = call.public_take(tx, &network, &ask.owner).await?;
                    let job = draft.insert(tx, &call, topic(&address)).await?;
                    Ok((address, job))
                })
            })
            .await
    }

    /// Goes on in the job.
    pub async fn ip_associate_finish(&self, call: &Call, id: i64) -> Result<IpAddress> {
        ASSOCIATE_IP.run(call, 0, OfAddress { address: id }).await?;
        self.db.must(id).await
    }

    /// Gives an address back: what it stands for and its rules go with it.
    pub async fn ip_release(&self, call: &Call, id: i64) -> Result<()> {
        let a = self.db.must::<IpAddress>(id).await?;
        let range = self.db.must::<IpRange>(a.range_id).await?;
        if !range.for_virtual_network {
            return Err(Error::not_found(Kind::IpAddress, a.uuid));
        }
        if a.source_nat || a.is_system {
            return Err(Error::invalid("id", format!("{} is held by the cloud itself, for a network or a router", a.address)));
        }
        // An account that is deleted gives several back in one job.
        RELEASE_IP.run(call, id as u32, OfAddress { address: id }).await.map(drop)
    }

    /// The network that uses an address that is asked for.
    async fn public_home(&self, call: &Call, ask: &IpAssociate) -> Result<Network> {
        let network = match (&ask.network, &ask.zone) {
            (Some(n), zone) => {
                if zone.as_ref().is_some_and(|z| z.id != n.zone_id) {
                    return Err(Error::invalid("networkid", "lies in another zone than zoneid"));
                }
                if n.is_system || !self.network_usable(n, &ask.owner).await? {
                    return Err(Error::not_found(Kind::Network, &n.uuid));
                }
                n.clone()
            }
            (None, Some(zone)) => self.home_in_zone(zone, &ask.owner).await?,
            (None, None) => return Err(Error::Missing { command: call.command.to_lowercase(), field: "zoneid".into() }),
        };
        let zone = self.db.must::<Zone>(network.zone_id).await?;
        call.zone_for(&zone, &ask.owner).await?;
        if zone.allocation_state == "Disabled" && !call.caller.is_root() {
            return Err(Error::Denied(format!("Zone {} is disabled", zone.name)));
        }
        let offering = self.db.must::<NetworkOffering>(network.offering_id).await?;
        let services = self.db.find::<OfferingService>(Query::all().eq("offering_id", offering.id)).await?;
        let public = services.iter().any(|s| matches!(s.service.as_str(), "SourceNat" | "StaticNat" | "PortForwarding" | "Lb" | "Vpn"));
        if !public || (network.guest_type == "Shared" && !is_elastic(&offering)) {
            let why = format!("network {} has no use for public addresses: its offering {} gives none", network.name, offering.name);
            return Err(Error::invalid(if ask.network.is_some() { "networkid" } else { "zoneid" }, why));
        }
        Ok(network)
    }

    async fn home_in_zone(&self, zone: &Zone, owner: &Account) -> Result<Network> {
        let guests = Query::live().eq("zone_id", zone.id).eq("traffic_type", "Guest");
        if zone.network_type == "Basic" {
            let n = self.db.find_one::<Network>(guests).await?;
            return n.ok_or_else(|| Error::Unavailable(format!("zone {} has no guest network", zone.name)));
        }
        let mut own = self.db.find::<Network>(guests.eq("account_id", owner.id).eq("guest_type", "Isolated")).await?;
        match (own.pop(), own.is_empty()) {
            (Some(n), true) => Ok(n),
            (None, _) => Err(Error::invalid("networkid", format!("must be given: account {} has no isolated network there", owner.name))),
            _ => Err(Error::invalid("networkid", format!("must be given: account {} has several isolated networks there", owner.name))),
        }
    }

    /// Takes a free public address of a network's zone: of the account's own ranges first, then of everybody's.
    async fn public_take(&self, tx: &mut Tx, network: &Network, owner: &Account) -> Result<IpAddress> {
        let ranges = tx.find::<IpRange>(public_ranges().eq("zone_id", network.zone_id)).await?;
        let common = self.settings.scoped("use.system.public.ips", "account", owner.id).as_deref() == Some("true");
        let dedicated = ranges.iter().any(|r| r.account_id == Some(owner.id));
        for own in [true, false] {
            if !own && dedicated && !common {
                break;
            }
            let ids: Vec<i64> = ranges.iter().filter(|r| r.account_id == own.then_some(owner.id)).map(|r| r.id).collect();
            if let Some(found) = self.public_take_in(tx, &ids, network, owner).await? {
                self.public_changed(tx, network.id).await?;
                return Ok(found);
            }
        }
        let zone = tx.must::<Zone>(network.zone_id).await?;
        Err(Error::NoAddress(match ranges.len() {
            0 => format!("Zone {} has no public IP range", zone.name),
            n => format!("All public IP addresses of zone {} ({n} ranges) are in use", zone.name),
        }))
    }

    /// Gives a network whose offering has SourceNat the public address that its guests go out by; one that has it keeps it.
    pub(crate) async fn source_nat_take(&self, tx: &mut Tx, network: &Network) -> Result<()> {
        let offers = Query::all().eq("offering_id", network.offering_id).eq("service", "SourceNat");
        if tx.find_one::<OfferingService>(offers).await?.is_none() || tx.find_one::<IpAddress>(source_nat_of(network.id)).await?.is_some() {
            return Ok(());
        }
        let owner = tx.must::<Account>(network.account_id).await?;
        self.take(tx, owner.id, &[(Limit::PublicIp, 1)]).await?;
        let a = self.public_take(tx, network, &owner).await?;
        tx.advance::<IpAddress>(a.id, "Allocating", a.update_count, "Allocated", vec![("source_nat", true.into())]).await?;
        let taken = tx.must::<IpAddress>(a.id).await?;
        usage(tx, self, "NET.IPASSIGN", &taken).await
    }

    /// Gives the source NAT address of a network back, in the transaction that ends the network.
    pub(crate) async fn source_nat_give_back(&self, tx: &mut Tx, network: i64) -> Result<()> {
        for a in tx.find::<IpAddress>(source_nat_of(network)).await? {
            self.tags_forget(tx, "PublicIpAddress", a.id).await?;
            usage(tx, self, "NET.IPRELEASE", &a).await?;
            freed(tx, self, &a).await?;
        }
        Ok(())
    }

    /// Gives the addresses back that an account took for a network, in the job that ends the network.
    pub(crate) async fn network_ips_release(&self, call: &Call, network: i64) -> Result<()> {
        let taken = Query::all().eq("associated_network_id", network).eq("source_nat", false).eq("is_system", false);
        for a in self.db.find::<IpAddress>(taken).await? {
            self.ip_release(call, a.id).await?;
        }
        Ok(())
    }

    async fn public_take_in(&self, tx: &mut Tx, ranges: &[i64], network: &Network, owner: &Account) -> Result<Option<IpAddress>> {
        for round in 0..ROUNDS {
            let free = Query::all().within("range_id", ranges.iter().copied()).eq("state", "Free").page(0, CANDIDATES);
            let mut free = tx.find::<IpAddress>(free).await?;
            if free.is_empty() {
                break;
            }
            // Where writers run side by side they would all wait for the first row: each begins somewhere else.
            if tx.dialect() == Dialect::Mysql {
                let start = (Uuid::new_v4().as_u128() as usize + round) % free.len();
                free.rotate_left(start);
            }
            for one in &free {
                let args: Vec<Value> = vec![
                    Uuid::new_v4().to_string().into(),
                    owner.id.into(),
                    owner.domain_id.into(),
                    network.id.into(),
                    self.clock.now().into(),
                ];
                if tx.take::<IpAddress>(Query::all().eq("id", one.id).eq("state", "Free"), TAKE, args).await? {
                    return tx.must(one.id).await.map(Some);
                }
            }
        }
        Ok(None)
    }

    /// Gives all addresses of an account back, in the job that deletes it, once no VM is left that could use them.
    pub(crate) async fn ips_release_all(&self, call: &Call, account: i64) -> Result<()> {
        if self.db.count::<Vm>(Query::live().eq("account_id", account)).await? > 0 {
            return Ok(());
        }
        let q = Query::all().eq("account_id", account).ne("state", "Free").eq("is_system", false).eq("source_nat", false);
        for a in self.db.find::<IpAddress>(q.key_in::<IpRange>("range_id", "id", public_ranges())).await? {
            self.ip_release(call, a.id).await?;
        }
        Ok(())
    }
}

async fn tell_router(call: &Call, plan: &mut OfAddress) -> Result<()> {
    let a = call.db.must::<IpAddress>(plan.address).await?;
    match a.associated_network_id {
        Some(network) => call.public_apply(network).await,
        None => Ok(()),
    }
}

/// The address goes back as if it had never been taken.
async fn let_go(call: &Call, plan: &mut OfAddress) -> Result<()> {
    let (inner, id) = (call.clone(), plan.address);
    let network = call
        .db
        .write(move |tx| {
            Box::pin(async move {
                let a = tx.must::<IpAddress>(id).await?;
                if a.state == "Allocating" {
                    freed(tx, &inner, &a).await?;
                    if let Some(network) = a.associated_network_id {
                        inner.public_changed(tx, network).await?;
                    }
                }
                Ok(a.associated_network_id)
            })
        })
        .await?;
    call.public_apply_later(network).await;
    Ok(())
}

async fn settle(call: &Call, plan: &mut OfAddress) -> Result<()> {
    let (inner, id) = (call.clone(), plan.address);
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let a = tx.must::<IpAddress>(id).await?;
                if a.state != "Allocating" {
                    return Ok(());
                }
                tx.advance::<IpAddress>(id, "Allocating", a.update_count, "Allocated", Vec::new()).await?;
                usage(tx, &inner, "NET.IPASSIGN", &a).await
            })
        })
        .await
}

async fn begin(call: &Call, plan: &mut OfAddress) -> Result<()> {
    let (inner, id) = (call.clone(), plan.address);
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let a = tx.must::<IpAddress>(id).await?;
                match a.state.as_str() {
                    "Releasing" => return Ok(()),
                    "Allocated" => {}
                    "Free" => return Err(Error::not_found(Kind::IpAddress, a.uuid)),
                    _ => return Err(wrong_state(&a, "only an allocated address is given back")),
                }
                tx.advance::<IpAddress>(id, "Allocated", a.update_count, "Releasing", Vec::new()).await?;
                match a.associated_network_id {
                    Some(network) => inner.public_changed(tx, network).await,
                    None => Ok(()),
                }
            })
        })
        .await
}

async fn keep(call: &Call, plan: &mut OfAddress) -> Result<()> {
    let (inner, id) = (call.clone(), plan.address);
    let network = call
        .db
        .write(move |tx| {
            Box::pin(async move {
                let a = tx.must::<IpAddress>(id).await?;
                if a.state == "Releasing" {
                    tx.advance::<IpAddress>(id, "Releasing", a.update_count, "Allocated", Vec::new()).await?;
                    if let Some(network) = a.associated_network_id {
                        inner.public_changed(tx, network).await?;
                    }
                }
                Ok(a.associated_network_id)
            })
        })
        .await?;
    call.public_apply_later(network).await;
    Ok(())
}

async fn free(call: &Call, plan: &mut OfAddress) -> Result<()> {
    let (inner, id) = (call.clone(), plan.address);
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let a = tx.must::<IpAddress>(id).await?;
                if a.state != "Releasing" {
                    return Ok(());
                }
                inner.tags_forget(tx, "PublicIpAddress", id).await?;
                crate::static_nat::rules_forget(tx, &inner, id).await?;
                usage(tx, &inner, "NET.IPRELEASE", &a).await?;
                freed(tx, &inner, &a).await
            })
        })
        .await
}

/// Makes an address free, and its place in the owner's count.
async fn freed(tx: &mut Tx, engine: &Engine, a: &IpAddress) -> Result<()> {
    let as_read = Query::all().eq("id", a.id).eq("state", a.state.as_str());
    if tx.take::<IpAddress>(as_read, FREE, Vec::new()).await?
        && let Some(account) = a.account_id
    {
        engine.give_back(tx, account, &[(Limit::PublicIp, 1)]).await?;
    }
    Ok(())
}

async fn usage(tx: &mut Tx, engine: &Engine, event: &str, a: &IpAddress) -> Result<()> {
    let mut u = UsageEvent {
        event_type: event.into(),
        account_id: a.account_id.unwrap_or(1),
        domain_id: a.domain_id.unwrap_or(1),
        zone_id: a.zone_id,
        resource_id: a.id,
        resource_name: Some(a.address.clone()),
        size: Some(a.source_nat.into()),
        resource_type: Some("VirtualNetwork".into()),
        created: engine.clock.now(),
        ..Default::default()
    };
    tx.insert(&mut u).await.map(drop)
}
