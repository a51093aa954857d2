//! Offerings, templates, key pairs, security groups and tags on a real database, with drivers that only take notes.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]
use async_trait::async_trait;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stratus_drivers::{
    DriverError, FetchSpec, GroupMembers, Network, NetworkSpec, NicRules, NicSpec, PublicSet, Registry, SecondaryStorage, Secret,
    StorageUse, StoreDetails, TemplateFacts,
};
use stratus_engine::group_rules::GroupRuleAsk;
use stratus_engine::service_offering::{ServiceOfferingCreate, ServiceOfferingList};
use stratus_engine::ssh_key::SshKeyList;
use stratus_engine::template::{TemplateFilter, TemplateList, TemplatePermissionUpdate, TemplateRegister};
use stratus_engine::{Call, Engine, EngineConfig, ListScope};
use stratus_model::{Error, Kind, Limit, Result, Source, SteppedClock};
use stratus_store::{
    Account, Db, Domain, Event, Host, ImageStore, Nic, OfferingService, OsType, Query, ResourceCount, Sealer, SecurityGroup,
    SecurityGroupRule, ServiceOffering, Table, Template, TemplateStore, User, Vm, Zone,
};

/// Remembers what it was told.
#[derive(Default)]
struct Notes {
    rules: Mutex<Vec<(String, NicRules)>>,
    members: Mutex<Vec<(String, GroupMembers)>>,
    deleted: Mutex<Vec<String>>,
}

#[async_trait]
impl Network for Notes {
    async fn implement(&self, _: &NetworkSpec) -> Result<(), DriverError> {
        Ok(())
    }
    async fn prepare(&self, _: &NetworkSpec, _: &NicSpec, _: &str) -> Result<(), DriverError> {
        Ok(())
    }
    async fn save_password(&self, _: &NetworkSpec, _: &NicSpec, _: &Secret) -> Result<(), DriverError> {
        Ok(())
    }
    async fn release(&self, _: &NetworkSpec, _: &NicSpec, _: &str) -> Result<(), DriverError> {
        Ok(())
    }
    async fn apply_rules(&self, host: &str, rules: &NicRules) -> Result<(), DriverError> {
        self.rules.lock().unwrap().push((host.into(), rules.clone()));
        Ok(())
    }
    async fn apply_members(&self, host: &str, members: &GroupMembers) -> Result<(), DriverError> {
        self.members.lock().unwrap().push((host.into(), members.clone()));
        Ok(())
    }
    async fn apply_public(&self, _: &NetworkSpec, _: &PublicSet) -> Result<(), DriverError> {
        Ok(())
    }
    async fn shutdown(&self, _: &NetworkSpec) -> Result<(), DriverError> {
        Ok(())
    }
}

#[async_trait]
impl SecondaryStorage for Notes {
    async fn connect(&self, _: &str, _: &str, _: &StoreDetails) -> Result<StorageUse, DriverError> {
        Ok(StorageUse { total: 1 << 40, used: 0 })
    }
    async fn fetch(&self, _: &str, what: &FetchSpec) -> Result<TemplateFacts, DriverError> {
        match what.url.contains("broken") {
            true => Err(DriverError::Failed("404".into())),
            false => Ok(TemplateFacts { virtual_bytes: 4 << 30, physical_bytes: 1 << 30, checksum: "{SHA-256}00".into() }),
        }
    }
    async fn template_from_snapshot(&self, _: &str, _: &str, _: &str) -> Result<TemplateFacts, DriverError> {
        Err(DriverError::Unsupported("no".into()))
    }
    async fn delete(&self, _: &str, object: &str) -> Result<(), DriverError> {
        self.deleted.lock().unwrap().push(object.into());
        Ok(())
    }
}

struct Cloud {
    engine: Arc<Engine>,
    notes: Arc<Notes>,
    _dir: tempfile::TempDir,
}

