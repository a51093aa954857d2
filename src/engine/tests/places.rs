//! Zones, pods, clusters, hosts and storage on a real database and simulated machines.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]
use std::sync::Arc;
use stratus_drivers::{DriverError, Registry};
use stratus_engine::capacities::{Capacity, CapacityAsk, Level, kind};
use stratus_engine::cluster::{ClusterAdd, ClusterUpdate};
use stratus_engine::configuration::Place;
use stratus_engine::host::{HostAdd, HostFilter, HostUpdate};
use stratus_engine::image_store::ImageStoreAdd;
use stratus_engine::pod::{PodCreate, PodUpdate};
use stratus_engine::pool::PoolCreate;
use stratus_engine::volume::VolumeCreate;
use stratus_engine::zone::{ZoneCreate, ZoneFilter, ZoneUpdate};
use stratus_engine::{Amount, Call, Engine, EngineConfig, JobDraft};
use stratus_model::{AccountType, Caller, Error, Kind, Source, SteppedClock};
use stratus_sim::{Fault, FaultKind, Op, Sim};
use stratus_store::{Account, Cluster, Db, Domain, Event, Host, Pod, Query, Sealer, StoragePool, Zone};

struct Cloud {
    call: Call,
    sim: Arc<Sim>,
    _dir: tempfile::TempDir,
}

impl Cloud {
    async fn fresh(maria: bool) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let sim = Sim::open(None).unwrap();
        let drivers = Registry::default()
            .with_host("Simulator", sim.clone())
            .with_pool("Simulator", sim.clone())
            .with_store("NFS", sim.clone())
            .with_store("S3", sim.clone());
        let db = match maria {
            true => Db::mysql(&stratus_testkit::maria::fresh().await?).await.unwrap(),
            false => Db::sqlite(&dir.path().join("stratus.db")).await.unwrap(),
        };
        let clock = Arc::new(SteppedClock::at(1_700_000_000_000_000));
        let config = EngineConfig::new(db, Sealer::new(&[7; 32]), drivers, clock, "test");
        let engine = Engine::open(config).await.unwrap();
        let call = Call::new(engine, Arc::new(caller(AccountType::RootAdmin, 1, "/")), "test", Some("PLACE.TEST"));
        Some(Self { call, sim, _dir: dir })
    }
    fn as_caller(&self, kind: AccountType, domain: i64, path: &str) -> Call {
        Call::new(self.call.engine().clone(), Arc::new(caller(kind, domain, path)), "test", None)
    }
    async fn zone(&self, name: &str) -> Zone {
        let ask = ZoneCreate {
            name: name.into(),
            network_type: "Basic".into(),
            dns1: "8.8.8.8".into(),
            internal_dns1: "10.0.0.2".into(),
            ..Default::default()
        };
        self.call.zone_create(&self.call, ask).await.unwrap()
    }
    async fn enable(&self, zone: &Zone, state: &str) -> Zone {
        self.call.zone_update(&self.call, zone, ZoneUpdate { allocation_state: Some(state.into()), ..Default::default() }).await.unwrap()
    }
    async fn pod(&self, zone: &Zone, name: &str, third: u8) -> Result<Pod, Error> {
        let ask = PodCreate {
            zone: zone.clone(),
            name: name.into(),
            gateway: "10.0.0.1".into(),
            netmask: "255.255.0.0".into(),
            start_ip: format!("10.0.{third}.2"),
            end_ip: Some(format!("10.0.{third}.9")),
            allocation_state: None,
        };
        self.call.pod_create(&self.call, ask).await
    }
    async fn cluster(&self, zone: &Zone, pod: &Pod) -> Cluster {
        let ask = ClusterAdd {
            zone: zone.clone(),
            pod: pod.clone(),
            name: "c0".into(),
            hypervisor: "simulator".into(),
            cluster_type: "CloudManaged".into(),
            allocation_state: None,
        };
        self.call.cluster_add(&self.call, ask).await.unwrap()
    }
    async fn host(&self, zone: &Zone, pod: &Pod, cluster: Option<&Cluster>, url: &str) -> Result<Host, Error> {
        let ask = HostAdd {
            zone: zone.clone(),
            pod: pod.clone(),
            cluster: cluster.cloned(),
            cluster_name: cluster.is_none().then(|| "made on the way".into()),
            hypervisor: "Simulator".into(),
            url: url.into(),
            username: "root".into(),
            password: "hunter2".into(),
            tags: vec!["fast".into()],
            allocation_state: None,
        };
        self.call.host_add(&self.call, ask).await.map(|added| added.host)
    }
    async fn pool(&self, zone: &Zone, pod: Option<&Pod>, cluster: Option<&Cluster>, url: &str) -> Result<StoragePool, Error> {
        let ask = PoolCreate {
            zone: zone.clone(),
            pod: pod.cloned(),
            cluster: cluster.cloned(),
            name: url.into(),
            url: url.into(),
            scope: None,
            hypervisor: None,
            provider: None,
            tags: vec![],
            capacity_bytes: None,
            iops: None,
        };
        self.call.pool_create(&self.call, ask).await
    }
    async fn open(&self, host: &Host) -> bool {
        self.call.host_capacity(host.id).await.unwrap().unwrap().open
    }
    /// A zone with a pod, a cluster and a host, enabled.
    async fn whole(&self) -> (Zone, Pod, Cluster, Host) {
        let zone = self.zone("z").await;
        let pod = self.pod(&zone, "p", 0).await.unwrap();
        let cluster = self.cluster(&zone, &pod).await;
        let host = self.host(&zone, &pod, Some(&cluster), "http://sim/c0/h0").await.unwrap();
        (self.enable(&zone, "Enabled").await, pod, cluster, host)
    }
}

