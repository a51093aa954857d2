//! Service offerings: how much CPU and memory a VM gets. What an offering gives never changes after it is made, so that VMs of one
//! offering stay alike; an offering that is deleted is hidden and kept while VMs still refer to it.
use crate::offering;
use crate::{Call, Listing, Topic};
use stratus_model::{Error, Kind, Result, Role};
use stratus_store::{Domain, Query, ServiceOffering, Tx, Vm};
use uuid::Uuid;

/// MHz of each CPU in the offerings named after EC2's types.
const EC2_MHZ: i64 = 500;

/// The least memory in MiB that an offering may give.
const LEAST_MEMORY: i64 = 32;

/// What system VMs an offering can be for, and the VM kind that the word stands for.
pub const SYSTEM_VM_TYPES: [&str; 5] =
    ["domainrouter", "consoleproxy", "secondarystoragevm", "internalloadbalancervm", "elasticloadbalancervm"];

/// The offerings of EC2's types: name, CPUs, MiB (catalog/ec2-semantics.md section 5).
const EC2_TYPES: &[(&str, i64, i64)] = &[
    ("m1.small", 1, 1740),
    ("m1.medium", 1, 3840),
    ("m1.large", 2, 7680),
    ("m1.xlarge", 4, 15360),
    ("t1.micro", 1, 627),
    ("c1.medium", 2, 1740),
    ("c1.xlarge", 8, 7168),
    ("m2.xlarge", 2, 17510),
    ("m2.2xlarge", 4, 35020),
    ("m2.4xlarge", 8, 70041),
    ("m3.medium", 1, 3840),
    ("m3.large", 2, 7680),
    ("m3.xlarge", 4, 15360),
    ("m3.2xlarge", 8, 30720),
    ("cc1.4xlarge", 16, 23552),
    ("cc2.8xlarge", 32, 61952),
    ("t2.nano", 1, 512),
    ("t2.micro", 1, 1024),
    ("t2.small", 1, 2048),
    ("t2.medium", 2, 4096),
    ("t2.large", 2, 8192),
];

/// The offerings of the cloud's own machines: name, kind, MHz, MiB.
const SYSTEM: &[(&str, &str, i64, i64)] = &[
    ("System Offering For Console Proxy", "consoleproxy", 500, 1024),
    ("System Offering For Secondary Storage VM", "secondarystoragevm", 500, 512),
    ("System Offering For Software Router", "domainrouter", 500, 128),
    ("System Offering For Internal LB VM", "internalloadbalancervm", 256, 256),
    ("System Offering For Elastic LB VM", "elasticloadbalancervm", 128, 128),
];

/// Writes the offerings of a fresh database.
pub async fn seed_service_offerings(tx: &mut Tx, now: i64) -> Result<()> {
    let plain = |name: &str, text: String, cpus, mhz, memory| ServiceOffering {
        uuid: Uuid::new_v4().to_string(),
        name: name.into(),
        display_text: text,
        cpus: Some(cpus),
        cpu_mhz: Some(mhz),
        memory_mb: Some(memory),
        storage_type: "shared".into(),
        created: now,
        ..Default::default()
    };
    let mut rows = vec![
        plain("Small Instance", "Small Instance".into(), 1, 500, 512),
        plain("Medium Instance", "Medium Instance".into(), 1, 1000, 1024),
    ];
    for (name, kind, mhz, memory) in SYSTEM {
        rows.push(ServiceOffering {
            is_system: true,
            is_default: true,
            offer_ha: true,
            system_vm_type: Some((*kind).into()),
            ..plain(name, (*name).into(), 1, *mhz, *memory)
        });
    }
    for (name, cpus, memory) in EC2_TYPES {
        rows.push(plain(name, format!("EC2 type {name}: {cpus} vCPU, {memory} MiB"), *cpus, EC2_MHZ, *memory));
    }
    tx.insert_all(&rows).await
}

/// A new service offering. All of CPUs, MHz and memory, or none of them: then they are given at deploy.
#[derive(Debug, Clone, Default)]
pub struct ServiceOfferingCreate {
    /// The row as asked for; its key, uuid and times are given here.
    pub offering: ServiceOffering,
}

