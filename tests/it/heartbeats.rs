//! Hosts that fall silent, guests that halt by themselves, and copies that should not run: what the books and the hosts make of it.
use super::cloud::{TestCloud, on_both};
use stratus_drivers::{Host as _, PowerState};
use stratus_store::{Event, Host, Query};

on_both! {
    a_silent_host_is_an_alert_and_its_vms_are_left_alone in stratus::simulate::BUILT_IN;
    vms_of_a_dead_host_are_stopped_and_with_ha_started_elsewhere in stratus::simulate::BUILT_IN;
    a_host_that_its_neighbours_see_is_disconnected_and_keeps_its_vms in stratus::simulate::BUILT_IN;
    a_dead_host_that_nobody_can_look_at_is_an_alert in stratus::simulate::BUILT_IN;
    vms_left_in_the_books_of_a_dead_host_are_ended_too in stratus::simulate::BUILT_IN;
    a_restart_that_fails_is_tried_again_unless_somebody_stops_the_vm in stratus::simulate::BUILT_IN;
    no_vm_runs_twice_whatever_becomes_of_hosts in &super::four_hosts();
    a_guest_that_floods_is_told_of in stratus::simulate::BUILT_IN;
    a_guest_that_stands_still_is_told_of in stratus::simulate::BUILT_IN;
    a_lone_host_is_not_drained in stratus::simulate::BUILT_IN;
    a_guest_that_halts_is_stopped_and_with_ha_started_again in stratus::simulate::BUILT_IN;
    a_guest_that_halts_is_terminated_where_its_owner_said_so in stratus::simulate::BUILT_IN;
    a_vm_stopped_by_force_does_not_run_on_when_its_host_is_back in stratus::simulate::BUILT_IN;
    a_vm_that_nobody_knows_is_told_of_and_left_alone in stratus::simulate::BUILT_IN;
}

const MINUTE: i64 = 60_000_000;

/// The built-in zone with four small hosts.
fn four_hosts() -> String {
    let mut all: serde_json::Value = serde_json::from_str(stratus::simulate::BUILT_IN).unwrap();
    let host = |n: usize| serde_json::json!({ "url": format!("http://sim/c0/h{n}?cpus=8&mhz=3000&memory=16G"), "username": "root", "password": "p" });
    all["zones"][0]["pods"][0]["clusters"][0]["hosts"] = (0..4).map(host).collect();
    all.to_string()
}

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

async fn a_host_that_its_neighbours_see_is_disconnected_and_keeps_its_vms(c: TestCloud) {
    let id = c.deploy().await;
    let host = c.host_of(&id).await;
    c.beat().await;
    c.sim.hide(&host.uuid).unwrap();
    for _ in 0..3 {
        c.clock.step(4 * MINUTE);
        c.beat().await;
        assert_eq!(c.host_state(host.id).await, "Disconnected");
    }
    assert_eq!((c.vm(&id).await.state.as_str(), c.vm(&id).await.host_id), ("Running", Some(host.id)));
    let told = c.engine.db.find::<Event>(Query::all().eq("event_type", "HOST.RECONNECT").eq("level", "ERROR")).await.unwrap();
    assert_eq!(told.len(), 1, "told once: {told:?}");
    c.sim.revive(&host.uuid).unwrap();
    c.beat().await;
    assert_eq!(c.host_state(host.id).await, "Up");
    c.settled("the way is mended").await;
}

async fn a_dead_host_that_nobody_can_look_at_is_an_alert(c: TestCloud) {
    let id = c.deploy().await;
    c.ask("updateVirtualMachine", &[("id", &id), ("haenable", "true")]).await;
    let host = c.host_of(&id).await;
    let other = c.engine.db.find_one::<Host>(Query::live().ne("id", host.id)).await.unwrap().unwrap();
    c.beat().await;
    c.sim.cut_off(&other.uuid).unwrap();
    c.sim.crash(&host.uuid).unwrap();
    c.clock.step(4 * MINUTE);
    c.beat().await;
    assert_eq!((c.host_state(host.id).await, c.vm(&id).await.state), ("Alert".into(), "Running".into()));
    let alerts = c.ask("listAlerts", &[("type", "6")]).await;
    assert_eq!(alerts["count"], 2, "{alerts}");
    c.sim.revive(&other.uuid).unwrap();
    for _ in 0..2 {
        c.beat().await;
    }
    assert_eq!(c.host_state(host.id).await, "Down", "a neighbour is there to look");
    assert_eq!(c.vm(&id).await.host_id, Some(other.id), "and starts what it ran");
    c.settled("dead and seen to be").await;
}

