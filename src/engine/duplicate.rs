//! Duplicates: a template or snapshot of one's own with the bytes of another, on the stores where that one lies. What EC2's CopyImage and
//! CopySnapshot ask for; natively a template is brought to further zones instead (`copyTemplate`) and stays one.
use crate::saga::Saga;
use crate::snapshot::{Take, arrived, begin, drop_object, fail};
use crate::template_fetch::{DOWNLOADED, topic};
use crate::template_make::{self, MAKING};
use crate::vm_start::from_driver;
use crate::{Call, Engine, JobDraft, saga};
use serde::{Deserialize, Serialize};
use stratus_model::{Error, Kind, Limit, Result, SnapshotEvent, SnapshotState, format_date};
use stratus_store::{Account, Job, Query, Snapshot, Template, TemplateStore};
use uuid::Uuid;

static TEMPLATE: Saga<Twin> = saga!("template-duplicate":
    look undo discard,
    copy_objects undo drop_objects,
    settle_template,
);

static SNAPSHOT: Saga<TwinSnapshot> = saga!("snapshot-duplicate":
    start undo give_up,
    copy_snapshot undo drop_snapshot,
    settle_snapshot,
);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Twin {
    template: i64,
    source: i64,
    /// By the key of the row of a store: bytes there.
    physical: Vec<(i64, i64)>,
    virtual_bytes: i64,
    checksum: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct TwinSnapshot {
    source: i64,
    take: Take,
}

impl Engine {
    /// Writes a template of the caller's that is to have the bytes of another, wherever that one is ready, and the job that makes it.
    pub async fn template_duplicate(&self, call: &Call, source: Template, ask: Template, draft: JobDraft) -> Result<(Template, Job)> {
        let owner = self.db.must::<Account>(call.caller.account_id).await?;
        let seen = call.templates_seen(Query::live().eq("id", source.id)).await?;
        if source.is_iso || source.template_type == "SYSTEM" || self.db.count::<Template>(seen).await? == 0 {
            return Err(Error::not_found(Kind::Template, &source.uuid));
        }
        if ask.name.trim().is_empty() {
            return Err(Error::invalid("name", "must not be empty"));
        }
        let ready = Query::live().eq("template_id", source.id).eq("state", DOWNLOADED);
        let places = self.db.find::<TemplateStore>(ready).await?;
        if places.is_empty() {
            let (id, why) = (source.uuid, "only a template that is ready can be copied".into());
            return Err(Error::State { kind: Kind::Template, id, state: "not ready".into(), why });
        }
        let row = Template {
            id: 0,
            uuid: Uuid::new_v4().to_string(),
            name: ask.name,
            display_text: ask.display_text,
            account_id: owner.id,
            domain_id: owner.domain_id,
            // It was not fetched from anywhere.
            url: None,
            is_public: false,
            is_featured: false,
            cross_zones: false,
            source_template_id: Some(source.id),
            template_type: "USER".into(),
            state: "Active".into(),
            update_count: 0,
            created: call.now(),
            ..source
        };
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let mut t = row;
                    call.take(tx, t.account_id, &[(Limit::Template, 1)]).await?;
                    tx.insert(&mut t).await?;
                    for place in places {
                        let (store_id, zone_id) = (place.store_id, place.zone_id);
                        let state = MAKING.into();
                        let mut at =
                            TemplateStore { template_id: t.id, store_id, zone_id, state, created: t.created, ..Default::default() };
                        tx.insert(&mut at).await?;
                    }
                    let job = draft.insert(tx, &call, topic(&t)).await?;
                    Ok((t, job))
                })
            })
            .await
    }

    /// Copies a template's bytes in the call's job.
    pub async fn template_duplicate_run(&self, call: &Call, id: i64) -> Result<Template> {
        let source = self.db.must::<Template>(id).await?.source_template_id.unwrap_or(0);
        TEMPLATE.run(call, 0, Twin { template: id, source, physical: Vec::new(), virtual_bytes: 0, checksum: String::new() }).await?;
        self.db.must(id).await
    }

    /// Writes a snapshot of the caller's that is to have the bytes of another, and the job that makes it.
    pub async fn snapshot_duplicate(&self, call: &Call, source: Snapshot, draft: JobDraft) -> Result<(Snapshot, Job)> {
        crate::snapshot::usable(&source)?;
        let owner = self.db.must::<Account>(call.caller.account_id).await?;
        let first = crate::snapshot::topic(&source);
        let stamp: String = format_date(call.now()).chars().take(19).filter(char::is_ascii_digit).collect();
        let row = Snapshot {
            id: 0,
            uuid: Uuid::new_v4().to_string(),
            name: format!("copy_{}_{stamp}", source.name).chars().take(255).collect(),
            account_id: owner.id,
            domain_id: owner.domain_id,
            snapshot_type: crate::snapshot::MANUAL.into(),
            policy_id: None,
            physical_bytes: 0,
            checksum: None,
            state: SnapshotState::Allocated.word().into(),
            update_count: 0,
            created: call.now(),
            ..source
        };
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let mut s = row;
                    call.take(tx, s.account_id, &[(Limit::Snapshot, 1)]).await?;
                    tx.insert(&mut s).await?;
                    // Behind what works on the first one, so that it is not deleted meanwhile.
                    let job = draft.insert_behind(tx, &call, crate::snapshot::topic(&s), first).await?;
                    Ok((s, job))
                })
            })
            .await
    }

    /// Copies a snapshot's bytes in the call's job.
    pub async fn snapshot_duplicate_run(&self, call: &Call, id: i64, source: &Snapshot) -> Result<Snapshot> {
        let take = Take { snapshot: id, physical: 0, virtual_bytes: 0, checksum: String::new() };
        SNAPSHOT.run(call, 0, TwinSnapshot { source: source.id, take }).await?;
        self.db.must(id).await
    }
}

