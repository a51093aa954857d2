//! Who is who through the native commands: what clients send and what they read.
use crate::cloud::Cloud;
use serde_json::Value;
use stratus_model::Error;

const PERSON: [(&str, &str); 4] = [("email", "a@example.com"), ("firstname", "A"), ("lastname", "B"), ("password", "secret")];

fn person<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    PERSON.iter().chain(more).copied().collect()
}

async fn an_account_is_made_listed_limited_shut_out_and_deleted(c: Cloud) {
    let domain = c.call("createDomain", &[("name", "sales")]).await["domain"].clone();
    assert_eq!(
        (domain["path"].as_str(), domain["level"].as_i64(), domain["parentdomainname"].as_str()),
        (Some("ROOT/sales"), Some(1), Some("ROOT"))
    );
    let domain_id = domain["id"].as_str().unwrap();
    let id = "11111111-2222-4333-8444-555555555555";
    let ask =
        person(&[("username", "anna"), ("accounttype", "0"), ("domainid", domain_id), ("accountid", id), ("timezone", "Mexico/BajaNorte")]);
    let account = c.call("createAccount", &ask).await["account"].clone();
    assert_eq!((account["id"].as_str(), account["name"].as_str(), account["vmlimit"].as_str()), (Some(id), Some("anna"), Some("20")));
    assert_eq!((account["projectavailable"].as_str(), account["vmtotal"].as_i64()), (Some("Unlimited"), Some(0)));
    assert_eq!(account["user"][0]["timezone"], "Mexico/BajaNorte");
    assert!(matches!(c.by("admin", "createAccount", &ask).await, Err(Error::Duplicate { .. })));

    let set = [("account", "anna"), ("domainid", domain_id), ("resourcetype", "0"), ("max", "3")];
    assert_eq!(c.call("updateResourceLimit", &set).await["resourcelimit"]["max"], 3);
    let limits = c.by("anna", "listResourceLimits", &[("resourcetype", "0")]).await.unwrap();
    assert_eq!((limits["count"].as_i64(), limits["resourcelimit"][0]["max"].as_i64()), (Some(1), Some(3)));
    let counts = c.call("updateResourceCount", &[("domainid", domain_id)]).await;
    assert_eq!(counts["count"], 12);

    let own = c.by("anna", "listAccounts", &[]).await.unwrap();
    assert_eq!((own["count"].as_i64(), own["account"][0]["vmlimit"].as_str()), (Some(1), Some("3")));
    assert!(matches!(c.by("anna", "listUsers", &[]).await, Err(Error::UnknownCommand(_))));
    assert_eq!(c.call("listAccounts", &[]).await["count"], 1, "only its own without listall");
    assert_eq!(c.call("listAccounts", &[("listall", "true")]).await["count"], 2);

    let user = account["user"][0]["id"].as_str().unwrap();
    let keys = c.by("anna", "registerUserKeys", &[("id", user)]).await.unwrap()["userkeys"].clone();
    let key = keys["apikey"].as_str().unwrap();
    assert_eq!(c.call("getUser", &[("userapikey", key)]).await["user"]["secretkey"], keys["secretkey"]);
    let locked = c.call("disableAccount", &[("id", id), ("lock", "true")]).await;
    assert_eq!(locked["account"]["state"], "locked");
    assert!(!locked.to_string().contains(keys["secretkey"].as_str().unwrap()), "a job's result keeps no secret");
    assert!(c.engine.by_api_key(key).await.unwrap().is_none());
    c.call("enableAccount", &[("account", "anna"), ("domainid", domain_id)]).await;
    assert!(c.engine.by_api_key(key).await.unwrap().is_some());
    assert_eq!(c.call("disableUser", &[("id", user)]).await["user"]["state"], "disabled");

    let refused = c.by("admin", "deleteDomain", &[("id", domain_id)]).await.unwrap_err();
    assert_eq!(refused.codes().api, 536);
    assert_eq!(c.call("deleteAccount", &[("id", id)]).await["success"], true);
    assert_eq!(c.call("listAccounts", &[("id", id)]).await["account"], Value::Null, "a list by the id of what is gone is empty");
    assert_eq!(c.call("deleteDomain", &[("id", domain_id)]).await["success"], true);
}

async fn jobs_events_and_settings_are_shown_as_clients_read_them(c: Cloud) {
    let user = c.call("createAccount", &person(&[("username", "bob"), ("accounttype", "0")])).await["account"]["user"][0]["id"].clone();
    c.call("disableUser", &[("id", user.as_str().unwrap())]).await;
    let job = c.call("listAsyncJobs", &[]).await["asyncjobs"][0].clone();
    let asked = c.call("queryAsyncJobResult", &[("jobid", job["jobid"].as_str().unwrap())]).await;
    assert_eq!(asked, job);
    assert_eq!(
        (asked["jobstatus"].as_i64(), asked["jobinstanceid"].clone(), asked["jobresulttype"].as_str()),
        (Some(1), user, Some("object"))
    );
    assert_eq!(asked["jobresult"]["user"]["username"], "bob");
    assert!(c.by("bob", "queryAsyncJobResult", &[("jobid", asked["jobid"].as_str().unwrap())]).await.is_err(), "not bob's job");

    let events = c.call("listEvents", &[("listall", "true"), ("type", "USER.DISABLE")]).await;
    let states: Vec<&str> = events["event"].as_array().unwrap().iter().map(|e| e["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["Completed", "Started", "Scheduled"]);
    assert_eq!(events["event"][0]["parentid"], events["event"][2]["id"]);
    assert_eq!((events["event"][0]["username"].as_str(), events["event"][0]["account"].as_str()), (Some("admin"), Some("bob")));
    assert!(c.call("listEventTypes", &[]).await["count"].as_i64().unwrap() > 270);

    let set = c.call("updateConfiguration", &[("name", "integration.api.port"), ("value", "8096")]).await;
    assert_eq!(set["configuration"]["value"], "8096");
    assert!(set["configuration"]["description"].as_str().unwrap().contains("restart"));
    let page = c.call("listConfigurations", &[("page", "2"), ("pagesize", "10")]).await;
    assert_eq!((page["configuration"].as_array().unwrap().len(), page["count"].as_i64() > Some(300)), (10, true));
    let capabilities = c.by("bob", "listCapabilities", &[]).await.unwrap();
    assert_eq!(
        (capabilities["capability"]["cloudstackversion"].as_str(), capabilities["capability"]["supportELB"].as_str()),
        (Some("4.3.0"), Some("false"))
    );
}

stratus_testkit::on_both! { Cloud::fresh; an_account_is_made_listed_limited_shut_out_and_deleted jobs_events_and_settings_are_shown_as_clients_read_them }