async fn vms_left_in_the_books_of_a_dead_host_are_ended_too(c: TestCloud) {
    let id = c.deploy().await;
    c.ask("updateVirtualMachine", &[("id", &id), ("haenable", "true")]).await;
    let host = c.host_of(&id).await;
    c.beat().await;
    c.sim.crash(&host.uuid).unwrap();
    c.clock.step(4 * MINUTE);
    // As a server leaves it that is killed between the two.
    c.engine.db.write(move |tx| Box::pin(async move { tx.set::<Host>(host.id, vec![("state", "Down".into())]).await })).await.unwrap();
    c.beat().await;
    assert_ne!(c.vm(&id).await.host_id, Some(host.id));
    assert_eq!(c.vm(&id).await.state, "Running");
    c.settled("what was begun is ended").await;
}

async fn a_restart_that_fails_is_tried_again_unless_somebody_stops_the_vm(c: TestCloud) {
    let vms = [c.deploy().await, c.deploy().await];
    c.ask("updateVirtualMachine", &[("id", &vms[0]), ("haenable", "true")]).await;
    c.ask("updateVirtualMachine", &[("id", &vms[1]), ("haenable", "true")]).await;
    c.beat().await;
    let hosts = c.engine.db.find::<Host>(Query::live()).await.unwrap();
    let halt = async |id: &str| {
        let (host, vm) = (c.host_of(id).await, c.vm(id).await);
        c.sim.guest_halt(&host.uuid, &vm.instance_name).unwrap();
    };
    for host in &hosts {
        c.ask("updateHost", &[("id", &host.uuid), ("allocationstate", "Disable")]).await;
    }
    for vm in &vms {
        halt(vm).await;
    }
    c.look().await;
    for vm in &vms {
        assert_eq!(c.vm(vm).await.state, "Stopped", "no host took it");
    }
    c.ask("stopVirtualMachine", &[("id", &vms[1])]).await;
    for host in &hosts {
        c.ask("updateHost", &[("id", &host.uuid), ("allocationstate", "Enable")]).await;
    }
    c.clock.step(5 * MINUTE);
    c.look().await;
    assert_eq!(c.vm(&vms[0]).await.state, "Stopped", "ten minutes have not passed");
    c.clock.step(6 * MINUTE);
    c.look().await;
    assert_eq!((c.vm(&vms[0]).await.state, c.vm(&vms[1]).await.state), ("Running".into(), "Stopped".into()));
    c.look().await;
    assert_eq!(c.engine.db.count::<stratus_store::HaRestart>(Query::all()).await.unwrap(), 0);
    c.settled("started again").await;
}

