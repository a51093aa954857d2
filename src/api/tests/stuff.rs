//! Offerings, key pairs, security groups, tags and templates by native commands, as clients give them.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use stratus_api::Registry;
use stratus_engine::image_store::ImageStoreAdd;
use stratus_engine::{Call, Engine, EngineConfig};
use stratus_model::{Caller, Error, Source, SteppedClock};
use stratus_sim::Sim;
use stratus_store::{Db, Sealer, User, Zone};

struct Cloud {
    engine: Arc<Engine>,
    registry: Arc<Registry>,
    admin: Arc<Caller>,
    _dir: tempfile::TempDir,
}

impl Cloud {
    /// On SQLite or on MariaDB; none where there is no MariaDB.
    async fn fresh(maria: bool) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let sim = Sim::open(None).unwrap();
        let drivers = stratus_drivers::Registry::default()
            .with_host("Simulator", sim.clone())
            .with_store("NFS", sim.clone())
            .with_network("SecurityGroupProvider", sim.clone());
        let db = match maria {
            true => Db::mysql(&stratus_testkit::maria::fresh().await?).await.unwrap(),
            false => Db::sqlite(&dir.path().join("stratus.db")).await.unwrap(),
        };
        let clock = Arc::new(SteppedClock::at(1_700_000_000_000_000));
        let config = EngineConfig::new(db, Sealer::new(&[7; 32]), drivers, clock, "test");
        let engine = Engine::open(config).await.unwrap();
        engine.setup().await.unwrap();
        let registry = Arc::new(Registry::new());
        engine.jobs_start(registry.clone()).await.unwrap();
        let user = engine.db.must::<User>(2).await.unwrap();
        let admin = Arc::new(engine.caller_of(&user, Source::Key).await.unwrap());
        Some(Self { engine, registry, admin, _dir: dir })
    }
    async fn ask(&self, command: &str, params: &[(&str, &str)]) -> Result<Value, Error> {
        let params: BTreeMap<String, String> = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.registry.call_and_wait(&self.engine, &self.admin, command, params).await
    }
    async fn refused(&self, command: &str, params: &[(&str, &str)]) -> (u16, &'static str) {
        let codes = self.ask(command, params).await.unwrap_err().codes();
        (codes.api, codes.ec2)
    }
    async fn call(&self, command: &str, params: &[(&str, &str)]) -> Value {
        self.ask(command, params).await.unwrap_or_else(|e| panic!("{command}: {e}"))
    }
    async fn zone_with_store(&self) -> Zone {
        let row = Zone { uuid: "5a7e".into(), name: "z".into(), network_type: "Basic".into(), ..Default::default() };
        let zone = self
            .engine
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let mut zone = row;
                    tx.insert(&mut zone).await?;
                    Ok(zone)
                })
            })
            .await
            .unwrap();
        let call = Call::new(self.engine.clone(), self.admin.clone(), "addImageStore", None);
        let ask =
            ImageStoreAdd { provider: "NFS".into(), url: Some("nfs://store/a".into()), zone: Some(zone.clone()), ..Default::default() };
        call.image_store_add(&call, ask).await.unwrap();
        zone
    }
}

fn id(v: &Value) -> &str {
    v["id"].as_str().unwrap()
}

async fn a_fresh_cloud_has_offerings_and_new_ones_come_and_go(cloud: Cloud) {
    let found = cloud.call("listServiceOfferings", &[("name", "m1.small")]).await;
    assert_eq!((&found["count"], &found["serviceoffering"][0]["memory"]), (&1.into(), &1740.into()));
    assert_eq!(cloud.call("listDiskOfferings", &[]).await["count"], 4);
    assert_eq!(cloud.call("listOsCategories", &[]).await["count"], 11);
    let category = cloud.call("listOsCategories", &[("name", "CentOS")]).await["oscategory"][0].clone();
    let systems = cloud.call("listOsTypes", &[("oscategoryid", id(&category)), ("keyword", "5.5 (64")]).await;
    assert_eq!(systems["ostype"][0]["description"], "CentOS 5.5 (64-bit)");
    let new = [("name", "big"), ("displaytext", "Big"), ("cpunumber", "4"), ("cpuspeed", "1000"), ("memory", "4096"), ("tags", "ssd")];
    let made = cloud.call("createServiceOffering", &new).await["serviceoffering"].clone();
    assert_eq!((&made["cpunumber"], &made["iscustomized"], &made["storagetype"]), (&4.into(), &false.into(), &"shared".into()));
    let changed = cloud.call("updateServiceOffering", &[("id", id(&made)), ("displaytext", "Bigger")]).await;
    assert_eq!(changed["serviceoffering"]["displaytext"], "Bigger");
    cloud.call("deleteServiceOffering", &[("id", id(&made))]).await;
    assert_eq!(cloud.call("listServiceOfferings", &[("name", "big")]).await, serde_json::json!({}));
    assert_eq!(cloud.refused("deleteServiceOffering", &[("id", id(&made))]).await.0, 431);
    assert_eq!(cloud.refused("createDiskOffering", &[("name", "d"), ("displaytext", "d")]).await.0, 431);
}

