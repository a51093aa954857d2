//! Snapshots: a volume's bytes of one moment, kept on an image store of its zone. Drivers take and back them up in one call, so none
//! rests on primary storage (VOL-11). Deleting a volume leaves its snapshots alone (VOL-08).
use crate::saga::Saga;
use crate::vm_start::from_driver;
use crate::{Call, Engine, JobDraft, ListScope, Listing, Topic, saga};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stratus_drivers::SecondaryStorage;
use stratus_model::{Error, Interval, Kind, Limit, Result, SnapshotEvent, SnapshotState, VolumeEvent, VolumeState, format_date};
use stratus_store::{ImageStore, Job, Query, Snapshot, SnapshotPolicy, Tx, UsageEvent, Value, Vm, Volume};
use uuid::Uuid;

static TAKE: Saga<Take> = saga!("snapshot-take":
    begin undo fail,
    lock_volume undo unlock_volume,
    choose_store,
    back_up undo drop_object,
    settle,
);

static DELETE: Saga<Delete> = saga!("snapshot-delete": mark undo unmark, delete_object, forget);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Take {
    pub snapshot: i64,
    /// What the store said of it.
    pub physical: i64,
    pub virtual_bytes: i64,
    pub checksum: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Delete {
    snapshot: i64,
}

/// Kinds of recurring snapshots by the number of their interval.
pub const INTERVALS: [&str; 4] = [Interval::Hourly.word(), Interval::Daily.word(), Interval::Weekly.word(), Interval::Monthly.word()];
/// A snapshot that somebody asked for.
pub const MANUAL: &str = "MANUAL";

/// Which snapshots to list.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the parameters of listSnapshots")]
pub struct SnapshotList {
    pub scope: ListScope,
    pub id: Option<i64>,
    pub volume: Option<i64>,
    pub zone: Option<i64>,
    pub name: Option<String>,
    pub snapshot_type: Option<String>,
    pub interval: Option<String>,
    pub keyword: Option<String>,
    pub tags: Vec<(String, String)>,
    pub page: (i64, i64),
}

/// What events about a snapshot are about.
pub fn topic(s: &Snapshot) -> Topic {
    Topic { account: s.account_id, domain: s.domain_id, kind: Kind::Snapshot, id: s.id }
}

/// A snapshot's state as a value; what the database holds was written by this engine.
pub(crate) fn state_of(s: &Snapshot) -> SnapshotState {
    SnapshotState::from_word(&s.state).unwrap_or(SnapshotState::Error)
}

pub(crate) fn wrong_state(s: &Snapshot, why: &str) -> Error {
    Error::State { kind: Kind::Snapshot, id: s.uuid.clone(), state: s.state.clone(), why: why.into() }
}

/// Refuses a snapshot that nothing can be made from.
pub(crate) fn usable(s: &Snapshot) -> Result<()> {
    match state_of(s) {
        SnapshotState::BackedUp if s.removed.is_none() => Ok(()),
        _ => Err(wrong_state(s, "only a snapshot that is BackedUp can be used")),
    }
}

/// The name of an interval as the list command takes it, or of a type: one word of those there are.
fn type_word(field: &'static str, word: &str, manual: bool) -> Result<String> {
    let upper = word.trim().to_ascii_uppercase();
    match INTERVALS.contains(&upper.as_str()) || manual && matches!(upper.as_str(), MANUAL | "RECURRING") {
        true => Ok(upper),
        false => Err(Error::invalid(field, format!("'{word}' is none of MANUAL, RECURRING, {}", INTERVALS.join(", ")))),
    }
}

impl Engine {
    /// Writes a snapshot and the job that takes it; it waits behind other work on the volume.
    pub async fn snapshot_create(
        &self,
        call: &Call,
        volume: Volume,
        policy: Option<SnapshotPolicy>,
        draft: JobDraft,
    ) -> Result<(Snapshot, Job)> {
        if policy.as_ref().is_some_and(|p| p.volume_id != volume.id) {
            return Err(Error::invalid("policyid", "the policy is for another volume"));
        }
        let state = VolumeState::from_word(&volume.state);
        // One that is being worked on is Ready again when its turn comes.
        if volume.removed.is_some() || state.is_none_or(|s| s != VolumeState::Ready && !s.is_passing()) {
            return Err(crate::volume::volume_state(&volume, "a snapshot needs a volume that is Ready"));
        }
        let vm = match volume.vm_id {
            Some(id) => self.db.get::<Vm>(id).await?,
            None => None,
        };
        let hypervisor = match volume.hypervisor.clone().filter(|h| !h.is_empty()) {
            Some(h) => Some(h),
            None => self.pool_of(&volume).await?.hypervisor,
        };
        let stamp: String = format_date(call.now()).chars().take(19).filter(char::is_ascii_digit).collect();
        let first = vm.map_or_else(|| "detached".to_owned(), |v| v.name);
        let name: String = format!("{first}_{}_{stamp}", volume.name).chars().take(255).collect();
        let row = Snapshot {
            uuid: Uuid::new_v4().to_string(),
            name,
            account_id: volume.account_id,
            domain_id: volume.domain_id,
            zone_id: volume.zone_id,
            volume_id: volume.id,
            snapshot_type: policy.as_ref().map_or(MANUAL, |p| INTERVALS[p.interval_type.clamp(0, 3) as usize]).into(),
            policy_id: policy.map(|p| p.id),
            hypervisor,
            size_bytes: volume.size_bytes,
            state: SnapshotState::Allocated.word().into(),
            created: call.now(),
            ..Default::default()
        };
        let call = call.clone();
        self.db
            .write(move |tx| {
                let (mut s, volume) = (row, crate::volume::topic(&volume));
                Box::pin(async move {
                    call.take(tx, s.account_id, &[(Limit::Snapshot, 1)]).await?;
                    tx.insert(&mut s).await?;
                    let job = draft.insert_behind(tx, &call, topic(&s), volume).await?;
                    Ok((s, job))
                })
            })
            .await
    }

    /// Takes a snapshot in the call's job.
    pub async fn snapshot_take(&self, call: &Call, id: i64) -> Result<Snapshot> {
        let plan = Take { snapshot: id, physical: 0, virtual_bytes: 0, checksum: String::new() };
        TAKE.run(call, 0, plan).await?;
        let taken = self.db.must::<Snapshot>(id).await?;
        if let Some(policy) = taken.policy_id {
            self.policy_retain(call, policy).await?;
        }
        Ok(taken)
    }

    /// Deletes a snapshot in the call's job. What was made from it stays.
    pub async fn snapshot_delete(&self, call: &Call, id: i64) -> Result<()> {
        let snapshot = self.db.must::<Snapshot>(id).await?;
        match (snapshot.removed, state_of(&snapshot)) {
            (Some(_), _) => Ok(()),
            // It never came, so nothing is counted for it; what a driver may have left goes.
            (None, SnapshotState::Error) => {
                self.snapshot_discard(&snapshot).await;
                let call = call.clone();
                self.db.write(move |tx| Box::pin(async move { leave(tx, &call, &snapshot).await })).await
            }
            _ => DELETE.run(call, 0, Delete { snapshot: id }).await.map(drop),
        }
    }

    /// A page of snapshots.
    pub async fn snapshot_list(&self, ask: SnapshotList) -> Result<Listing<Snapshot>> {
        let mut q = ask.scope.apply(Query::live());
        q = q.eq_opt("id", ask.id).eq_opt("volume_id", ask.volume).eq_opt("zone_id", ask.zone).eq_opt("name", ask.name);
        if let Some(word) = ask.snapshot_type.as_deref() {
            q = match type_word("snapshottype", word, true)?.as_str() {
                "RECURRING" => q.ne("snapshot_type", MANUAL),
                word => q.eq("snapshot_type", word),
            };
        }
        if let Some(word) = ask.interval.as_deref() {
            q = q.eq("snapshot_type", type_word("intervaltype", word, false)?);
        }
        if let Some(k) = &ask.keyword {
            q = q.holds(&["name"], k);
        }
        let q = crate::tag::tag_filter(q, "Snapshot", &ask.tags);
        let count = self.db.count::<Snapshot>(q.clone()).await?;
        Ok(Listing { rows: self.db.find(q.page(ask.page.0, ask.page.1)).await?, count })
    }

    /// A store's driver and the store.
    pub(crate) async fn store_driver(&self, id: i64) -> Result<(Arc<dyn SecondaryStorage>, ImageStore)> {
        let store = self.db.must::<ImageStore>(id).await?;
        Ok((self.image_driver(&store).await?, store))
    }

    /// Deletes what a store has of a snapshot, as far as it can be done now.
    async fn snapshot_discard(&self, snapshot: &Snapshot) {
        let Some(store) = snapshot.store_id else { return };
        let gone = async {
            let (driver, store) = self.store_driver(store).await?;
            driver.delete(&store.uuid, &snapshot.uuid).await.map_err(from_driver)
        };
        if let Err(e) = gone.await {
            tracing::warn!(snapshot = snapshot.uuid, error = %stratus_model::in_full(&e), "what came of a snapshot was not deleted");
        }
    }

    /// Moves a snapshot along its table; where it is already, nothing happens.
    pub(crate) async fn snapshot_move(&self, id: i64, event: SnapshotEvent, set: Vec<(&'static str, Value)>) -> Result<Snapshot> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let row = tx.must::<Snapshot>(id).await?;
                    let to = state_of(&row).on(event).ok_or_else(|| wrong_state(&row, "it cannot go on from here"))?;
                    tx.advance::<Snapshot>(id, &row.state, row.update_count, to.word(), set).await?;
                    tx.must(id).await
                })
            })
            .await
    }

    /// Ends snapshots that no job is at work on any more: those that were being taken become Error, those being deleted are deleted.
    pub(crate) async fn snapshots_reconcile(&self, call: &Call) -> Result<u64> {
        let passing = SnapshotState::ALL.iter().filter(|s| s.is_passing()).map(|s| s.word());
        let mut ended = 0;
        for s in self.db.find::<Snapshot>(Query::live().within("state", passing)).await? {
            let busy = Query::live().eq("status", 0).eq("instance_type", Kind::Snapshot.instance_type()).eq("instance_id", s.id);
            if self.db.count::<Job>(busy).await? > 0 {
                continue;
            }
            self.snapshot_discard(&s).await;
            let mut plan = Take { snapshot: s.id, physical: 0, virtual_bytes: 0, checksum: String::new() };
            match state_of(&s) {
                SnapshotState::Destroying => forget(call, &mut Delete { snapshot: s.id }).await?,
                _ => fail(call, &mut plan).await?,
            }
            ended += 1;
        }
        Ok(ended)
    }
}

