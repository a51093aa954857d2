//! What the EC2 door shows of addresses and NICs and the native wire does not carry. Whoever calls has seen the things through a native
//! list, which is where it was decided that the caller may.
use crate::Engine;
use std::collections::HashMap;
use stratus_model::{Result, net};
use stratus_store::{IpAddress, IpRange, Network, Nic, Query, Vm, Zone};

const CHUNK: usize = 500;

/// What is known of a public address beside its native record.
#[derive(Debug, Clone, Default)]
pub struct AddressFacts {
    /// Names the present mapping to a NIC; a new one has another name.
    pub association: Option<String>,
    /// The NIC.
    pub nic: Option<String>,
}

/// What is known of a guest network beside its native record.
#[derive(Debug, Clone, Default)]
pub struct NetworkFacts {
    /// The subnets of its ranges, in CIDR form, the first one made first.
    pub cidrs: Vec<String>,
    /// Addresses that nobody has.
    pub free: i64,
    /// Name servers.
    pub dns: Vec<String>,
}

impl Engine {
    /// Facts of guest networks by uuid.
    pub async fn ec2_networks(&self, uuids: &[String]) -> Result<HashMap<String, NetworkFacts>> {
        let mut facts = HashMap::with_capacity(uuids.len());
        for chunk in uuids.chunks(CHUNK) {
            let networks = self.db.find::<Network>(Query::all().within("uuid", chunk)).await?;
            let ranges = self.db.find::<IpRange>(Query::live().within("network_id", networks.iter().map(|n| n.id))).await?;
            let zones = self.db.by_ids::<Zone>(networks.iter().map(|n| n.zone_id)).await?;
            for n in networks {
                let own = ranges.iter().filter(|r| r.network_id == n.id);
                let cidr = |r: &IpRange| net::cidr(r.gateway.as_deref()?.parse().ok()?, r.netmask.as_deref()?.parse().ok()?);
                let mut cidrs: Vec<String> = n.cidr.clone().into_iter().chain(own.filter_map(cidr)).collect();
                cidrs.dedup();
                let free = self.db.count::<IpAddress>(Query::all().eq("network_id", n.id).eq("state", "Free")).await?;
                let zone = zones.get(&n.zone_id);
                let dns = [n.dns1.or(zone.map(|z| z.dns1.clone())), n.dns2.or(zone.and_then(|z| z.dns2.clone()))];
                facts.insert(n.uuid, NetworkFacts { cidrs, free, dns: dns.into_iter().flatten().collect() });
            }
        }
        Ok(facts)
    }

    /// The public addresses of NICs: by NIC uuid the address, its uuid and the mapping.
    pub async fn ec2_public_of(&self, nics: &[String]) -> Result<HashMap<String, (String, String, String)>> {
        let mut found = HashMap::new();
        for chunk in nics.chunks(CHUNK) {
            let rows = self.db.find::<Nic>(Query::live().within("uuid", chunk)).await?;
            let uuids: HashMap<i64, String> = rows.into_iter().map(|n| (n.id, n.uuid)).collect();
            for a in self.db.find::<IpAddress>(Query::all().within("nat_nic_id", uuids.keys().copied())).await? {
                if let (Some(nic), Some(mapping)) = (a.nat_nic_id.and_then(|n| uuids.get(&n)), a.nat_uuid) {
                    found.insert(nic.clone(), (a.address, a.uuid, mapping));
                }
            }
        }
        Ok(found)
    }

    /// Facts of public addresses by uuid.
    pub async fn ec2_addresses(&self, uuids: &[String]) -> Result<HashMap<String, AddressFacts>> {
        let mut facts = HashMap::with_capacity(uuids.len());
        for chunk in uuids.chunks(CHUNK) {
            let rows = self.db.find::<IpAddress>(Query::all().within("uuid", chunk)).await?;
            let nics = self.db.by_ids::<Nic>(rows.iter().filter_map(|a| a.nat_nic_id)).await?;
            facts.extend(rows.into_iter().map(|a| {
                let nic = a.nat_nic_id.and_then(|n| nics.get(&n)).map(|n| n.uuid.clone());
                (a.uuid, AddressFacts { association: a.nat_uuid, nic })
            }));
        }
        Ok(facts)
    }

    /// The public address that has this mapping.
    pub async fn ec2_associated(&self, association: &str) -> Result<Option<String>> {
        Ok(self.db.find_one::<IpAddress>(Query::all().eq("nat_uuid", association)).await?.map(|a| a.uuid))
    }

    /// The VM of a NIC.
    pub async fn ec2_nic_vm(&self, nic: &str) -> Result<Option<String>> {
        let Some(nic) = self.db.find_one::<Nic>(Query::live().eq("uuid", nic)).await? else { return Ok(None) };
        Ok(self.db.get::<Vm>(nic.vm_id).await?.map(|v| v.uuid))
    }
}
