//! Who is who through the native commands: what clients send and what they read.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use stratus_api::Registry;
use stratus_engine::{Engine, EngineConfig};
use stratus_model::{Caller, Error, Source, SystemClock};
use stratus_store::{Db, Sealer, User};

struct Cloud {
    engine: Arc<Engine>,
    registry: Arc<Registry>,
    _dir: tempfile::TempDir,
}

impl Cloud {
    /// On SQLite or on MariaDB; none where there is no MariaDB.
    async fn fresh(maria: bool) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let db = match maria {
            true => Db::mysql(&stratus_testkit::maria::fresh().await?).await.unwrap(),
            false => Db::sqlite(&dir.path().join("stratus.db")).await.unwrap(),
        };
        let config = EngineConfig::new(db, Sealer::new(&[7; 32]), stratus_drivers::Registry::default(), Arc::new(SystemClock), "test");
        let engine = Engine::open(config).await.unwrap();
        engine.setup().await.unwrap();
        let registry = Arc::new(Registry::new());
        engine.jobs_start(registry.clone()).await.unwrap();
        Some(Self { engine, registry, _dir: dir })
    }
    async fn caller(&self, user: i64) -> Arc<Caller> {
        let user = self.engine.db.must::<User>(user).await.unwrap();
        Arc::new(self.engine.caller_of(&user, Source::Key).await.unwrap())
    }
    async fn by(&self, user: i64, command: &str, params: &[(&str, &str)]) -> Result<Value, Error> {
        let params: BTreeMap<String, String> = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.registry.call_and_wait(&self.engine, &self.caller(user).await, command, params).await
    }
    async fn admin(&self, command: &str, params: &[(&str, &str)]) -> Value {
        self.by(2, command, params).await.unwrap()
    }
}

const PERSON: [(&str, &str); 4] = [("email", "a@example.com"), ("firstname", "A"), ("lastname", "B"), ("password", "secret")];

fn person<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    PERSON.iter().chain(more).copied().collect()
}

async fn an_account_is_made_listed_limited_shut_out_and_deleted(c: Cloud) {
    let domain = c.admin("createDomain", &[("name", "sales")]).await["domain"].clone();
    assert_eq!(
        (domain["path"].as_str(), domain["level"].as_i64(), domain["parentdomainname"].as_str()),
        (Some("ROOT/sales"), Some(1), Some("ROOT"))
    );
    let domain_id = domain["id"].as_str().unwrap();
    let id = "11111111-2222-4333-8444-555555555555";
    let ask =
        person(&[("username", "anna"), ("accounttype", "0"), ("domainid", domain_id), ("accountid", id), ("timezone", "Mexico/BajaNorte")]);
    let account = c.admin("createAccount", &ask).await["account"].clone();
    assert_eq!((account["id"].as_str(), account["name"].as_str(), account["vmlimit"].as_str()), (Some(id), Some("anna"), Some("20")));
    assert_eq!((account["projectavailable"].as_str(), account["vmtotal"].as_i64()), (Some("Unlimited"), Some(0)));
    assert_eq!(account["user"][0]["timezone"], "Mexico/BajaNorte");
    assert!(matches!(c.by(2, "createAccount", &ask).await, Err(Error::Duplicate { .. })));

    let set = [("account", "anna"), ("domainid", domain_id), ("resourcetype", "0"), ("max", "3")];
    assert_eq!(c.admin("updateResourceLimit", &set).await["resourcelimit"]["max"], 3);
    let limits = c.by(3, "listResourceLimits", &[("resourcetype", "0")]).await.unwrap();
    assert_eq!((limits["count"].as_i64(), limits["resourcelimit"][0]["max"].as_i64()), (Some(1), Some(3)));
    let counts = c.admin("updateResourceCount", &[("domainid", domain_id)]).await;
    assert_eq!(counts["count"], 12);

    let own = c.by(3, "listAccounts", &[]).await.unwrap();
    assert_eq!((own["count"].as_i64(), own["account"][0]["vmlimit"].as_str()), (Some(1), Some("3")));
    assert!(matches!(c.by(3, "listUsers", &[]).await, Err(Error::UnknownCommand(_))));
    assert_eq!(c.admin("listAccounts", &[]).await["count"], 1, "only its own without listall");
    assert_eq!(c.admin("listAccounts", &[("listall", "true")]).await["count"], 2);

    let user = account["user"][0]["id"].as_str().unwrap();
    let keys = c.by(3, "registerUserKeys", &[("id", user)]).await.unwrap()["userkeys"].clone();
    let key = keys["apikey"].as_str().unwrap();
    assert_eq!(c.admin("getUser", &[("userapikey", key)]).await["user"]["secretkey"], keys["secretkey"]);
    let locked = c.admin("disableAccount", &[("id", id), ("lock", "true")]).await;
    assert_eq!(locked["account"]["state"], "locked");
    assert!(!locked.to_string().contains(keys["secretkey"].as_str().unwrap()), "a job's result keeps no secret");
    assert!(c.engine.by_api_key(key).await.unwrap().is_none());
    c.admin("enableAccount", &[("account", "anna"), ("domainid", domain_id)]).await;
    assert!(c.engine.by_api_key(key).await.unwrap().is_some());
    assert_eq!(c.admin("disableUser", &[("id", user)]).await["user"]["state"], "disabled");

    let refused = c.by(2, "deleteDomain", &[("id", domain_id)]).await.unwrap_err();
    assert_eq!(refused.codes().api, 536);
    assert_eq!(c.admin("deleteAccount", &[("id", id)]).await["success"], true);
    assert_eq!(c.admin("listAccounts", &[("id", id)]).await["account"], Value::Null, "a list by the id of what is gone is empty");
    assert_eq!(c.admin("deleteDomain", &[("id", domain_id)]).await["success"], true);
}

