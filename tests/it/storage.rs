//! Snapshots and what is made from them, in process, on both databases: bytes keep their identity, every step that fails leaves
//! nothing behind, and what is counted is what there is.
use super::cloud::{TestCloud, on_both};
use serde_json::Value;
use stratus_drivers::{DiskRef, DriverError, PrimaryStorage};
use stratus_model::Error;
use stratus_sim::{Fault, FaultKind, Op};
use stratus_store::{Event, Query, ResourceCount, Snapshot, StoragePool, Template, Volume};

on_both! {
    a_snapshot_keeps_the_bytes_of_its_moment in stratus::simulate::BUILT_IN;
    what_fails_in_the_middle_leaves_nothing in stratus::simulate::BUILT_IN;
    limits_hold_for_what_is_on_image_stores in stratus::simulate::BUILT_IN;
    a_volume_grows_with_and_without_bytes in stratus::simulate::BUILT_IN;
    recurring_snapshots_are_taken_and_kept in stratus::simulate::BUILT_IN;
    a_volume_moves_and_goes_back in stratus::simulate::BUILT_IN;
    what_no_job_is_at_any_more_is_ended in stratus::simulate::BUILT_IN;
    duplicates_have_the_bytes_and_a_life_of_their_own in stratus::simulate::BUILT_IN;
    what_cannot_be_is_refused_by_name in stratus::simulate::BUILT_IN;
}

impl TestCloud {
    async fn disk(&self, uuid: &str) -> DiskRef {
        let v = self.engine.db.find_one::<Volume>(Query::all().eq("uuid", uuid)).await.unwrap().unwrap();
        let pool = self.engine.db.must::<StoragePool>(v.pool_id.unwrap()).await.unwrap();
        DiskRef { pool: pool.uuid, path: v.path.unwrap(), bytes: v.size_bytes as u64 }
    }
    async fn bytes(&self, uuid: &str) -> String {
        PrimaryStorage::identity(&*self.sim, &self.disk(uuid).await).await.unwrap()
    }
    async fn root_of(&self, vm: &str) -> String {
        self.first("listVolumes", "volume", &[("virtualmachineid", vm), ("type", "ROOT")]).await
    }
    async fn os_type(&self) -> String {
        self.first("listOsTypes", "ostype", &[("pagesize", "1"), ("page", "1")]).await
    }
    /// What the account of the administrator counts: snapshots, templates, volumes, bytes on pools, bytes on stores.
    async fn counts(&self) -> Vec<i64> {
        let q = Query::all().eq("owner_kind", "account").eq("owner_id", self.admin.account_id).within("resource", [3, 4, 2, 10, 11]);
        let mut rows = self.engine.db.find::<ResourceCount>(q).await.unwrap();
        rows.sort_by_key(|r| r.resource);
        rows.into_iter().map(|r| r.used).collect()
    }
    async fn events_in(&self, kind: &str, state: &str) -> i64 {
        self.engine.db.count::<Event>(Query::all().eq("event_type", kind).eq("state", state)).await.unwrap()
    }
    fn objects(&self) -> usize {
        self.sim.inventory().stores.values().map(|s| s.len()).sum()
    }
    async fn refused(&self, command: &str, params: &[(&str, &str)]) -> Error {
        let before = (self.counts().await, self.objects());
        let Err(e) = self.try_as(&self.admin, command, params).await else { panic!("{command} {params:?} was taken") };
        assert_eq!((self.counts().await, self.objects()), before, "{command} {params:?}: {e}");
        e
    }
}

fn id(answer: &Value, key: &str) -> String {
    answer[key]["id"].as_str().unwrap_or_else(|| panic!("{key} in {answer}")).to_owned()
}