impl Cloud {
    /// ROOT with its administrator, and two users beside each other.
    async fn fresh(maria: bool) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let db = match maria {
            true => Db::mysql(&stratus_testkit::maria::fresh().await?).await.unwrap(),
            false => Db::sqlite(&dir.path().join("stratus.db")).await.unwrap(),
        };
        let notes = Arc::new(Notes::default());
        let drivers = Registry::default().with_network("SecurityGroupProvider", notes.clone()).with_store("NFS", notes.clone());
        let clock = Arc::new(SteppedClock::at(1_700_000_000_000_000));
        let config = EngineConfig::new(db, Sealer::new(&[7; 32]), drivers, clock, "test");
        let cloud = Self { engine: Engine::open(config).await.unwrap(), notes, _dir: dir };
        cloud.put(Domain { uuid: "d1".into(), name: "ROOT".into(), path: "/".into(), state: "Active".into(), ..Default::default() }).await;
        for (name, kind) in [("system", 1), ("admin", 1), ("ann", 0), ("bob", 0)] {
            let account = Account {
                uuid: name.into(),
                name: name.into(),
                account_type: kind,
                domain_id: 1,
                owner_number: name.into(),
                state: "enabled".into(),
                ..Default::default()
            };
            let account = cloud.put(account).await;
            cloud
                .put(User {
                    uuid: name.into(),
                    account_id: account.id,
                    domain_id: 1,
                    username: name.into(),
                    state: "enabled".into(),
                    ..Default::default()
                })
                .await;
        }
        let engine = cloud.engine.clone();
        cloud.engine.db.write(move |tx| Box::pin(async move { seed(tx, engine).await })).await.unwrap();
        Some(cloud)
    }
    async fn put<T: Table + Clone>(&self, row: T) -> T {
        self.engine
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let mut row = row;
                    tx.insert(&mut row).await?;
                    Ok(row)
                })
            })
            .await
            .unwrap()
    }
    async fn call(&self, who: &str, event: &'static str) -> (Call, Account) {
        let user = self.engine.db.find_one::<User>(Query::live().eq("username", who)).await.unwrap().unwrap();
        let caller = self.engine.caller_of(&user, Source::Key).await.unwrap();
        (Call::new(self.engine.clone(), Arc::new(caller), "test", Some(event)), self.engine.db.must(user.account_id).await.unwrap())
    }
    async fn used(&self, account: i64, what: Limit) -> i64 {
        let q = Query::all().eq("owner_kind", "account").eq("owner_id", account).eq("resource", what.number());
        self.engine.db.find_one::<ResourceCount>(q).await.unwrap().unwrap().used
    }
    /// A VM of an account on host 1, with a NIC that is filtered.
    async fn vm(&self, owner: &Account, ip: &str, groups: &[i64]) -> Vm {
        let n = self.engine.db.count::<Vm>(Query::all()).await.unwrap();
        let vm = Vm {
            uuid: format!("vm{n}"),
            instance_name: format!("i-{}-{n}-VM", owner.id),
            account_id: owner.id,
            domain_id: 1,
            host_id: Some(1),
            state: "Running".into(),
            ..Default::default()
        };
        let vm = self.put(vm).await;
        let nic = Nic {
            uuid: format!("nic{n}"),
            vm_id: vm.id,
            network_id: 1,
            account_id: owner.id,
            domain_id: 1,
            mac: format!("06:00:00:00:00:{n:02x}"),
            ip4: Some(ip.into()),
            ..Default::default()
        };
        self.put(nic).await;
        let (engine, id, groups) = (self.engine.clone(), vm.id, groups.to_vec());
        self.engine.db.write(move |tx| Box::pin(async move { engine.groups_join(tx, id, &groups).await })).await.unwrap();
        vm
    }
    fn list(filter: TemplateFilter, account: i64) -> TemplateList {
        TemplateList {
            filter,
            scope: ListScope::Account(account),
            id: None,
            name: None,
            hypervisor: None,
            zone: None,
            keyword: None,
            tags: Vec::new(),
            removed: false,
            iso: false,
            bootable: None,
            public: None,
            ready: None,
            page: (0, 100),
        }
    }
}

