//! Snapshots: taken, listed, deleted.
use crate::declare::{AsTopic, Parameter};
use crate::prelude::*;
use crate::request::Given;
use stratus_engine::snapshot::SnapshotList;
use stratus_engine::snapshot_policy::PolicyCreate;

found!(Snapshot owned);
found!(SnapshotPolicy => stratus_model::Kind::SnapshotPolicy);

/// Lists snapshots.
#[derive(Command)]
#[command(name = "listSnapshots", roles = "all", answer = "snapshot", view = views::snapshot::Snapshot)]
pub struct ListSnapshots {
    /// the snapshot with this ID
    id: Option<Owned<store::Snapshot>>,
    /// those of this interval: HOURLY, DAILY, WEEKLY or MONTHLY
    intervaltype: Option<String>,
    /// those with this name
    name: Option<String>,
    /// MANUAL or RECURRING
    snapshottype: Option<String>,
    /// those of a volume
    volumeid: Option<Owned<store::Volume>>,
    /// those in a zone
    #[param(since = "4.2")]
    zoneid: Option<Ref<store::Zone>>,
    #[param(flatten)]
    scoped: Scoped,
    #[param(flatten)]
    tags: Tags,
    #[param(flatten)]
    page: Paging,
}

impl Run for ListSnapshots {
    async fn run(self, call: &Call) -> Result<Answer> {
        let by_id = self.id.is_some() || self.volumeid.is_some();
        let page = self.page.range(call)?;
        let ask = SnapshotList {
            scope: self.scoped.scope(call, by_id).await?,
            id: self.id.map(|s| s.0.id),
            volume: self.volumeid.map(|v| v.0.id),
            zone: self.zoneid.map(|z| z.0.id),
            name: self.name,
            snapshot_type: self.snapshottype,
            interval: self.intervaltype,
            keyword: self.page.keyword,
            tags: self.tags.0,
            page,
        };
        let found = call.snapshot_list(ask).await?;
        Ok(Answer::list(found.count, views::snapshot::of(call, found.rows).await?))
    }
}

/// Takes a snapshot of a volume at once.
#[derive(Command)]
#[command(
    name = "createSnapshot",
    roles = "all",
    answer = "snapshot",
    view = views::snapshot::Snapshot,
    event = "SNAPSHOT.CREATE",
    job = "creating snapshot",
    create
)]
pub struct CreateSnapshot {
    /// the ID of the volume
    volumeid: Owned<store::Volume>,
    /// the account that owns the volume, and will own the snapshot; needs domainid
    account: Option<String>,
    /// the domain of the account
    domainid: Option<Ref<store::Domain>>,
    /// the policy that the snapshot is counted for
    policyid: Option<Ref<store::SnapshotPolicy>>,
    /// true where the pool can quiet the VM first, which none of these can
    #[param(since = "4.3")]
    quiescevm: Option<bool>,
}

impl Create for CreateSnapshot {
    async fn create(self, call: &Call, job: JobDraft) -> Result<Created> {
        let volume = self.volumeid.0;
        if self.account.is_some() || self.domainid.is_some() {
            let domain = self.domainid.map(|d| d.0);
            let owner = call.acting_account(self.account.as_deref(), domain.as_ref()).await?;
            if owner.id != volume.account_id {
                return Err(Error::invalid("account", "a snapshot belongs to the owner of its volume"));
            }
        }
        if self.quiescevm == Some(true) {
            return Err(Error::Unsupported("No storage pool here can quiet a VM for a snapshot (quiescevm)".into()));
        }
        let (snapshot, job) = call.snapshot_create(call, volume, self.policyid.map(|p| p.0), job).await?;
        Ok(Created { job, uuid: snapshot.uuid })
    }
    async fn finish(call: &Call, id: i64) -> Result<Answer> {
        let snapshot = call.snapshot_take(call, id).await?;
        views::one(views::snapshot::of(call, vec![snapshot]).await?)
    }
}

/// Makes a second snapshot with the bytes of one, on the same store. Beside 4.3: what EC2's `CopySnapshot` asks for.
#[derive(Command)]
#[command(
    name = "duplicateSnapshot",
    roles = "all",
    answer = "snapshot",
    view = views::snapshot::Snapshot,
    event = "SNAPSHOT.COPY",
    job = "copying snapshot",
    create
)]
pub struct DuplicateSnapshot {
    /// the ID of the snapshot to copy
    id: Owned<store::Snapshot>,
}

impl Create for DuplicateSnapshot {
    async fn create(self, call: &Call, job: JobDraft) -> Result<Created> {
        let (snapshot, job) = call.snapshot_duplicate(call, self.id.0, job).await?;
        Ok(Created { job, uuid: snapshot.uuid })
    }
    async fn finish(call: &Call, id: i64) -> Result<Answer> {
        let source = call.job_parameter(call, "id").await?.unwrap_or_default();
        let source: store::Snapshot = crate::resolve::named(call, "id", &source).await?;
        let snapshot = call.snapshot_duplicate_run(call, id, &source).await?;
        views::one(views::snapshot::of(call, vec![snapshot]).await?)
    }
}