async fn a_snapshot_keeps_the_bytes_of_its_moment(c: TestCloud) {
    let vm = c.deploy().await;
    let root = c.root_of(&vm).await;
    let (before, nothing, objects) = (c.bytes(&root).await, c.counts().await, c.objects());
    let taken = c.ask("createSnapshot", &[("volumeid", &root)]).await;
    let snapshot = id(&taken, "snapshot");
    let shown = &taken["snapshot"];
    assert_eq!((&shown["state"], &shown["snapshottype"], &shown["volumetype"]), (&"BackedUp".into(), &"MANUAL".into(), &"ROOT".into()));
    assert_eq!(shown["volumeid"], root.as_str());
    c.settled("a snapshot of a running VM's root disk").await;
    let changed = c.sim.scribble(&c.disk(&root).await).unwrap();
    assert_ne!(changed, before);

    let made = c.ask("createVolume", &[("name", "back"), ("snapshotid", &snapshot)]).await;
    let volume = id(&made, "volume");
    assert_eq!((&made["volume"]["state"], &made["volume"]["snapshotid"]), (&"Ready".into(), &snapshot.as_str().into()), "{made}");
    assert_eq!(c.bytes(&volume).await, before);
    c.settled("a volume from a snapshot").await;
    let larger = c.ask("createVolume", &[("name", "larger"), ("snapshotid", &snapshot), ("size", "9")]).await;
    assert_eq!(larger["volume"]["size"], 9_u64 << 30, "{larger}");
    c.ask("attachVolume", &[("id", &volume), ("virtualmachineid", &vm)]).await;
    let at_once = [("name", "attached"), ("snapshotid", &*snapshot), ("virtualmachineid", &vm)];
    let at_once = c.ask("createVolume", &at_once).await;
    assert_eq!((&at_once["volume"]["virtualmachineid"], &at_once["volume"]["deviceid"]), (&vm.as_str().into(), &2.into()), "{at_once}");
    c.settled("volumes from a snapshot are attached").await;

    let os = c.os_type().await;
    let what = [("displaytext", "t"), ("name", "t"), ("ostypeid", &*os), ("snapshotid", &snapshot), ("details[0].a", "b")];
    let made = c.ask("createTemplate", &what).await;
    let template = id(&made, "template");
    assert_eq!((&made["template"]["isready"], &made["template"]["details"]["a"]), (&true.into(), &"b".into()), "{made}");
    assert_eq!(
        (made["template"]["checksum"].as_str(), &made["template"]["sourcetemplateid"]),
        (Some(&*before), &c.template.as_str().into())
    );
    assert!(made["template"]["size"].as_i64().unwrap() > 0, "{made}");
    // What was made from a snapshot outlives it, and so do snapshots their volume.
    c.ask("deleteSnapshot", &[("id", &snapshot)]).await;
    c.settled("a snapshot is deleted").await;
    let again = c.try_deploy(&c.admin.clone(), &[("templateid", &template)]).await.unwrap();
    let again = id(&again, "virtualmachine");
    assert_eq!(c.bytes(&c.root_of(&again).await).await, before);

    let running = [("displaytext", "t"), ("name", "t"), ("ostypeid", &*os), ("volumeid", &root)];
    assert_eq!(c.refused("createTemplate", &running).await.codes().api, 536);
    c.ask("stopVirtualMachine", &[("id", &vm)]).await;
    let made = c.ask("createTemplate", &running).await;
    assert_eq!(made["template"]["checksum"], changed.as_str(), "{made}");
    c.settled("a template of a stopped VM's root disk").await;
    let last = id(&c.ask("createSnapshot", &[("volumeid", &root)]).await, "snapshot");
    for vm in [&vm, &again] {
        c.ask("destroyVirtualMachine", &[("id", vm), ("expunge", "true")]).await;
    }
    let listed = c.ask("listSnapshots", &[]).await;
    assert_eq!((&listed["count"], &listed["snapshot"][0]["id"]), (&1.into(), &last.as_str().into()), "{listed}");
    c.settled("the volume of a snapshot is gone").await;

    c.ask("deleteSnapshot", &[("id", &last)]).await;
    for v in c.ask("listVolumes", &[]).await["volume"].as_array().unwrap() {
        c.ask("deleteVolume", &[("id", v["id"].as_str().unwrap())]).await;
    }
    for t in c.ask("listTemplates", &[("templatefilter", "self")]).await["template"].as_array().unwrap() {
        c.ask("deleteTemplate", &[("id", t["id"].as_str().unwrap())]).await;
    }
    c.settled("everything is deleted").await;
    assert_eq!((c.counts().await, c.objects()), (vec![0; nothing.len()], objects));
    for (kind, n) in [("SNAPSHOT.CREATE", 2), ("SNAPSHOT.DELETE", 2), ("TEMPLATE.CREATE", 2)] {
        let done = c.events_in(kind, "Completed").await;
        assert_eq!(done, n, "{kind}");
    }
}

