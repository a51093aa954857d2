//! What the EC2 door shows of addresses and NICs and the native wire does not carry. Whoever calls has seen the things through a native
//! list, which is where it was decided that the caller may.
use crate::Engine;
use std::collections::HashMap;
use stratus_model::Result;
use stratus_store::{IpAddress, Nic, Query, Vm};

const CHUNK: usize = 500;

/// What is known of a public address beside its native record.
#[derive(Debug, Clone, Default)]
pub struct AddressFacts {
    /// Names the present mapping to a NIC; a new one has another name.
    pub association: Option<String>,
    /// The NIC.
    pub nic: Option<String>,
}

impl Engine {
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
