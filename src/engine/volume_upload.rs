//! Volumes from a URL (VOL-05). The bytes rest on an image store until the volume is first attached; then a pool has them, and the
//! store's copy goes once the volume's VM has settled.
use crate::saga::Saga;
use crate::template::{check_url, format_word};
use crate::template_fetch::{DOWNLOADED, UNDER_WAY};
use crate::vm::usage;
use crate::vm_start::from_driver;
use crate::volume::owner_of;
use crate::{Call, Engine, GIB, saga};
use serde::{Deserialize, Serialize};
use stratus_drivers::ObjectKind;
use stratus_model::{Error, Kind, Limit, Result, VmState, VolumeState};
use stratus_store::{Account, Job, Query, Tx, Vm, Volume, VolumeStore, Zone};
use uuid::Uuid;

/// The command, by which jobs that upload are found.
const COMMAND: &str = "uploadVolume";

static UPLOAD: Saga<Upload> = saga!("volume-upload":
    choose,
    begin undo discard,
    fetch undo drop_object,
    settle,
);

/// A volume that is to come from a URL.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct VolumeUpload {
    /// Its owner.
    pub owner: i64,
    /// The owner's domain.
    pub domain: i64,
    /// Where.
    pub zone: i64,
    /// Its name.
    pub name: String,
    /// Where it is fetched from.
    pub url: String,
    /// What it is said to be.
    pub format: String,
    /// The checksum that it must have.
    pub checksum: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Upload {
    ask: VolumeUpload,
    /// Its uuid and store, known before there is a row, so that a step that runs twice finds what it made.
    uuid: String,
    store: i64,
    physical: i64,
    virtual_bytes: i64,
    checksum: String,
}

impl Engine {
    /// Brings a volume from a URL, in the call's job.
    pub async fn volume_upload(&self, call: &Call, owner: &Account, zone: &Zone, mut ask: VolumeUpload) -> Result<Volume> {
        if ask.name.trim().is_empty() {
            return Err(Error::invalid("name", "must not be empty"));
        }
        call.zone_for(zone, owner).await?;
        ask.format = format_word(&ask.format)?;
        if matches!(ask.format.as_str(), "ISO" | "BAREMETAL" | "TAR") {
            return Err(Error::invalid("format", format!("a volume cannot be {}", ask.format)));
        }
        check_url(&ask.url, &ask.format)?;
        let ask = VolumeUpload { owner: owner.id, domain: owner.domain_id, zone: zone.id, ..ask };
        let empty = String::new;
        let plan = Upload { ask, uuid: empty(), store: 0, physical: 0, virtual_bytes: 0, checksum: empty() };
        let done = UPLOAD.run(call, 0, plan).await?;
        self.db.by_uuid(Kind::Volume, &done.uuid).await
    }

    /// The bytes of a volume that an image store has, if they are there.
    pub(crate) async fn upload_of(&self, volume: i64) -> Result<Option<VolumeStore>> {
        self.db.find_one(Query::live().eq("volume_id", volume).eq("state", DOWNLOADED)).await
    }

    /// Takes a volume's bytes from its image store, where it has any there.
    pub(crate) async fn upload_forget(&self, call: &Call, volume: &Volume) -> Result<()> {
        let Some(at) = self.db.find_one::<VolumeStore>(Query::live().eq("volume_id", volume.id)).await? else { return Ok(()) };
        let (driver, store) = self.store_driver(at.store_id).await?;
        driver.delete(&store.uuid, &volume.uuid).await.map_err(from_driver)?;
        let (inner, account) = (call.clone(), volume.account_id);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let at = tx.must::<VolumeStore>(at.id).await?;
                    if tx.remove::<VolumeStore>(at.id, inner.now()).await? && at.state == DOWNLOADED {
                        inner.give_back(tx, account, &[(Limit::SecondaryStorage, at.physical_bytes)]).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Ends uploads that no job is at any more, and takes from image stores what pools have.
    pub(crate) async fn uploads_reconcile(&self, call: &Call) -> Result<u64> {
        let mut ended = 0;
        if self.db.count::<Job>(Query::live().eq("status", 0).eq("command", COMMAND)).await? == 0 {
            for left in self.db.find::<Volume>(Query::live().eq("state", VolumeState::UploadOp.word())).await? {
                self.volume_erase(call, left).await?;
                ended += 1;
            }
        }
        let placed = Query::live().eq("state", VolumeState::Ready.word()).not_null("pool_id");
        for at in self.db.find::<VolumeStore>(Query::live().key_in::<Volume>("volume_id", "id", placed)).await? {
            let volume = self.db.must::<Volume>(at.volume_id).await?;
            // A start that fails takes the disk back and needs the bytes once more.
            let settled = match volume.vm_id {
                Some(vm) => matches!(self.db.must::<Vm>(vm).await?.vm_state(), VmState::Running | VmState::Stopped),
                None => true,
            };
            if settled && volume.state == VolumeState::Ready.word() {
                self.upload_forget(call, &volume).await?;
                ended += 1;
            }
        }
        Ok(ended)
    }
}

async fn volume_of(call: &Call, plan: &Upload) -> Result<Option<Volume>> {
    call.db.find_one::<Volume>(Query::all().eq("uuid", plan.uuid.as_str())).await
}

async fn choose(call: &Call, plan: &mut Upload) -> Result<()> {
    plan.uuid = Uuid::new_v4().to_string();
    plan.store = call.store_of_zone(plan.ask.zone).await?.id;
    Ok(())
}

async fn begin(call: &Call, plan: &mut Upload) -> Result<()> {
    if volume_of(call, plan).await?.is_some() {
        return Ok(());
    }
    let (inner, plan) = (call.clone(), plan.clone());
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let Upload { ask, uuid, store, .. } = plan;
                inner.take(tx, ask.owner, &[(Limit::Volume, 1)]).await?;
                let mut row = Volume {
                    uuid,
                    name: ask.name,
                    account_id: ask.owner,
                    domain_id: ask.domain,
                    zone_id: ask.zone,
                    volume_type: "DATADISK".into(),
                    display_volume: true,
                    state: VolumeState::UploadOp.word().into(),
                    created: inner.now(),
                    ..Default::default()
                };
                tx.insert(&mut row).await?;
                let mut at = VolumeStore {
                    volume_id: row.id,
                    store_id: store,
                    zone_id: ask.zone,
                    format: ask.format,
                    url: Some(ask.url),
                    state: UNDER_WAY.into(),
                    checksum: ask.checksum,
                    created: row.created,
                    ..Default::default()
                };
                tx.insert(&mut at).await.map(drop)
            })
        })
        .await
}

