//! What a world of iron would refuse, this one refuses too.
use crate::world::{GIB, bare_vm, disk, disk_spec, furnished, network, nic, vm};
use stratus_drivers::{DiskRef, DriverError, Host, Network, NicRules, NicSpec, PowerState, PrimaryStorage, SecondaryStorage, StopMode};
use stratus_sim::Sim;

#[tokio::test]
async fn a_vm_never_runs_twice_and_attempts_are_counted() {
    let sim = furnished().await;
    sim.start("h0", &vm(1)).await.unwrap();
    sim.start("h0", &vm(1)).await.unwrap();
    assert_eq!((sim.double_starts(), sim.inventory().running), (0, 1), "a repeated start is no second VM");
    let refused = sim.start("h1", &vm(1)).await.unwrap_err();
    assert_eq!(refused.to_string(), "i-2-1-VM runs on h0");
    assert_eq!((sim.double_starts(), sim.inventory().running), (1, 1));
    assert_eq!(sim.inventory().host_of("i-2-1-VM"), Some("h0"));
    sim.stop("h1", "i-2-1-VM", StopMode::Forced).await.unwrap();
    assert_eq!(sim.inventory().running, 1, "a stop on another host is not about this VM");
    sim.stop("h0", "i-2-1-VM", StopMode::Forced).await.unwrap();
    sim.start("h1", &vm(1)).await.unwrap();
}

#[tokio::test]
async fn memory_is_finite_and_comes_back() {
    let sim = furnished().await;
    let facts = Host::connect(&*sim, "small", "http://sim/c0/small?cpus=2&mhz=1000&memory=1G").await.unwrap();
    assert_eq!((facts.cpus, facts.cpu_mhz, facts.memory_bytes), (2, 1000, GIB));
    sim.start("small", &bare_vm(11)).await.unwrap();
    sim.start("small", &bare_vm(12)).await.unwrap();
    assert!(matches!(sim.start("small", &bare_vm(13)).await, Err(DriverError::NoRoom(_))));
    assert_eq!(sim.inventory().hosts["small"].running, 2, "a refused start leaves nothing");
    sim.stop("small", "i-2-11-VM", StopMode::Graceful).await.unwrap();
    sim.start("small", &bare_vm(13)).await.unwrap();
    assert_eq!(sim.inventory().hosts["small"].memory_used, GIB);
}

#[tokio::test]
async fn urls_are_read_strictly() {
    let sim = Sim::open(None).unwrap();
    let huge = format!("http://sim/h?memory={}T", u64::MAX);
    for url in [
        "",
        "sim/c0/h0",
        "http://",
        "http://sim/h?cpus=0",
        "http://sim/h?cpus=abc",
        "http://sim/h?cpu=4",
        "http://sim/h?cpus=1&cpus=2",
        "http://sim/h?cpus=4294967296",
        "http://sim/h?memory=G",
        &huge,
    ] {
        assert!(matches!(Host::connect(&*sim, "h", url).await, Err(DriverError::Failed(_))), "{url}");
    }
    let named = Host::connect(&*sim, "h", "http://sim/h?mhz=fast").await.unwrap_err().to_string();
    assert!(named.contains("mhz") && named.contains("fast"), "{named}");
    assert!(sim.inventory().hosts.is_empty());
}

#[tokio::test]
async fn pools_fill_up() {
    let sim = furnished().await;
    PrimaryStorage::connect(&*sim, "tiny", "nfs://sim/tiny?size=1G").await.unwrap();
    let on = |path: &str, bytes| DiskRef { pool: "tiny".into(), path: path.into(), bytes };
    assert!(matches!(sim.create(&on("vast", 2 * GIB)).await, Err(DriverError::NoRoom(_))));
    sim.create_from_template(&on("a", GIB), "t0").await.unwrap();
    sim.create_from_template(&on("b", GIB), "t0").await.unwrap();
    assert!(matches!(sim.create_from_template(&on("c", GIB), "t0").await, Err(DriverError::NoRoom(_))));
    assert_eq!(sim.inventory().pools["tiny"].len(), 2);
}