pub(crate) async fn begin(call: &Call, plan: &mut Take) -> Result<()> {
    match state_of(&call.db.must::<Snapshot>(plan.snapshot).await?) {
        SnapshotState::Allocated => call.snapshot_move(plan.snapshot, SnapshotEvent::CreateRequested, Vec::new()).await.map(drop),
        _ => Ok(()),
    }
}

/// A snapshot that did not come counts for nothing; it stays in the list and says so.
pub(crate) async fn fail(call: &Call, plan: &mut Take) -> Result<()> {
    let (inner, id) = (call.clone(), plan.snapshot);
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let row = tx.must::<Snapshot>(id).await?;
                let Some(to) = state_of(&row).on(SnapshotEvent::OperationFailed).filter(|_| row.removed.is_none()) else { return Ok(()) };
                tx.advance::<Snapshot>(id, &row.state, row.update_count, to.word(), Vec::new()).await?;
                inner.give_back(tx, row.account_id, &[(Limit::Snapshot, 1)]).await
            })
        })
        .await
}

async fn lock_volume(call: &Call, plan: &mut Take) -> Result<()> {
    let snapshot = call.db.must::<Snapshot>(plan.snapshot).await?;
    call.volume_move(snapshot.volume_id, VolumeEvent::SnapshotRequested, "a snapshot needs a volume that is Ready").await.map(drop)
}

