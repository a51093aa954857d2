//! Directories by native commands, against a real OpenLDAP server: who is found, who is let in, who is not.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use stratus_api::Registry;
use stratus_engine::{Engine, EngineConfig};
use stratus_model::{Error, Source, SteppedClock};
use stratus_store::{Db, Query, Sealer, Setting, User};
use stratus_testkit::ldap::Directory;

const BASE: &str = "dc=example,dc=org";
const BINDER: &str = "cn=admin,dc=example,dc=org";
const BINDER_PASSWORD: &str = "directory-secret";

const ENTRIES: &str = "dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=lab,dc=example,dc=org
objectClass: organizationalUnit
ou: lab

dn: uid=anna,ou=lab,dc=example,dc=org
objectClass: inetOrgPerson
uid: anna
cn: Anna Ames
givenName: Anna
sn: Ames
mail: anna@example.org
userPassword: annas-secret

dn: uid=bert,ou=lab,dc=example,dc=org
objectClass: inetOrgPerson
uid: bert
cn: Bert Bell
givenName: Bert
sn: Bell
mail: bert@example.org
userPassword: berts-secret

dn: uid=system,ou=lab,dc=example,dc=org
objectClass: inetOrgPerson
uid: system
cn: Not The System
sn: System
userPassword: systems-secret

dn: cn=crew,ou=lab,dc=example,dc=org
objectClass: groupOfUniqueNames
cn: crew
uniqueMember: uid=bert,ou=lab,dc=example,dc=org
";

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
        let config = EngineConfig::new(
            db,
            Sealer::new(&[7; 32]),
            stratus_drivers::Registry::default(),
            Arc::new(SteppedClock::at(1_700_000_000_000_000)),
            "test",
        );
        let engine = Engine::open(config).await.unwrap();
        engine.setup().await.unwrap();
        Some(Self { engine, registry: Arc::new(Registry::new()), _dir: dir })
    }
    async fn ask(&self, command: &str, params: &[(&str, &str)]) -> Result<Value, Error> {
        let admin = self.engine.db.must::<User>(2).await.unwrap();
        let caller = Arc::new(self.engine.caller_of(&admin, Source::Key).await.unwrap());
        let params: BTreeMap<String, String> = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.registry.call_and_wait(&self.engine, &caller, command, params).await
    }
    async fn ok(&self, command: &str, params: &[(&str, &str)]) -> Value {
        self.ask(command, params).await.unwrap_or_else(|e| panic!("{command}: {e}"))
    }
    async fn set(&self, name: &str, value: &str) {
        self.ok("updateConfiguration", &[("name", name), ("value", value)]).await;
    }
    async fn lets_in(&self, name: &str, password: &str, domain: &str) -> bool {
        self.engine.login(name, password, Some(domain)).await.is_ok()
    }
}

fn names(list: &Value) -> Vec<&str> {
    list["LdapUser"].as_array().map(|a| a.iter().map(|u| u["username"].as_str().unwrap()).collect()).unwrap_or_default()
}

