//! What the web console reads beside the 4.3 API, in process on both databases: tickets for a VM's screen, and capacity over time.
use super::cloud::{TestCloud, on_both};
use serde_json::Value;
use stratus_model::Error;
use stratus_store::{CapacitySample, ConsoleTicket, Event, Query, User};

const MINUTE: i64 = 60_000_000;

on_both! {
    a_ticket_opens_the_screen_of_its_vm_once in stratus::simulate::BUILT_IN;
    samples_are_taken_averaged_and_forgotten in stratus::simulate::BUILT_IN;
}

async fn a_ticket_opens_the_screen_of_its_vm_once(cloud: TestCloud) {
    let (alice, bob) = (cloud.user("alice").await, cloud.user("bob").await);
    let vm = cloud.try_deploy(&alice, &[("name", "web1")]).await.unwrap()["virtualmachine"]["id"].as_str().unwrap().to_owned();
    let ask = [("virtualmachineid", vm.as_str())];
    let ticket = async |who| -> Result<String, Error> {
        let made = cloud.try_as(who, "createConsoleEndpoint", &ask).await?;
        let endpoint = &made["consoleendpoint"];
        assert_eq!(endpoint["url"], format!("/client/#/console/{vm}"));
        Ok(endpoint["websocket"]["token"].as_str().unwrap().to_owned())
    };
    assert!(ticket(&bob).await.is_err(), "a stranger gets a ticket");
    let good = ticket(&alice).await.unwrap();
    let rows = cloud.engine.db.find::<ConsoleTicket>(Query::all()).await.unwrap();
    assert!(rows.len() == 1 && rows[0].ticket_hash != good, "the ticket itself is kept: {rows:?}");
    let opened = cloud.engine.console_redeem(&good).await.unwrap().expect("a good ticket");
    assert_eq!(opened.uuid, vm);
    let text = cloud.engine.vm_console_output(&opened.uuid).await.unwrap();
    assert!(String::from_utf8_lossy(&text).contains("web1 login:"));
    assert!(cloud.engine.console_redeem(&good).await.unwrap().is_none(), "it opens twice");
    assert!(cloud.engine.console_redeem("").await.unwrap().is_none());
    assert_eq!(cloud.engine.db.count::<Event>(Query::all().eq("event_type", "VNC.CONNECT")).await.unwrap(), 1);

    // Too old, or of a user who may not call any more.
    let late = ticket(&alice).await.unwrap();
    cloud.clock.step(MINUTE + 1);
    assert!(cloud.engine.console_redeem(&late).await.unwrap().is_none(), "a ticket of a minute ago opens");
    let unused = ticket(&alice).await.unwrap();
    cloud.clock.step(2 * MINUTE);
    assert_eq!(cloud.engine.console_tickets_expire().await.unwrap(), 1);
    assert!(cloud.engine.console_redeem(&unused).await.unwrap().is_none());
    let barred = ticket(&alice).await.unwrap();
    let user = cloud.engine.db.must::<User>(alice.user_id).await.unwrap().uuid;
    cloud.ask("disableUser", &[("id", &user)]).await;
    assert!(cloud.engine.console_redeem(&barred).await.unwrap().is_none(), "a disabled user's ticket opens");

    // A VM that does not run has no screen.
    cloud.ask("stopVirtualMachine", &[("id", &vm)]).await;
    let refused = cloud.try_as(&cloud.admin, "createConsoleEndpoint", &ask).await.unwrap_err();
    assert!(refused.to_string().contains("running"), "{refused}");
}

async fn samples_are_taken_averaged_and_forgotten(cloud: TestCloud) {
    let list = async |more: &[(&str, &str)]| -> Vec<Value> {
        let params = [&[("zoneid", cloud.zone.as_str()), ("type", "0"), ("pagesize", "-1")], more].concat();
        cloud.ask("listCapacitySamples", &params).await["capacitysample"].as_array().cloned().unwrap_or_default()
    };
    assert!(list(&[]).await.is_empty());
    assert!(cloud.engine.capacity_sample().await.unwrap() > 3);
    assert_eq!(cloud.engine.capacity_sample().await.unwrap(), 0, "another server's sample of just now is enough");
    cloud.deploy().await;
    for _ in 0..3 {
        cloud.clock.step(cloud.engine.capacity_sample_period());
        cloud.engine.capacity_sample().await.unwrap();
    }
    let seen = list(&[]).await;
    let used: Vec<i64> = seen.iter().map(|s| s["capacityused"].as_i64().unwrap()).collect();
    assert_eq!((used.len(), used[0]), (4, 0), "{seen:?}");
    assert!(used[1] > 0 && used[1..].iter().all(|u| *u == used[1]), "{used:?}");

    // Of a long time, neighbours make one point.
    let points = list(&[("startdate", "1970-01-02"), ("enddate", "2023-11-16")]).await;
    assert_eq!(points.len(), 1, "{points:?}");
    assert_eq!(points[0]["capacityused"].as_i64().unwrap(), used[1] * 3 / 4);
    let wrong = cloud.try_as(&cloud.admin, "listCapacitySamples", &[("startdate", "2024-01-02"), ("enddate", "2024-01-01")]).await;
    assert!(wrong.unwrap_err().to_string().contains("startdate"));
    let user = cloud.user("alice").await;
    assert!(cloud.try_as(&user, "listCapacitySamples", &[]).await.is_err(), "a user reads the cloud's capacity");

    // Nine days later only the new ones are there.
    cloud.clock.step(9 * 24 * 60 * MINUTE);
    let written = cloud.engine.capacity_sample().await.unwrap() as i64;
    assert_eq!(cloud.engine.db.count::<CapacitySample>(Query::all()).await.unwrap(), written);
}
