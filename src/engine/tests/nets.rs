//! Physical networks, offerings, networks, ranges and addresses on a real database.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]
use std::collections::HashSet;
use std::sync::Arc;
use stratus_drivers::Registry;
use stratus_engine::ip_range::{IpRangeCreate, IpRangeFilter};
use stratus_engine::network::NetworkCreate;
use stratus_engine::network_offering::{NetworkOfferingCreate, NetworkOfferingFilter, seed_network_offerings};
use stratus_engine::network_query::NetworkFilter;
use stratus_engine::physical_network::{PhysicalNetworkCreate, PhysicalNetworkUpdate, TrafficTypeAdd};
use stratus_engine::provider::ProviderFilter;
use stratus_engine::{Call, Engine, EngineConfig, JobDraft, ListScope};
use stratus_model::{AccountType, Caller, Error, Limit, Result, Source, SteppedClock};
use stratus_store::{Account, Db, Domain, IpAddress, IpRange, Network, NetworkOffering, PhysicalNetwork, Pod, Query, Sealer, Zone};

const ALL: (i64, i64) = (0, 500);

struct Cloud {
    call: Call,
    _dir: tempfile::TempDir,
}

fn job() -> JobDraft {
    JobDraft { command: "test", parameters: "{}".into(), event: "TEST", description: "testing".into() }
}

impl Cloud {
    async fn fresh(maria: bool) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let db = match maria {
            true => Db::mysql(&stratus_testkit::maria::fresh().await?).await.unwrap(),
            false => Db::sqlite(&dir.path().join("stratus.db")).await.unwrap(),
        };
        let clock = Arc::new(SteppedClock::at(1_700_000_000_000_000));
        let config = EngineConfig::new(db, Sealer::new(&[7; 32]), Registry::default(), clock, "test");
        let engine = Engine::open(config).await.unwrap();
        let keep = engine.clone();
        let write = engine.db.write(move |tx| {
            Box::pin(async move {
                let mut root =
                    Domain { uuid: "d1".into(), name: "ROOT".into(), path: "/".into(), state: "Active".into(), ..Default::default() };
                tx.insert(&mut root).await?;
                keep.counters_create(tx, "domain", 1).await?;
                for (name, kind) in [("system", 1), ("user", 0)] {
                    let mut a = Account {
                        uuid: name.into(),
                        name: name.into(),
                        account_type: kind,
                        domain_id: 1,
                        owner_number: name.into(),
                        state: "enabled".into(),
                        ..Default::default()
                    };
                    tx.insert(&mut a).await?;
                    keep.counters_create(tx, "account", a.id).await?;
                }
                seed_network_offerings(tx, 1).await
            })
        });
        write.await.unwrap();
        let caller = Caller {
            user_id: 1,
            user_uuid: "u".into(),
            username: "system".into(),
            account_id: 1,
            account_uuid: "a".into(),
            account_name: "system".into(),
            account_type: AccountType::RootAdmin,
            domain_id: 1,
            domain_path: "/".into(),
            source: Source::System,
        };
        Some(Self { call: Call::new(engine, Arc::new(caller), "test", Some("NET.TEST")), _dir: dir })
    }
    async fn insert<T: stratus_store::Table + Clone>(&self, row: T) -> T {
        let write = self.call.db.write(move |tx| {
            Box::pin(async move {
                let mut row = row;
                tx.insert(&mut row).await?;
                Ok(row)
            })
        });
        write.await.unwrap()
    }
    async fn zone(&self, kind: &str) -> Zone {
        self.insert(Zone {
            uuid: format!("zone-{kind}"),
            name: kind.into(),
            network_type: kind.into(),
            dns1: "8.8.8.8".into(),
            guest_cidr: Some("10.1.1.0/24".into()),
            allocation_state: "Enabled".into(),
            ..Default::default()
        })
        .await
    }
    async fn pod(&self, zone: &Zone, name: &str) -> Pod {
        let pod = Pod { uuid: name.into(), name: name.into(), zone_id: zone.id, allocation_state: "Enabled".into(), ..Default::default() };
        self.insert(Pod {
            gateway: "10.9.0.1".into(),
            netmask: "255.255.0.0".into(),
            start_ip: "10.9.255.2".into(),
            end_ip: "10.9.255.9".into(),
            ..pod
        })
        .await
    }
    async fn wire(&self, zone: &Zone, vlan: Option<&str>, traffic: &[&str]) -> PhysicalNetwork {
        let ask = PhysicalNetworkCreate { name: "wire".into(), zone: zone.clone(), vlan: vlan.map(str::to_owned), ..Default::default() };
        let (p, _) = self.call.physical_network_create(&self.call, ask, job()).await.unwrap();
        for t in traffic {
            let ask = TrafficTypeAdd { traffic_type: (*t).into(), ..Default::default() };
            self.call.traffic_type_add(&self.call, &p, ask, job()).await.unwrap();
        }
        p
    }
    async fn offering(&self, name: &str) -> NetworkOffering {
        self.call.db.find_one(Query::live().eq("name", name)).await.unwrap().unwrap()
    }
    async fn network(&self, zone: &Zone, offering: &str, more: NetworkCreate) -> Result<Network> {
        let offering = self.offering(offering).await;
        let ask = NetworkCreate { name: "net".into(), display_text: "a net".into(), offering, zone: zone.clone(), ..more };
        self.call.network_create(&self.call, ask).await
    }
    async fn range(&self, zone: &Zone, pod: Option<&Pod>, first: &str, last: &str) -> Result<IpRange> {
        let ask = IpRangeCreate {
            zone: Some(zone.clone()),
            pod: pod.cloned(),
            gateway: Some("10.9.0.1".into()),
            netmask: Some("255.255.0.0".into()),
            start_ip: Some(first.into()),
            end_ip: Some(last.into()),
            for_virtual_network: pod.is_none(),
            ..Default::default()
        };
        self.call.ip_range_create(&self.call, ask).await
    }
    async fn take(&self, network: &Network, pod: Option<i64>, wanted: Option<&'static str>, nic: i64) -> Result<IpAddress> {
        let (call, network) = (self.call.clone(), network.clone());
        let write =
            self.call.db.write(move |tx| Box::pin(async move { call.address_take(tx, &network, pod, wanted, nic, nic, (2, 1)).await }));
        write.await
    }
    async fn give_back(&self, nic: i64) {
        let call = self.call.clone();
        self.call.db.write(move |tx| Box::pin(async move { call.address_give_back(tx, nic).await })).await.unwrap();
    }
}

