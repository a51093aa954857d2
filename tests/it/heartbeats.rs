//! Hosts that fall silent, guests that halt by themselves, and copies that should not run: what the books and the hosts make of it.
use super::cloud::{TestCloud, on_both};
use stratus_drivers::{Host as _, PowerState};
use stratus_store::{Event, Host, Query};

on_both! {
    a_silent_host_is_an_alert_and_its_vms_are_left_alone in stratus::simulate::BUILT_IN;
    vms_of_a_dead_host_are_stopped_and_with_ha_started_elsewhere in stratus::simulate::BUILT_IN;
    a_guest_that_halts_is_stopped_and_with_ha_started_again in stratus::simulate::BUILT_IN;
    a_guest_that_halts_is_terminated_where_its_owner_said_so in stratus::simulate::BUILT_IN;
    a_vm_stopped_by_force_does_not_run_on_when_its_host_is_back in stratus::simulate::BUILT_IN;
    a_vm_that_nobody_knows_is_told_of_and_left_alone in stratus::simulate::BUILT_IN;
}

const MINUTE: i64 = 60_000_000;

impl TestCloud {
    async fn beat(&self) {
        self.engine.hosts_heartbeat(0).await.unwrap();
        self.idle().await;
    }
    async fn host_of(&self, vm: &str) -> Host {
        self.engine.db.must(self.vm(vm).await.host_id.unwrap()).await.unwrap()
    }
    async fn host_state(&self, id: i64) -> String {
        self.engine.db.must::<Host>(id).await.unwrap().state
    }
}

async fn a_silent_host_is_an_alert_and_its_vms_are_left_alone(c: TestCloud) {
    let id = c.deploy().await;
    let host = c.host_of(&id).await;
    c.beat().await;
    assert_eq!(c.engine.db.must::<Host>(host.id).await.unwrap().last_ping, c.engine.clock.now());
    c.sim.cut_off(&host.uuid).unwrap();
    c.clock.step(2 * MINUTE);
    c.beat().await;
    assert_eq!(c.host_state(host.id).await, "Up", "two minutes are not three");
    c.clock.step(2 * MINUTE);
    c.beat().await;
    assert_eq!(c.host_state(host.id).await, "Alert");
    assert_eq!(c.vm(&id).await.state, "Running", "it may run on, so nobody starts it elsewhere");
    let others = c.engine.db.find::<Host>(Query::live().ne("id", host.id)).await.unwrap();
    assert!(others.iter().all(|h| h.state == "Up"));
    let alerts = c.ask("listAlerts", &[("keyword", &host.name)]).await;
    assert_eq!(alerts["count"], 1, "{alerts}");
    c.sim.revive(&host.uuid).unwrap();
    c.beat().await;
    assert_eq!(c.host_state(host.id).await, "Up");
    c.settled("the host is back").await;
}

async fn vms_of_a_dead_host_are_stopped_and_with_ha_started_elsewhere(c: TestCloud) {
    let first = c.deploy().await;
    let host = c.host_of(&first).await;
    let second =
        c.try_deploy(&c.admin.clone(), &[("hostid", &host.uuid)]).await.unwrap()["virtualmachine"]["id"].as_str().unwrap().to_owned();
    c.ask("updateVirtualMachine", &[("id", &first), ("haenable", "true")]).await;
    c.ask("updateVirtualMachine", &[("id", &second), ("haenable", "false")]).await;
    c.beat().await;
    c.sim.crash(&host.uuid).unwrap();
    c.beat().await;
    assert_eq!(c.vm(&first).await.host_id, Some(host.id), "nobody has waited three minutes yet");
    c.clock.step(4 * MINUTE);
    c.beat().await;
    assert_eq!(c.host_state(host.id).await, "Down");
    assert_eq!((c.vm(&first).await.state, c.vm(&second).await.state), ("Running".into(), "Stopped".into()));
    assert_ne!(c.vm(&first).await.host_id, Some(host.id));
    c.settled("a host has died").await;
    c.sim.revive(&host.uuid).unwrap();
    c.beat().await;
    assert_eq!(c.host_state(host.id).await, "Up");
    assert_eq!(c.vm(&second).await.state, "Stopped", "a host that is back gets nothing back");
    c.settled("the dead host is back").await;
}