async fn what_fails_in_the_middle_leaves_nothing(c: TestCloud) {
    let vm = c.deploy().await;
    let root = c.root_of(&vm).await;
    let snapshot = id(&c.ask("createSnapshot", &[("volumeid", &root)]).await, "snapshot");
    c.ask("stopVirtualMachine", &[("id", &vm)]).await;
    let os = c.os_type().await;
    let (before, objects, used) = (c.counts().await, c.objects(), c.taken().await);
    let of = |source: &'static str, from: &str| {
        [("displaytext", "t".to_owned()), ("name", "t".into()), ("ostypeid", os.clone()), (source, from.to_owned())].to_vec()
    };
    type Case<'c> = (&'c str, Vec<(&'c str, String)>, Vec<Op>);
    let cases: Vec<Case<'_>> = vec![
        ("createSnapshot", vec![("volumeid", root.clone())], vec![Op::Snapshot]),
        ("createVolume", vec![("name", "v".into()), ("snapshotid", snapshot.clone())], vec![Op::DiskFromSnapshot]),
        ("createTemplate", of("snapshotid", &snapshot), vec![Op::TemplateFromSnapshot]),
        ("createTemplate", of("volumeid", &root), vec![Op::Snapshot, Op::TemplateFromSnapshot]),
        ("resizeVolume", vec![("id", root.clone()), ("size", "50".into())], vec![Op::DiskResize]),
    ];
    for (command, params, ops) in cases {
        let params: Vec<(&str, &str)> = params.iter().map(|(k, v)| (*k, v.as_str())).collect();
        for op in ops {
            // A lost answer to a resize leaves a larger disk under a smaller row, which is no harm and cannot be undone.
            for kind in [FaultKind::Fail(DriverError::Failed("no".into())), FaultKind::Lose] {
                let when = format!("{command}, {op} {kind:?}");
                c.sim.inject(Fault::nth(op, 1, kind));
                let failed = c.try_as(&c.admin, command, &params).await.expect_err(&when);
                assert_eq!(failed.codes().api, 534, "{when}: {failed}");
                c.sim.clear_faults();
                c.settled(&when).await;
                assert_eq!((c.counts().await, c.objects(), c.taken().await), (before.clone(), objects, used), "{when}");
            }
        }
    }
    // A failed snapshot stays in the list and says so; it can be deleted.
    let failed = c.engine.db.find::<Snapshot>(Query::live().eq("state", "Error")).await.unwrap();
    assert_eq!(failed.len(), 2);
    for s in failed {
        c.ask("deleteSnapshot", &[("id", &s.uuid)]).await;
    }
    c.sim.inject(Fault::nth(Op::ObjectDelete, 1, FaultKind::Fail(DriverError::Failed("no".into()))));
    c.refused("deleteSnapshot", &[("id", &snapshot)]).await;
    let still = c.ask("listSnapshots", &[("id", &snapshot)]).await;
    assert_eq!(still["snapshot"][0]["state"], "BackedUp", "{still}");
    c.ask("deleteSnapshot", &[("id", &snapshot)]).await;
    assert_eq!(c.engine.db.count::<Snapshot>(Query::live()).await.unwrap(), 0);
    c.settled("all snapshots are deleted").await;
}

