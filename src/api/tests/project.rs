//! Projects by native commands: who is in, who is invited and how, what belongs to them, and their end.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use stratus_api::Registry;
use stratus_engine::{Engine, EngineConfig};
use stratus_model::{Caller, Error, Source, SteppedClock};
use stratus_store::{Db, Query, Sealer, User};

struct Cloud {
    engine: Arc<Engine>,
    registry: Arc<Registry>,
    clock: Arc<SteppedClock>,
    _dir: tempfile::TempDir,
}

impl Cloud {
    /// With the users anna and bert in ROOT/sales, its administrator dora, and eve in ROOT/other. On SQLite or on MariaDB; none where
    /// there is no MariaDB.
    async fn fresh(maria: bool) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SteppedClock::at(1_700_000_000_000_000));
        let db = match maria {
            true => Db::mysql(&stratus_testkit::maria::fresh().await?).await.unwrap(),
            false => Db::sqlite(&dir.path().join("stratus.db")).await.unwrap(),
        };
        let config = EngineConfig::new(db, Sealer::new(&[7; 32]), stratus_drivers::Registry::default(), clock.clone(), "test");
        let engine = Engine::open(config).await.unwrap();
        engine.setup().await.unwrap();
        let registry = Arc::new(Registry::new());
        engine.jobs_start(registry.clone()).await.unwrap();
        let c = Self { engine, registry, clock, _dir: dir };
        for (domain, people) in [("sales", &[("anna", "0"), ("bert", "0"), ("dora", "2")][..]), ("other", &[("eve", "0")])] {
            let d = c.ok("admin", "createDomain", &[("name", domain)]).await["domain"]["id"].as_str().unwrap().to_owned();
            for (name, kind) in people {
                let who = [("username", *name), ("accounttype", kind), ("domainid", &d), ("email", "a@example.com")];
                let rest = [("firstname", "A"), ("lastname", "B"), ("password", "p")];
                c.ok("admin", "createAccount", &[&who[..], &rest[..]].concat()).await;
            }
        }
        Some(c)
    }
    async fn by(&self, name: &str, command: &str, params: &[(&str, &str)]) -> Result<Value, Error> {
        let user = self.engine.db.find_one::<User>(Query::live().eq("username", name)).await.unwrap().unwrap();
        let caller: Arc<Caller> = Arc::new(self.engine.caller_of(&user, Source::Key).await.unwrap());
        let params: BTreeMap<String, String> = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.registry.call_and_wait(&self.engine, &caller, command, params).await
    }
    async fn ok(&self, name: &str, command: &str, params: &[(&str, &str)]) -> Value {
        self.by(name, command, params).await.unwrap_or_else(|e| panic!("{command} by {name}: {e}"))
    }
    async fn refused(&self, name: &str, command: &str, params: &[(&str, &str)]) -> u16 {
        let outcome = self.by(name, command, params).await;
        outcome.err().unwrap_or_else(|| panic!("{command} {params:?} by {name} went through")).codes().api
    }
    async fn count(&self, name: &str, command: &str, params: &[(&str, &str)]) -> i64 {
        self.ok(name, command, params).await["count"].as_i64().unwrap_or(0)
    }
    async fn project(&self, owner: &str, name: &str) -> String {
        let made = self.ok(owner, "createProject", &[("name", name), ("displaytext", "for a test")]).await;
        made["project"]["id"].as_str().unwrap().to_owned()
    }
    async fn set(&self, name: &str, value: &str) {
        self.ok("admin", "updateConfiguration", &[("name", name), ("value", value)]).await;
    }
}

