//! What the AWS doors show and the native wire does not carry: reservations, disks beside their VMs, work under way, EC2's fingerprints.
//! Each verb answers for a whole page of things in one question a table. Whoever calls has seen the things through a native list, which
//! is where it was decided that the caller may.
use crate::Engine;
use crate::ec2_attribute::Attributes;
use std::collections::{HashMap, HashSet};
use stratus_model::{JobStatus, Kind, Result};
use stratus_store::{
    Account, Domain, Job, OsType, Query, SecurityGroup, ServiceOffering, Snapshot, SshKeyPair, Template, Vm, Volume, Zone,
};

const CHUNK: usize = 500;
/// The attribute that keeps an attachment's device name.
const DEVICE: &str = "device";

/// What is known of a VM beside its native record.
#[derive(Debug, Clone, Default)]
pub struct VmFacts {
    /// Its state, read after the work under way: what is between two states here has somebody who works on it.
    pub state: String,
    /// The reservation's id, when it was launched through EC2.
    pub reservation: Option<String>,
    /// Its place in the launch.
    pub launch_index: Option<i64>,
    /// Microseconds of the last start, else of its making.
    pub launched: i64,
    /// As given, in base64.
    pub user_data: Option<String>,
    /// The guest operating system.
    pub os: String,
    /// Whether the template wants hardware virtualisation.
    pub hvm: bool,
    /// The native command that works on it or waits to.
    pub job: Option<String>,
    /// Its disks, by device number.
    pub disks: Vec<DiskFacts>,
    /// Microseconds at which it was destroyed.
    pub destroyed: Option<i64>,
    /// What clients of the door said of it.
    pub attributes: Attributes,
}

/// What is known of a volume beside its native record.
#[derive(Debug, Clone, Default)]
pub struct DiskFacts {
    /// The volume.
    pub uuid: String,
    /// The device number; 0 is the root disk.
    pub device: i64,
    /// The device name that was asked for, `/dev/sdh`.
    pub named: Option<String>,
    /// Microseconds of the attachment.
    pub attached: Option<i64>,
    /// Whether it goes with its VM.
    pub delete_with_vm: bool,
    /// The native command that works on it or waits to.
    pub job: Option<String>,
    /// Its size in bytes.
    pub bytes: i64,
    /// What clients of the door said of it.
    pub attributes: Attributes,
}

impl Engine {
    /// Facts of VMs by uuid.
    pub async fn ec2_vms(&self, uuids: &[String]) -> Result<HashMap<String, VmFacts>> {
        let mut facts = HashMap::with_capacity(uuids.len());
        for chunk in uuids.chunks(CHUNK) {
            let mut vms = self.db.find::<Vm>(Query::all().within("uuid", chunk)).await?;
            let keys: Vec<i64> = vms.iter().map(|v| v.id).collect();
            let mut disks = self.disks_of(&keys).await?;
            let jobs = self.pending(Kind::Vm, &keys).await?;
            self.look_again(&mut vms, &jobs).await?;
            let systems = self.db.by_ids::<OsType>(vms.iter().map(|v| v.os_type_id)).await?;
            let templates = self.db.by_ids::<Template>(vms.iter().map(|v| v.template_id)).await?;
            let mut attributes = self.ec2_attributes("i", chunk).await?;
            for vm in vms {
                let fact = VmFacts {
                    state: vm.state,
                    launched: vm.started.unwrap_or(vm.created),
                    os: systems.get(&vm.os_type_id).map(|o| o.name.clone()).unwrap_or_default(),
                    hvm: templates.get(&vm.template_id).is_none_or(|t| t.requires_hvm),
                    job: jobs.get(&vm.id).cloned(),
                    disks: disks.remove(&vm.id).unwrap_or_default(),
                    reservation: vm.reservation,
                    launch_index: vm.launch_index,
                    destroyed: vm.destroyed,
                    attributes: attributes.remove(&vm.uuid).unwrap_or_default(),
                    user_data: vm.user_data,
                };
                facts.insert(vm.uuid, fact);
            }
        }
        Ok(facts)
    }

    /// Reads VMs again that are on their way although nobody works on them: they got there before the jobs were read. An instance that
    /// is being terminated would else be shown as `stopping`, which waiters take for a failure.
    async fn look_again(&self, vms: &mut [Vm], jobs: &HashMap<i64, String>) -> Result<()> {
        let between = |v: &Vm| matches!(v.state.as_str(), "Starting" | "Stopping") && !jobs.contains_key(&v.id);
        let late: Vec<i64> = vms.iter().filter(|v| between(v)).map(|v| v.id).collect();
        if late.is_empty() {
            return Ok(());
        }
        let mut fresh = self.db.by_ids::<Vm>(late).await?;
        for vm in vms {
            if let Some(now) = fresh.remove(&vm.id) {
                *vm = now;
            }
        }
        Ok(())
    }