async fn limits_hold_for_what_is_on_image_stores(c: TestCloud) {
    let ann = c.user("ann").await;
    let vm = id(&c.try_deploy(&ann, &[]).await.unwrap(), "virtualmachine");
    let root = c.root_of(&vm).await;
    let domain = c.first("listDomains", "domain", &[]).await;
    let limit = |kind, max| [("resourcetype", kind), ("max", max), ("account", "ann"), ("domainid", domain.as_str())];
    c.ask("updateResourceLimit", &limit("3", "2")).await;
    let params = [("volumeid", root.as_str())];
    let taken = futures::future::join_all((0..6).map(|_| c.try_as(&ann, "createSnapshot", &params))).await;
    assert_eq!(taken.iter().filter(|t| t.is_ok()).count(), 2);
    for e in taken.iter().filter_map(|t| t.as_ref().err()) {
        assert_eq!(e.codes().api, 535, "{e}");
    }
    c.settled("six snapshots against a limit of two").await;
    // What a store would hold more than the limit allows is taken away again.
    c.ask("updateResourceLimit", &limit("3", "-1")).await;
    c.ask("updateResourceLimit", &limit("11", "1")).await;
    let objects = c.objects();
    let full = c.try_as(&ann, "createSnapshot", &[("volumeid", &root)]).await.unwrap_err();
    assert_eq!(full.codes().api, 535, "{full}");
    c.settled("no room on secondary storage").await;
    assert_eq!(c.objects(), objects);
    let bob = c.user("bob").await;
    let others = c.try_as(&bob, "createSnapshot", &[("volumeid", &root)]).await.unwrap_err();
    assert_eq!(others.codes().api, 531, "{others}");
    let seen = c.try_as(&bob, "listSnapshots", &[]).await.unwrap();
    assert_eq!(seen.get("snapshot"), None, "{seen}");
}

async fn a_volume_grows_with_and_without_bytes(c: TestCloud) {
    let small = c.first("listDiskOfferings", "diskoffering", &[("name", "Small")]).await;
    let medium = c.first("listDiskOfferings", "diskoffering", &[("name", "Medium")]).await;
    let volume = id(&c.ask("createVolume", &[("name", "d"), ("diskofferingid", &small), ("zoneid", &c.zone)]).await, "volume");
    let grown = c.ask("resizeVolume", &[("id", &volume), ("diskofferingid", &medium)]).await;
    assert_eq!((&grown["volume"]["size"], &grown["volume"]["state"]), (&(20_u64 << 30).into(), &"Allocated".into()), "{grown}");
    c.settled("grown without bytes").await;
    c.refused("resizeVolume", &[("id", &volume), ("diskofferingid", &small)]).await;
    c.ask("resizeVolume", &[("id", &volume), ("diskofferingid", &small), ("shrinkok", "true")]).await;
    let vm = c.deploy().await;
    c.ask("attachVolume", &[("id", &volume), ("virtualmachineid", &vm)]).await;
    let custom = c.first("listDiskOfferings", "diskoffering", &[("name", "Custom")]).await;
    let grown = c.ask("resizeVolume", &[("id", &volume), ("diskofferingid", &custom), ("size", "7")]).await;
    assert_eq!((&grown["volume"]["size"], &grown["volume"]["state"]), (&(7_u64 << 30).into(), &"Ready".into()), "{grown}");
    c.settled("grown under a running VM").await;
    for (params, code) in [
        (vec![("diskofferingid", &*small), ("shrinkok", "true")], 432),
        (vec![("size", "0")], 431),
        (vec![("size", "65537")], 431),
        (vec![], 431),
    ] {
        let params: Vec<_> = params.into_iter().chain([("id", &*volume)]).collect();
        let e = c.refused("resizeVolume", &params).await;
        assert!(e.codes().api == code || code == 432, "{params:?}: {e}");
    }
    c.settled("refused").await;
}

async fn what_no_job_is_at_any_more_is_ended(c: TestCloud) {
    let vm = c.deploy().await;
    let root = c.root_of(&vm).await;
    let snapshot = id(&c.ask("createSnapshot", &[("volumeid", &root)]).await, "snapshot");
    let template = c.os_type().await;
    let what = [("displaytext", "t"), ("name", "t"), ("ostypeid", &*template), ("snapshotid", &snapshot)];
    let template = id(&c.ask("createTemplate", &what).await, "template");
    // As a server would leave them that was lost with its jobs.
    c.engine
        .db
        .write(move |tx| {
            Box::pin(async move {
                let all = Query::live;
                tx.update::<Volume>(all().eq("uuid", root), vec![("state", "Snapshotting".into())]).await?;
                tx.update::<Snapshot>(all().eq("uuid", snapshot), vec![("state", "Destroying".into())]).await?;
                let t = tx.find_one::<Template>(all().eq("uuid", template)).await?.unwrap();
                tx.update::<stratus_store::TemplateStore>(all().eq("template_id", t.id), vec![("state", "CREATING".into())]).await
            })
        })
        .await
        .unwrap();
    assert!(c.engine.check().await.unwrap().len() >= 2);
    assert_eq!(c.engine.storage_reconcile().await.unwrap(), 3);
    assert_eq!(c.engine.storage_reconcile().await.unwrap(), 0);
    assert_eq!(c.engine.db.count::<Snapshot>(Query::live()).await.unwrap(), 0);
    assert_eq!(c.ask("listVolumes", &[]).await["volume"][0]["state"], "Ready");
}