/// Which service offerings to list.
#[derive(Debug, Clone, Default)]
pub struct ServiceOfferingList {
    /// This one only.
    pub id: Option<i64>,
    /// With this name.
    pub name: Option<String>,
    /// Of this domain.
    pub domain: Option<i64>,
    /// Those of system VMs rather than those of users.
    pub system: bool,
    /// For this kind of system VM.
    pub system_vm_type: Option<String>,
    /// Those that this VM could be changed to.
    pub vm: Option<Vm>,
    /// Whose name or text holds this.
    pub keyword: Option<String>,
    /// First row and number of rows.
    pub page: (i64, i64),
}

/// What can change of an offering.
#[derive(Debug, Clone, Default)]
pub struct OfferingUpdate {
    /// New name.
    pub name: Option<String>,
    /// New text.
    pub display_text: Option<String>,
    /// New place in lists; small ones first.
    pub sort_key: Option<i64>,
    /// Whether users see it; disk offerings only.
    pub display: Option<bool>,
}

/// Whether an offering's VMs are started again when they die. From local storage they could only be started where they died.
pub(crate) fn offers_ha(offering: &ServiceOffering) -> bool {
    offering.offer_ha && offering.storage_type != "local"
}

impl Call {
    /// Narrows a query over offerings to those the caller sees: public ones, those of the domains above its own and of its own; an
    /// administrator also those of the domains below.
    pub(crate) async fn offerings_seen(&self, q: Query) -> Result<Query> {
        if self.caller.is_root() {
            return Ok(q);
        }
        let all = self.db.find::<Domain>(Query::live()).await?;
        let below = self.caller.role() != Role::User;
        let path = &self.caller.domain_path;
        let seen = all.into_iter().filter(|d| path.starts_with(&d.path) || below && d.path.starts_with(path)).map(|d| d.id);
        Ok(q.any([Query::all().null("domain_id"), Query::all().within("domain_id", seen)]))
    }

    /// Whether the caller sees what belongs to a domain, or to none.
    pub(crate) async fn domain_seen(&self, domain_id: Option<i64>) -> Result<bool> {
        let Some(id) = domain_id else { return Ok(true) };
        if self.caller.is_root() {
            return Ok(true);
        }
        let Some(d) = self.db.get::<Domain>(id).await? else { return Ok(false) };
        let path = &self.caller.domain_path;
        Ok(path.starts_with(&d.path) || self.caller.role() != Role::User && d.path.starts_with(path))
    }
}

/// Checks the numbers and words of a new offering.
fn check(o: &ServiceOffering) -> Result<()> {
    let given = [("cpunumber", o.cpus), ("cpuspeed", o.cpu_mhz), ("memory", o.memory_mb)];
    if given.iter().any(|(_, n)| n.is_some()) {
        for (name, number) in given {
            match number {
                None => return Err(Error::invalid(name, "give all of cpunumber, cpuspeed and memory, or none for a customised offering")),
                Some(n) if n < 1 || n > i64::from(i32::MAX) => return Err(Error::invalid(name, "must be a positive whole number")),
                Some(_) => {}
            }
        }
        if o.memory_mb.is_some_and(|m| m < LEAST_MEMORY) {
            return Err(Error::invalid("memory", format!("must be at least {LEAST_MEMORY} MiB")));
        }
    } else if o.is_system {
        return Err(Error::invalid("cpunumber", "a system offering cannot be a customised one"));
    }
    check_common(&o.name, &o.display_text, &o.storage_type)?;
    match (&o.system_vm_type, o.is_system) {
        (Some(t), true) if !SYSTEM_VM_TYPES.contains(&t.as_str()) => {
            Err(Error::invalid("systemvmtype", format!("'{t}' is none of {}", SYSTEM_VM_TYPES.join(", "))))
        }
        (None, true) => Err(Error::invalid("systemvmtype", "a system offering needs it")),
        (Some(_), false) => Err(Error::invalid("systemvmtype", "only with issystem=true")),
        _ if o.network_rate.is_some_and(|r| r < 0) => Err(Error::invalid("networkrate", "must not be negative")),
        _ => Ok(()),
    }
}