const SG: &str = "DefaultSharedNetworkOfferingWithSGService";
const ISOLATED: &str = "DefaultIsolatedNetworkOfferingWithSourceNatService";

stratus_testkit::on_both! {
    Cloud::fresh;
    an_address_is_taken_once_however_many_ask
    a_router_is_enabled_after_its_element_and_a_box_never
    an_isolated_network_takes_a_vlan_when_used_and_gives_it_back
    a_shared_network_brings_vlan_and_range_and_is_seen_below_its_domain
    offerings_name_services_that_their_providers_have
}

async fn an_address_is_taken_once_however_many_ask(cloud: Cloud) {
    let cloud = Arc::new(cloud);
    let zone = cloud.zone("Basic").await;
    cloud.wire(&zone, None, &["Guest", "Management"]).await;
    let net = cloud.network(&zone, SG, NetworkCreate::default()).await.unwrap();
    assert_eq!((net.state.as_str(), net.broadcast_uri.as_deref(), net.acl_type.as_str()), ("Setup", Some("vlan://untagged"), "Domain"));
    let (pod, other) = (cloud.pod(&zone, "p1").await, cloud.pod(&zone, "p2").await);
    let range = cloud.range(&zone, Some(&pod), "10.9.1.1", "10.9.1.16").await.unwrap();
    cloud.range(&zone, Some(&other), "10.9.2.1", "10.9.2.4").await.unwrap();

    let asks = (1..=24).map(|nic| {
        let (cloud, net, pod) = (cloud.clone(), net.clone(), pod.id);
        tokio::spawn(async move { cloud.take(&net, Some(pod), None, nic).await })
    });
    let mut got = HashSet::new();
    let mut refused = 0;
    for ask in asks.collect::<Vec<_>>() {
        match ask.await.unwrap() {
            Ok(a) => assert!(got.insert(a.address.clone()), "{} twice", a.address),
            Err(Error::NoAddress(why)) => {
                assert!(why.contains("p1"), "{why}");
                refused += 1;
            }
            Err(e) => panic!("{e}"),
        }
    }
    assert_eq!((got.len(), refused), (16, 8));
    // Another pod's addresses are another matter; a NIC keeps what it holds; giving back may come twice.
    let a = cloud.take(&net, Some(other.id), Some("10.9.2.3"), 100).await.unwrap();
    assert_eq!(cloud.take(&net, Some(other.id), None, 100).await.unwrap().address, a.address);
    assert!(matches!(cloud.take(&net, Some(other.id), Some("10.9.2.3"), 101).await, Err(Error::InUse { .. })));
    assert!(matches!(cloud.take(&net, Some(pod.id), Some("10.9.2.3"), 101).await, Err(Error::Invalid { .. })));
    cloud.give_back(100).await;
    cloud.give_back(100).await;
    assert_eq!(cloud.take(&net, Some(other.id), Some("10.9.2.3"), 101).await.unwrap().address, "10.9.2.3");
    assert!(matches!(cloud.call.ip_range_delete(&cloud.call, range.id).await, Err(Error::InUse { .. })));
    assert!(matches!(cloud.range(&zone, Some(&pod), "10.9.2.4", "10.9.2.9").await, Err(Error::Invalid { .. })), "overlap");
    assert!(matches!(cloud.range(&zone, Some(&pod), "10.9.255.1", "10.9.255.3").await, Err(Error::Invalid { .. })), "the pod's own");
    assert!(matches!(cloud.network(&zone, SG, NetworkCreate::default()).await, Err(Error::InUse { .. })), "one a basic zone");
}