async fn a_guest_that_halts_is_stopped_and_with_ha_started_again(c: TestCloud) {
    let id = c.deploy().await;
    let halt = async || {
        let (host, vm) = (c.host_of(&id).await, c.vm(&id).await);
        c.sim.guest_halt(&host.uuid, &vm.instance_name).unwrap();
        c.beat().await;
    };
    c.ask("updateVirtualMachine", &[("id", &id), ("haenable", "false")]).await;
    halt().await;
    assert_eq!(c.vm(&id).await.state, "Stopped");
    c.settled("a guest has halted").await;
    c.ask("updateVirtualMachine", &[("id", &id), ("haenable", "true")]).await;
    c.ask("startVirtualMachine", &[("id", &id)]).await;
    halt().await;
    assert_eq!(c.vm(&id).await.state, "Running");
    c.settled("a guest was started again").await;
}

async fn a_guest_that_halts_is_terminated_where_its_owner_said_so(c: TestCloud) {
    let id = c.deploy().await;
    let behaviour = [("instanceInitiatedShutdownBehavior", Some("terminate"))];
    c.engine.ec2_attributes_set("i", std::slice::from_ref(&id), &behaviour).await.unwrap();
    c.ask("updateVirtualMachine", &[("id", &id), ("haenable", "true")]).await;
    // Stopped from outside it is only stopped.
    c.ask("stopVirtualMachine", &[("id", &id)]).await;
    c.beat().await;
    assert_eq!(c.vm(&id).await.state, "Stopped");
    c.ask("startVirtualMachine", &[("id", &id)]).await;
    let (host, vm) = (c.host_of(&id).await, c.vm(&id).await);
    c.sim.guest_halt(&host.uuid, &vm.instance_name).unwrap();
    c.beat().await;
    assert_eq!(c.vm(&id).await.state, "Destroyed");
    c.settled("a guest has ended itself").await;
}

async fn a_vm_stopped_by_force_does_not_run_on_when_its_host_is_back(c: TestCloud) {
    let id = c.deploy().await;
    let host = c.host_of(&id).await;
    c.sim.cut_off(&host.uuid).unwrap();
    c.ask("stopVirtualMachine", &[("id", &id), ("forced", "true")]).await;
    assert_eq!(c.vm(&id).await.state, "Stopped");
    assert_eq!(c.sim.inventory().running, 1, "the cut-off host did not hear of it");
    c.sim.revive(&host.uuid).unwrap();
    c.beat().await;
    assert_eq!(c.sim.inventory().running, 0);
    c.settled("the copy is gone").await;
    let told = c.engine.db.find::<Event>(Query::all().eq("event_type", "VM.STOP").eq("level", "WARN")).await.unwrap();
    assert!(told.iter().any(|e| e.description.contains("stopped there")), "{told:?}");
}

async fn a_vm_that_nobody_knows_is_told_of_and_left_alone(c: TestCloud) {
    let host = c.engine.db.find_one::<Host>(Query::live().page(0, 1)).await.unwrap().unwrap();
    let stranger = super::agents::stranger();
    c.sim.start(&host.uuid, &stranger).await.unwrap();
    for _ in 0..2 {
        c.beat().await;
    }
    let there = c.sim.list(&host.uuid).await.unwrap();
    assert!(there.iter().any(|vm| vm.name == stranger.name && vm.state == PowerState::On));
    let alerts = c.ask("listAlerts", &[("keyword", "does not know")]).await;
    assert_eq!(alerts["count"], 1, "{alerts}");
}
