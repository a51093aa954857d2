//! Snapshot policies: hourly, daily, weekly and monthly snapshots of a volume, one policy of a kind each, on the clock of the user's
//! time zone (VOL-13, VOL-15). A policy keeps its newest `maxsnaps`; manual snapshots are nobody's to count (VOL-14). A volume that
//! nobody uses is taken once after it went inactive and then left alone (VOL-16).
use crate::snapshot::INTERVALS;
use crate::{Call, Engine, JobDraft, Level, Listing, Topic};
use std::sync::Arc;
use stratus_model::{Error, Interval, Kind, Micros, Result, Schedule, SnapshotState, Source, VmState, VolumeState};
use stratus_store::{Job, Query, Snapshot, SnapshotPolicy, Vm, Volume};
use uuid::Uuid;

/// What a policy is to be.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the parameters of createSnapshotPolicy")]
pub struct PolicyCreate {
    pub volume: Volume,
    pub interval: String,
    pub schedule: String,
    pub timezone: String,
    pub max_snaps: i64,
}

/// What events about a policy are about: it has no number on the wire, its volume has.
fn topic(p: &SnapshotPolicy) -> Topic {
    Topic { account: p.account_id, domain: p.domain_id, kind: Kind::SnapshotPolicy, id: p.id }
}

fn schedule_of(p: &SnapshotPolicy) -> Result<Schedule> {
    let interval = Interval::ALL.get(p.interval_type.clamp(0, 3) as usize).copied().unwrap_or(Interval::Hourly);
    Schedule::read(interval, &p.schedule, &p.timezone)
}