async fn seed(tx: &mut stratus_store::Tx, engine: Arc<Engine>) -> Result<()> {
    engine.counters_create(tx, "domain", 1).await?;
    for account in 1..=4 {
        engine.counters_create(tx, "account", account).await?;
        engine.default_group_create(tx, account, 1).await?;
    }
    stratus_engine::service_offering::seed_service_offerings(tx, 1).await?;
    stratus_engine::disk_offering::seed_disk_offerings(tx, 1).await?;
    stratus_engine::os_type::seed_os_types(tx).await?;
    stratus_engine::template::seed_templates(tx, 1).await
}

stratus_testkit::on_both! {
    Cloud::fresh;
    offerings_of_a_fresh_install_are_there_and_bad_ones_are_refused
    key_pairs_are_unique_in_an_account_only
    rules_reach_the_members_and_follow_who_is_a_member
    a_private_template_is_its_owners_until_it_is_shared
    tags_are_the_owners_and_one_a_key
}

async fn offerings_of_a_fresh_install_are_there_and_bad_ones_are_refused(cloud: Cloud) {
    let (call, _) = cloud.call("ann", "X").await;
    let page = (0, 500);
    let seen = call.service_offering_list(&call, ServiceOfferingList { page, ..Default::default() }).await.unwrap();
    let small = seen.rows.iter().find(|o| o.name == "m1.small").unwrap();
    assert_eq!((small.cpus, small.cpu_mhz, small.memory_mb), (Some(1), Some(500), Some(1740)));
    assert!(seen.rows.iter().all(|o| !o.is_system));
    assert!(call.service_offering_list(&call, ServiceOfferingList { system: true, page, ..Default::default() }).await.is_err());

    let (admin, _) = cloud.call("admin", "SERVICE.OFFERING.CREATE").await;
    let child =
        cloud.put(Domain { uuid: "d2".into(), name: "sub".into(), parent_id: Some(1), path: "/sub/".into(), ..Default::default() }).await;
    let row = |cpus, memory, domain| ServiceOffering {
        name: "o".into(),
        display_text: "o".into(),
        storage_type: "shared".into(),
        cpus,
        cpu_mhz: Some(100),
        memory_mb: memory,
        domain_id: domain,
        ..Default::default()
    };
    for (cpus, memory) in [(Some(0), Some(512)), (Some(1), None), (Some(1), Some(16))] {
        assert!(admin.service_offering_create(&admin, ServiceOfferingCreate { offering: row(cpus, memory, None) }).await.is_err());
    }
    let private =
        admin.service_offering_create(&admin, ServiceOfferingCreate { offering: row(Some(1), Some(64), Some(child.id)) }).await.unwrap();
    assert!(!call.offering_visible(&call, &private).await.unwrap(), "it is the subdomain's");
    admin.service_offering_delete(&admin, private.clone()).await.unwrap();
    assert!(matches!(admin.service_offering_delete(&admin, private).await, Err(Error::NotFound { .. })));
}

async fn key_pairs_are_unique_in_an_account_only(cloud: Cloud) {
    let (call, ann) = cloud.call("ann", "SSH").await;
    let (key, private) = call.ssh_key_create(&call, &ann, "k".into()).await.unwrap();
    assert!(private.contains("BEGIN RSA PRIVATE KEY") && !key.public_key.contains("PRIVATE"));
    let again = call.ssh_key_register(&call, &ann, "k".into(), &key.public_key).await;
    assert!(matches!(again, Err(Error::Duplicate { kind: Kind::SshKeyPair, .. })));
    let (other, bob) = cloud.call("bob", "SSH").await;
    let imported = other.ssh_key_register(&other, &bob, "k".into(), &key.public_key).await.unwrap();
    assert_eq!(imported.fingerprint, key.fingerprint);
    assert_ne!(imported.ec2_fingerprint, key.ec2_fingerprint);
    call.ssh_key_delete(&call, &ann, "k").await.unwrap();
    let ask = |id| SshKeyList { scope: ListScope::Account(id), name: None, fingerprint: None, keyword: None, page: (0, 10) };
    assert_eq!((call.ssh_key_list(ask(ann.id)).await.unwrap().count, call.ssh_key_list(ask(bob.id)).await.unwrap().count), (0, 1));
}