/// Deletes a snapshot; what was made from it stays.
#[derive(Command)]
#[command(name = "deleteSnapshot", roles = "all", event = "SNAPSHOT.DELETE", job = "deleting snapshot", on = "id")]
pub struct DeleteSnapshot {
    /// the ID of the snapshot
    id: Owned<store::Snapshot>,
}

impl Run for DeleteSnapshot {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.snapshot_delete(call, self.id.0.id).await?;
        Ok(Answer::success())
    }
}

/// A snapshot whose volume is worked on: the job waits its turn there.
struct OfVolume(store::Snapshot);

impl Parameter for OfVolume {
    const KIND: &'static str = "uuid";
    async fn take(call: &Call, given: &mut Given, name: &'static str, length: usize) -> Result<Self> {
        <Owned<store::Snapshot> as Parameter>::take(call, given, name, length).await.map(|s| Self(s.0))
    }
}
impl AsTopic for OfVolume {
    fn topic(&self) -> Topic {
        Topic { account: self.0.account_id, domain: self.0.domain_id, kind: Kind::Volume, id: self.0.volume_id }
    }
}

/// Sets the volume of a snapshot back to what it was then; its VM must be off.
#[derive(Command)]
#[command(
    name = "revertSnapshot",
    roles = "all",
    event = "SNAPSHOT.REVERT",
    job = "reverting a volume to a snapshot",
    on = "id",
    since = "4.3"
)]
pub struct RevertSnapshot {
    /// the ID of the snapshot
    id: OfVolume,
}

impl Run for RevertSnapshot {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.snapshot_revert(call, self.id.0).await?;
        Ok(Answer::success())
    }
}

/// Makes recurring snapshots of a volume, or changes those of a kind that it has.
#[derive(Command)]
#[command(
    name = "createSnapshotPolicy",
    roles = "all",
    answer = "snapshotpolicy",
    view = views::snapshot::SnapshotPolicy,
    event = "SNAPSHOTPOLICY.CREATE"
)]
pub struct CreateSnapshotPolicy {
    /// HOURLY, DAILY, WEEKLY or MONTHLY
    intervaltype: String,
    /// how many to keep
    maxsnaps: i64,
    /// when: MM, MM:HH, MM:HH:D (1 is Sunday) or MM:HH:DD (1 to 28)
    schedule: String,
    /// the time zone of the schedule
    timezone: String,
    /// the ID of the volume
    volumeid: Owned<store::Volume>,
}

impl Run for CreateSnapshotPolicy {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = PolicyCreate {
            volume: self.volumeid.0,
            interval: self.intervaltype,
            schedule: self.schedule,
            timezone: self.timezone,
            max_snaps: self.maxsnaps,
        };
        let volume = ask.volume.uuid.clone();
        let policy = call.policy_create(call, ask).await?;
        views::one(vec![views::snapshot::policy(policy, volume)])
    }
}

/// Lists the recurring snapshots of a volume.
#[derive(Command)]
#[command(name = "listSnapshotPolicies", roles = "all", answer = "snapshotpolicy", view = views::snapshot::SnapshotPolicy)]
pub struct ListSnapshotPolicies {
    /// the ID of the volume
    volumeid: Owned<store::Volume>,
    #[param(flatten)]
    page: Paging,
}

impl Run for ListSnapshotPolicies {
    async fn run(self, call: &Call) -> Result<Answer> {
        let volume = self.volumeid.0;
        let found = call.policy_list(&volume, self.page.range(call)?).await?;
        let shown = found.rows.into_iter().map(|p| views::snapshot::policy(p, volume.uuid.clone())).collect();
        Ok(Answer::list(found.count, shown))
    }
}

/// Deletes recurring snapshots; those that were taken stay.
#[derive(Command)]
#[command(name = "deleteSnapshotPolicies", roles = "all", event = "SNAPSHOTPOLICY.DELETE")]
pub struct DeleteSnapshotPolicies {
    /// the ID of a policy
    id: Option<Ref<store::SnapshotPolicy>>,
    /// the IDs of policies
    ids: Option<Vec<Ref<store::SnapshotPolicy>>>,
}

impl Run for DeleteSnapshotPolicies {
    async fn run(self, call: &Call) -> Result<Answer> {
        let all: Vec<_> = self.ids.into_iter().flatten().chain(self.id).map(|p| p.0).collect();
        if all.is_empty() {
            return Err(Error::invalid("id", "at least one policy has to be named, by id or ids"));
        }
        call.policies_delete(call, all).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ListSnapshots>();
    r.add::<CreateSnapshot>();
    r.add::<DuplicateSnapshot>();
    r.add::<DeleteSnapshot>();
    r.add::<RevertSnapshot>();
    r.add::<CreateSnapshotPolicy>();
    r.add::<ListSnapshotPolicies>();
    r.add::<DeleteSnapshotPolicies>();
}
