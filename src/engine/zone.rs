//! Zones: data centres, public ones or one domain's own.
use crate::places::{self, Reach, hold, refuse_name, refuse_used};
use crate::{Call, Engine, Listing, Topic};
use std::collections::BTreeMap;
use stratus_model::{Error, Kind, Result};
use stratus_store::{
    Account, Cluster, Detail, Domain, Host, ImageStore, Network, PhysicalNetwork, Pod, Query, StoragePool, Table as _, Tag, Tx, Value, Vm,
    Volume, Zone,
};
use uuid::Uuid;

/// What a new zone is to be.
#[derive(Debug, Clone, Default)]
pub struct ZoneCreate {
    /// Unique among zones.
    pub name: String,
    /// `Basic` or `Advanced`.
    pub network_type: String,
    /// Name server of the guests.
    pub dns1: String,
    /// Second name server of the guests.
    pub dns2: Option<String>,
    /// Name server of the system's own VMs.
    pub internal_dns1: String,
    /// Second name server of the system's own VMs.
    pub internal_dns2: Option<String>,
    /// IPv6 name server of the guests.
    pub ip6_dns1: Option<String>,
    /// Second IPv6 name server of the guests.
    pub ip6_dns2: Option<String>,
    /// DNS suffix of the guests.
    pub network_domain: Option<String>,
    /// The domain whose own the zone is.
    pub owner: Option<Domain>,
    /// Default range of isolated guest networks; advanced zones only.
    pub guest_cidr: Option<String>,
    /// Disabled unless this says otherwise.
    pub allocation_state: Option<String>,
    /// Whether security groups isolate guests; basic zones do that by default.
    pub security_groups: Option<bool>,
    /// Whether disks may live on the hosts themselves.
    pub local_storage: Option<bool>,
}

/// What is to change of a zone.
#[derive(Debug, Clone, Default)]
pub struct ZoneUpdate {
    /// Name.
    pub name: Option<String>,
    /// Name server of the guests.
    pub dns1: Option<String>,
    /// Second name server of the guests.
    pub dns2: Option<String>,
    /// Name server of the system's own VMs.
    pub internal_dns1: Option<String>,
    /// Second name server of the system's own VMs.
    pub internal_dns2: Option<String>,
    /// IPv6 name server of the guests.
    pub ip6_dns1: Option<String>,
    /// Second IPv6 name server of the guests.
    pub ip6_dns2: Option<String>,
    /// DNS suffix of the guests.
    pub network_domain: Option<String>,
    /// Default range of isolated guest networks.
    pub guest_cidr: Option<String>,
    /// Enabled or Disabled.
    pub allocation_state: Option<String>,
    /// True makes a private zone everybody's.
    pub is_public: Option<bool>,
    /// Whether disks may live on the hosts themselves.
    pub local_storage: Option<bool>,
    /// Who hands out addresses in the zone.
    pub dhcp_provider: Option<String>,
    /// Details to set, by name.
    pub details: BTreeMap<String, String>,
}

/// Which zones to list.
#[derive(Debug, Clone, Default)]
pub struct ZoneFilter {
    /// The one with this key.
    pub id: Option<i64>,
    /// With this name.
    pub name: Option<String>,
    /// With this in the name or description.
    pub keyword: Option<String>,
    /// Of this network type.
    pub network_type: Option<String>,
    /// False: only those in which the caller has VMs.
    pub available: Option<bool>,
    /// Those that are this domain's own.
    pub owner: Option<i64>,
    /// With one of these tags.
    pub tags: Vec<(String, Option<String>)>,
    /// Offset and limit.
    pub page: (i64, i64),
}

fn network_type(text: &str) -> Result<String> {
    places::one_of("networktype", text, &["Basic", "Advanced"])
}

/// A DNS suffix: labels of letters, digits and inner hyphens.
fn dns_name(text: &str) -> Result<String> {
    let label = |l: &str| {
        (1..=63).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && !l.starts_with('-') && !l.ends_with('-')
    };
    if text.len() <= 190 && text.split('.').all(label) {
        return Ok(text.to_owned());
    }
    Err(Error::invalid("domain", format!("'{text}' is not a DNS name: labels of letters, digits and hyphens, 190 characters at most")))
}