fn ssh_from(cidr: &str) -> GroupRuleAsk {
    GroupRuleAsk { ingress: true, protocol: Some("tcp".into()), start_port: Some(22), cidrs: vec![cidr.into()], ..Default::default() }
}

async fn rules_reach_the_members_and_follow_who_is_a_member(cloud: Cloud) {
    let e = &cloud.engine;
    cloud.put(Host { uuid: "host1".into(), name: "host1".into(), ..Default::default() }).await;
    cloud.put(stratus_store::Network { uuid: "net".into(), name: "net".into(), offering_id: 1, ..Default::default() }).await;
    cloud
        .put(OfferingService {
            offering_id: 1,
            service: "SecurityGroup".into(),
            provider: "SecurityGroupProvider".into(),
            ..Default::default()
        })
        .await;
    let (call, ann) = cloud.call("ann", "SG").await;
    let web = call.security_group_create(&call, &ann, "web".into(), None).await.unwrap();
    let home = e.default_group(ann.id).await.unwrap();
    let a = cloud.vm(&ann, "10.1.1.1", &[web.id, home.id]).await;
    call.group_rules_apply(&a).await.unwrap();

    call.group_rules_new(&web, &ssh_from("10.2.3.4/8")).await.unwrap();
    let rules = call.group_rules_add(&call, &web, &ssh_from("10.2.3.4/8")).await.unwrap();
    assert_eq!(rules[0].cidr.as_deref(), Some("10.0.0.0/8"));
    let again = call.group_rules_new(&web, &ssh_from("10.0.0.0/8")).await;
    assert!(matches!(again, Err(Error::Duplicate { kind: Kind::SecurityGroupRule, .. })));
    assert_eq!(call.group_rules_add(&call, &web, &ssh_from("10.0.0.0/8")).await.unwrap(), rules, "a job that runs twice adds once");
    let last = |vm: &Vm| cloud.notes.rules.lock().unwrap().iter().rfind(|(_, r)| r.vm == vm.instance_name).cloned().unwrap();
    let (host, set) = last(&a);
    assert_eq!((host.as_str(), set.rules.len()), ("host1", 3), "the default group's, ours, and everything out");
    // A second member of the default group: the first one's host is told of its address.
    let told = |host: &str| cloud.notes.members.lock().unwrap().iter().filter(|(h, _)| h == host).map(|(_, m)| m.clone()).next_back();
    let carried = async |members: usize| {
        let all = async {
            while told("host1").is_none_or(|m| m.cidrs.len() < members) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), all).await.expect("the change is carried");
        told("host1").unwrap()
    };
    let before = carried(1).await;
    assert_eq!((&before.group, before.cidrs.as_slice()), (&home.uuid, ["10.1.1.1/32".to_owned()].as_slice()));
    let b = cloud.vm(&ann, "10.1.1.2", &[home.id]).await;
    call.group_rules_apply(&b).await.unwrap();
    let peers = set.rules.iter().find(|r| r.protocol == "all" && r.ingress).unwrap();
    assert_eq!((peers.groups.as_slice(), peers.cidrs.len()), ([home.uuid.clone()].as_slice(), 0));
    let now = carried(2).await;
    assert_eq!(now.cidrs, ["10.1.1.1/32", "10.1.1.2/32"]);
    assert!(now.sequence > before.sequence);

    // In other groups its rules are later ones, however young those groups are.
    let before = last(&a).1.sequence;
    call.ec2_groups_set(&call, &a.uuid, std::slice::from_ref(&home.uuid)).await.unwrap();
    assert!(last(&a).1.sequence > before && last(&a).1.rules.len() == 2, "{:?} after {before}", last(&a));
    let before = last(&a).1.sequence;
    call.ec2_groups_set(&call, &a.uuid, &[web.uuid.clone(), home.uuid.clone()]).await.unwrap();
    assert!(last(&a).1.sequence > before && last(&a).1.rules.len() == 3);

    assert!(matches!(call.security_group_delete(&call, web.clone()).await, Err(Error::InUse { .. })));
    assert!(call.security_group_delete(&call, home).await.is_err());
    let (rule, _) = call.group_rule(&rules[0].uuid, true).await.unwrap();
    call.group_rule_revoke(&call, rule).await.unwrap();
    assert_eq!(last(&a).1.rules.len(), 2);
    let taken = call.security_group_create(&call, &ann, "web".into(), None).await;
    assert!(matches!(taken, Err(Error::Duplicate { kind: Kind::SecurityGroup, .. })));
    assert!(call.security_group_create(&call, &ann, "default".into(), None).await.is_err());
    assert_eq!(e.db.count::<SecurityGroupRule>(Query::all().eq("group_id", web.id)).await.unwrap(), 0);
    assert_eq!(e.db.count::<SecurityGroup>(Query::live()).await.unwrap(), 5);
}