#[tokio::test]
async fn devices_and_addresses_are_not_given_twice() {
    let sim = furnished().await;
    sim.start("h0", &vm(1)).await.unwrap();
    let attached = sim.attach("h0", "i-2-1-VM", &disk_spec("root-2", 0)).await;
    assert_eq!(attached.unwrap_err().to_string(), "device 0 of i-2-1-VM is disk root-1");
    sim.implement(&network()).await.unwrap();
    sim.prepare(&network(), &nic(1), "i-2-1-VM").await.unwrap();
    let twin = NicSpec { uuid: "twin".into(), ..nic(1) };
    assert!(matches!(sim.prepare(&network(), &twin, "i-2-2-VM").await, Err(DriverError::Failed(_))));
    assert_eq!(sim.inventory().networks["net-0"].len(), 1);
}

#[tokio::test]
async fn the_console_names_the_vm_its_address_and_its_start() {
    let sim = furnished().await;
    sim.start("h0", &vm(1)).await.unwrap();
    sim.stop("h0", "i-2-1-VM", StopMode::Graceful).await.unwrap();
    sim.start("h1", &vm(1)).await.unwrap();
    sim.reboot("h1", "i-2-1-VM").await.unwrap();
    let text = String::from_utf8(sim.console_output("h1", "i-2-1-VM").await.unwrap()).unwrap();
    for part in ["i-2-1-VM", "10.1.0.3", "start 3", "host-name-1 login:"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[tokio::test]
async fn a_crash_ends_vms_and_a_cut_cable_does_not() {
    let sim = furnished().await;
    sim.start("h0", &vm(1)).await.unwrap();
    sim.cut_off("h0").unwrap();
    assert!(matches!(sim.ping("h0").await, Err(DriverError::Unreachable(_))));
    assert!(sim.start("h1", &vm(1)).await.is_err(), "it still runs behind the cut cable");
    sim.crash("h0").unwrap();
    sim.start("h1", &vm(1)).await.unwrap();
    sim.revive("h0").unwrap();
    assert!(Host::list(&*sim, "h0").await.unwrap().is_empty());
    assert_eq!(sim.double_starts(), 1);
}

#[tokio::test]
async fn a_halted_guest_is_off_and_may_start_anywhere() {
    let sim = furnished().await;
    sim.start("h0", &vm(1)).await.unwrap();
    sim.guest_halt("h0", "i-2-1-VM").unwrap();
    assert_eq!(Host::list(&*sim, "h0").await.unwrap()[0].state, PowerState::Off);
    assert_eq!(sim.inventory().hosts["h0"].memory_used, 0);
    sim.start("h1", &vm(1)).await.unwrap();
    assert!(sim.start("h0", &vm(1)).await.is_err());
    sim.stop("h0", "i-2-1-VM", StopMode::Graceful).await.unwrap();
    assert_eq!(sim.inventory().host_of("i-2-1-VM"), Some("h1"));
}

#[tokio::test]
async fn a_forgotten_host_goes_on_running_its_vms() {
    let sim = furnished().await;
    sim.start("h0", &vm(1)).await.unwrap();
    Host::disconnect(&*sim, "h0").await.unwrap();
    assert!(matches!(Host::list(&*sim, "h0").await, Err(DriverError::Unreachable(_))));
    assert!(sim.start("h1", &vm(1)).await.is_err());
    Host::connect(&*sim, "h0", "http://sim/c0/h0").await.unwrap();
    assert_eq!(Host::list(&*sim, "h0").await.unwrap().len(), 1);
}

#[tokio::test]
async fn rule_sets_leave_with_their_vm() {
    let sim = furnished().await;
    sim.start("h0", &vm(1)).await.unwrap();
    sim.apply_rules("h0", &NicRules { vm: vm(1).name, nic: nic(1), sequence: 1, rules: Vec::new() }).await.unwrap();
    assert_eq!(sim.inventory().hosts["h0"].rules.len(), 1);
    sim.stop("h0", "i-2-1-VM", StopMode::Forced).await.unwrap();
    assert!(sim.inventory().hosts["h0"].rules.is_empty());
}

#[tokio::test]
async fn snapshots_keep_their_moment_and_templates_are_not_snapshots() {
    let sim = furnished().await;
    let first = sim.snapshot(&disk("root-1"), "snap", "s0").await.unwrap();
    sim.scribble(&disk("root-1")).unwrap();
    assert_eq!(sim.snapshot(&disk("root-1"), "snap", "s0").await.unwrap(), first);
    assert!(matches!(sim.create_from_snapshot(&disk("x"), "t0", "s0").await, Err(DriverError::Missing(_))));
    assert!(matches!(sim.create_from_template(&disk("x"), "snap").await, Err(DriverError::Missing(_))));
    assert!(matches!(sim.template_from_snapshot("s0", "snap", "snap").await, Err(DriverError::Failed(_))));
}