impl TestCloud {
    /// As `beat`, where jobs may fail.
    async fn look(&self) {
        self.engine.hosts_heartbeat(0).await.unwrap();
        for job in self.engine.db.find::<stratus_store::Job>(Query::live().eq("status", 0)).await.unwrap() {
            self.engine.job_wait(job.id, std::time::Duration::from_secs(120)).await.unwrap();
        }
    }
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

async fn no_vm_runs_twice_whatever_becomes_of_hosts(c: TestCloud) {
    let mut vms = Vec::new();
    for n in 0..6 {
        let id = c.deploy().await;
        c.ask("updateVirtualMachine", &[("id", &id), ("haenable", if n % 3 == 0 { "false" } else { "true" })]).await;
        vms.push(id);
    }
    let hosts = c.engine.db.find::<Host>(Query::live().order("id")).await.unwrap();
    let mut dice = Dice(2026);
    for round in 0..60 {
        let host = &hosts[dice.throw(hosts.len())].uuid;
        match dice.throw(7) {
            0 => c.sim.crash(host).unwrap(),
            1 => c.sim.cut_off(host).unwrap(),
            2 => c.sim.hide(host).unwrap(),
            3 => {
                let vm = c.vm(&vms[dice.throw(vms.len())]).await;
                // It may be on another host by now, or on none.
                let _ = c.sim.guest_halt(host, &vm.instance_name);
            }
            _ => c.sim.revive(host).unwrap(),
        }
        c.clock.step(MINUTE * (1 + dice.throw(4) as i64));
        c.look().await;
        let world = c.sim.inventory();
        assert!(world.doubles.is_empty() && world.double_starts == 0, "round {round}: {:?} {}", world.doubles, world.double_starts);
    }
    hosts.iter().for_each(|host| c.sim.revive(&host.uuid).unwrap());
    for _ in 0..3 {
        c.clock.step(11 * MINUTE);
        c.look().await;
    }
    c.settled("everybody is back").await;
    for id in &vms {
        let vm = c.vm(id).await;
        assert!(vm.state == "Running" || !vm.ha_enabled, "{} is {}", vm.instance_name, vm.state);
    }
}

async fn a_lone_host_is_not_drained(c: TestCloud) {
    let id = c.deploy().await;
    let host = c.host_of(&id).await;
    let other = c.engine.db.find_one::<Host>(Query::live().ne("id", host.id)).await.unwrap().unwrap();
    c.ask("updateHost", &[("id", &other.uuid), ("allocationstate", "Disable")]).await;
    c.fails("prepareHostForMaintenance", &[("id", &host.uuid)], 431, "no other host").await;
    assert_eq!(c.engine.db.must::<Host>(host.id).await.unwrap().resource_state, "Enabled");
    c.ask("updateHost", &[("id", &other.uuid), ("allocationstate", "Enable")]).await;
    c.ask("prepareHostForMaintenance", &[("id", &host.uuid)]).await;
    assert_eq!(c.vm(&id).await.host_id, Some(other.id));
    c.ask("cancelHostMaintenance", &[("id", &host.uuid)]).await;
    assert_eq!(c.vm(&id).await.host_id, Some(host.id));
    c.settled("back").await;
}

async fn a_guest_that_floods_is_told_of(c: TestCloud) {
    let name = c.vm(&c.deploy().await).await.instance_name;
    let told = async || c.engine.db.count::<Event>(Query::all().eq("event_type", "VM.FLOOD").eq("level", "WARN")).await.unwrap();
    c.engine.figures_read().await.unwrap();
    for times in 1..=2 {
        c.sim.flood(&name, "DHCP", 1000);
        for _ in 0..2 {
            c.engine.figures_read().await.unwrap();
            assert_eq!(told().await, times, "once for each look that finds more");
        }
    }
    let alerts = c.ask("listAlerts", &[("type", "7"), ("keyword", "more DHCP packets")]).await;
    assert_eq!(alerts["count"], 1, "{alerts}");
}

async fn a_guest_that_stands_still_is_told_of(c: TestCloud) {
    let name = c.vm(&c.deploy().await).await.instance_name;
    let told = async |level: &str| {
        let events = Query::all().eq("event_type", "VM.HALT").eq("level", level);
        c.engine.db.count::<Event>(events).await.unwrap()
    };
    for (still, errors, good) in [(false, 0, 0), (true, 1, 0), (true, 1, 0), (false, 1, 1), (true, 2, 1)] {
        c.sim.halt(&name, still);
        c.engine.figures_read().await.unwrap();
        assert_eq!((told("ERROR").await, told("INFO").await), (errors, good), "once each time it begins and ends");
    }
    let alerts = c.ask("listAlerts", &[("type", "7"), ("keyword", "stands still")]).await;
    assert_eq!(alerts["count"], 1, "{alerts}");
}