async fn a_directorys_users_are_found_imported_and_let_in_by_their_own_passwords(c: Cloud) {
    let Some(directory) = Directory::start(ENTRIES) else { return };
    let port = directory.port.to_string();
    assert!(c.ask("listLdapUsers", &[]).await.is_err(), "no directory yet");
    assert_eq!(c.ask("addLdapConfiguration", &[("hostname", "127.0.0.1"), ("port", "1")]).await.unwrap_err().codes().api, 431);
    c.ok("addLdapConfiguration", &[("hostname", "127.0.0.1"), ("port", &port)]).await;
    assert_eq!(c.ok("listLdapConfigurations", &[]).await["count"], 1);
    c.set("ldap.basedn", BASE).await;
    c.set("ldap.bind.principal", BINDER).await;
    c.set("ldap.bind.password", BINDER_PASSWORD).await;

    assert_eq!(names(&c.ok("listLdapUsers", &[]).await), ["anna", "bert", "system"]);
    let found = c.ok("searchLdap", &[("query", "ell")]).await;
    let bert = &found["LdapUser"][0];
    assert_eq!(
        (names(&found), bert["email"].as_str(), bert["domain"].as_str(), bert["principal"].as_str()),
        (vec!["bert"], Some("bert@example.org"), Some("lab"), Some("uid=bert,ou=lab,dc=example,dc=org"))
    );
    assert!(names(&c.ok("searchLdap", &[("query", "*)(uid=*")]).await).is_empty(), "a text is no filter");

    let account = c.ok("ldapCreateAccount", &[("username", "anna"), ("accounttype", "0")]).await["account"].clone();
    assert_eq!((account["name"].as_str(), account["user"][0]["firstname"].as_str()), (Some("anna"), Some("Anna")));
    assert!(c.ask("ldapCreateAccount", &[("username", "nobody"), ("accounttype", "0")]).await.is_err());
    assert!(c.lets_in("anna", "annas-secret", "ROOT").await);
    assert!(!c.lets_in("anna", "wrong", "ROOT").await);
    assert!(!c.lets_in("anna", "", "ROOT").await, "an empty password binds as nobody");
    assert!(!c.lets_in("bert", "berts-secret", "ROOT").await, "known there, not here");
    assert!(!c.lets_in("system", "systems-secret", "ROOT").await, "nobody is the product itself");

    assert_eq!(names(&c.ok("listLdapUsers", &[("listtype", "new")]).await), ["bert"]);
    let crew = c.ok("importLdapUsers", &[("accounttype", "0"), ("group", "crew")]).await;
    assert_eq!(names(&crew), ["bert"]);
    assert!(c.lets_in("bert", "berts-secret", "ROOT/lab").await, "in the domain of his unit");
    assert!(names(&c.ok("importLdapUsers", &[("accounttype", "0"), ("group", "crew")]).await).is_empty(), "nobody twice");

    c.set("ldap.search.group.principle", "cn=crew,ou=lab,dc=example,dc=org").await;
    assert!(c.lets_in("bert", "berts-secret", "ROOT/lab").await);
    assert!(!c.lets_in("anna", "annas-secret", "ROOT").await, "not in the group");
    c.ok("deleteLdapConfiguration", &[("hostname", "127.0.0.1")]).await;
    assert!(!c.lets_in("bert", "berts-secret", "ROOT/lab").await);
}

async fn the_older_command_sets_a_directory_and_keeps_its_password_to_itself(c: Cloud) {
    let Some(directory) = Directory::start(ENTRIES) else { return };
    let port = directory.port.to_string();
    let set = [("hostname", "127.0.0.1"), ("port", &*port), ("searchbase", BASE), ("binddn", BINDER), ("bindpass", BINDER_PASSWORD)];
    assert_eq!(c.ask("ldapConfig", &[&set[..], &[("queryfilter", "(uid=anna)")]].concat()).await.unwrap_err().codes().api, 431);
    let answer = c.ok("ldapConfig", &[&set[..], &[("queryfilter", "(&(objectClass=inetOrgPerson)(mail=%e))")]].concat()).await;
    assert!(answer.to_string().contains("*****") && !answer.to_string().contains(BINDER_PASSWORD), "{answer}");
    assert_eq!(c.ok("ldapConfig", &[("listall", "true")]).await["count"], 1);
    let who = [("username", "annie"), ("password", "local"), ("firstname", "A"), ("lastname", "B"), ("email", "anna@example.org")];
    c.ok("createAccount", &[&who[..], &[("accounttype", "0")]].concat()).await;
    assert!(c.lets_in("annie", "annas-secret", "ROOT").await, "found by her address");
    assert!(c.lets_in("annie", "local", "ROOT").await, "a password of our own still holds");
    assert!(!c.lets_in("annie", "wrong", "ROOT").await);
    let kept: String = c.engine.db.find::<Setting>(Query::all()).await.unwrap().into_iter().filter_map(|s| s.content).collect();
    assert!(!kept.contains(BINDER_PASSWORD), "sealed where it is kept");
    c.ok("ldapRemove", &[]).await;
    assert!(!c.lets_in("annie", "annas-secret", "ROOT").await);
}

stratus_testkit::on_both! { Cloud::fresh; a_directorys_users_are_found_imported_and_let_in_by_their_own_passwords the_older_command_sets_a_directory_and_keeps_its_password_to_itself }