fn bytes(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

async fn look(call: &Call, plan: &mut Twin) -> Result<()> {
    let source = call.db.must::<Template>(plan.source).await?;
    match source.removed {
        Some(_) => Err(Error::not_found(Kind::Template, &source.uuid)),
        None => Ok(()),
    }
}

async fn discard(call: &Call, plan: &mut Twin) -> Result<()> {
    call.template_abandon(call, plan.template).await
}

async fn places(call: &Call, template: i64) -> Result<Vec<TemplateStore>> {
    call.db.find(Query::live().eq("template_id", template)).await
}

async fn copy_objects(call: &Call, plan: &mut Twin) -> Result<()> {
    let (source, template) = (call.db.must::<Template>(plan.source).await?, call.db.must::<Template>(plan.template).await?);
    plan.physical.clear();
    for at in places(call, plan.template).await? {
        let (driver, store) = call.store_driver(at.store_id).await?;
        let facts = driver.duplicate(&store.uuid, &source.uuid, &template.uuid).await.map_err(from_driver)?;
        plan.physical.push((at.id, bytes(facts.physical_bytes)));
        plan.virtual_bytes = bytes(facts.virtual_bytes);
        plan.checksum = facts.checksum;
    }
    Ok(())
}

async fn drop_objects(call: &Call, plan: &mut Twin) -> Result<()> {
    let template = call.db.must::<Template>(plan.template).await?;
    for at in places(call, plan.template).await? {
        let (driver, store) = call.store_driver(at.store_id).await?;
        driver.delete(&store.uuid, &template.uuid).await.map_err(from_driver)?;
    }
    Ok(())
}

async fn settle_template(call: &Call, plan: &mut Twin) -> Result<()> {
    let (inner, plan) = (call.clone(), plan.clone());
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let template = tx.must::<Template>(plan.template).await?;
                for (at, physical) in plan.physical {
                    template_make::arrived(tx, &inner, &template, at, (physical, plan.virtual_bytes)).await?;
                }
                template_make::facts_known(tx, template.id, plan.virtual_bytes, plan.checksum).await
            })
        })
        .await
}

async fn start(call: &Call, plan: &mut TwinSnapshot) -> Result<()> {
    let source = call.db.must::<Snapshot>(plan.source).await?;
    crate::snapshot::usable(&source)?;
    begin(call, &mut plan.take).await?;
    let row = call.db.must::<Snapshot>(plan.take.snapshot).await?;
    match crate::snapshot::state_of(&row) {
        SnapshotState::Creating => call.snapshot_move(row.id, SnapshotEvent::BackupRequested, Vec::new()).await.map(drop),
        _ => Ok(()),
    }
}

async fn give_up(call: &Call, plan: &mut TwinSnapshot) -> Result<()> {
    fail(call, &mut plan.take).await
}

async fn copy_snapshot(call: &Call, plan: &mut TwinSnapshot) -> Result<()> {
    let (source, row) = (call.db.must::<Snapshot>(plan.source).await?, call.db.must::<Snapshot>(plan.take.snapshot).await?);
    let (driver, store) = call.store_driver(row.store_id.unwrap_or(0)).await?;
    let facts = driver.duplicate(&store.uuid, &source.uuid, &row.uuid).await.map_err(from_driver)?;
    plan.take.physical = bytes(facts.physical_bytes);
    plan.take.virtual_bytes = bytes(facts.virtual_bytes);
    plan.take.checksum = facts.checksum;
    Ok(())
}

async fn drop_snapshot(call: &Call, plan: &mut TwinSnapshot) -> Result<()> {
    drop_object(call, &mut plan.take).await
}

async fn settle_snapshot(call: &Call, plan: &mut TwinSnapshot) -> Result<()> {
    let (inner, take) = (call.clone(), plan.take.clone());
    call.db.write(move |tx| Box::pin(async move { arrived(tx, &inner, &take).await.map(drop) })).await
}
