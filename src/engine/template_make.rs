//! Templates made here: from a volume whose VM is off, or from a snapshot (TPL-05). The bytes go by way of a snapshot on the store in
//! either case; one that was taken for this alone goes again.
use crate::saga::Saga;
use crate::template_fetch::{DOWNLOADED, counted, topic, use_begins};
use crate::vm_start::from_driver;
use crate::{Call, Engine, JobDraft, saga};
use serde::{Deserialize, Serialize};
use stratus_model::{Error, Kind, Limit, Result, VmState, VolumeEvent, VolumeState};
use stratus_store::{Account, ImageStore, Job, Query, Snapshot, Template, TemplateStore, Tx, Vm, Volume};
use uuid::Uuid;

/// The row of a template that is being made here.
pub const MAKING: &str = "CREATING";

const READY: &str = "a template needs a volume that is Ready";

static MAKE: Saga<Make> = saga!("template-make":
    begin undo discard,
    lock_volume undo unlock_volume,
    copy_source undo drop_source,
    make undo drop_object,
    settle,
    drop_source,
);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Make {
    template: i64,
    volume: Option<i64>,
    snapshot: Option<i64>,
    /// The snapshot's name on the store, and whether it was taken for this.
    source: String,
    own: bool,
    physical: i64,
    virtual_bytes: i64,
    checksum: String,
}

/// What a template is made from.
#[derive(Debug, Clone)]
pub enum TemplateSource {
    /// A volume that nothing writes to.
    Volume(Volume),
    /// A snapshot.
    Snapshot(Snapshot),
}

impl TemplateSource {
    const fn owner(&self) -> i64 {
        match self {
            Self::Volume(v) => v.account_id,
            Self::Snapshot(s) => s.account_id,
        }
    }
}

/// The disk format of a hypervisor, for templates that are made of its disks.
pub(crate) fn format_of(hypervisor: &str) -> &'static str {
    match hypervisor {
        "KVM" => "QCOW2",
        "XenServer" | "Hyperv" => "VHD",
        "VMware" => "OVA",
        "LXC" => "TAR",
        _ => "RAW",
    }
}