fn optional<T>(text: &Option<String>, read: impl Fn(&str) -> Result<T>) -> Result<Option<T>> {
    text.as_deref().map(str::trim).filter(|t| !t.is_empty()).map(read).transpose()
}

/// The row of a new zone, if what is asked can be.
fn new_row(ask: &ZoneCreate, now: i64) -> Result<Zone> {
    let basic = network_type(&ask.network_type)? == "Basic";
    let guest_cidr = optional(&ask.guest_cidr, |t| places::cidr("guestcidraddress", t))?;
    if basic && guest_cidr.is_some() {
        return Err(Error::invalid("guestcidraddress", "basic zones have no isolated guest networks to give it to"));
    }
    Ok(Zone {
        uuid: Uuid::new_v4().to_string(),
        name: places::name("name", &ask.name)?,
        network_type: network_type(&ask.network_type)?,
        dns1: places::ip("dns1", &ask.dns1)?,
        dns2: optional(&ask.dns2, |t| places::ip("dns2", t))?,
        internal_dns1: places::ip("internaldns1", &ask.internal_dns1)?,
        internal_dns2: optional(&ask.internal_dns2, |t| places::ip("internaldns2", t))?,
        ip6_dns1: optional(&ask.ip6_dns1, |t| places::ip6("ip6dns1", t))?,
        ip6_dns2: optional(&ask.ip6_dns2, |t| places::ip6("ip6dns2", t))?,
        domain: optional(&ask.network_domain, dns_name)?,
        domain_id: ask.owner.as_ref().map(|d| d.id),
        guest_cidr: if basic { None } else { guest_cidr.or_else(|| Some("10.1.1.0/24".into())) },
        security_groups: ask.security_groups.unwrap_or(basic),
        local_storage: ask.local_storage.unwrap_or(false),
        dhcp_provider: Some("VirtualRouter".into()),
        allocation_state: optional(&ask.allocation_state, places::allocation)?.unwrap_or_else(|| "Disabled".into()),
        zone_token: Uuid::new_v4().to_string(),
        created: now,
        ..Default::default()
    })
}

/// The columns that an update sets.
fn changes(zone: &Zone, ask: &ZoneUpdate) -> Result<Vec<(&'static str, Value)>> {
    let mut set: Vec<(&'static str, Value)> = Vec::new();
    let mut put = |column: &'static str, value: Option<String>| {
        if let Some(v) = value {
            set.push((column, v.into()));
        }
    };
    put("name", ask.name.as_deref().map(|n| places::name("name", n)).transpose()?);
    put("dns1", optional(&ask.dns1, |t| places::ip("dns1", t))?);
    put("dns2", optional(&ask.dns2, |t| places::ip("dns2", t))?);
    put("internal_dns1", optional(&ask.internal_dns1, |t| places::ip("internaldns1", t))?);
    put("internal_dns2", optional(&ask.internal_dns2, |t| places::ip("internaldns2", t))?);
    put("ip6_dns1", optional(&ask.ip6_dns1, |t| places::ip6("ip6dns1", t))?);
    put("ip6_dns2", optional(&ask.ip6_dns2, |t| places::ip6("ip6dns2", t))?);
    put("domain", optional(&ask.network_domain, dns_name)?);
    put("allocation_state", optional(&ask.allocation_state, places::allocation)?);
    put("dhcp_provider", ask.dhcp_provider.clone());
    let guest_cidr = optional(&ask.guest_cidr, |t| places::cidr("guestcidraddress", t))?;
    if guest_cidr.is_some() && zone.network_type == "Basic" {
        return Err(Error::invalid("guestcidraddress", "basic zones have no isolated guest networks to give it to"));
    }
    put("guest_cidr", guest_cidr);
    if let Some(local) = ask.local_storage {
        set.push(("local_storage", local.into()));
    }
    match (ask.is_public, zone.domain_id) {
        (Some(true), Some(_)) => set.push(("domain_id", Value::Null)),
        (Some(false), None) => {
            return Err(Error::invalid("ispublic", "a public zone cannot be made private: others may have things in it"));
        }
        _ => {}
    }
    Ok(set)
}

