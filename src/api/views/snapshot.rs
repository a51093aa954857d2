//! Snapshots in answers.
use crate::prelude::*;
use crate::views::tag::{self, Owners, Tag};
use stratus_engine::snapshot::MANUAL;

/// A snapshot.
#[derive(View, Debug, Clone)]
pub struct Snapshot {
    /// the ID of the snapshot
    pub id: String,
    /// the account that owns it
    pub account: Option<String>,
    /// the ID of the project that owns it
    pub projectid: Option<String>,
    /// the name of the project that owns it
    pub project: Option<String>,
    /// the ID of its domain
    pub domainid: Option<String>,
    /// the name of its domain
    pub domain: Option<String>,
    /// MANUAL or RECURRING
    pub snapshottype: String,
    /// the ID of the volume that it is of
    pub volumeid: Option<String>,
    /// the name of that volume
    pub volumename: Option<String>,
    /// the type of that volume: ROOT or DATADISK
    pub volumetype: Option<String>,
    /// when it was taken
    pub created: Date,
    /// its name
    pub name: String,
    /// MANUAL, HOURLY, DAILY, WEEKLY or MONTHLY
    pub intervaltype: String,
    /// its state
    pub state: String,
    /// the ID of its zone
    pub zoneid: Option<String>,
    /// whether its volume can be set back to it where it is
    pub revertable: bool,
    /// its tags
    pub tags: Vec<Tag>,
}

/// When snapshots of a volume are taken.
#[derive(View, Debug, Clone)]
pub struct SnapshotPolicy {
    /// the ID of the policy
    pub id: String,
    /// the ID of the volume
    pub volumeid: String,
    /// when: MM, MM:HH, MM:HH:D or MM:HH:DD
    pub schedule: String,
    /// 0 hourly, 1 daily, 2 weekly, 3 monthly
    #[view(kind = "short")]
    pub intervaltype: i64,
    /// how many are kept
    #[view(kind = "integer")]
    pub maxsnaps: i64,
    /// the time zone of the schedule
    pub timezone: String,
}

/// A policy of the volume with this uuid.
pub(crate) fn policy(p: store::SnapshotPolicy, volume: String) -> SnapshotPolicy {
    SnapshotPolicy {
        id: p.uuid,
        volumeid: volume,
        schedule: p.schedule,
        intervaltype: p.interval_type,
        maxsnaps: p.max_snaps,
        timezone: p.timezone,
    }
}

/// A page of snapshots, with one query per table beside it.
pub(crate) async fn of(call: &Call, rows: Vec<store::Snapshot>) -> Result<Vec<Snapshot>> {
    let ids: Vec<i64> = rows.iter().map(|s| s.id).collect();
    let owners = Owners::of(call, rows.iter().map(|s| (s.account_id, s.domain_id))).await?;
    let volumes = call.db.by_ids::<store::Volume>(rows.iter().map(|s| s.volume_id)).await?;
    let zones = call.db.by_ids::<store::Zone>(rows.iter().map(|s| s.zone_id)).await?;
    let mut tags = tag::by_thing(call, "Snapshot", &ids).await?;
    let one = |s: store::Snapshot| {
        let volume = volumes.get(&s.volume_id);
        Snapshot {
            account: owners.account(s.account_id),
            projectid: owners.project_uuid(s.account_id),
            project: owners.project(s.account_id),
            domainid: owners.domain_uuid(s.domain_id),
            domain: owners.domain(s.domain_id),
            snapshottype: if s.snapshot_type == MANUAL { MANUAL } else { "RECURRING" }.into(),
            volumeid: volume.map(|v| v.uuid.clone()),
            volumename: volume.map(|v| v.name.clone()),
            volumetype: volume.map(|v| v.volume_type.clone()),
            created: Date(s.created),
            intervaltype: s.snapshot_type,
            zoneid: zones.get(&s.zone_id).map(|z| z.uuid.clone()),
            revertable: s.state == "BackedUp" && volume.is_some_and(|v| v.removed.is_none()),
            tags: tags.remove(&s.id).unwrap_or_default(),
            id: s.uuid,
            name: s.name,
            state: s.state,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}