impl Engine {
    /// Writes a template that is to be made and the job that makes it.
    pub async fn template_make(&self, call: &Call, source: TemplateSource, ask: Template, draft: JobDraft) -> Result<(Template, Job)> {
        let owner = self.db.must::<Account>(source.owner()).await?;
        if ask.name.trim().is_empty() {
            return Err(Error::invalid("name", "must not be empty"));
        }
        if !matches!(ask.bits, 32 | 64) {
            return Err(Error::invalid("bits", "must be 32 or 64"));
        }
        self.may_publish(call, &ask, &owner)?;
        let (volume, first) = match &source {
            TemplateSource::Volume(v) => {
                self.quiet(v, READY).await?;
                (Some(v.clone()), crate::volume::topic(v))
            }
            TemplateSource::Snapshot(s) => {
                crate::snapshot::usable(s)?;
                (self.db.get::<Volume>(s.volume_id).await?, crate::snapshot::topic(s))
            }
        };
        let (zone, store, hypervisor) = match &source {
            TemplateSource::Volume(v) => {
                let hypervisor = v.hypervisor.clone().filter(|h| !h.is_empty());
                let hypervisor = hypervisor.or(self.pool_of(v).await?.hypervisor);
                (v.zone_id, self.store_of_zone(v.zone_id).await?.id, hypervisor)
            }
            TemplateSource::Snapshot(s) => {
                (s.zone_id, s.store_id.ok_or_else(|| Error::internal("a snapshot without store"))?, s.hypervisor.clone())
            }
        };
        let from = match volume.and_then(|v| v.template_id) {
            Some(id) => self.db.get::<Template>(id).await?,
            None => None,
        };
        let hypervisor = hypervisor.unwrap_or_default();
        let row = Template {
            uuid: Uuid::new_v4().to_string(),
            account_id: owner.id,
            domain_id: owner.domain_id,
            is_iso: false,
            is_bootable: true,
            is_extractable: from.as_ref().is_none_or(|t| t.is_extractable),
            format: from.as_ref().map_or_else(|| format_of(&hypervisor).to_owned(), |t| t.format.clone()),
            requires_hvm: ask.requires_hvm || from.as_ref().is_some_and(|t| t.requires_hvm),
            source_template_id: from.map(|t| t.id),
            hypervisor: Some(hypervisor),
            template_type: "USER".into(),
            state: "Active".into(),
            created: call.now(),
            ..ask
        };
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let mut t = row;
                    call.take(tx, t.account_id, &[(Limit::Template, 1)]).await?;
                    tx.insert(&mut t).await?;
                    let mut at = TemplateStore {
                        template_id: t.id,
                        store_id: store,
                        zone_id: zone,
                        state: MAKING.into(),
                        created: t.created,
                        ..Default::default()
                    };
                    tx.insert(&mut at).await?;
                    let job = draft.insert_behind(tx, &call, topic(&t), first).await?;
                    Ok((t, job))
                })
            })
            .await
    }

    /// Refuses a volume that somebody may be writing to.
    pub(crate) async fn quiet(&self, v: &Volume, why: &'static str) -> Result<()> {
        let state = VolumeState::from_word(&v.state);
        if v.removed.is_some() || state.is_none_or(|s| s != VolumeState::Ready && !s.is_passing()) {
            return Err(crate::volume::volume_state(v, why));
        }
        let vm = match v.vm_id {
            Some(id) => self.db.get::<Vm>(id).await?,
            None => None,
        };
        match vm {
            Some(vm) if !matches!(vm.vm_state(), VmState::Stopped | VmState::Destroyed | VmState::Error) => {
                let why = format!("its VM {} is {}; stop it, or go by way of a snapshot", vm.uuid, vm.state);
                Err(Error::InUse { kind: Kind::Volume, id: v.uuid.clone(), why })
            }
            _ => Ok(()),
        }
    }

    /// Makes a template in the call's job, from what its parameters named.
    pub async fn template_make_run(&self, call: &Call, id: i64, source: TemplateSource) -> Result<Template> {
        let (volume, snapshot) = match source {
            TemplateSource::Volume(v) => (Some(v.id), None),
            TemplateSource::Snapshot(s) => (None, Some(s.id)),
        };
        let (source, checksum) = (String::new(), String::new());
        MAKE.run(call, 0, Make { template: id, volume, snapshot, source, own: false, physical: 0, virtual_bytes: 0, checksum }).await?;
        self.db.must(id).await
    }

    /// Takes away templates that were being made and that no job is at any more.
    pub(crate) async fn templates_reconcile(&self, call: &Call) -> Result<u64> {
        let mut ended = 0;
        for at in self.db.find::<TemplateStore>(Query::live().eq("state", MAKING)).await? {
            let busy = Query::live().eq("status", 0).eq("instance_type", Kind::Template.instance_type()).eq("instance_id", at.template_id);
            if self.db.count::<Job>(busy).await? == 0 {
                self.template_abandon(call, at.template_id).await?;
                ended += 1;
            }
        }
        Ok(ended)
    }

    /// Forgets a template that did not come; one that is forgotten already stays so.
    pub(crate) async fn template_abandon(&self, call: &Call, id: i64) -> Result<()> {
        let template = self.db.must::<Template>(id).await?;
        if template.removed.is_some() {
            return Ok(());
        }
        let at = self.db.find::<TemplateStore>(Query::live().eq("template_id", id)).await?;
        let call = call.clone();
        self.db.write(move |tx| Box::pin(async move { crate::template::forget(tx, &call, template, at).await })).await
    }
}

async fn place_of(call: &Call, plan: &Make) -> Result<TemplateStore> {
    let at = call.db.find_one::<TemplateStore>(Query::live().eq("template_id", plan.template)).await?;
    at.ok_or_else(|| Error::not_found(Kind::Template, plan.template.to_string()))
}

async fn begin(call: &Call, plan: &mut Make) -> Result<()> {
    plan.own = plan.volume.is_some();
    plan.source = match plan.snapshot {
        Some(id) => {
            let snapshot = call.db.must::<Snapshot>(id).await?;
            crate::snapshot::usable(&snapshot)?;
            snapshot.uuid
        }
        None => Uuid::new_v4().to_string(),
    };
    Ok(())
}

async fn discard(call: &Call, plan: &mut Make) -> Result<()> {
    call.template_abandon(call, plan.template).await
}