/// A volume that did not come counts for nothing.
async fn discard(call: &Call, plan: &mut Upload) -> Result<()> {
    match volume_of(call, plan).await?.filter(|v| v.removed.is_none()) {
        Some(volume) => call.volume_erase(call, volume).await,
        None => Ok(()),
    }
}

async fn row_of(call: &Call, plan: &Upload) -> Result<(Volume, VolumeStore)> {
    let gone = || Error::not_found(Kind::Volume, &plan.uuid);
    let volume = volume_of(call, plan).await?.filter(|v| v.removed.is_none()).ok_or_else(gone)?;
    let at = call.db.find_one::<VolumeStore>(Query::live().eq("volume_id", volume.id)).await?.ok_or_else(gone)?;
    Ok((volume, at))
}

async fn fetch(call: &Call, plan: &mut Upload) -> Result<()> {
    let (volume, at) = row_of(call, plan).await?;
    let (driver, store) = call.store_driver(plan.store).await?;
    let url = at.url.clone().unwrap_or_default();
    let spec = call.fetch_spec(&volume.uuid, ObjectKind::Volume, &url, &at.format, at.checksum.as_deref());
    let facts = call.fetch_watched::<VolumeStore>(driver.as_ref(), &store, at.id, &spec).await.map_err(from_driver)?;
    plan.physical = i64::try_from(facts.physical_bytes).unwrap_or(i64::MAX);
    plan.virtual_bytes = i64::try_from(facts.virtual_bytes).unwrap_or(i64::MAX);
    plan.checksum = facts.checksum;
    let most = call.settings.number("storage.max.volume.size").saturating_mul(GIB);
    match most > 0 && plan.virtual_bytes > most {
        true => Err(Error::invalid("url", format!("the volume has {} bytes, which is above storage.max.volume.size", plan.virtual_bytes))),
        false => Ok(()),
    }
}

async fn drop_object(call: &Call, plan: &mut Upload) -> Result<()> {
    let (driver, store) = call.store_driver(plan.store).await?;
    driver.delete(&store.uuid, &plan.uuid).await.map_err(from_driver)
}

async fn settle(call: &Call, plan: &mut Upload) -> Result<()> {
    let (volume, at) = row_of(call, plan).await?;
    let (inner, plan) = (call.clone(), plan.clone());
    call.db.write(move |tx| Box::pin(async move { uploaded(tx, &inner, &plan, volume.id, at.id).await })).await
}

/// Counts what came and opens the volume.
async fn uploaded(tx: &mut Tx, call: &Call, plan: &Upload, volume: i64, at: i64) -> Result<()> {
    let row = tx.must::<Volume>(volume).await?;
    if row.state != VolumeState::UploadOp.word() {
        return Ok(());
    }
    let takes = [(Limit::PrimaryStorage, plan.virtual_bytes), (Limit::SecondaryStorage, plan.physical)];
    call.take(tx, row.account_id, &takes).await?;
    let set = vec![
        ("state", DOWNLOADED.into()),
        ("percent", 100.into()),
        ("physical_bytes", plan.physical.into()),
        ("checksum", plan.checksum.as_str().into()),
    ];
    tx.set::<VolumeStore>(at, set).await?;
    tx.set::<Volume>(volume, vec![("size_bytes", plan.virtual_bytes.into())]).await?;
    let row = tx.must::<Volume>(volume).await?;
    tx.advance::<Volume>(volume, &row.state, row.update_count, VolumeState::Uploaded.word(), Vec::new()).await?;
    usage(tx, call, "VOLUME.UPLOAD", &owner_of(&row), row.id, Some(&row.name), None, None, Some(row.size_bytes)).await
}