async fn a_router_is_enabled_after_its_element_and_a_box_never(cloud: Cloud) {
    let zone = cloud.zone("Advanced").await;
    let p = cloud.wire(&zone, Some("100-200"), &["Guest"]).await;
    let find = |name: &str| ProviderFilter { name: Some(name.into()), physical_network_id: Some(p.id), ..Default::default() };
    let router = cloud.call.provider_list(find("VirtualRouter"), ALL).await.unwrap().rows.remove(0);
    assert_eq!(router.state, "Disabled");
    let enable = |id| cloud.call.provider_update(&cloud.call, id, Some("Enabled".into()), None);
    assert!(matches!(enable(router.id).await, Err(Error::State { .. })));
    let element = cloud.call.router_element_list(None, Some(router.id), None, &["VirtualRouter"], ALL).await.unwrap().rows.remove(0);
    cloud.call.router_element_configure(&cloud.call, element.id, true).await.unwrap();
    assert_eq!(enable(router.id).await.unwrap().state, "Enabled");
    let (scaler, _) = cloud.call.provider_add(&cloud.call, &p, "netscaler", None, None, job()).await.unwrap();
    assert!(matches!(enable(scaler.id).await, Err(Error::State { .. })));
    assert_eq!(cloud.call.provider_list(ProviderFilter::default(), ALL).await.unwrap().count, 5);
    cloud.call.provider_delete(&cloud.call, scaler.id).await.unwrap();
    cloud.call.physical_network_delete(&cloud.call, p.id).await.unwrap();
    assert_eq!(cloud.call.provider_list(ProviderFilter::default(), ALL).await.unwrap().count, 0);
}

async fn an_isolated_network_takes_a_vlan_when_used_and_gives_it_back(cloud: Cloud) {
    let zone = cloud.zone("Advanced").await;
    let p = cloud.wire(&zone, Some("100-101"), &["Guest", "Public"]).await;
    cloud.range(&zone, None, "10.9.0.10", "10.9.0.20").await.unwrap();
    let mut nets = Vec::new();
    for _ in 0..3 {
        nets.push(cloud.network(&zone, ISOLATED, NetworkCreate { account: Some("user".into()), ..Default::default() }).await.unwrap());
    }
    assert_eq!(
        (nets[0].state.as_str(), nets[0].cidr.as_deref(), nets[0].gateway.as_deref()),
        ("Allocated", Some("10.1.1.0/24"), Some("10.1.1.1"))
    );
    assert_eq!(nets[0].network_domain.as_deref(), Some("cs2cloud.internal"));
    let implement = |id: i64| {
        let call = cloud.call.clone();
        cloud.call.db.write(move |tx| Box::pin(async move { call.network_implement(tx, id).await }))
    };
    assert_eq!(implement(nets[0].id).await.unwrap().vlan.as_deref(), Some("100"));
    assert_eq!(implement(nets[1].id).await.unwrap().broadcast_uri.as_deref(), Some("vlan://101"));
    assert!(matches!(implement(nets[2].id).await, Err(Error::NoAddress(_))));
    // Both networks have the same addresses.
    for (i, net) in nets.iter().enumerate() {
        assert_eq!(cloud.take(net, None, Some("10.1.1.2"), 10 + i as i64).await.unwrap().address, "10.1.1.2");
    }
    let narrow = PhysicalNetworkUpdate { vlan: Some("101-150".into()), ..Default::default() };
    assert!(matches!(cloud.call.physical_network_update(&cloud.call, p.id, narrow.clone()).await, Err(Error::InUse { .. })));
    // Gone, it gives its VLAN back; tests/it/networks.rs has those that sleep.
    cloud.give_back(10).await;
    cloud.call.network_delete(&cloud.call, nets[0].id).await.unwrap();
    cloud.call.physical_network_update(&cloud.call, p.id, narrow).await.unwrap();
    assert_eq!(implement(nets[2].id).await.unwrap().vlan.as_deref(), Some("102"));
    // Their ranges are nobody's business; a public one is.
    let listed = cloud.call.ip_range_list(IpRangeFilter::default(), ALL).await.unwrap();
    assert_eq!((listed.count, listed.rows[0].for_virtual_network), (1, true));
    cloud.give_back(11).await;
    cloud.call.network_delete(&cloud.call, nets[1].id).await.unwrap();
    let counts = Query::all().eq("owner_kind", "account").eq("owner_id", 2).eq("resource", Limit::Network.number());
    assert_eq!(cloud.call.db.find_one::<stratus_store::ResourceCount>(counts).await.unwrap().unwrap().used, 1);
    let own = cloud.call.network_list(&cloud.call, ListScope::Account(2), NetworkFilter::default(), ALL).await.unwrap();
    assert_eq!(own.count, 1);
    let system = NetworkFilter { is_system: Some(true), traffic_type: Some("public".into()), ..Default::default() };
    assert_eq!(cloud.call.network_list(&cloud.call, ListScope::All, system, ALL).await.unwrap().count, 1);
}

