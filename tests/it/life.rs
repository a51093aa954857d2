//! The main job through the native door, without anybody's library between.
use super::Server;

#[tokio::test]
async fn a_vm_runs_stops_starts_reboots_and_comes_back_after_destruction() {
    let server = Server::start().await;
    let native = server.native();
    let (zone, template, offering) = native.place().await;
    let place = [("zoneid", &*zone), ("templateid", &template), ("serviceofferingid", &offering), ("name", "first")];
    let vm = native.finished("deployVirtualMachine", &place).await["virtualmachine"].clone();
    assert_eq!((vm["state"].as_str(), vm["name"].as_str()), (Some("Running"), Some("first")), "{vm}");
    let id = vm["id"].as_str().unwrap();
    for (command, key, state) in [
        ("stopVirtualMachine", "virtualmachine", "Stopped"),
        ("startVirtualMachine", "virtualmachine", "Running"),
        ("rebootVirtualMachine", "virtualmachine", "Running"),
        ("destroyVirtualMachine", "virtualmachine", "Destroyed"),
    ] {
        let after = native.finished(command, &[("id", id)]).await[key].clone();
        assert_eq!(after["state"].as_str(), Some(state), "{command}: {after}");
    }
    let back = native.ok("recoverVirtualMachine", &[("id", id)]).await;
    assert_eq!(back["virtualmachine"]["state"].as_str(), Some("Stopped"), "{back}");
}

#[tokio::test]
async fn a_restarted_server_knows_what_it_had_and_keeps_its_keys() {
    let server = Server::start().await;
    let (zone, template, offering) = server.native().place().await;
    let place = [("zoneid", &*zone), ("templateid", &template), ("serviceofferingid", &offering)];
    let vm = server.native().finished("deployVirtualMachine", &place).await["virtualmachine"].clone();
    let key = server.fact("/admin/api_key").to_owned();
    let (status, dir) = server.terminate().await;
    assert_eq!(status.code(), Some(0));
    let server = Server::start_in(dir, &[]).await;
    assert_eq!(server.fact("/admin/api_key"), key);
    let found = server.native().list("listVirtualMachines", "virtualmachine", &[]).await;
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0]["id"], found[0]["state"].as_str()), (&vm["id"], Some("Running")));
    assert_eq!(server.native().list("listZones", "zone", &[]).await.len(), 1);
}