async fn members_share_what_a_project_owns_and_others_do_not_see_it(c: Cloud) {
    let id = c.project("anna", "rocket").await;
    let project = [("projectid", &*id)];
    let shown = c.ok("anna", "listProjects", &[("id", &id)]).await["project"][0].clone();
    assert_eq!((shown["account"].as_str(), shown["state"].as_str(), shown["vmlimit"].as_str()), (Some("anna"), Some("Active"), Some("20")));
    assert_eq!(c.refused("eve", "listProjects", &[("id", &id)]).await, 531);
    assert_eq!(c.refused("bert", "createSSHKeyPair", &[("name", "k"), project[0]]).await, 531);
    assert_eq!(c.refused("bert", "addAccountToProject", &[project[0], ("account", "bert")]).await, 531, "only its owner adds members");
    c.ok("anna", "addAccountToProject", &[project[0], ("account", "bert")]).await;
    assert_eq!(c.refused("anna", "addAccountToProject", &[project[0], ("account", "eve")]).await, 431, "eve is of another domain");

    c.ok("bert", "createSSHKeyPair", &[("name", "k"), project[0]]).await;
    let group = c.ok("bert", "createSecurityGroup", &[("name", "web"), project[0]]).await["securitygroup"].clone();
    assert_eq!((group["project"].as_str(), group["projectid"].as_str(), group["account"].as_str()), (Some("rocket"), Some(&*id), None));
    for (who, with, without, any) in [("anna", 2, 1, 2), ("bert", 2, 1, 2), ("dora", 2, 3, 2), ("admin", 2, 6, 2)] {
        assert_eq!(c.count(who, "listSecurityGroups", &project).await, with, "{who}");
        assert_eq!(c.count(who, "listSecurityGroups", &[("listall", "true")]).await, without, "{who} without the project's");
        assert_eq!(c.count(who, "listSecurityGroups", &[("projectid", "-1")]).await, any, "{who} of any project");
    }
    assert_eq!(c.count("eve", "listSecurityGroups", &[("projectid", "-1")]).await, 0);
    assert_eq!(c.refused("eve", "listSecurityGroups", &project).await, 531);
    let group_id = group["id"].as_str().unwrap();
    assert_eq!(c.count("anna", "listSecurityGroups", &[("id", group_id)]).await, 1, "by id it is found without the project");
    assert_eq!(c.refused("eve", "deleteSecurityGroup", &[("id", group_id)]).await, 531);
    assert_eq!(c.refused("anna", "listSecurityGroups", &[project[0], ("account", "anna")]).await, 431);
    assert_eq!(c.count("admin", "listAccounts", &[("listall", "true")]).await, 5, "the project's own account is nobody");

    let members = c.ok("anna", "listProjectAccounts", &project).await;
    let roles: Vec<_> = members["projectaccount"].as_array().unwrap().iter().map(|m| (m["account"].as_str(), m["role"].as_str())).collect();
    assert_eq!(roles, [(Some("anna"), Some("Admin")), (Some("bert"), Some("Regular"))]);
    assert_eq!(c.refused("anna", "deleteAccountFromProject", &[project[0], ("account", "anna")]).await, 431, "the owner stays");
    c.ok("anna", "updateProject", &[("id", &id), ("account", "bert"), ("displaytext", "bert's")]).await;
    assert_eq!(c.refused("anna", "updateProject", &[("id", &id), ("displaytext", "x")]).await, 531);
    c.ok("bert", "deleteAccountFromProject", &[project[0], ("account", "anna")]).await;
    assert_eq!(c.count("anna", "listProjects", &[]).await, 0);
}

async fn a_suspended_project_takes_nothing_and_a_deleted_one_leaves_nothing(c: Cloud) {
    let id = c.project("anna", "rocket").await;
    assert_eq!(c.refused("anna", "createProject", &[("name", "rocket"), ("displaytext", "again")]).await, 431);
    c.ok("anna", "suspendProject", &[("id", &id)]).await;
    assert_eq!(c.refused("anna", "createSSHKeyPair", &[("name", "k"), ("projectid", &id)]).await, 431);
    c.ok("anna", "activateProject", &[("id", &id)]).await;
    c.ok("anna", "createSSHKeyPair", &[("name", "k"), ("projectid", &id)]).await;
    assert_eq!(c.refused("admin", "deleteAccount", &[("id", &account(&c, "anna").await)]).await, 536, "its owner cannot go before it");
    c.ok("anna", "deleteProject", &[("id", &id)]).await;
    assert_eq!(c.count("admin", "listProjects", &[("id", &id)]).await, 0, "it is gone");
    assert_eq!(c.count("admin", "listSSHKeyPairs", &[("projectid", "-1")]).await, 0);
    let own = c.ok("anna", "listAccounts", &[]).await["account"][0].clone();
    assert_eq!(own["projecttotal"], 0, "the owner's count is given back");
    c.ok("admin", "deleteAccount", &[("id", &account(&c, "anna").await)]).await;

    c.set("allow.user.create.projects", "false").await;
    assert_eq!(c.refused("bert", "createProject", &[("name", "x"), ("displaytext", "x")]).await, 531);
    c.project("dora", "hers").await;
    let types: Vec<String> =
        c.engine.db.find::<stratus_store::Event>(Query::all()).await.unwrap().into_iter().map(|e| e.event_type).collect();
    for kind in ["PROJECT.CREATE", "PROJECT.SUSPEND", "PROJECT.ACTIVATE", "PROJECT.DELETE"] {
        assert!(types.iter().any(|t| t == kind), "{kind}");
    }
}