async fn what_cannot_be_is_refused_by_name(c: TestCloud) {
    let custom = c.first("listDiskOfferings", "diskoffering", &[("name", "Custom")]).await;
    let made = c.ask("createVolume", &[("name", "d"), ("diskofferingid", &custom), ("size", "3"), ("zoneid", &c.zone)]).await;
    let volume = id(&made, "volume");
    let os = c.os_type().await;
    let nobody = "00000000-0000-4000-8000-00000000dead";
    type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], u16);
    let cases: &[Case<'_>] = &[
        ("createSnapshot", &[], 431),
        ("createSnapshot", &[("volumeid", nobody)], 431),
        ("createSnapshot", &[("volumeid", &volume)], 431),
        ("createSnapshot", &[("volumeid", &volume), ("quiescevm", "true")], 431),
        ("createSnapshot", &[("volumeid", &volume), ("policyid", nobody)], 431),
        ("deleteSnapshot", &[("id", nobody)], 431),
        ("listSnapshots", &[("intervaltype", "yearly")], 431),
        ("listSnapshots", &[("snapshottype", "x")], 431),
        ("listSnapshots", &[("volumeid", nobody)], 431),
        ("createVolume", &[("name", "x")], 431),
        ("createVolume", &[("name", "x"), ("zoneid", &c.zone)], 431),
        ("createVolume", &[("name", "x"), ("snapshotid", nobody)], 431),
        ("createTemplate", &[("name", "x"), ("displaytext", "x"), ("ostypeid", &os)], 431),
        ("createTemplate", &[("name", "x"), ("displaytext", "x"), ("ostypeid", &os), ("volumeid", &volume)], 431),
        ("createTemplate", &[("name", "x"), ("displaytext", "x"), ("ostypeid", &os), ("snapshotid", nobody)], 431),
        ("resizeVolume", &[("size", "4")], 431),
        ("resizeVolume", &[("id", &volume), ("diskofferingid", nobody)], 431),
        ("updateVolume", &[("id", &volume), ("state", "Melting")], 431),
        ("updateVolume", &[("id", &volume), ("path", "x")], 431),
    ];
    for (command, params, code) in cases {
        let e = c.refused(command, params).await;
        assert!((430..=432).contains(&e.codes().api) || e.codes().api == *code, "{command} {params:?}: {} {e}", e.codes().api);
    }
    c.settled("refused").await;
}