fn caller(account_type: AccountType, domain_id: i64, path: &str) -> Caller {
    Caller {
        user_id: 2,
        user_uuid: "u".into(),
        username: "admin".into(),
        account_id: 2,
        account_uuid: "a".into(),
        account_name: "admin".into(),
        account_type,
        domain_id,
        domain_path: path.into(),
        source: Source::System,
    }
}

#[track_caller]
fn invalid<T: std::fmt::Debug>(got: Result<T, Error>, field: &str) {
    assert!(matches!(&got, Err(Error::Invalid { field: f, .. }) if f == field), "{field}: {got:?}");
}

#[track_caller]
fn in_use<T: std::fmt::Debug>(got: Result<T, Error>, by: &str) {
    assert!(matches!(&got, Err(Error::InUse { why, .. }) if why.contains(by)), "{by}: {got:?}");
}

stratus_testkit::on_both! {
    Cloud::fresh;
    the_allocator_sees_a_host_only_while_everything_above_it_is_enabled
    names_and_ranges_are_unique_where_they_must_be
    a_host_that_is_kept_and_one_that_does_not_answer
    nothing_is_removed_while_something_is_in_it
    pools_and_stores_go_where_they_can_be
    capacity_is_what_hosts_and_pools_have_and_over_commitment_multiplies_it
    users_see_enabled_zones_that_are_public_or_their_domains_own
}

async fn the_allocator_sees_a_host_only_while_everything_above_it_is_enabled(cloud: Cloud) {
    let c = &cloud.call;
    let (zone, pod, cluster, host) = cloud.whole().await;
    assert!(cloud.open(&host).await);
    cloud.enable(&zone, "Disabled").await;
    assert!(!cloud.open(&host).await);
    cloud.enable(&zone, "enabled").await;
    let state = |s: &str| PodUpdate { allocation_state: Some(s.into()), ..Default::default() };
    c.pod_update(c, &pod, state("Disabled")).await.unwrap();
    assert!(!cloud.open(&host).await);
    c.pod_update(c, &pod, state("Enabled")).await.unwrap();
    c.cluster_update(c, &cluster, ClusterUpdate { managed_state: Some("Unmanaged".into()), ..Default::default() }).await.unwrap();
    assert!(!cloud.open(&host).await);
    c.cluster_update(c, &cluster, ClusterUpdate { managed_state: Some("Managed".into()), ..Default::default() }).await.unwrap();
    let update = |s: &str| HostUpdate { allocation_state: Some(s.into()), ..Default::default() };
    assert_eq!(c.host_update(c, &host, update("Disable")).await.unwrap().resource_state, "Disabled");
    assert!(!cloud.open(&host).await);
    c.host_update(c, &host, update("Enable")).await.unwrap();
    assert!(cloud.open(&host).await);
}