impl Engine {
    /// Makes a zone.
    pub async fn zone_create(&self, call: &Call, ask: ZoneCreate) -> Result<Zone> {
        let zone = new_row(&ask, call.now())?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let mut zone = zone;
                    refuse_name::<Zone>(tx, Query::all(), Kind::Zone, &zone.name).await?;
                    tx.insert(&mut zone).await?;
                    // A store that serves every zone serves this one too.
                    if let Some(store) = tx.find_one::<ImageStore>(Query::live().null("zone_id")).await? {
                        call.builtin_templates_arrive(tx, zone.id, store.id).await?;
                    }
                    call.log(tx, Topic::of_caller(&call, Kind::Zone, zone.id), format!("zone {} created", zone.name)).await?;
                    Ok(zone)
                })
            })
            .await
    }

    /// Changes a zone.
    pub async fn zone_update(&self, call: &Call, zone: &Zone, ask: ZoneUpdate) -> Result<Zone> {
        let (inner, id) = (call.clone(), zone.id);
        let after = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let zone: Zone = hold(tx, Kind::Zone, id).await?;
                    let set = changes(&zone, &ask)?;
                    if let Some(name) = &ask.name {
                        refuse_name::<Zone>(tx, Query::all().ne("id", id), Kind::Zone, name.trim()).await?;
                    }
                    tx.set::<Zone>(id, set).await?;
                    put_details(tx, &zone, &ask.details).await?;
                    inner.hosts_reopen(tx, Reach::Zone(id)).await?;
                    inner.log(tx, Topic::of_caller(&inner, Kind::Zone, id), format!("zone {} changed", zone.name)).await?;
                    tx.must::<Zone>(id).await
                })
            })
            .await?;
        if after.local_storage && !zone.local_storage {
            self.local_pools_of(call, &after).await?;
        }
        Ok(after)
    }

    /// Removes a zone that nothing is in.
    pub async fn zone_delete(&self, call: &Call, zone: &Zone) -> Result<()> {
        let (call, id) = (call.clone(), zone.id);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let zone: Zone = hold(tx, Kind::Zone, id).await?;
                    refuse_filled(tx, &zone).await?;
                    // The cloud's own networks of a zone go with it.
                    let now = call.now();
                    tx.update::<Network>(Query::live().eq("zone_id", id), vec![("removed", now.into())]).await?;
                    tx.delete::<Detail>(Query::all().eq("resource_type", "Zone").eq("resource_id", id)).await?;
                    tx.delete::<Tag>(Query::all().eq("resource_type", "Zone").eq("resource_id", id)).await?;
                    tx.remove::<Zone>(id, now).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Zone, id), format!("zone {} removed", zone.name)).await
                })
            })
            .await
    }

    /// The zones that the caller may know of: all for root; the enabled public ones and those of the caller's own domains for others.
    pub async fn zone_list(&self, call: &Call, f: ZoneFilter) -> Result<Listing<Zone>> {
        let mut q = Query::live()
            .eq_opt("id", f.id)
            .eq_opt("name", f.name)
            .eq_opt("network_type", f.network_type.as_deref().map(network_type).transpose()?)
            .eq_opt("domain_id", f.owner);
        if let Some(k) = &f.keyword {
            q = q.holds(&["name", "description"], k);
        }
        if !f.tags.is_empty() {
            let any = f.tags.into_iter().map(|(k, v)| Query::all().eq("tag_key", k).eq_opt("tag_value", v));
            q = q.id_in::<Tag>("resource_id", Query::all().eq("resource_type", "Zone").any(any));
        }
        if !call.caller.is_root() {
            q = q
                .eq("allocation_state", "Enabled")
                .any([Query::all().null("domain_id"), Query::all().within("domain_id", call.zone_domains().await?)]);
            if f.available == Some(false) {
                q = q.id_in::<Vm>("zone_id", Query::live().eq("account_id", call.caller.account_id));
            }
        }
        let (offset, limit) = f.page;
        Ok(Listing { count: self.db.count::<Zone>(q.clone()).await?, rows: self.db.find(q.order("name").page(offset, limit)).await? })
    }
}

impl Call {
    /// Domains whose private zones the caller may use: the own one and those above; for administrators those below too.
    async fn zone_domains(&self) -> Result<Vec<i64>> {
        let mine = &self.caller.domain_path;
        let admin = self.caller.is_admin();
        let all = self.db.find::<Domain>(Query::live()).await?;
        Ok(all.into_iter().filter(|d| mine.starts_with(&d.path) || admin && d.path.starts_with(mine)).map(|d| d.id).collect())
    }