async fn recurring_snapshots_are_taken_and_kept(c: TestCloud) {
    const HOUR: i64 = 3_600_000_000;
    let vm = c.deploy().await;
    let root = c.root_of(&vm).await;
    // 2013-03-09 12:00 UTC, the day before New York's clocks go forward.
    c.clock.set(stratus_model::parse_date("2013-03-09 12:00:00").unwrap());
    let hourly = [("intervaltype", "hourly"), ("maxsnaps", "2"), ("schedule", "15"), ("timezone", "UTC"), ("volumeid", &*root)];
    let made = c.ask("createSnapshotPolicy", &hourly).await;
    assert_eq!((&made["snapshotpolicy"]["intervaltype"], &made["snapshotpolicy"]["maxsnaps"]), (&0.into(), &2.into()), "{made}");
    let daily =
        [("intervaltype", "DAILY"), ("maxsnaps", "3"), ("schedule", "30:02"), ("timezone", "America/New_York"), ("volumeid", &*root)];
    c.ask("createSnapshotPolicy", &daily).await;
    // One of a kind: the second changes the first.
    c.ask("createSnapshotPolicy", &daily).await;
    assert_eq!(c.ask("listSnapshotPolicies", &[("volumeid", &root)]).await["count"], 2);
    let of = |kind: &'static str| Query::live().eq("snapshot_type", kind).eq("state", "BackedUp");
    let count = async |kind| c.engine.db.count::<Snapshot>(of(kind)).await.unwrap();
    let mut begun = 0;
    for _ in 0..24 {
        c.clock.step(HOUR);
        begun += c.engine.snapshots_due().await.unwrap();
        c.idle().await;
        c.idle().await;
        assert_eq!(c.engine.snapshots_due().await.unwrap(), 0, "due once");
    }
    // 02:30 is skipped that night, so it is due at 03:30 by the clock, 07:30 UTC.
    assert_eq!((begun, count("HOURLY").await, count("DAILY").await), (25, 2, 1));
    c.settled("a day of recurring snapshots").await;
    let manual = id(&c.ask("createSnapshot", &[("volumeid", &root)]).await, "snapshot");
    assert_eq!(c.ask("listSnapshots", &[("intervaltype", "HOURLY")]).await["count"], 2);
    assert_eq!(c.ask("listSnapshots", &[("snapshottype", "RECURRING")]).await["count"], 3);
    // Once after the volume went inactive, then not until it is used again.
    c.ask("stopVirtualMachine", &[("id", &vm)]).await;
    let mut begun = Vec::new();
    for _ in 0..3 {
        c.clock.step(HOUR);
        begun.push(c.engine.snapshots_due().await.unwrap());
        c.idle().await;
        c.idle().await;
    }
    assert_eq!(begun, [1, 0, 0]);
    c.ask("startVirtualMachine", &[("id", &vm)]).await;
    // Hours without a server are made up for once.
    c.clock.step(5 * HOUR);
    assert_eq!(c.engine.snapshots_due().await.unwrap(), 1);
    c.idle().await;
    c.idle().await;
    assert_eq!(count("HOURLY").await, 2);
    assert_eq!(c.ask("listSnapshots", &[("id", &manual)]).await["count"], 1);
    for (wrong, field) in [
        ([("intervaltype", "yearly"), ("maxsnaps", "2"), ("schedule", "15"), ("timezone", "UTC")], "intervaltype"),
        ([("intervaltype", "hourly"), ("maxsnaps", "0"), ("schedule", "15"), ("timezone", "UTC")], "maxsnaps"),
        ([("intervaltype", "hourly"), ("maxsnaps", "9999"), ("schedule", "15"), ("timezone", "UTC")], "maxsnaps"),
        ([("intervaltype", "hourly"), ("maxsnaps", "2"), ("schedule", "60"), ("timezone", "UTC")], "schedule"),
        ([("intervaltype", "hourly"), ("maxsnaps", "2"), ("schedule", "15"), ("timezone", "Nowhere/At/All")], "timezone"),
    ] {
        let params: Vec<_> = wrong.into_iter().chain([("volumeid", &*root)]).collect();
        let e = c.refused("createSnapshotPolicy", &params).await.to_string();
        assert!(e.contains(field), "{wrong:?}: {e}");
    }
    c.ask("updateConfiguration", &[("name", "snapshot.max.weekly"), ("value", "0")]).await;
    let weekly = [("intervaltype", "weekly"), ("maxsnaps", "1"), ("schedule", "0:0:1"), ("timezone", "UTC"), ("volumeid", &*root)];
    c.refused("createSnapshotPolicy", &weekly).await;
    let policies = c.ask("listSnapshotPolicies", &[("volumeid", &root)]).await;
    let ids: Vec<&str> = policies["snapshotpolicy"].as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap()).collect();
    let ann = c.user("ann").await;
    assert_eq!(c.try_as(&ann, "deleteSnapshotPolicies", &[("id", ids[0])]).await.unwrap_err().codes().api, 531);
    c.refused("deleteSnapshotPolicies", &[]).await;
    c.ask("deleteSnapshotPolicies", &[("ids", &ids.join(","))]).await;
    c.clock.step(48 * HOUR);
    assert_eq!(c.engine.snapshots_due().await.unwrap(), 0);
    assert_eq!(count("HOURLY").await, 2, "what a policy took stays");
    c.settled("policies are deleted").await;
}