async fn names_and_ranges_are_unique_where_they_must_be(cloud: Cloud) {
    let zone = cloud.zone("z").await;
    let again = ZoneCreate {
        name: "z".into(),
        network_type: "Basic".into(),
        dns1: "8.8.8.8".into(),
        internal_dns1: "8.8.8.8".into(),
        ..Default::default()
    };
    assert!(matches!(cloud.call.zone_create(&cloud.call, again).await, Err(Error::Duplicate { .. })));
    let pod = cloud.pod(&zone, "p", 0).await.unwrap();
    assert!(matches!(cloud.pod(&zone, "p", 1).await, Err(Error::Duplicate { .. })));
    invalid(cloud.pod(&zone, "q", 0).await, "startip");
    let other = cloud.pod(&zone, "q", 1).await.unwrap();
    let move_over = PodUpdate { start_ip: Some("10.0.0.5".into()), ..Default::default() };
    invalid(cloud.call.pod_update(&cloud.call, &other, move_over).await, "startip");
    let cluster = cloud.cluster(&zone, &pod).await;
    cloud.host(&zone, &pod, Some(&cluster), "http://sim/c0/h0").await.unwrap();
    assert!(matches!(cloud.host(&zone, &pod, Some(&cluster), "http://sim/c0/h0").await, Err(Error::Duplicate { .. })));
    invalid(cloud.host(&zone, &pod, Some(&cluster), "sim/c0/h1").await, "url");
    invalid(cloud.host(&zone, &other, Some(&cluster), "http://sim/c0/h1").await, "clusterid");
}

async fn a_host_that_is_kept_and_one_that_does_not_answer(cloud: Cloud) {
    let c = &cloud.call;
    let (zone, pod, _, host) = cloud.whole().await;
    let kept: Host = c.db.must(host.id).await.unwrap();
    assert_eq!((kept.state.as_str(), kept.resource_state.as_str(), kept.name.as_str(), kept.cpus), ("Up", "Enabled", "sim-c0-h0", 8));
    assert!(!kept.password_sealed.as_deref().unwrap().contains("hunter2"));
    let made = cloud.host(&zone, &pod, None, "http://sim/c1/h0?cpus=16&memory=128G").await.unwrap();
    assert_eq!(c.db.must::<Cluster>(made.cluster_id).await.unwrap().name, "made on the way");
    invalid(cloud.host(&zone, &pod, None, "http://sim/c1/h1?cpu=16").await, "url");

    cloud.sim.inject(Fault::nth(Op::HostConnect, 1, FaultKind::Lose));
    let silent = cloud.host(&zone, &pod, None, "http://sim/c1/h9").await;
    assert!(matches!(silent, Err(Error::Unavailable(_))), "{silent:?}");
    assert_eq!(c.host_list(HostFilter { page: (0, 10), ..Default::default() }).await.unwrap().count, 2);
    assert_eq!(cloud.sim.inventory().hosts.len(), 2, "the answer was lost, so the driver is told to forget it");

    cloud.sim.inject(Fault::nth(Op::HostConnect, 1, FaultKind::Fail(DriverError::Unreachable("h0".into()))));
    assert!(matches!(c.host_reconnect(c, &host).await, Err(Error::Unavailable(_))));
    assert_eq!(c.db.must::<Host>(host.id).await.unwrap().state, "Disconnected");
    assert!(!cloud.open(&host).await);
    assert_eq!(c.host_reconnect(c, &host).await.unwrap().state, "Up");
    assert!(cloud.open(&host).await);
}