async fn a_shared_network_brings_vlan_and_range_and_is_seen_below_its_domain(cloud: Cloud) {
    let zone = cloud.zone("Advanced").await;
    cloud.wire(&zone, Some("100-200"), &["Guest"]).await;
    let ask = |vlan: &str| NetworkCreate {
        vlan: Some(vlan.into()),
        gateway: Some("192.168.7.1".into()),
        netmask: Some("255.255.255.0".into()),
        start_ip: Some("192.168.7.10".into()),
        end_ip: Some("192.168.7.19".into()),
        ..Default::default()
    };
    assert!(matches!(cloud.network(&zone, SG, ask("150")).await, Err(Error::Invalid { .. })), "one of the cloud's own");
    let net = cloud.network(&zone, SG, ask("300")).await.unwrap();
    assert_eq!((net.state.as_str(), net.broadcast_uri.as_deref()), ("Setup", Some("vlan://300")));
    assert!(matches!(cloud.network(&zone, SG, ask("300")).await, Err(Error::Invalid { .. })), "taken");
    let own = |f| cloud.call.network_list(&cloud.call, ListScope::Account(2), f, ALL);
    assert_eq!(own(NetworkFilter::default()).await.unwrap().count, 1);
    assert_eq!(own(NetworkFilter { can_use_for_deploy: Some(true), ..Default::default() }).await.unwrap().count, 1);
    assert_eq!(own(NetworkFilter { can_use_for_deploy: Some(false), ..Default::default() }).await.unwrap().count, 0);
    assert_eq!(own(NetworkFilter { services: vec!["securitygroup".into()], ..Default::default() }).await.unwrap().count, 1);
    let user = cloud.call.db.must::<Account>(2).await.unwrap();
    assert!(cloud.call.network_usable(&net, &user).await.unwrap());
}

async fn offerings_name_services_that_their_providers_have(cloud: Cloud) {
    let list = |f| cloud.call.network_offering_list(f, ALL);
    assert_eq!(list(NetworkOfferingFilter::default()).await.unwrap().count, 8);
    let nat = NetworkOfferingFilter { source_nat: Some(true), for_vpc: Some(false), ..Default::default() };
    assert_eq!(list(nat).await.unwrap().rows[0].name, ISOLATED);
    let sg = NetworkOfferingFilter { services: vec!["SecurityGroup".into()], guest_type: Some("shared".into()), ..Default::default() };
    assert_eq!(list(sg).await.unwrap().count, 2);
    let ask = NetworkOfferingCreate {
        name: "mine".into(),
        display_text: "mine".into(),
        guest_type: "isolated".into(),
        traffic_type: "guest".into(),
        services: vec!["Dhcp".into(), "SourceNat".into()],
        ..Default::default()
    };
    let create = |ask| cloud.call.network_offering_create(&cloud.call, ask);
    let made = create(ask.clone()).await.unwrap();
    assert_eq!(made.state, "Disabled");
    assert_eq!(cloud.call.offering_services([made.id]).await.unwrap()[&made.id].len(), 2);
    assert!(matches!(create(ask.clone()).await, Err(Error::Duplicate { .. })));
    let wrong = [
        NetworkOfferingCreate { services: vec!["Tea".into()], ..ask.clone() },
        NetworkOfferingCreate { providers: vec![("Dhcp".into(), "InternalLbVm".into())], ..ask.clone() },
        NetworkOfferingCreate { providers: vec![("Lb".into(), "VirtualRouter".into())], ..ask.clone() },
        NetworkOfferingCreate { guest_type: "Shared".into(), ..ask.clone() },
        NetworkOfferingCreate { traffic_type: "Public".into(), ..ask },
    ];
    for ask in wrong {
        assert!(matches!(create(NetworkOfferingCreate { name: "other".into(), ..ask }).await, Err(Error::Invalid { .. })));
    }
    cloud.call.network_offering_delete(&cloud.call, made.id).await.unwrap();
    let default = cloud.offering(ISOLATED).await;
    assert!(cloud.call.network_offering_delete(&cloud.call, default.id).await.is_err());
}