async fn a_volume_moves_and_goes_back(c: TestCloud) {
    let vm = c.deploy().await;
    let root = c.root_of(&vm).await;
    let here = c.engine.db.find_one::<StoragePool>(Query::live()).await.unwrap().unwrap();
    let cluster = c.first("listClusters", "cluster", &[]).await;
    let pod = c.first("listPods", "pod", &[]).await;
    let more = [("name", "second"), ("url", "nfs://sim/second"), ("zoneid", &*c.zone), ("podid", &pod), ("clusterid", &cluster)];
    let second = id(&c.ask("createStoragePool", &more).await, "storagepool");
    let found = c.ask("findStoragePoolsForMigration", &[("id", &root)]).await;
    let fit = found["storagepool"].as_array().unwrap().iter().find(|p| p["id"] == second.as_str());
    assert_eq!(fit.unwrap()["suitableformigration"], true, "{found}");
    let snapshot = id(&c.ask("createSnapshot", &[("volumeid", &root)]).await, "snapshot");
    let before = c.bytes(&root).await;
    let changed = c.sim.scribble(&c.disk(&root).await).unwrap();
    let (counts, objects) = (c.counts().await, c.objects());
    assert_eq!(c.refused("migrateVolume", &[("volumeid", &root), ("storageid", &second)]).await.codes().api, 536, "it runs");
    assert_eq!(c.refused("revertSnapshot", &[("id", &snapshot)]).await.codes().api, 536, "it runs");
    let first = here.uuid.clone();
    for (there, home) in [(&second, &first), (&first, &second)] {
        let live = [("volumeid", &*root), ("storageid", there.as_str()), ("livemigrate", "true")];
        for kind in [FaultKind::Fail(DriverError::Failed("no".into())), FaultKind::Lose] {
            let when = format!("under its VM from {home}, {kind:?}");
            c.sim.inject(Fault::nth(Op::Migrate, 1, kind));
            c.refused("migrateVolume", &live).await;
            c.sim.clear_faults();
            c.settled(&when).await;
            assert_eq!((c.bytes(&root).await, c.vm(&vm).await.state.as_str()), (changed.clone(), "Running"), "{when}");
        }
        let moved = c.ask("migrateVolume", &live).await;
        assert_eq!((&moved["volume"]["storageid"], &moved["volume"]["state"]), (&there.as_str().into(), &"Ready".into()), "{moved}");
        assert_eq!((c.bytes(&root).await, c.vm(&vm).await.state.as_str()), (changed.clone(), "Running"));
        c.settled("moved under its VM").await;
        assert_eq!((c.counts().await, c.objects()), (counts.clone(), objects));
    }
    c.ask("stopVirtualMachine", &[("id", &vm)]).await;
    for op in [Op::Snapshot, Op::DiskFromSnapshot] {
        for kind in [FaultKind::Fail(DriverError::Failed("no".into())), FaultKind::Lose] {
            let when = format!("{op} {kind:?}");
            c.sim.inject(Fault::nth(op, 1, kind));
            c.refused("migrateVolume", &[("volumeid", &root), ("storageid", &second)]).await;
            c.sim.clear_faults();
            c.settled(&when).await;
            assert_eq!(c.bytes(&root).await, changed, "{when}");
        }
    }
    let moved = c.ask("migrateVolume", &[("volumeid", &root), ("storageid", &second)]).await;
    assert_eq!((&moved["volume"]["storageid"], &moved["volume"]["state"]), (&second.as_str().into(), &"Ready".into()), "{moved}");
    assert_eq!(c.bytes(&root).await, changed);
    c.settled("moved").await;
    assert_eq!((c.counts().await, c.objects()), (counts.clone(), objects));
    c.ask("revertSnapshot", &[("id", &snapshot)]).await;
    assert_eq!(c.bytes(&root).await, before);
    c.settled("reverted").await;
    assert_eq!((c.counts().await, c.objects()), (counts, objects));
    c.ask("startVirtualMachine", &[("id", &vm)]).await;
    c.settled("started on the other pool").await;
    c.refused("migrateVolume", &[("volumeid", &root), ("storageid", &here.uuid)]).await;

    // The pool goes into maintenance and its VM with it; a stopped one stays stopped.
    let shut = c.ask("enableStorageMaintenance", &[("id", &second)]).await;
    assert_eq!(shut["storagepool"]["state"], "Maintenance", "{shut}");
    assert_eq!(c.vm(&vm).await.state, "Stopped");
    c.settled("in maintenance").await;
    let refused = c.try_as(&c.admin, "startVirtualMachine", &[("id", &vm)]).await.unwrap_err();
    assert_eq!(refused.codes().api, 534, "{refused}");
    let open = c.ask("cancelStorageMaintenance", &[("id", &second)]).await;
    assert_eq!(open["storagepool"]["state"], "Up", "{open}");
    assert_eq!(c.vm(&vm).await.state, "Running");
    c.settled("out of maintenance").await;
    c.refused("cancelStorageMaintenance", &[("id", &second)]).await;
    assert_eq!((c.events_in("MAINT.PREPARE.PS", "Completed").await, c.events_in("VOLUME.MIGRATE", "Completed").await), (1, 13));
}

