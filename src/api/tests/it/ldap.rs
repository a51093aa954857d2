//! Directories by native commands, against a real OpenLDAP server: who is found, who is let in, who is not.
use crate::cloud::Cloud;
use serde_json::Value;
use stratus_store::{Query, Setting};
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

async fn lets_in(c: &Cloud, name: &str, password: &str, domain: &str) -> bool {
    c.engine.login(name, password, Some(domain)).await.is_ok()
}

fn names(list: &Value) -> Vec<&str> {
    list["LdapUser"].as_array().map(|a| a.iter().map(|u| u["username"].as_str().unwrap()).collect()).unwrap_or_default()
}

async fn a_directorys_users_are_found_imported_and_let_in_by_their_own_passwords(c: Cloud) {
    let Some(directory) = Directory::start(ENTRIES) else { return };
    let port = directory.port.to_string();
    assert!(c.ask("listLdapUsers", &[]).await.is_err(), "no directory yet");
    assert_eq!(c.ask("addLdapConfiguration", &[("hostname", "127.0.0.1"), ("port", "1")]).await.unwrap_err().codes().api, 431);
    c.call("addLdapConfiguration", &[("hostname", "127.0.0.1"), ("port", &port)]).await;
    assert_eq!(c.call("listLdapConfigurations", &[]).await["count"], 1);
    c.set("ldap.basedn", BASE).await;
    c.set("ldap.bind.principal", BINDER).await;
    c.set("ldap.bind.password", BINDER_PASSWORD).await;

    assert_eq!(names(&c.call("listLdapUsers", &[]).await), ["anna", "bert", "system"]);
    let found = c.call("searchLdap", &[("query", "ell")]).await;
    let bert = &found["LdapUser"][0];
    assert_eq!(
        (names(&found), bert["email"].as_str(), bert["domain"].as_str(), bert["principal"].as_str()),
        (vec!["bert"], Some("bert@example.org"), Some("lab"), Some("uid=bert,ou=lab,dc=example,dc=org"))
    );
    assert!(names(&c.call("searchLdap", &[("query", "*)(uid=*")]).await).is_empty(), "a text is no filter");

    let account = c.call("ldapCreateAccount", &[("username", "anna"), ("accounttype", "0")]).await["account"].clone();
    assert_eq!((account["name"].as_str(), account["user"][0]["firstname"].as_str()), (Some("anna"), Some("Anna")));
    assert!(c.ask("ldapCreateAccount", &[("username", "nobody"), ("accounttype", "0")]).await.is_err());
    assert!(lets_in(&c, "anna", "annas-secret", "ROOT").await);
    assert!(!lets_in(&c, "anna", "wrong", "ROOT").await);
    assert!(!lets_in(&c, "anna", "", "ROOT").await, "an empty password binds as nobody");
    assert!(!lets_in(&c, "bert", "berts-secret", "ROOT").await, "known there, not here");
    assert!(!lets_in(&c, "system", "systems-secret", "ROOT").await, "nobody is the product itself");

    assert_eq!(names(&c.call("listLdapUsers", &[("listtype", "new")]).await), ["bert"]);
    let crew = c.call("importLdapUsers", &[("accounttype", "0"), ("group", "crew")]).await;
    assert_eq!(names(&crew), ["bert"]);
    assert!(lets_in(&c, "bert", "berts-secret", "ROOT/lab").await, "in the domain of his unit");
    assert!(names(&c.call("importLdapUsers", &[("accounttype", "0"), ("group", "crew")]).await).is_empty(), "nobody twice");

    c.set("ldap.search.group.principle", "cn=crew,ou=lab,dc=example,dc=org").await;
    assert!(lets_in(&c, "bert", "berts-secret", "ROOT/lab").await);
    assert!(!lets_in(&c, "anna", "annas-secret", "ROOT").await, "not in the group");
    c.call("deleteLdapConfiguration", &[("hostname", "127.0.0.1")]).await;
    assert!(!lets_in(&c, "bert", "berts-secret", "ROOT/lab").await);
}

async fn the_older_command_sets_a_directory_and_keeps_its_password_to_itself(c: Cloud) {
    let Some(directory) = Directory::start(ENTRIES) else { return };
    let port = directory.port.to_string();
    let set = [("hostname", "127.0.0.1"), ("port", &*port), ("searchbase", BASE), ("binddn", BINDER), ("bindpass", BINDER_PASSWORD)];
    assert_eq!(c.ask("ldapConfig", &[&set[..], &[("queryfilter", "(uid=anna)")]].concat()).await.unwrap_err().codes().api, 431);
    let answer = c.call("ldapConfig", &[&set[..], &[("queryfilter", "(&(objectClass=inetOrgPerson)(mail=%e))")]].concat()).await;
    assert!(answer.to_string().contains("*****") && !answer.to_string().contains(BINDER_PASSWORD), "{answer}");
    assert_eq!(c.call("ldapConfig", &[("listall", "true")]).await["count"], 1);
    let who = [("username", "annie"), ("password", "local"), ("firstname", "A"), ("lastname", "B"), ("email", "anna@example.org")];
    c.call("createAccount", &[&who[..], &[("accounttype", "0")]].concat()).await;
    assert!(lets_in(&c, "annie", "annas-secret", "ROOT").await, "found by her address");
    assert!(lets_in(&c, "annie", "local", "ROOT").await, "a password of our own still holds");
    assert!(!lets_in(&c, "annie", "wrong", "ROOT").await);
    let kept: String = c.engine.db.find::<Setting>(Query::all()).await.unwrap().into_iter().filter_map(|s| s.content).collect();
    assert!(!kept.contains(BINDER_PASSWORD), "sealed where it is kept");
    c.call("ldapRemove", &[]).await;
    assert!(!lets_in(&c, "annie", "annas-secret", "ROOT").await);
}

stratus_testkit::on_both! { Cloud::fresh; a_directorys_users_are_found_imported_and_let_in_by_their_own_passwords the_older_command_sets_a_directory_and_keeps_its_password_to_itself }