async fn unlock_volume(call: &Call, plan: &mut Take) -> Result<()> {
    let snapshot = call.db.must::<Snapshot>(plan.snapshot).await?;
    call.volume_release(snapshot.volume_id, VolumeState::Snapshotting).await
}

async fn choose_store(call: &Call, plan: &mut Take) -> Result<()> {
    let row = call.db.must::<Snapshot>(plan.snapshot).await?;
    if row.store_id.is_some() {
        return Ok(());
    }
    let store = call.store_of_zone(row.zone_id).await?;
    call.snapshot_move(plan.snapshot, SnapshotEvent::BackupRequested, vec![("store_id", store.id.into())]).await.map(drop)
}

async fn back_up(call: &Call, plan: &mut Take) -> Result<()> {
    let row = call.db.must::<Snapshot>(plan.snapshot).await?;
    let volume = call.db.must::<Volume>(row.volume_id).await?;
    let (driver, disk) = call.volume_driver(&volume).await?;
    let store = call.db.must::<ImageStore>(row.store_id.ok_or_else(|| Error::internal("a snapshot without store"))?).await?;
    let facts = driver.snapshot(&disk, &row.uuid, &store.uuid).await.map_err(from_driver)?;
    call.settle_on_store(&store, &row.uuid).await?;
    plan.physical = i64::try_from(facts.physical_bytes).unwrap_or(i64::MAX);
    plan.virtual_bytes = i64::try_from(facts.virtual_bytes).unwrap_or(i64::MAX);
    plan.checksum = facts.checksum;
    Ok(())
}

pub(crate) async fn drop_object(call: &Call, plan: &mut Take) -> Result<()> {
    let row = call.db.must::<Snapshot>(plan.snapshot).await?;
    let Some(store) = row.store_id else { return Ok(()) };
    let (driver, store) = call.store_driver(store).await?;
    driver.delete(&store.uuid, &row.uuid).await.map_err(from_driver)
}

