//! Service offerings in answers.
use crate::prelude::*;
use std::collections::BTreeMap;

/// A service offering.
#[derive(View, Debug, Clone)]
pub struct ServiceOffering {
    /// the ID of the service offering
    pub id: String,
    /// its name
    pub name: String,
    /// what it says of itself
    pub displaytext: String,
    /// number of CPUs; absent when given at deploy
    #[view(kind = "integer")]
    pub cpunumber: Option<i64>,
    /// MHz of each CPU; absent when given at deploy
    #[view(kind = "integer")]
    pub cpuspeed: Option<i64>,
    /// memory in MiB; absent when given at deploy
    #[view(kind = "integer")]
    pub memory: Option<i64>,
    /// when it was made
    pub created: Date,
    /// whether root disks lie on shared or local storage
    pub storagetype: String,
    /// whether its VMs are started again when their host fails
    pub offerha: bool,
    /// whether its VMs get no more CPU than it says
    pub limitcpuuse: bool,
    /// whether root disks are made anew at each reboot
    pub isvolatile: bool,
    /// tags that the storage of root disks must have
    pub tags: Option<String>,
    /// the ID of the domain that it is for
    pub domainid: Option<String>,
    /// the name of the domain that it is for
    pub domain: Option<String>,
    /// tags that the host must have
    pub hosttags: Option<String>,
    /// whether it is for the cloud's own VMs
    pub issystem: bool,
    /// whether it is the one that the cloud's own VMs get
    pub defaultuse: bool,
    /// the kind of the cloud's own VMs that it is for
    pub systemvmtype: Option<String>,
    /// network rate in Mbit/s
    #[view(kind = "integer")]
    pub networkrate: Option<i64>,
    /// whether CPU and memory are given at deploy
    pub iscustomized: bool,
    /// the planner that places its VMs
    pub deploymentplanner: Option<String>,
    /// bytes a second that a root disk may read
    #[view(name = "diskBytesReadRate")]
    pub bytes_read: Option<i64>,
    /// bytes a second that a root disk may write
    #[view(name = "diskBytesWriteRate")]
    pub bytes_write: Option<i64>,
    /// requests a second that a root disk may read
    #[view(name = "diskIopsReadRate")]
    pub iops_read: Option<i64>,
    /// requests a second that a root disk may write
    #[view(name = "diskIopsWriteRate")]
    pub iops_write: Option<i64>,
    /// more about it
    pub serviceofferingdetails: Option<BTreeMap<String, String>>,
}

/// A page of service offerings.
pub(crate) async fn of(call: &Call, rows: Vec<store::ServiceOffering>) -> Result<Vec<ServiceOffering>> {
    let domains = call.db.by_ids::<store::Domain>(rows.iter().filter_map(|o| o.domain_id)).await?;
    let one = |o: store::ServiceOffering| {
        let domain = o.domain_id.and_then(|d| domains.get(&d));
        ServiceOffering {
            domainid: domain.map(|d| d.uuid.clone()),
            domain: domain.map(|d| d.name.clone()),
            iscustomized: o.cpus.is_none(),
            serviceofferingdetails: o.details.as_deref().and_then(|d| serde_json::from_str(d).ok()),
            id: o.uuid,
            name: o.name,
            displaytext: o.display_text,
            cpunumber: o.cpus,
            cpuspeed: o.cpu_mhz,
            memory: o.memory_mb,
            created: Date(o.created),
            storagetype: o.storage_type,
            offerha: o.offer_ha,
            limitcpuuse: o.limit_cpu,
            isvolatile: o.is_volatile,
            tags: o.tags,
            hosttags: o.host_tags,
            issystem: o.is_system,
            defaultuse: o.is_default,
            systemvmtype: o.system_vm_type,
            networkrate: o.network_rate,
            deploymentplanner: o.deployment_planner,
            bytes_read: o.bytes_read_rate,
            bytes_write: o.bytes_write_rate,
            iops_read: o.iops_read_rate,
            iops_write: o.iops_write_rate,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}

/// One service offering.
pub(crate) async fn one(call: &Call, row: store::ServiceOffering) -> Result<ServiceOffering> {
    of(call, vec![row]).await?.pop().ok_or_else(|| Error::internal("an offering without a record"))
}