async fn nothing_is_removed_while_something_is_in_it(cloud: Cloud) {
    let c = &cloud.call;
    let (zone, pod, cluster, host) = cloud.whole().await;
    let pool = cloud.pool(&zone, Some(&pod), Some(&cluster), "nfs://10.0.0.8/primary").await.unwrap();
    let store = ImageStoreAdd {
        provider: "nfs".into(),
        url: Some("nfs://10.0.0.8/secondary".into()),
        zone: Some(zone.clone()),
        ..Default::default()
    };
    let store = c.image_store_add(c, store).await.unwrap();

    in_use(c.zone_delete(c, &zone).await, "hosts");
    in_use(c.pod_delete(c, &pod).await, "hosts");
    in_use(c.cluster_delete(c, &cluster).await, "hosts");
    assert!(matches!(c.host_delete(c, &host, false).await, Err(Error::State { .. })));

    let amount = Amount { cpu: 500, memory: 1 << 30 };
    let (engine, id) = (c.engine().clone(), host.id);
    assert!(c.db.write(move |tx| Box::pin(async move { engine.place(tx, 77, id, amount).await })).await.unwrap());
    let alone = c.host_maintenance(c, &host).await;
    assert!(matches!(&alone, Err(Error::State { why, .. }) if why.contains("no other host")), "{alone:?}");
    assert_eq!(c.db.must::<Host>(host.id).await.unwrap().resource_state, "Enabled");
    in_use(c.host_delete(c, &host, true).await, "1 virtual machines");
    let engine = c.engine().clone();
    c.db.write(move |tx| Box::pin(async move { engine.unplace(tx, 77).await })).await.unwrap();

    c.host_maintenance(c, &host).await.unwrap();
    assert!(!cloud.open(&host).await);
    c.host_delete(c, &host, false).await.unwrap();
    in_use(c.cluster_delete(c, &cluster).await, "storage pools");
    c.pool_delete(c, &pool).await.unwrap();
    c.cluster_delete(c, &cluster).await.unwrap();
    c.pod_delete(c, &pod).await.unwrap();
    in_use(c.zone_delete(c, &zone).await, "image stores");
    c.image_store_delete(c, &store).await.unwrap();
    c.zone_delete(c, &zone).await.unwrap();
    assert!(cloud.sim.inventory().hosts.is_empty(), "the driver knows no host that we do not");
    let events = c.db.count::<Event>(Query::all().eq("event_type", "PLACE.TEST").eq("state", "Completed")).await.unwrap();
    assert!(events >= 13, "{events} events");
}

async fn pools_and_stores_go_where_they_can_be(cloud: Cloud) {
    let c = &cloud.call;
    let (zone, pod, cluster, _) = cloud.whole().await;
    let missing = cloud.pool(&zone, None, Some(&cluster), "nfs://10.0.0.8/p").await;
    assert!(matches!(&missing, Err(Error::Missing { field, .. }) if field == "podid"), "{missing:?}");
    invalid(cloud.pool(&zone, Some(&pod), Some(&cluster), "nfs://10.0.0.8").await, "url");
    let pool = cloud.pool(&zone, Some(&pod), Some(&cluster), "nfs://10.0.0.8/p?size=1T").await.unwrap();
    assert_eq!((pool.capacity_bytes, pool.scope.as_str(), pool.pool_type.as_str()), (1 << 40, "CLUSTER", "NetworkFilesystem"));
    invalid(cloud.pool(&zone, Some(&pod), Some(&cluster), "nfs://10.0.0.8/p?size=1T").await, "url");

    let nfs = |zone: Option<Zone>, provider: &str| ImageStoreAdd {
        provider: provider.into(),
        url: Some("nfs://10.0.0.8/s".into()),
        zone,
        details: [("secretkey".to_owned(), "hunter2".to_owned()), ("bucket".to_owned(), "b".to_owned())].into(),
        ..Default::default()
    };
    invalid(c.image_store_add(c, nfs(None, "NFS")).await, "zoneid");
    invalid(c.image_store_add(c, nfs(Some(zone.clone()), "Swift")).await, "provider");
    let store = c.image_store_add(c, nfs(Some(zone.clone()), "NFS")).await.unwrap();
    assert!(!store.details.as_deref().unwrap().contains("hunter2"));
    assert_eq!(stratus_engine::image_store::shown_details(&store).len(), 1);
    invalid(c.image_store_add(c, nfs(None, "S3")).await, "provider");
}