    /// Whether the caller may use a zone: public, or of a domain of the caller's.
    pub async fn may_use_zone(&self, zone: &Zone) -> Result<bool> {
        Ok(match zone.domain_id {
            None => true,
            Some(_) if self.caller.is_root() => true,
            Some(d) => self.zone_domains().await?.contains(&d),
        })
    }

    /// Refuses a private zone to an owner outside of its domain, as if the zone were not there; root administrators may anywhere.
    pub async fn zone_for(&self, zone: &Zone, owner: &Account) -> Result<()> {
        let Some(private) = zone.domain_id.filter(|_| !self.caller.is_root()) else { return Ok(()) };
        let path = self.db.must::<Domain>(private).await?.path;
        match self.db.must::<Domain>(owner.domain_id).await?.path.starts_with(&path) {
            true => Ok(()),
            false => Err(Error::not_found(Kind::Zone, zone.uuid.as_str())),
        }
    }
}

async fn refuse_filled(tx: &mut Tx, zone: &Zone) -> Result<()> {
    let inside = || Query::live().eq("zone_id", zone.id);
    let (kind, id) = (Kind::Zone, zone.uuid.as_str());
    refuse_used::<Host>(tx, inside(), kind, id, "hosts are").await?;
    refuse_used::<Vm>(tx, inside(), kind, id, "virtual machines are").await?;
    refuse_used::<Volume>(tx, inside(), kind, id, "volumes are").await?;
    refuse_used::<StoragePool>(tx, inside(), kind, id, "storage pools are").await?;
    refuse_used::<ImageStore>(tx, inside(), kind, id, "image stores are").await?;
    refuse_used::<Cluster>(tx, inside(), kind, id, "clusters are").await?;
    refuse_used::<Pod>(tx, inside(), kind, id, "pods are").await?;
    refuse_used::<Network>(tx, inside().eq("is_system", false), kind, id, "networks are").await?;
    refuse_used::<PhysicalNetwork>(tx, inside(), kind, id, "physical networks are").await
}

async fn put_details(tx: &mut Tx, zone: &Zone, details: &BTreeMap<String, String>) -> Result<()> {
    for (name, content) in details {
        let one = Query::all().eq("resource_type", "Zone").eq("resource_id", zone.id).eq("name", name);
        if tx.update::<Detail>(one, vec![("content", content.into())]).await? > 0 {
            continue;
        }
        let mut d = Detail {
            resource_type: "Zone".into(),
            resource_id: zone.id(),
            resource_uuid: zone.uuid.clone(),
            name: name.clone(),
            content: content.clone(),
            display: true,
            ..Default::default()
        };
        tx.insert(&mut d).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask() -> ZoneCreate {
        ZoneCreate {
            name: "z".into(),
            network_type: "basic".into(),
            dns1: "8.8.8.8".into(),
            internal_dns1: "10.0.0.1".into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_new_zone_is_disabled_and_a_basic_one_has_security_groups() {
        let z = new_row(&ask(), 1).expect("a zone");
        assert_eq!(
            (z.allocation_state.as_str(), z.network_type.as_str(), z.security_groups, z.guest_cidr),
            ("Disabled", "Basic", true, None)
        );
        let z = new_row(&ZoneCreate { network_type: "Advanced".into(), ..ask() }, 1).expect("a zone");
        assert_eq!((z.security_groups, z.guest_cidr.as_deref()), (false, Some("10.1.1.0/24")));
    }

    #[test]
    fn what_cannot_be_a_zone_is_refused_by_parameter() {
        let refused =
            |a: ZoneCreate, field: &str| assert!(matches!(new_row(&a, 1), Err(Error::Invalid { field: f, .. }) if f == field), "{field}");
        refused(ZoneCreate { dns1: "dns.example.com".into(), ..ask() }, "dns1");
        refused(ZoneCreate { network_type: "Simple".into(), ..ask() }, "networktype");
        refused(ZoneCreate { guest_cidr: Some("10.1.1.0/24".into()), ..ask() }, "guestcidraddress");
        refused(ZoneCreate { network_domain: Some("-x.example".into()), ..ask() }, "domain");
        refused(ZoneCreate { name: "  ".into(), ..ask() }, "name");
    }
}
