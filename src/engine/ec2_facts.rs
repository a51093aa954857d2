//! What the AWS doors show and the native wire does not carry: reservations, disks beside their VMs, work under way, EC2's fingerprints.
//! Each verb answers for a whole page of things in one question a table. Whoever calls has seen the things through a native list, which
//! is where it was decided that the caller may.
use crate::Engine;
use std::collections::{HashMap, HashSet};
use stratus_model::{JobStatus, Kind, Result};
use stratus_store::{Detail, Domain, Job, OsType, Query, SecurityGroup, SshKeyPair, Template, Vm, Volume};

const CHUNK: usize = 500;
/// Names of the details in which the doors keep what no column holds.
const DEVICE: &str = "ec2.device";

/// What is known of a VM beside its native record.
#[derive(Debug, Clone, Default)]
pub struct VmFacts {
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
}

impl Engine {
    /// Facts of VMs by uuid.
    pub async fn ec2_vms(&self, uuids: &[String]) -> Result<HashMap<String, VmFacts>> {
        let mut facts = HashMap::with_capacity(uuids.len());
        for chunk in uuids.chunks(CHUNK) {
            let vms = self.db.find::<Vm>(Query::all().within("uuid", chunk)).await?;
            let keys: Vec<i64> = vms.iter().map(|v| v.id).collect();
            let mut disks = self.disks_of(&keys).await?;
            let jobs = self.pending(Kind::Vm, &keys).await?;
            let systems = self.db.by_ids::<OsType>(vms.iter().map(|v| v.os_type_id)).await?;
            let templates = self.db.by_ids::<Template>(vms.iter().map(|v| v.template_id)).await?;
            for vm in vms {
                let fact = VmFacts {
                    launched: vm.started.unwrap_or(vm.created),
                    os: systems.get(&vm.os_type_id).map(|o| o.name.clone()).unwrap_or_default(),
                    hvm: templates.get(&vm.template_id).is_none_or(|t| t.requires_hvm),
                    job: jobs.get(&vm.id).cloned(),
                    disks: disks.remove(&vm.id).unwrap_or_default(),
                    reservation: vm.reservation,
                    launch_index: vm.launch_index,
                    user_data: vm.user_data,
                };
                facts.insert(vm.uuid, fact);
            }
        }
        Ok(facts)
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
        let query = Query::all().eq("resource_type", Kind::Volume.instance_type()).eq("name", DEVICE).within("resource_id", keys);
        let named: HashMap<i64, String> = self.db.find::<Detail>(query).await?.into_iter().map(|d| (d.resource_id, d.content)).collect();
        let facts = volumes.into_iter().map(|v| {
            let disk = DiskFacts {
                device: v.device_id.unwrap_or(0),
                named: named.get(&v.id).cloned(),
                attached: v.attached,
                // A root disk is part of its VM.
                delete_with_vm: v.delete_with_vm || v.volume_type == "ROOT",
                job: jobs.get(&v.id).cloned(),
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
        let volume = self.db.by_uuid::<Volume>(Kind::Volume, volume_uuid).await?;
        let device = device.map(str::to_owned);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let kind = Kind::Volume.instance_type();
                    tx.delete::<Detail>(Query::all().eq("resource_type", kind).eq("resource_id", volume.id).eq("name", DEVICE)).await?;
                    let Some(content) = device else { return Ok(()) };
                    let mut detail = Detail {
                        resource_type: kind.into(),
                        resource_id: volume.id,
                        resource_uuid: volume.uuid,
                        name: DEVICE.into(),
                        content,
                        ..Default::default()
                    };
                    tx.insert(&mut detail).await.map(drop)
                })
            })
            .await
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
        let accounts = self.db.by_ids::<stratus_store::Account>(groups.iter().map(|g| g.account_id)).await?;
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

    /// An account's key pairs, with EC2's fingerprints.
    pub async fn ec2_keypairs(&self, account: i64) -> Result<Vec<SshKeyPair>> {
        self.db.find::<SshKeyPair>(Query::live().eq("account_id", account)).await
    }
}
