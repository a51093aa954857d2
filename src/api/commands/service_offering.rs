//! Service offerings.
use crate::prelude::*;
use crate::views::service_offering as view;
use stratus_engine::service_offering::{OfferingUpdate, ServiceOfferingCreate, ServiceOfferingList};

found!(ServiceOffering => Kind::ServiceOffering);

/// Makes a service offering: cpunumber, cpuspeed and memory all given, or none for one that takes them at deploy.
#[derive(Command)]
#[command(name = "createServiceOffering", roles = "admin", answer = "serviceoffering", view = view::ServiceOffering, event = "SERVICE.OFFERING.CREATE")]
pub struct Create {
    /// what it says of itself
    displaytext: String,
    /// its name
    name: String,
    /// bytes a second that a root disk may read
    #[param(kind = "long", since = "4.2")]
    bytesreadrate: Option<i64>,
    /// bytes a second that a root disk may write
    #[param(kind = "long", since = "4.2")]
    byteswriterate: Option<i64>,
    /// number of CPUs
    cpunumber: Option<i64>,
    /// MHz of each CPU
    cpuspeed: Option<i64>,
    /// the planner that is to place its VMs
    #[param(since = "4.2")]
    deploymentplanner: Option<String>,
    /// the ID of the domain that it is for; for everybody when left out
    domainid: Option<Ref<store::Domain>>,
    /// tags that the host must have, comma separated
    hosttags: Option<String>,
    /// requests a second that a root disk may read
    #[param(kind = "long", since = "4.2")]
    iopsreadrate: Option<i64>,
    /// requests a second that a root disk may write
    #[param(kind = "long", since = "4.2")]
    iopswriterate: Option<i64>,
    /// whether it is for the cloud's own VMs
    issystem: Option<bool>,
    /// whether root disks are made anew at each reboot
    #[param(since = "4.2")]
    isvolatile: Option<bool>,
    /// whether its VMs get no more CPU than it says
    limitcpuuse: Option<bool>,
    /// memory in MiB
    memory: Option<i64>,
    /// network rate in Mbit/s
    networkrate: Option<i64>,
    /// whether its VMs are started again when their host fails
    offerha: Option<bool>,
    /// more about it, [0].key and [0].value
    #[param(since = "4.2")]
    serviceofferingdetails: Option<MapList>,
    /// shared (the default) or local
    storagetype: Option<String>,
    /// the kind of the cloud's own VMs that it is for: domainrouter, consoleproxy, secondarystoragevm …
    systemvmtype: Option<String>,
    /// tags that the storage of root disks must have, comma separated
    tags: Option<String>,
}
impl Run for Create {
    async fn run(self, call: &Call) -> Result<Answer> {
        let mut details = std::collections::BTreeMap::new();
        for (key, value) in self.serviceofferingdetails.unwrap_or_default().pairs("serviceofferingdetails")? {
            details.insert(key, value.unwrap_or_default());
        }
        let details = (!details.is_empty()).then(|| serde_json::to_string(&details)).transpose().map_err(Error::internal)?;
        let offering = store::ServiceOffering {
            name: self.name,
            display_text: self.displaytext,
            cpus: self.cpunumber,
            cpu_mhz: self.cpuspeed,
            memory_mb: self.memory,
            network_rate: self.networkrate,
            offer_ha: self.offerha.unwrap_or(false),
            limit_cpu: self.limitcpuuse.unwrap_or(false),
            is_volatile: self.isvolatile.unwrap_or(false),
            is_system: self.issystem.unwrap_or(false),
            system_vm_type: self.systemvmtype.map(|t| t.to_lowercase()),
            storage_type: self.storagetype.map_or_else(|| "shared".into(), |t| t.to_lowercase()),
            tags: self.tags.filter(|t| !t.trim().is_empty()),
            host_tags: self.hosttags.filter(|t| !t.trim().is_empty()),
            domain_id: self.domainid.map(|d| d.0.id),
            deployment_planner: self.deploymentplanner,
            bytes_read_rate: self.bytesreadrate,
            bytes_write_rate: self.byteswriterate,
            iops_read_rate: self.iopsreadrate,
            iops_write_rate: self.iopswriterate,
            details,
            ..Default::default()
        };
        let row = call.service_offering_create(call, ServiceOfferingCreate { offering }).await?;
        Ok(Answer::one(view::one(call, row).await?))
    }
}

/// Lists service offerings.
#[derive(Command)]
#[command(name = "listServiceOfferings", roles = "all", answer = "serviceoffering", view = view::ServiceOffering)]
pub struct List {
    /// only those of the domain with this ID
    domainid: Option<Ref<store::Domain>>,
    /// only the offering with this ID
    id: Option<Ref<store::ServiceOffering>>,
    /// true for those of the cloud's own VMs; for root administrators
    issystem: Option<bool>,
    /// only those with this name
    name: Option<String>,
    /// only those for this kind of the cloud's own VMs
    systemvmtype: Option<String>,
    /// only those that the VM with this ID could be changed to
    virtualmachineid: Option<Owned<store::Vm>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for List {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let ask = ServiceOfferingList {
            id: self.id.map(|i| i.0.id),
            name: self.name,
            domain: self.domainid.map(|d| d.0.id),
            system: self.issystem.unwrap_or(false),
            system_vm_type: self.systemvmtype.map(|t| t.to_lowercase()),
            vm: self.virtualmachineid.map(|v| v.0),
            keyword: self.page.keyword,
            page,
        };
        let found = call.service_offering_list(call, ask).await?;
        Ok(Answer::list(found.count, view::of(call, found.rows).await?))
    }
}

/// Renames or reorders a service offering; what it gives never changes.
#[derive(Command)]
#[command(name = "updateServiceOffering", roles = "admin", answer = "serviceoffering", view = view::ServiceOffering, event = "SERVICE.OFFERING.EDIT")]
pub struct Update {
    /// the ID of the service offering
    id: Ref<store::ServiceOffering>,
    /// what it is to say of itself
    displaytext: Option<String>,
    /// its new name
    name: Option<String>,
    /// its place in lists, small ones first
    #[param(since = "3.0")]
    sortkey: Option<i64>,
}
impl Run for Update {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = OfferingUpdate { name: self.name, display_text: self.displaytext, sort_key: self.sortkey, display: None };
        let row = call.service_offering_update(call, self.id.0.id, ask).await?;
        Ok(Answer::one(view::one(call, row).await?))
    }
}

/// Deletes a service offering; VMs that have it keep it.
#[derive(Command)]
#[command(name = "deleteServiceOffering", roles = "admin", event = "SERVICE.OFFERING.DELETE")]
pub struct Delete {
    /// the ID of the service offering
    id: Ref<store::ServiceOffering>,
}
impl Run for Delete {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.service_offering_delete(call, self.id.0).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<Create>();
    r.add::<List>();
    r.add::<Update>();
    r.add::<Delete>();
}