async fn settle(call: &Call, plan: &mut Take) -> Result<()> {
    let (inner, plan) = (call.clone(), plan.clone());
    call.db
        .write(move |tx| {
            Box::pin(async move {
                match arrived(tx, &inner, &plan).await? {
                    Some(row) => crate::volume_work::release(tx, row.volume_id, VolumeState::Snapshotting).await,
                    None => Ok(()),
                }
            })
        })
        .await
}

/// Writes that a snapshot is on its store; the row as it was, or nothing when that was written before.
pub(crate) async fn arrived(tx: &mut Tx, call: &Call, plan: &Take) -> Result<Option<Snapshot>> {
    let row = tx.must::<Snapshot>(plan.snapshot).await?;
    if state_of(&row) == SnapshotState::BackedUp {
        return Ok(None);
    }
    let to = state_of(&row).on(SnapshotEvent::OperationSucceeded).ok_or_else(|| wrong_state(&row, "it was not being taken"))?;
    call.take(tx, row.account_id, &[(Limit::SecondaryStorage, plan.physical)]).await?;
    let set = vec![
        ("physical_bytes", plan.physical.into()),
        ("size_bytes", plan.virtual_bytes.into()),
        ("checksum", plan.checksum.as_str().into()),
    ];
    tx.advance::<Snapshot>(row.id, &row.state, row.update_count, to.word(), set).await?;
    fact(tx, call, &row, "SNAPSHOT.CREATE", Some(plan.physical)).await?;
    Ok(Some(row))
}

async fn mark(call: &Call, plan: &mut Delete) -> Result<()> {
    let id = plan.snapshot;
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let row = tx.must::<Snapshot>(id).await?;
                if state_of(&row) == SnapshotState::Destroying {
                    return Ok(());
                }
                let to = state_of(&row).on(SnapshotEvent::DestroyRequested);
                let to = to.ok_or_else(|| wrong_state(&row, "only a snapshot that is BackedUp or in Error can be deleted"))?;
                let coming = Query::live().eq("snapshot_id", id).within("state", ["Allocated", "Creating"]).null("vm_id");
                if tx.count::<Volume>(coming).await? > 0 {
                    let why = "a volume is being made from it".to_owned();
                    return Err(Error::InUse { kind: Kind::Snapshot, id: row.uuid, why });
                }
                tx.advance::<Snapshot>(id, &row.state, row.update_count, to.word(), Vec::new()).await.map(drop)
            })
        })
        .await
}

async fn unmark(call: &Call, plan: &mut Delete) -> Result<()> {
    match state_of(&call.db.must::<Snapshot>(plan.snapshot).await?) {
        SnapshotState::Destroying => call.snapshot_move(plan.snapshot, SnapshotEvent::OperationFailed, Vec::new()).await.map(drop),
        _ => Ok(()),
    }
}

async fn delete_object(call: &Call, plan: &mut Delete) -> Result<()> {
    drop_object(call, &mut Take { snapshot: plan.snapshot, physical: 0, virtual_bytes: 0, checksum: String::new() }).await
}

async fn forget(call: &Call, plan: &mut Delete) -> Result<()> {
    let (inner, id) = (call.clone(), plan.snapshot);
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let row = tx.must::<Snapshot>(id).await?;
                if row.removed.is_some() {
                    return Ok(());
                }
                leave(tx, &inner, &row).await?;
                inner.give_back(tx, row.account_id, &[(Limit::Snapshot, 1), (Limit::SecondaryStorage, row.physical_bytes)]).await?;
                fact(tx, &inner, &row, "SNAPSHOT.DELETE", None).await
            })
        })
        .await
}

/// Takes the row away with what hangs on it.
async fn leave(tx: &mut Tx, call: &Call, row: &Snapshot) -> Result<()> {
    tx.set::<Snapshot>(row.id, vec![("state", SnapshotState::Destroyed.word().into())]).await?;
    tx.remove::<Snapshot>(row.id, call.now()).await?;
    call.tags_forget(tx, "Snapshot", row.id).await
}

async fn fact(tx: &mut Tx, call: &Call, s: &Snapshot, event: &str, size: Option<i64>) -> Result<()> {
    let mut fact = UsageEvent {
        event_type: event.into(),
        account_id: s.account_id,
        domain_id: s.domain_id,
        zone_id: s.zone_id,
        resource_id: s.id,
        resource_name: Some(s.name.clone()),
        size,
        resource_type: s.hypervisor.clone(),
        created: call.now(),
        ..Default::default()
    };
    tx.insert(&mut fact).await.map(drop)
}