async fn jobs_events_and_settings_are_shown_as_clients_read_them(c: Cloud) {
    let user = c.admin("createAccount", &person(&[("username", "bob"), ("accounttype", "0")])).await["account"]["user"][0]["id"].clone();
    c.admin("disableUser", &[("id", user.as_str().unwrap())]).await;
    let job = c.admin("listAsyncJobs", &[]).await["asyncjobs"][0].clone();
    let asked = c.admin("queryAsyncJobResult", &[("jobid", job["jobid"].as_str().unwrap())]).await;
    assert_eq!(asked, job);
    assert_eq!(
        (asked["jobstatus"].as_i64(), asked["jobinstanceid"].clone(), asked["jobresulttype"].as_str()),
        (Some(1), user, Some("object"))
    );
    assert_eq!(asked["jobresult"]["user"]["username"], "bob");
    assert!(c.by(3, "queryAsyncJobResult", &[("jobid", asked["jobid"].as_str().unwrap())]).await.is_err(), "not bob's job");

    let events = c.admin("listEvents", &[("listall", "true"), ("type", "USER.DISABLE")]).await;
    let states: Vec<&str> = events["event"].as_array().unwrap().iter().map(|e| e["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["Completed", "Started", "Scheduled"]);
    assert_eq!(events["event"][0]["parentid"], events["event"][2]["id"]);
    assert_eq!((events["event"][0]["username"].as_str(), events["event"][0]["account"].as_str()), (Some("admin"), Some("bob")));
    assert!(c.admin("listEventTypes", &[]).await["count"].as_i64().unwrap() > 270);

    let set = c.admin("updateConfiguration", &[("name", "integration.api.port"), ("value", "8096")]).await;
    assert_eq!(set["configuration"]["value"], "8096");
    assert!(set["configuration"]["description"].as_str().unwrap().contains("restart"));
    let page = c.admin("listConfigurations", &[("page", "2"), ("pagesize", "10")]).await;
    assert_eq!((page["configuration"].as_array().unwrap().len(), page["count"].as_i64() > Some(300)), (10, true));
    let capabilities = c.by(3, "listCapabilities", &[]).await.unwrap();
    assert_eq!(
        (capabilities["capability"]["cloudstackversion"].as_str(), capabilities["capability"]["supportELB"].as_str()),
        (Some("4.3.0"), Some("false"))
    );
}

stratus_testkit::on_both! { Cloud::fresh; an_account_is_made_listed_limited_shut_out_and_deleted jobs_events_and_settings_are_shown_as_clients_read_them }