/// Checks what every offering has.
pub(crate) fn check_common(name: &str, text: &str, storage_type: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::invalid("name", "must not be empty"));
    }
    if text.trim().is_empty() {
        return Err(Error::invalid("displaytext", "must not be empty"));
    }
    match storage_type {
        "shared" | "local" => Ok(()),
        other => Err(Error::invalid("storagetype", format!("'{other}' is neither local nor shared"))),
    }
}

/// The columns that an update sets.
pub(crate) fn update_columns(ask: &OfferingUpdate) -> Result<Vec<(&'static str, stratus_store::Value)>> {
    let mut set: Vec<(&'static str, stratus_store::Value)> = Vec::new();
    if let Some(name) = &ask.name {
        if name.trim().is_empty() {
            return Err(Error::invalid("name", "must not be empty"));
        }
        set.push(("name", name.into()));
    }
    if let Some(text) = &ask.display_text {
        set.push(("display_text", text.into()));
    }
    if let Some(key) = ask.sort_key {
        set.push(("sort_key", key.into()));
    }
    if let Some(display) = ask.display {
        set.push(("display_offering", display.into()));
    }
    Ok(set)
}

impl crate::Engine {
    /// Whether the caller may use an offering: it is public, or the caller is in its domain or below.
    pub async fn offering_visible(&self, call: &Call, offering: &ServiceOffering) -> Result<bool> {
        call.domain_seen(offering.domain_id).await
    }

    /// Makes a service offering.
    pub async fn service_offering_create(&self, call: &Call, ask: ServiceOfferingCreate) -> Result<ServiceOffering> {
        let mut row = ask.offering;
        check(&row)?;
        row.uuid = Uuid::new_v4().to_string();
        row.created = call.now();
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.insert(&mut row).await?;
                    let topic = Topic::of_caller(&call, Kind::ServiceOffering, row.id);
                    call.log(tx, topic, format!("Service offering {} made, id={}", row.name, row.uuid)).await?;
                    Ok(row)
                })
            })
            .await
    }

    /// Lists service offerings that the caller sees.
    pub async fn service_offering_list(&self, call: &Call, ask: ServiceOfferingList) -> Result<Listing<ServiceOffering>> {
        if ask.system && !call.caller.is_root() {
            return Err(Error::Denied("Only root administrators may list system offerings".into()));
        }
        let mut q = Query::live().eq_opt("id", ask.id).eq_opt("name", ask.name.as_deref()).eq_opt("domain_id", ask.domain);
        // One that is asked for by id is shown whichever kind it is, to whom it concerns.
        if ask.id.is_none() || !call.caller.is_root() {
            q = q.eq("is_system", ask.system);
        }
        q = q.eq_opt("system_vm_type", ask.system_vm_type.as_deref());
        if let Some(vm) = &ask.vm {
            let current = self.db.must::<ServiceOffering>(vm.service_offering_id).await?;
            q = q.ne("id", current.id).eq("storage_type", current.storage_type);
        }
        if let Some(k) = &ask.keyword {
            q = q.holds(&["name", "display_text"], k);
        }
        let q = call.offerings_seen(q).await?.order("sort_key");
        let (offset, limit) = ask.page;
        Ok(Listing { count: self.db.count::<ServiceOffering>(q.clone()).await?, rows: self.db.find(q.page(offset, limit)).await? })
    }

    /// Renames or reorders a service offering.
    pub async fn service_offering_update(&self, call: &Call, id: i64, ask: OfferingUpdate) -> Result<ServiceOffering> {
        offering::change(call, id, update_columns(&OfferingUpdate { display: None, ..ask })?).await
    }

    /// Hides a service offering; VMs that have it keep it.
    pub async fn service_offering_delete(&self, call: &Call, row: ServiceOffering) -> Result<()> {
        if row.is_default {
            return Err(Error::invalid("id", format!("{} is the cloud's own and cannot be deleted", row.name)));
        }
        offering::hide(call, row).await
    }
}