impl Engine {
    /// Makes a policy, or changes the one of its kind that the volume has.
    pub async fn policy_create(&self, call: &Call, ask: PolicyCreate) -> Result<SnapshotPolicy> {
        let interval = Interval::read(&ask.interval);
        let interval =
            interval.ok_or_else(|| Error::invalid("intervaltype", format!("'{}' is none of {}", ask.interval, INTERVALS.join(", "))))?;
        let schedule = Schedule::read(interval, &ask.schedule, &ask.timezone)?;
        let setting = format!("snapshot.max.{}", interval.word().to_lowercase());
        let most = self.settings.number(&setting);
        if most <= 0 {
            return Err(Error::invalid("intervaltype", format!("{} snapshots are switched off ({setting} is 0)", interval.word())));
        }
        if !(1..=most).contains(&ask.max_snaps) {
            return Err(Error::invalid("maxsnaps", format!("must be 1 to {setting}, {most}")));
        }
        if ask.volume.removed.is_some() {
            return Err(Error::not_found(Kind::Volume, &ask.volume.uuid));
        }
        let row = SnapshotPolicy {
            uuid: Uuid::new_v4().to_string(),
            volume_id: ask.volume.id,
            account_id: ask.volume.account_id,
            domain_id: ask.volume.domain_id,
            interval_type: interval.number(),
            schedule: ask.schedule.trim().into(),
            timezone: ask.timezone.trim().into(),
            max_snaps: ask.max_snaps,
            next_run: schedule.next(call.now())?,
            created: call.now(),
            ..Default::default()
        };
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let mut row = row;
                    let q = Query::all().eq("volume_id", row.volume_id).eq("interval_type", row.interval_type);
                    match tx.find_one::<SnapshotPolicy>(q).await? {
                        Some(there) => {
                            let set = vec![
                                ("schedule", row.schedule.into()),
                                ("timezone", row.timezone.into()),
                                ("max_snaps", row.max_snaps.into()),
                                ("next_run", row.next_run.into()),
                            ];
                            tx.set::<SnapshotPolicy>(there.id, set).await?;
                            row = tx.must(there.id).await?;
                        }
                        None => drop(tx.insert(&mut row).await?),
                    }
                    let text = format!("{} snapshots of a volume, policy {}", INTERVALS[row.interval_type.clamp(0, 3) as usize], row.uuid);
                    call.log(tx, topic(&row), text).await?;
                    Ok(row)
                })
            })
            .await
    }

    /// The policies of a volume.
    pub async fn policy_list(&self, volume: &Volume, range: (i64, i64)) -> Result<Listing<SnapshotPolicy>> {
        let q = Query::all().eq("volume_id", volume.id);
        let count = self.db.count::<SnapshotPolicy>(q.clone()).await?;
        Ok(Listing { rows: self.db.find(q.order("interval_type").page(range.0, range.1)).await?, count })
    }

    /// Deletes policies; the snapshots that they took stay.
    pub async fn policies_delete(&self, call: &Call, policies: Vec<SnapshotPolicy>) -> Result<()> {
        for p in &policies {
            if !call.may_touch(p.account_id, p.domain_id).await? {
                let who = &call.caller.account_name;
                return Err(Error::Denied(format!(
                    "Account {who} does not have permission to operate with the snapshot policy {}",
                    p.uuid
                )));
            }
        }
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    for p in policies {
                        tx.delete::<SnapshotPolicy>(Query::all().eq("id", p.id)).await?;
                        call.log(tx, topic(&p), format!("deleted snapshot policy {}", p.uuid)).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Begins the snapshots that are due; how many. A policy that was due several times while no server ran is due once.
    pub async fn snapshots_due(self: &Arc<Self>) -> Result<u64> {
        let caller = Arc::new(self.system_caller(Source::System).await?);
        let call = Call::new(self.clone(), caller, "createSnapshot", None);
        let mut begun = 0;
        for policy in self.db.find::<SnapshotPolicy>(Query::all().at_most("next_run", call.now())).await? {
            match self.policy_run(&call, &policy).await {
                Ok(true) => begun += 1,
                Ok(false) => {}
                Err(e) => self.policy_failed(&call, &policy, e).await?,
            }
        }
        Ok(begun)
    }

    async fn policy_run(self: &Arc<Self>, call: &Call, policy: &SnapshotPolicy) -> Result<bool> {
        let next = schedule_of(policy)?.next(call.now())?;
        let (id, due) = (policy.id, policy.next_run);
        // Whoever moves the next run on takes this one: two servers do not both.
        let mine = Query::all().eq("id", id).eq("next_run", due);
        let taken = self.db.write(move |tx| Box::pin(async move { tx.update::<SnapshotPolicy>(mine, next_set(next)).await })).await?;
        let volume = self.db.must::<Volume>(policy.volume_id).await?;
        let state = VolumeState::from_word(&volume.state);
        let has_bytes = volume.removed.is_none() && state.is_some_and(|s| s == VolumeState::Ready || s.is_passing());
        if taken == 0 || !has_bytes {
            return Ok(false);
        }
        let active = self.volume_active(&volume).await?;
        if !active && policy.inactive_taken {
            return Ok(false);
        }
        self.db
            .write(move |tx| {
                Box::pin(async move { tx.set::<SnapshotPolicy>(id, vec![("inactive_taken", (!active).into())]).await.map(drop) })
            })
            .await?;
        let draft = JobDraft {
            command: "createSnapshot",
            parameters: serde_json::json!({ "volumeid": volume.uuid, "policyid": policy.uuid }).to_string(),
            event: "SNAPSHOT.CREATE",
            description: "creating snapshot".into(),
        };
        let (_, job) = self.snapshot_create(call, volume, Some(policy.clone()), draft).await?;
        self.job_start(&job);
        Ok(true)
    }

    /// Whether something may have been written to a volume: its VM runs.
    async fn volume_active(&self, volume: &Volume) -> Result<bool> {
        match volume.vm_id {
            Some(vm) => Ok(self.db.get::<Vm>(vm).await?.is_some_and(|v| v.removed.is_none() && v.vm_state() == VmState::Running)),
            None => Ok(false),
        }
    }

    /// A recurring snapshot that could not begin (its owner's limit, say) is told in the owner's events.
    async fn policy_failed(&self, call: &Call, policy: &SnapshotPolicy, e: Error) -> Result<()> {
        tracing::warn!(policy = policy.uuid, error = %stratus_model::in_full(&e), "a recurring snapshot did not begin");
        let (call, topic) = (call.clone(), topic(policy));
        let text = format!("A recurring snapshot did not begin: {e}");
        self.db
            .write(move |tx| {
                Box::pin(
                    async move { call.write_event(tx, "SNAPSHOT.CREATE", Level::Error, "Completed", topic, text, None).await.map(drop) },
                )
            })
            .await
    }

    /// Begins to delete what a policy has more than it keeps, oldest first.
    pub(crate) async fn policy_retain(&self, call: &Call, policy: i64) -> Result<()> {
        let Some(policy) = self.db.get::<SnapshotPolicy>(policy).await? else { return Ok(()) };
        let q = Query::live().eq("policy_id", policy.id).eq("state", SnapshotState::BackedUp.word()).order("id");
        let kept = self.db.find::<Snapshot>(q).await?;
        let over = kept.len().saturating_sub(usize::try_from(policy.max_snaps).unwrap_or(0));
        for old in kept.into_iter().take(over) {
            let busy = Query::live().eq("status", 0).eq("command", "deleteSnapshot").eq("instance_id", old.id);
            if self.db.count::<Job>(busy).await? > 0 {
                continue;
            }
            let draft = JobDraft {
                command: "deleteSnapshot",
                parameters: serde_json::json!({ "id": old.uuid }).to_string(),
                event: "SNAPSHOT.DELETE",
                description: "deleting snapshot".into(),
            };
            let (inner, about) = (call.clone(), crate::snapshot::topic(&old));
            let job = self.db.write(move |tx| Box::pin(async move { draft.insert(tx, &inner, about).await })).await?;
            call.engine().job_start(&job);
        }
        Ok(())
    }
}

fn next_set(next: Micros) -> Vec<(&'static str, stratus_store::Value)> {
    vec![("next_run", next.into())]
}