async fn lock_volume(call: &Call, plan: &mut Make) -> Result<()> {
    let Some(id) = plan.volume else { return Ok(()) };
    let volume = call.db.must::<Volume>(id).await?;
    call.quiet(&volume, READY).await?;
    call.volume_move(id, VolumeEvent::CopyRequested, READY).await.map(drop)
}

async fn unlock_volume(call: &Call, plan: &mut Make) -> Result<()> {
    match plan.volume {
        Some(id) => call.volume_release(id, VolumeState::Copying).await,
        None => Ok(()),
    }
}

async fn copy_source(call: &Call, plan: &mut Make) -> Result<()> {
    let Some(id) = plan.volume else { return Ok(()) };
    let volume = call.db.must::<Volume>(id).await?;
    let (driver, disk) = call.volume_driver(&volume).await?;
    let store = call.db.must::<ImageStore>(place_of(call, plan).await?.store_id).await?;
    driver.snapshot(&disk, &plan.source, &store.uuid).await.map_err(from_driver)?;
    call.settle_on_store(&store, &plan.source).await
}

/// Deletes the snapshot that was taken for the template alone.
async fn drop_source(call: &Call, plan: &mut Make) -> Result<()> {
    if !plan.own {
        return Ok(());
    }
    let Ok(at) = place_of(call, plan).await else { return Ok(()) };
    let (driver, store) = call.store_driver(at.store_id).await?;
    driver.delete(&store.uuid, &plan.source).await.map_err(from_driver)
}

async fn make(call: &Call, plan: &mut Make) -> Result<()> {
    let template = call.db.must::<Template>(plan.template).await?;
    let (driver, store) = call.store_driver(place_of(call, plan).await?.store_id).await?;
    let facts = driver.template_from_snapshot(&store.uuid, &template.uuid, &plan.source).await.map_err(from_driver)?;
    plan.physical = i64::try_from(facts.physical_bytes).unwrap_or(i64::MAX);
    plan.virtual_bytes = i64::try_from(facts.virtual_bytes).unwrap_or(i64::MAX);
    plan.checksum = facts.checksum;
    Ok(())
}

async fn drop_object(call: &Call, plan: &mut Make) -> Result<()> {
    let template = call.db.must::<Template>(plan.template).await?;
    let Ok(at) = place_of(call, plan).await else { return Ok(()) };
    let (driver, store) = call.store_driver(at.store_id).await?;
    driver.delete(&store.uuid, &template.uuid).await.map_err(from_driver)
}

async fn settle(call: &Call, plan: &mut Make) -> Result<()> {
    let at = place_of(call, plan).await?;
    let (inner, plan) = (call.clone(), plan.clone());
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let template = tx.must::<Template>(plan.template).await?;
                if !arrived(tx, &inner, &template, at.id, (plan.physical, plan.virtual_bytes)).await? {
                    return match tx.must::<TemplateStore>(at.id).await?.removed {
                        Some(_) => Err(Error::not_found(Kind::Template, template.uuid)),
                        None => Ok(()),
                    };
                }
                if let Some(v) = plan.volume {
                    crate::volume_work::release(tx, v, VolumeState::Copying).await?;
                }
                facts_known(tx, template.id, plan.virtual_bytes, plan.checksum).await
            })
        })
        .await
}

/// Writes that a template which was being made is on a store, with its physical and virtual bytes; false when it is not being made there.
pub(crate) async fn arrived(tx: &mut Tx, call: &Call, template: &Template, at: i64, (physical, virtual_bytes): (i64, i64)) -> Result<bool> {
    let set = vec![("state", DOWNLOADED.into()), ("percent", 100.into()), ("physical_bytes", physical.into())];
    if tx.update::<TemplateStore>(Query::live().eq("id", at).eq("state", MAKING), set).await? == 0 {
        return Ok(false);
    }
    if counted(template) {
        call.take(tx, template.account_id, &[(Limit::SecondaryStorage, physical)]).await?;
        let at = tx.must::<TemplateStore>(at).await?;
        use_begins(tx, call, &at, template, virtual_bytes).await?;
    }
    Ok(true)
}

/// Writes what a template that has come turned out to be.
pub(crate) async fn facts_known(tx: &mut Tx, id: i64, virtual_bytes: i64, checksum: String) -> Result<()> {
    let set = vec![("size_bytes", virtual_bytes.into()), ("checksum", checksum.into())];
    tx.set::<Template>(id, set).await.map(drop)
}