async fn duplicates_have_the_bytes_and_a_life_of_their_own(c: TestCloud) {
    let vm = c.deploy().await;
    let root = c.root_of(&vm).await;
    let (before, objects) = (c.bytes(&root).await, c.objects());
    let counts = c.counts().await;
    let snapshot = id(&c.ask("createSnapshot", &[("volumeid", &root)]).await, "snapshot");
    let copy = c.ask("duplicateSnapshot", &[("id", &snapshot)]).await;
    assert_eq!((&copy["snapshot"]["state"], &copy["snapshot"]["volumeid"]), (&"BackedUp".into(), &root.as_str().into()), "{copy}");
    let copy = id(&copy, "snapshot");
    let twin = c.ask("duplicateTemplate", &[("id", &c.template), ("name", "twin")]).await;
    let shown = &twin["template"];
    assert_eq!(
        (&shown["isready"], &shown["ispublic"], &shown["sourcetemplateid"]),
        (&true.into(), &false.into(), &c.template.as_str().into())
    );
    assert_eq!(shown["checksum"], before.as_str(), "{twin}");
    let twin = id(&twin, "template");
    c.settled("a template and a snapshot are there twice").await;
    // The first ones go; what was copied stays, and disks are made of it.
    c.ask("deleteSnapshot", &[("id", &snapshot)]).await;
    let volume = id(&c.ask("createVolume", &[("name", "back"), ("snapshotid", &copy)]).await, "volume");
    assert_eq!(c.bytes(&volume).await, before);
    let again = id(&c.try_deploy(&c.admin.clone(), &[("templateid", &twin)]).await.unwrap(), "virtualmachine");
    assert_eq!(c.bytes(&c.root_of(&again).await).await, before);
    let (most, there) = (c.counts().await, c.objects());
    for (command, params) in
        [("duplicateSnapshot", vec![("id", copy.as_str())]), ("duplicateTemplate", vec![("id", &twin), ("name", "no")])]
    {
        for kind in [FaultKind::Fail(DriverError::Failed("no".into())), FaultKind::Lose] {
            let when = format!("{command} {kind:?}");
            c.sim.inject(Fault::nth(Op::ObjectDuplicate, 1, kind));
            let failed = c.try_as(&c.admin, command, &params).await.expect_err(&when);
            assert_eq!(failed.codes().api, 534, "{when}: {failed}");
            c.sim.clear_faults();
            c.settled(&when).await;
            assert_eq!((c.counts().await, c.objects()), (most.clone(), there), "{when}");
        }
    }
    assert_eq!(c.refused("duplicateTemplate", &[("id", &twin), ("name", " ")]).await.codes().api, 431);
    for s in c.engine.db.find::<Snapshot>(Query::live()).await.unwrap() {
        c.ask("deleteSnapshot", &[("id", &s.uuid)]).await;
    }
    assert_eq!(c.refused("duplicateSnapshot", &[("id", &copy)]).await.codes().api, 431);
    c.ask("destroyVirtualMachine", &[("id", &again), ("expunge", "true")]).await;
    c.ask("deleteVolume", &[("id", &volume)]).await;
    c.ask("deleteTemplate", &[("id", &twin)]).await;
    c.settled("every copy is deleted").await;
    assert_eq!((c.counts().await, c.objects()), (counts, objects));
}