async fn account(c: &Cloud, name: &str) -> String {
    c.ok("admin", "listAccounts", &[("listall", "true"), ("name", name)]).await["account"][0]["id"].as_str().unwrap().to_owned()
}

async fn invitations_are_accepted_declined_mailed_and_run_out(c: Cloud) {
    let id = c.project("anna", "rocket").await;
    let project = ("projectid", &*id);
    c.set("project.invite.required", "true").await;
    c.ok("anna", "addAccountToProject", &[project, ("account", "bert")]).await;
    assert_eq!(c.refused("anna", "addAccountToProject", &[project, ("account", "bert")]).await, 431, "there is one already");
    let pending = c.ok("bert", "listProjectInvitations", &[("activeonly", "true")]).await["projectinvitation"][0].clone();
    assert_eq!((pending["state"].as_str(), pending["project"].as_str()), (Some("Pending"), Some("rocket")));
    assert_eq!(c.count("anna", "listProjectInvitations", &[project]).await, 1);
    assert_eq!(c.refused("bert", "listProjectInvitations", &[project]).await, 531);
    c.ok("bert", "updateProjectInvitation", &[project, ("accept", "false")]).await;
    assert_eq!(c.count("bert", "listProjects", &[]).await, 0);
    c.ok("anna", "addAccountToProject", &[project, ("account", "bert")]).await;
    c.clock.step(86_401_000_000);
    assert_eq!(c.count("bert", "listProjectInvitations", &[("activeonly", "true")]).await, 0, "it ran out");
    assert_eq!(c.refused("bert", "updateProjectInvitation", &[project]).await, 431);
    c.ok("anna", "addAccountToProject", &[project, ("account", "bert")]).await;
    c.ok("bert", "updateProjectInvitation", &[project]).await;
    assert_eq!(c.count("bert", "listProjects", &[]).await, 1);

    let sink = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    c.set("project.smtp.host", "127.0.0.1").await;
    c.set("project.smtp.port", &sink.local_addr().unwrap().port().to_string()).await;
    c.set("project.email.sender", "cloud@example.com").await;
    let mail = tokio::spawn(stratus_testkit::mail::one(sink));
    assert_eq!(c.refused("anna", "addAccountToProject", &[project, ("email", "not an address")]).await, 431);
    c.ok("anna", "addAccountToProject", &[project, ("email", "dora@example.com")]).await;
    let text = mail.await.unwrap();
    assert!(text.contains("To: dora@example.com") && text.contains("From: cloud@example.com"), "{text}");
    let plain = text.replace("=\n", "").replace("=3D", "=");
    let token: String = plain.split("token=").nth(1).unwrap().chars().take_while(char::is_ascii_alphanumeric).collect();
    assert_eq!(c.refused("dora", "updateProjectInvitation", &[project, ("token", "wrong")]).await, 431);
    c.ok("dora", "updateProjectInvitation", &[project, ("token", &token)]).await;
    assert_eq!(c.count("dora", "listProjectAccounts", &[project]).await, 3);
    assert_eq!(c.refused("eve", "updateProjectInvitation", &[project, ("token", &token)]).await, 431, "it is used up");
}

stratus_testkit::on_both! { Cloud::fresh; members_share_what_a_project_owns_and_others_do_not_see_it a_suspended_project_takes_nothing_and_a_deleted_one_leaves_nothing invitations_are_accepted_declined_mailed_and_run_out }