async fn capacity_is_what_hosts_and_pools_have_and_over_commitment_multiplies_it(cloud: Cloud) {
    let c = &cloud.call;
    let (zone, pod, cluster, host) = cloud.whole().await;
    cloud.host(&zone, &pod, Some(&cluster), "http://sim/c0/h1").await.unwrap();
    cloud.pool(&zone, Some(&pod), Some(&cluster), "nfs://10.0.0.8/p?size=1T").await.unwrap();
    let (engine, id) = (c.engine().clone(), host.id);
    let amount = Amount { cpu: 4000, memory: 1 << 30 };
    assert!(c.db.write(move |tx| Box::pin(async move { engine.place(tx, 77, id, amount).await })).await.unwrap());
    c.cluster_update(c, &cluster, ClusterUpdate { cpu_overcommit: Some("2.0".into()), ..Default::default() }).await.unwrap();

    let all = c.capacity_list(CapacityAsk { zone: Some(zone.id), level: Level::Cluster, ..Default::default() }).await.unwrap();
    let of = |k: i64| all.iter().find(|x| x.kind == k).copied().unwrap();
    let spot = (zone.id, Some(pod.id), Some(cluster.id));
    let figure = |k, total, used| Capacity { kind: k, zone: spot.0, pod: spot.1, cluster: spot.2, total, used };
    assert_eq!(of(kind::CPU), figure(kind::CPU, 2 * 8 * 2000 * 2, 4000));
    assert_eq!(of(kind::MEMORY), figure(kind::MEMORY, 128 << 30, 1 << 30));
    assert_eq!(of(kind::STORAGE).total, 1 << 40);
    let place = Place { scope: "cluster", id: cluster.id };
    c.configuration_update(c, "mem.overprovisioning.factor", Some("1.5".into()), place).await.unwrap();
    let memory = c.capacity_list(CapacityAsk { kind: Some(kind::MEMORY), ..Default::default() }).await.unwrap();
    assert_eq!(memory[0].total, 192 << 30, "a cluster's setting is its over-commitment");
    c.configuration_update(c, "mem.overprovisioning.factor", Some("0.5".into()), place).await.unwrap_err();
    let zones = c.capacity_list(CapacityAsk { kind: Some(kind::PRIVATE_IP), ..Default::default() }).await.unwrap();
    assert_eq!(zones, vec![Capacity { kind: kind::PRIVATE_IP, zone: zone.id, pod: None, cluster: None, total: 8, used: 0 }]);
    invalid(
        c.cluster_update(c, &cluster, ClusterUpdate { cpu_overcommit: Some("0".into()), ..Default::default() }).await,
        "cpuovercommitratio",
    );
}

async fn users_see_enabled_zones_that_are_public_or_their_domains_own(cloud: Cloud) {
    let c = &cloud.call;
    let domains: Vec<Domain> =
        c.db.write(|tx| {
            Box::pin(async move {
                let mut made = Vec::new();
                for (path, level) in [("/", 0), ("/a/", 1), ("/a/b/", 2), ("/x/", 1)] {
                    let uuid = uuid::Uuid::new_v4().to_string();
                    let mut d = Domain { uuid, name: path.into(), path: path.into(), level, state: "Active".into(), ..Default::default() };
                    tx.insert(&mut d).await?;
                    made.push(d);
                }
                Ok(made)
            })
        })
        .await
        .unwrap();
    let public = cloud.zone("public").await;
    cloud.zone("closed").await;
    cloud.enable(&public, "Enabled").await;
    let private = ZoneCreate {
        name: "of a".into(),
        network_type: "Basic".into(),
        dns1: "8.8.8.8".into(),
        internal_dns1: "8.8.8.8".into(),
        owner: Some(domains[1].clone()),
        allocation_state: Some("Enabled".into()),
        ..Default::default()
    };
    let private = c.zone_create(c, private).await.unwrap();
    let names = async |call: &Call| {
        let found = call.zone_list(call, ZoneFilter { page: (0, 10), ..Default::default() }).await.unwrap();
        assert_eq!(found.count, found.rows.len() as i64);
        found.rows.into_iter().map(|z| z.name).collect::<Vec<_>>()
    };
    assert_eq!(names(c).await, ["closed", "of a", "public"]);
    let inside = cloud.as_caller(AccountType::User, domains[2].id, "/a/b/");
    let outside = cloud.as_caller(AccountType::User, domains[3].id, "/x/");
    assert_eq!(names(&inside).await, ["of a", "public"]);
    assert_eq!(names(&outside).await, ["public"]);
    assert!(inside.may_use_zone(&private).await.unwrap() && !outside.may_use_zone(&private).await.unwrap());
    let of = |domain: i64| Account { domain_id: domain, ..Default::default() };
    inside.zone_for(&private, &of(domains[2].id)).await.unwrap();
    assert_eq!(outside.zone_for(&private, &of(domains[3].id)).await.unwrap_err().codes().api, 431);
    let volume = VolumeCreate { owner: of(domains[3].id), zone: private.clone(), name: "v".into(), ..Default::default() };
    let draft = JobDraft { command: "createVolume", parameters: "{}".into(), event: "VOLUME.CREATE", description: "x".into() };
    let refused = c.volume_create(&outside, volume, draft).await.unwrap_err();
    assert!(matches!(&refused, Error::NotFound { kind: Kind::Zone, .. }), "{refused}");
    c.zone_update(c, &private, ZoneUpdate { is_public: Some(true), ..Default::default() }).await.unwrap();
    assert_eq!(names(&outside).await, ["of a", "public"]);
}