    /// Facts of volumes by uuid.
    pub async fn ec2_volumes(&self, uuids: &[String]) -> Result<HashMap<String, DiskFacts>> {
        let mut facts = HashMap::with_capacity(uuids.len());
        for chunk in uuids.chunks(CHUNK) {
            let volumes = self.db.find::<Volume>(Query::all().within("uuid", chunk)).await?;
            facts.extend(self.facts_of(volumes).await?.into_iter().map(|(_, disk)| (disk.uuid.clone(), disk)));
        }
        Ok(facts)
    }

    async fn disks_of(&self, vms: &[i64]) -> Result<HashMap<i64, Vec<DiskFacts>>> {
        let volumes = self.db.find::<Volume>(Query::live().within("vm_id", vms.iter().copied())).await?;
        let mut disks: HashMap<i64, Vec<DiskFacts>> = HashMap::new();
        for (vm, disk) in self.facts_of(volumes).await? {
            disks.entry(vm).or_default().push(disk);
        }
        disks.values_mut().for_each(|all| all.sort_by_key(|d| d.device));
        Ok(disks)
    }

    async fn facts_of(&self, volumes: Vec<Volume>) -> Result<Vec<(i64, DiskFacts)>> {
        let keys: Vec<i64> = volumes.iter().map(|v| v.id).collect();
        let jobs = self.pending(Kind::Volume, &keys).await?;
        let uuids: Vec<String> = volumes.iter().map(|v| v.uuid.clone()).collect();
        let mut attributes = self.ec2_attributes("vol", &uuids).await?;
        let facts = volumes.into_iter().map(|v| {
            let attributes = attributes.remove(&v.uuid).unwrap_or_default();
            let disk = DiskFacts {
                device: v.device_id.unwrap_or(0),
                named: attributes.get(DEVICE).cloned(),
                attached: v.attached,
                delete_with_vm: v.delete_with_vm,
                job: jobs.get(&v.id).cloned(),
                bytes: v.size_bytes,
                attributes,
                uuid: v.uuid,
            };
            (v.vm_id.unwrap_or(0), disk)
        });
        Ok(facts.collect())
    }

    /// The commands of pending jobs by what they work on; of several, the one that was asked for last.
    async fn pending(&self, kind: Kind, keys: &[i64]) -> Result<HashMap<i64, String>> {
        let query = Query::live()
            .eq("status", JobStatus::Pending.number())
            .eq("instance_type", kind.instance_type())
            .within("instance_id", keys.iter().copied());
        Ok(self.db.find::<Job>(query).await?.into_iter().filter_map(|j| Some((j.instance_id?, j.command))).collect())
    }

    /// Remembers the device name that an attachment was asked for, or forgets it.
    pub async fn ec2_device_set(&self, volume_uuid: &str, device: Option<&str>) -> Result<()> {
        self.ec2_attributes_set("vol", &[volume_uuid.to_owned()], &[(DEVICE, device)]).await
    }

    /// Whether templates want hardware virtualisation, by uuid.
    pub async fn ec2_templates(&self, uuids: &[String]) -> Result<HashMap<String, bool>> {
        let mut facts = HashMap::with_capacity(uuids.len());
        for chunk in uuids.chunks(CHUNK) {
            let rows = self.db.find::<Template>(Query::all().within("uuid", chunk)).await?;
            facts.extend(rows.into_iter().map(|t| (t.uuid, t.requires_hvm)));
        }
        Ok(facts)
    }

    /// The uuids of security groups by account name, domain uuid and group name: what rules name of other accounts' groups.
    pub async fn ec2_groups(&self, wanted: &HashSet<(String, String, String)>) -> Result<HashMap<(String, String, String), String>> {
        let mut found = HashMap::new();
        if wanted.is_empty() {
            return Ok(found);
        }
        let names: HashSet<&str> = wanted.iter().map(|(_, _, g)| g.as_str()).collect();
        let groups = self.db.find::<SecurityGroup>(Query::live().within("name", names)).await?;
        let accounts = self.db.by_ids::<Account>(groups.iter().map(|g| g.account_id)).await?;
        let domains = self.db.by_ids::<Domain>(groups.iter().map(|g| g.domain_id)).await?;
        for group in groups {
            let (Some(account), Some(domain)) = (accounts.get(&group.account_id), domains.get(&group.domain_id)) else { continue };
            let key = (account.name.clone(), domain.uuid.clone(), group.name);
            if wanted.contains(&key) {
                found.insert(key, group.uuid);
            }
        }
        Ok(found)
    }

    /// How many VMs, those that are gone included, each of these reservations has.
    pub async fn ec2_reservation_sizes(&self, reservations: &[String]) -> Result<HashMap<String, usize>> {
        let mut sizes = HashMap::with_capacity(reservations.len());
        for chunk in reservations.chunks(CHUNK) {
            let marks = vec!["?"; chunk.len()].join(",");
            let sql = format!("select reservation, count(*) from vm where reservation in ({marks}) group by reservation");
            for row in self.db.rows(sql, chunk.iter().map(Into::into).collect()).await? {
                sizes.insert(row.get(0)?, usize::try_from(row.get::<i64>(1)?).unwrap_or(0));
            }
        }
        Ok(sizes)
    }