async fn a_private_template_is_its_owners_until_it_is_shared(cloud: Cloud) {
    let zone = cloud.put(Zone { uuid: "z".into(), name: "z".into(), ..Default::default() }).await;
    let store = cloud
        .put(ImageStore { uuid: "s".into(), name: "s".into(), provider: "NFS".into(), zone_id: Some(zone.id), ..Default::default() })
        .await;
    let (admin, _) = cloud.call("admin", "TEMPLATE").await;
    let (engine, z, s) = (cloud.engine.clone(), zone.id, store.id);
    cloud.engine.db.write(move |tx| Box::pin(async move { engine.builtin_templates_arrive(tx, z, s).await })).await.unwrap();
    admin.templates_take_up(&admin, Some(store.id)).await.unwrap();

    let (call, ann) = cloud.call("ann", "TEMPLATE.CREATE").await;
    let (other, bob) = cloud.call("bob", "TEMPLATE").await;
    let os = call.db.find_one::<OsType>(Query::all()).await.unwrap().unwrap();
    let ask = |url: &str, featured| TemplateRegister {
        template: Template {
            name: "mine".into(),
            display_text: "mine".into(),
            format: "qcow2".into(),
            hypervisor: Some("kvm".into()),
            os_type_id: os.id,
            url: Some(url.into()),
            bits: 64,
            is_featured: featured,
            ..Default::default()
        },
        zone: Some(zone.clone()),
        ..Default::default()
    };
    assert!(call.template_register(&call, &ann, ask("ftp://x/y.qcow2", false)).await.is_err());
    assert!(call.template_register(&call, &ann, ask("http://x/y.vhd.gz", false)).await.is_err());
    assert!(matches!(call.template_register(&call, &ann, ask("http://x/y.qcow2", true)).await, Err(Error::Denied(_))));
    let made = call.template_register(&call, &ann, ask("http://x/y.qcow2", false)).await.unwrap().remove(0);
    assert_eq!((made.at.state.as_str(), made.template.size_bytes), ("DOWNLOADED", 4 << 30));
    assert_eq!((cloud.used(ann.id, Limit::Template).await, cloud.used(ann.id, Limit::SecondaryStorage).await), (1, 1 << 30));
    let failed = call.template_register(&call, &ann, ask("http://x/broken", false)).await.unwrap().remove(0);
    assert_eq!((failed.at.state.as_str(), failed.at.error.as_deref()), ("DOWNLOAD_ERROR", Some("404")));

    let names = |l: stratus_engine::Listing<stratus_engine::template::TemplateInZone>| {
        l.rows.into_iter().map(|t| t.template.name).collect::<Vec<_>>()
    };
    let featured = call.template_list(&call, Cloud::list(TemplateFilter::Featured, ann.id)).await.unwrap();
    assert_eq!(names(featured), ["CentOS 5.5(64-bit) no GUI (Simulator)"]);
    assert_eq!(call.template_list(&call, Cloud::list(TemplateFilter::Mine, ann.id)).await.unwrap().count, 2);
    assert_eq!(call.template_list(&call, Cloud::list(TemplateFilter::MineExecutable, ann.id)).await.unwrap().count, 1);
    assert!(other.template_list(&other, Cloud::list(TemplateFilter::All, bob.id)).await.is_err());

    let hidden = other.template_usable(&other, &made.template, zone.id).await;
    assert!(matches!(hidden, Err(Error::NotFound { kind: Kind::Template, .. })));
    let share = TemplatePermissionUpdate { op: Some("add".into()), accounts: vec!["bob".into()], ..Default::default() };
    call.template_share(&call, &made.template, share).await.unwrap();
    other.template_usable(&other, &made.template, zone.id).await.unwrap();
    assert_eq!(names(other.template_list(&other, Cloud::list(TemplateFilter::SharedExecutable, bob.id)).await.unwrap()), ["mine"]);
    let executable = other.template_list(&other, Cloud::list(TemplateFilter::Executable, bob.id)).await.unwrap();
    assert_eq!(executable.count, 2);
    let unready = call.template_usable(&call, &failed.template, zone.id).await;
    assert!(matches!(unready, Err(Error::State { .. })));

    call.template_delete(&call, made.template.clone(), None).await.unwrap();
    call.template_delete(&call, failed.template, Some(zone.id)).await.unwrap();
    assert_eq!((cloud.used(ann.id, Limit::Template).await, cloud.used(ann.id, Limit::SecondaryStorage).await), (0, 0));
    assert!(cloud.notes.deleted.lock().unwrap().contains(&made.template.uuid));
    assert!(matches!(other.template_usable(&other, &made.template, zone.id).await, Err(Error::NotFound { .. })));
    assert_eq!(call.db.count::<TemplateStore>(Query::live()).await.unwrap(), 1);
}