async fn groups_and_their_rules_are_kept_and_refused_as_clients_expect(cloud: Cloud) {
    let group = cloud.call("createSecurityGroup", &[("name", "web"), ("description", "front")]).await["securitygroup"].clone();
    assert_eq!((&group["domain"], &group["ingressrule"]), (&"ROOT".into(), &serde_json::json!([])));
    assert_eq!(cloud.refused("createSecurityGroup", &[("name", "web")]).await, (431, "InvalidGroup.Duplicate"));
    let g = id(&group);
    let ssh = [
        ("securitygroupname", "web"),
        ("protocol", "tcp"),
        ("startport", "22"),
        ("endport", "22"),
        ("cidrlist", "10.1.2.3/8,192.168.0.0/16"),
    ];
    let made = cloud.call("authorizeSecurityGroupIngress", &ssh).await["securitygroup"].clone();
    assert_eq!((&made["id"], &made["ingressrule"][0]["cidr"]), (&g.into(), &"10.0.0.0/8".into()));
    assert_eq!(cloud.refused("authorizeSecurityGroupIngress", &ssh).await, (431, "InvalidPermission.Duplicate"));
    let peer = [("securitygroupid", g), ("usersecuritygrouplist[0].account", "admin"), ("usersecuritygrouplist[0].group", "default")];
    let all = cloud.call("authorizeSecurityGroupIngress", &peer).await["securitygroup"]["ingressrule"][0].clone();
    assert_eq!((&all["protocol"], &all["securitygroupname"], &all["account"]), (&"all".into(), &"default".into(), &"admin".into()));
    let out = [("securitygroupid", g), ("protocol", "icmp"), ("icmptype", "8"), ("icmpcode", "0"), ("cidrlist", "0.0.0.0/0")];
    cloud.call("authorizeSecurityGroupEgress", &out).await;

    let tag = [("resourceids", g), ("resourcetype", "securitygroup"), ("tags[0].key", "tier"), ("tags[0].value", "front")];
    cloud.call("createTags", &tag).await;
    assert_eq!(cloud.refused("createTags", &tag).await.0, 431);
    let found = cloud.call("listSecurityGroups", &[("tags[0].key", "tier"), ("tags[0].value", "front")]).await;
    let shown = &found["securitygroup"][0];
    assert_eq!((&found["count"], &shown["tags"][0]["value"], &shown["tags"][0]["resourceid"]), (&1.into(), &"front".into(), &g.into()));
    assert_eq!((shown["ingressrule"].as_array().map(Vec::len), &shown["egressrule"][0]["icmptype"]), (Some(3), &8.into()));
    assert_eq!(cloud.call("listTags", &[("resourcetype", "SecurityGroup"), ("key", "tier")]).await["count"], 1);
    cloud.call("deleteTags", &tag[..2]).await;
    assert_eq!(cloud.call("listTags", &[]).await, serde_json::json!({}));

    let rule = all["ruleid"].as_str().unwrap();
    assert_eq!(cloud.refused("revokeSecurityGroupEgress", &[("id", rule)]).await, (431, "InvalidPermission.NotFound"));
    cloud.call("revokeSecurityGroupIngress", &[("id", rule)]).await;
    assert_eq!(cloud.refused("deleteSecurityGroup", &[("name", "default")]).await.0, 431);
    cloud.call("deleteSecurityGroup", &[("id", g)]).await;
    assert_eq!(cloud.refused("deleteSecurityGroup", &[("id", g)]).await, (431, "InvalidGroup.NotFound"));
}

async fn keys_and_templates_by_commands(cloud: Cloud) {
    let made = cloud.call("createSSHKeyPair", &[("name", "k")]).await["keypair"].clone();
    assert!(made["privatekey"].as_str().unwrap().starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    assert_eq!(cloud.refused("createSSHKeyPair", &[("name", "k")]).await, (431, "InvalidKeyPair.Duplicate"));
    assert_eq!(cloud.refused("registerSSHKeyPair", &[("name", "l"), ("publickey", "nonsense")]).await.0, 431);
    assert_eq!(cloud.call("listSSHKeyPairs", &[("name", "k")]).await["sshkeypair"][0]["fingerprint"], made["fingerprint"]);
    cloud.call("deleteSSHKeyPair", &[("name", "k")]).await;

    let zone = cloud.zone_with_store().await;
    let ready = cloud.call("listTemplates", &[("templatefilter", "featured")]).await;
    assert_eq!((&ready["count"], &ready["template"][0]["isready"]), (&1.into(), &true.into()), "the built-in one came with the store");
    let os = cloud.call("listOsTypes", &[("keyword", "Other (64")]).await["ostype"][0].clone();
    let ask = [
        ("name", "t"),
        ("displaytext", "T"),
        ("format", "QCOW2"),
        ("hypervisor", "Simulator"),
        ("url", "http://images.example/t.qcow2"),
        ("ostypeid", id(&os)),
        ("zoneid", &zone.uuid),
        ("ispublic", "true"),
    ];
    let made = cloud.call("registerTemplate", &ask).await;
    let t = &made["template"][0];
    assert_eq!(
        (&made["count"], &t["isready"], &t["status"], &t["ostypename"]),
        (&1.into(), &true.into(), &"Download Complete".into(), &"Other (64-bit)".into())
    );
    assert_eq!(cloud.call("listTemplates", &[("templatefilter", "community")]).await["count"], 1);
    assert_eq!(cloud.call("listTemplatePermissions", &[("id", id(t))]).await["templatepermission"]["ispublic"], true);
    cloud.call("updateTemplatePermissions", &[("id", id(t)), ("ispublic", "false"), ("op", "add"), ("accounts", "system")]).await;
    let shared = cloud.call("listTemplatePermissions", &[("id", id(t))]).await;
    assert_eq!(shared["templatepermission"]["account"], serde_json::json!(["system"]));
    assert_eq!(cloud.call("updateTemplate", &[("id", id(t)), ("name", "u")]).await["template"]["name"], "u");
    cloud.call("deleteTemplate", &[("id", id(t))]).await;
    assert_eq!(cloud.call("listTemplates", &[("templatefilter", "self")]).await, serde_json::json!({}));
}

stratus_testkit::on_both! { Cloud::fresh; a_fresh_cloud_has_offerings_and_new_ones_come_and_go groups_and_their_rules_are_kept_and_refused_as_clients_expect keys_and_templates_by_commands }