    /// The uuid of the zone that an administrator made an account's own.
    pub async fn ec2_default_zone(&self, account: i64) -> Result<Option<String>> {
        match self.db.must::<Account>(account).await?.default_zone_id {
            Some(id) => Ok(self.db.get::<Zone>(id).await?.map(|z| z.uuid)),
            None => Ok(None),
        }
    }

    /// An account's key pairs, with EC2's fingerprints.
    pub async fn ec2_keypairs(&self, account: i64) -> Result<Vec<SshKeyPair>> {
        self.db.find::<SshKeyPair>(Query::live().eq("account_id", account)).await
    }
}

/// What is known of a snapshot beside its native record.
#[derive(Debug, Clone, Default)]
pub struct SnapshotFacts {
    /// Bytes of the disk.
    pub bytes: i64,
    /// The volume's uuid, also when it is gone.
    pub volume: Option<String>,
    /// The native command that works on it or waits to.
    pub job: Option<String>,
    /// What clients of the door said of it.
    pub attributes: Attributes,
}

/// A VM that was expunged, as far as it is still told of.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the native record's fields of the same names")]
pub struct GoneVm {
    pub uuid: String,
    pub name: String,
    pub account: String,
    pub domain: String,
    pub zone: String,
    pub template: String,
    pub offering: String,
    pub keypair: Option<String>,
    pub hypervisor: String,
    pub created: i64,
}

impl Engine {
    /// Facts of snapshots by uuid.
    pub async fn ec2_snapshots(&self, uuids: &[String]) -> Result<HashMap<String, SnapshotFacts>> {
        let mut facts = HashMap::with_capacity(uuids.len());
        for chunk in uuids.chunks(CHUNK) {
            let rows = self.db.find::<Snapshot>(Query::all().within("uuid", chunk)).await?;
            let keys: Vec<i64> = rows.iter().map(|s| s.id).collect();
            let jobs = self.pending(Kind::Snapshot, &keys).await?;
            let volumes = self.db.by_ids::<Volume>(rows.iter().map(|s| s.volume_id)).await?;
            let mut attributes = self.ec2_attributes("snap", chunk).await?;
            for row in rows {
                let fact = SnapshotFacts {
                    bytes: row.size_bytes,
                    volume: volumes.get(&row.volume_id).map(|v| v.uuid.clone()),
                    job: jobs.get(&row.id).cloned(),
                    attributes: attributes.remove(&row.uuid).unwrap_or_default(),
                };
                facts.insert(row.uuid, fact);
            }
        }
        Ok(facts)
    }

    /// VMs of an account that were destroyed since a moment and are expunged already.
    pub async fn ec2_gone_vms(&self, account: i64, since: i64) -> Result<Vec<GoneVm>> {
        let query = Query::all().eq("account_id", account).at_least("removed", since).at_least("destroyed", since).order("id");
        let vms = self.db.find::<Vm>(query).await?;
        if vms.is_empty() {
            return Ok(Vec::new());
        }
        let accounts = self.db.by_ids::<Account>(vms.iter().map(|v| v.account_id)).await?;
        let domains = self.db.by_ids::<Domain>(vms.iter().map(|v| v.domain_id)).await?;
        let zones = self.db.by_ids::<Zone>(vms.iter().map(|v| v.zone_id)).await?;
        let templates = self.db.by_ids::<Template>(vms.iter().map(|v| v.template_id)).await?;
        let offerings = self.db.by_ids::<ServiceOffering>(vms.iter().map(|v| v.service_offering_id)).await?;
        let gone = vms.into_iter().map(|vm| GoneVm {
            account: accounts.get(&vm.account_id).map(|a| a.name.clone()).unwrap_or_default(),
            domain: domains.get(&vm.domain_id).map(|d| d.uuid.clone()).unwrap_or_default(),
            zone: zones.get(&vm.zone_id).map(|z| z.name.clone()).unwrap_or_default(),
            template: templates.get(&vm.template_id).map(|t| t.uuid.clone()).unwrap_or_default(),
            offering: offerings.get(&vm.service_offering_id).map(|o| o.name.clone()).unwrap_or_default(),
            uuid: vm.uuid,
            name: vm.name,
            keypair: vm.keypair,
            hypervisor: vm.hypervisor,
            created: vm.created,
        });
        Ok(gone.collect())
    }

    /// The last bytes that a VM's guest wrote to its console; nothing while it does not run.
    pub async fn vm_console_output(&self, vm_uuid: &str) -> Result<Vec<u8>> {
        let vm = self.db.by_uuid::<Vm>(Kind::Vm, vm_uuid).await?;
        if vm.host_id.is_none() || vm.vm_state() != stratus_model::VmState::Running {
            return Ok(Vec::new());
        }
        let (driver, host) = self.host_of_vm(vm.host_id).await?;
        driver.console_output(&host.uuid, &vm.instance_name).await.map_err(crate::vm_start::from_driver)
    }
}