async fn tags_are_the_owners_and_one_a_key(cloud: Cloud) {
    let (call, ann) = cloud.call("ann", "CREATE_TAGS").await;
    let (other, _) = cloud.call("bob", "CREATE_TAGS").await;
    let vm = cloud.vm(&ann, "10.0.0.1", &[]).await;
    let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    assert!(matches!(other.resource_of("uservm", &vm.uuid).await, Err(Error::Denied(_))));
    assert!(matches!(call.resource_of("uservm", "nothing").await, Err(Error::NotFound { kind: Kind::Vm, .. })));
    assert!(call.resource_of("spaceship", &vm.uuid).await.is_err());
    let things = call.resources_of("USERVM", std::slice::from_ref(&vm.uuid)).await.unwrap();
    let tags = vec![pair("role", "web"), pair("stage", "test")];
    call.tags_new(&things, &tags).await.unwrap();
    call.tags_create(&call, things.clone(), tags.clone(), None).await.unwrap();
    assert!(matches!(call.tags_new(&things, &tags[..1]).await, Err(Error::Invalid { .. })));
    assert!(call.tags_create(&call, things.clone(), vec![pair("role", "db")], None).await.is_err());
    assert_eq!(call.tags_of("UserVm", &[vm.id]).await.unwrap()[&vm.id].len(), 2);
    let with = |k, v| stratus_engine::tag::tag_filter(Query::live(), "UserVm", &[pair(k, v), pair("no", "no")]);
    assert_eq!(call.db.count::<Vm>(with("role", "web")).await.unwrap(), 1, "pairs are or-ed");
    assert_eq!(call.db.count::<Vm>(with("role", "db")).await.unwrap(), 0);
    call.tags_delete(&call, things, vec![("role".into(), None)]).await.unwrap();
    assert_eq!(call.tags_of("UserVm", &[vm.id]).await.unwrap()[&vm.id].len(), 1);
    assert!(call.db.count::<Event>(Query::all().eq("event_type", "CREATE_TAGS")).await.unwrap() >= 1);
}
