//! Isolated networks in an advanced zone on both databases: when they take what they need, when they give it back, and what belongs to
//! one account alone.
use super::cloud::{TestCloud, on_both};
use super::compute::advanced;
use futures::future::join_all;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use stratus_drivers::DriverError;
use stratus_model::{Caller, Error};
use stratus_sim::{Fault, FaultKind, Op};
use stratus_store::{IpAddress, Network, Query, Vnet};

const ISOLATED: &str = "DefaultIsolatedNetworkOfferingWithSourceNatService";

on_both! {
    a_network_wakes_for_its_first_vm_and_sleeps_when_unused in &super::advanced();
    a_router_that_fails_leaves_a_network_that_sleeps_again in &super::advanced();
    starts_and_shutdowns_at_once_leave_running_vms_on_networks_that_are_up in &super::advanced();
    a_vm_without_network_gets_the_one_of_its_account in &super::advanced();
    a_network_is_started_anew in &super::advanced();
    a_nic_has_further_addresses in &super::advanced();
    guest_vlans_of_an_account_are_its_alone in &super::advanced();
    a_public_range_of_an_account_is_its_alone in &super::advanced();
    portable_ranges_are_kept_apart in &super::advanced();
    a_network_of_a_persistent_offering_is_up_without_vms in &super::advanced();
}

impl TestCloud {
    async fn try_network(&self, who: &Arc<Caller>, name: &str) -> Result<Network, Error> {
        let offering = self.first("listNetworkOfferings", "networkoffering", &[("name", ISOLATED)]).await;
        let ask = [("name", name), ("displaytext", name), ("zoneid", &*self.zone), ("networkofferingid", &*offering)];
        let made = self.try_as(who, "createNetwork", &ask).await?;
        Ok(self.network(made["network"]["id"].as_str().unwrap()).await)
    }
    async fn network(&self, uuid: &str) -> Network {
        self.engine.db.find_one(Query::all().eq("uuid", uuid)).await.unwrap().unwrap()
    }
    async fn deploy_on(&self, who: &Arc<Caller>, network: &Network) -> Result<String, Error> {
        let made = self.try_deploy(who, &[("networkids", &network.uuid)]).await?;
        Ok(made["virtualmachine"]["id"].as_str().unwrap().to_owned())
    }
    async fn source_nat(&self, network: &Network) -> Vec<IpAddress> {
        let q = Query::all().eq("associated_network_id", network.id).eq("source_nat", true);
        self.engine.db.find(q).await.unwrap()
    }
    /// Looks, lets the wait go by and looks again; how many networks went to sleep.
    async fn collect(&self) -> u64 {
        self.engine.networks_gc().await.unwrap();
        self.clock.step(self.engine.settings.number("network.gc.wait") * 1_000_000);
        self.engine.networks_gc().await.unwrap()
    }
    async fn root(&self) -> String {
        self.first("listDomains", "domain", &[("name", "ROOT")]).await
    }
}

fn code(outcome: Result<Value, Error>) -> u16 {
    outcome.map_or_else(|e| e.codes().api, |answer| panic!("{answer}"))
}

async fn a_network_wakes_for_its_first_vm_and_sleeps_when_unused(c: TestCloud) {
    let anna = c.user("anna").await;
    let n = c.try_network(&anna, "web").await.unwrap();
    assert_eq!((n.state.as_str(), n.vlan.as_deref(), c.source_nat(&n).await.len()), ("Allocated", None, 0));
    let vm = c.deploy_on(&anna, &n).await.unwrap();
    let awake = |n: &Network| (n.state.clone(), n.vlan.clone(), n.broadcast_uri.clone());
    let up = ("Implemented".to_owned(), Some("100".to_owned()), Some("vlan://100".to_owned()));
    assert_eq!(awake(&c.network(&n.uuid).await), up);
    let shown = c.ask("listVirtualMachines", &[("id", &vm)]).await["virtualmachine"][0].clone();
    assert_eq!((&shown["state"], &shown["nic"][0]["broadcasturi"]), (&"Running".into(), &"vlan://100".into()), "{shown}");
    let nat = c.source_nat(&n).await;
    assert_eq!((nat.len(), nat[0].state.as_str(), nat[0].account_id), (1, "Allocated", Some(anna.account_id)));
    let listed = c.ask("listPublicIpAddresses", &[("listall", "true"), ("issourcenat", "true")]).await;
    assert_eq!((&listed["count"], &listed["publicipaddress"][0]["ipaddress"]), (&1.into(), &Value::from(nat[0].address.as_str())));
    let set = c.sim.inventory().public.remove(&n.uuid).unwrap();
    assert_eq!(set.addresses.iter().map(|a| (a.address.as_str(), a.source_nat)).collect::<Vec<_>>(), [(nat[0].address.as_str(), true)]);
    c.settled("awake").await;
    assert_eq!(code(c.try_as(&anna, "disassociateIpAddress", &[("id", &nat[0].uuid)]).await), 431, "it stays with its network");

    assert_eq!(c.collect().await, 0, "a VM runs on it");
    c.ask("stopVirtualMachine", &[("id", &vm)]).await;
    assert_eq!(c.engine.networks_gc().await.unwrap(), 0, "not at once");
    assert_eq!(c.collect().await, 1);
    assert_eq!(awake(&c.network(&n.uuid).await), ("Allocated".to_owned(), None, None));
    assert_eq!(c.engine.db.count::<Vnet>(Query::all()).await.unwrap(), 0);
    assert!(!c.sim.inventory().networks.contains_key(&n.uuid));
    assert_eq!(c.source_nat(&n).await, nat, "the address stays");
    c.settled("asleep").await;

    c.ask("startVirtualMachine", &[("id", &vm)]).await;
    assert_eq!(awake(&c.network(&n.uuid).await), up);
    assert_eq!(c.sim.inventory().public[&n.uuid].addresses.len(), 1, "the new router was told");
    c.settled("awake again").await;
    assert_eq!(code(c.try_as(&anna, "deleteNetwork", &[("id", &n.uuid)]).await), 536);
    c.ask("destroyVirtualMachine", &[("id", &vm), ("expunge", "true")]).await;
    let more = c.try_as(&anna, "associateIpAddress", &[("networkid", &n.uuid)]).await.unwrap();
    assert_eq!(more["ipaddress"]["issourcenat"], false);
    c.try_as(&anna, "deleteNetwork", &[("id", &n.uuid)]).await.unwrap();
    assert!(!c.sim.inventory().networks.contains_key(&n.uuid));
    let held = Query::all().eq("account_id", anna.account_id).ne("state", "Free");
    assert_eq!(c.engine.db.count::<IpAddress>(held).await.unwrap(), 0, "both addresses went with it");
    c.settled("deleted").await;
}

async fn a_router_that_fails_leaves_a_network_that_sleeps_again(c: TestCloud) {
    let n = c.try_network(&c.admin, "web").await.unwrap();
    for op in [Op::Implement, Op::Prepare, Op::ApplyPublic] {
        c.sim.inject(Fault::nth(op, 1, FaultKind::Fail(DriverError::Failed("no".into()))).lasting());
        let failed = c.deploy_on(&c.admin, &n).await.expect_err("a router that fails");
        assert_eq!(failed.codes().api, 534, "{op}: {failed}");
        c.sim.clear_faults();
        assert_eq!(c.collect().await, 1, "{op}");
        assert_eq!(c.network(&n.uuid).await.state, "Allocated", "{op}");
        c.settled(&format!("{op} failed")).await;
    }
    let vm = c.deploy_on(&c.admin, &n).await.unwrap();
    c.ask("stopVirtualMachine", &[("id", &vm)]).await;
    // A shutdown that the router does not take is tried again.
    c.sim.inject(Fault::nth(Op::Shutdown, 1, FaultKind::Fail(DriverError::Unreachable("router".into()))));
    assert_eq!(c.collect().await, 0);
    assert_eq!(c.network(&n.uuid).await.state, "Shutdown");
    assert_eq!(c.engine.networks_gc().await.unwrap(), 1);
    // Whoever starts meanwhile turns it round.
    c.ask("startVirtualMachine", &[("id", &vm)]).await;
    c.settled("up again").await;
}

async fn starts_and_shutdowns_at_once_leave_running_vms_on_networks_that_are_up(c: TestCloud) {
    c.ask("updateConfiguration", &[("name", "network.gc.wait"), ("value", "0")]).await;
    let n = c.try_network(&c.admin, "web").await.unwrap();
    let vms = [c.deploy_on(&c.admin, &n).await.unwrap(), c.deploy_on(&c.admin, &n).await.unwrap()];
    for round in 0..6 {
        join_all(vms.iter().map(|vm| async { c.ask("stopVirtualMachine", &[("id", vm)]).await })).await;
        let starts = join_all(vms.iter().map(|vm| async { c.ask("startVirtualMachine", &[("id", vm)]).await }));
        let collect = async {
            for _ in 0..6 {
                c.engine.networks_gc().await.unwrap();
            }
        };
        futures::join!(starts, collect);
        assert_eq!(c.network(&n.uuid).await.state, "Implemented", "round {round}");
        c.settled(&format!("round {round}")).await;
    }
}

async fn a_vm_without_network_gets_the_one_of_its_account(c: TestCloud) {
    let anna = c.user("anna").await;
    let made = join_all((0..5).map(|_| c.try_deploy(&anna, &[]))).await;
    let networks: BTreeSet<String> =
        made.into_iter().map(|vm| vm.unwrap()["virtualmachine"]["nic"][0]["networkname"].as_str().unwrap().to_owned()).collect();
    assert_eq!(networks, BTreeSet::from(["anna-network".to_owned()]));
    assert_eq!(c.try_as(&anna, "listNetworks", &[]).await.unwrap()["count"], 1);
    let project = c.try_as(&anna, "createProject", &[("name", "rocket"), ("displaytext", "x")]).await.unwrap();
    let project = project["project"]["id"].as_str().unwrap().to_owned();
    let shared = c.try_deploy(&anna, &[("projectid", &project)]).await.unwrap();
    assert_eq!(shared["virtualmachine"]["nic"][0]["networkname"], "rocket-network");
    c.try_network(&anna, "second").await.unwrap();
    let refused = c.try_deploy(&anna, &[]).await.unwrap_err();
    assert!(matches!(refused, Error::Invalid { ref field, .. } if field == "networkids"), "{refused}");
    c.settled("deployed").await;
}

async fn a_network_is_started_anew(c: TestCloud) {
    let n = c.try_network(&c.admin, "web").await.unwrap();
    assert_eq!(code(c.try_as(&c.admin, "restartNetwork", &[("id", &n.uuid)]).await), 431, "nothing to start anew");
    let vm = c.deploy_on(&c.admin, &n).await.unwrap();
    let before = (c.sim.inventory().networks, c.sim.inventory().public[&n.uuid].addresses.clone());
    for cleanup in ["true", "false"] {
        c.ask("restartNetwork", &[("id", &n.uuid), ("cleanup", cleanup)]).await;
        assert_eq!((c.sim.inventory().networks, c.sim.inventory().public[&n.uuid].addresses.clone()), before, "cleanup {cleanup}");
        c.settled("restarted").await;
    }
    assert!(c.sim.count(Op::Shutdown) == 1, "only a clean-up takes it down");
    c.ask("stopVirtualMachine", &[("id", &vm)]).await;
    c.ask("restartNetwork", &[("id", &n.uuid)]).await;
    c.settled("restarted without VMs").await;
    let eve = c.user("eve").await;
    assert_eq!(code(c.try_as(&eve, "restartNetwork", &[("id", &n.uuid)]).await), 531);
}

async fn a_nic_has_further_addresses(c: TestCloud) {
    let (anna, eve) = (c.user("anna").await, c.user("eve").await);
    let n = c.try_network(&anna, "web").await.unwrap();
    let vm = c.deploy_on(&anna, &n).await.unwrap();
    let nics = c.try_as(&anna, "listNics", &[("virtualmachineid", &vm)]).await.unwrap();
    let nic = nics["nic"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!((&nics["count"], &nics["nic"][0]["networkid"]), (&1.into(), &Value::from(n.uuid.as_str())), "{nics}");
    let add = |ip: Option<&'static str>| {
        let (anna, nic) = (&anna, &nic);
        let c = &c;
        async move {
            let params: Vec<(&str, &str)> = [("nicid", nic.as_str())].into_iter().chain(ip.map(|ip| ("ipaddress", ip))).collect();
            c.try_as(anna, "addIpToNic", &params).await
        }
    };
    let named = add(Some("10.1.1.77")).await.unwrap()["nicsecondaryip"].clone();
    assert_eq!((&named["ipaddress"], &named["virtualmachineid"]), (&"10.1.1.77".into(), &Value::from(vm.as_str())), "{named}");
    assert_eq!(code(add(Some("10.1.1.77")).await), 536);
    assert_eq!(code(add(Some("10.9.9.9")).await), 431);
    let any = add(None).await.unwrap()["nicsecondaryip"].clone();
    let own = nics["nic"][0]["ipaddress"].as_str().unwrap();
    assert!(any["ipaddress"] != own && any["ipaddress"] != "10.1.1.77", "{any}");
    let shown = c.try_as(&anna, "listVirtualMachines", &[("id", &vm)]).await.unwrap()["virtualmachine"][0]["nic"][0].clone();
    assert_eq!(shown["secondaryip"].as_array().unwrap().len(), 2, "{shown}");
    assert_eq!(shown["ipaddress"], own);
    c.settled("three addresses").await;

    let id = named["id"].as_str().unwrap().to_owned();
    for (command, params) in
        [("listNics", [("virtualmachineid", &*vm)]), ("addIpToNic", [("nicid", &*nic)]), ("removeIpFromNic", [("id", &*id)])]
    {
        assert_eq!(code(c.try_as(&eve, command, &params).await), 531, "{command}");
    }
    let public = c.try_as(&anna, "associateIpAddress", &[("networkid", &n.uuid)]).await.unwrap();
    let public = public["ipaddress"]["id"].as_str().unwrap().to_owned();
    let nat = [("ipaddressid", &*public), ("virtualmachineid", &*vm), ("vmguestip", "10.1.1.77")];
    c.try_as(&anna, "enableStaticNat", &nat).await.unwrap();
    let routed = c.sim.inventory().public.remove(&n.uuid).unwrap();
    assert!(routed.addresses.iter().any(|a| a.static_nat.as_ref().is_some_and(|s| s.guest == "10.1.1.77")), "{routed:?}");
    c.settled("static NAT to a further address").await;
    assert_eq!(code(c.try_as(&anna, "removeIpFromNic", &[("id", &id)]).await), 536, "a public address stands for it");
    c.try_as(&anna, "disableStaticNat", &[("ipaddressid", &public)]).await.unwrap();
    c.try_as(&anna, "removeIpFromNic", &[("id", &id)]).await.unwrap();
    assert_eq!(code(c.try_as(&anna, "removeIpFromNic", &[("id", &id)]).await), 431);
    c.settled("one taken back").await;
    c.ask("destroyVirtualMachine", &[("id", &vm), ("expunge", "true")]).await;
    c.settled("expunged").await;
    let held = Query::all().eq("network_id", n.id).ne("state", "Free");
    assert_eq!(c.engine.db.count::<IpAddress>(held).await.unwrap(), 0);
}

async fn guest_vlans_of_an_account_are_its_alone(c: TestCloud) {
    let (anna, bert) = (c.user("anna").await, c.user("bert").await);
    let (root, wire) = (c.root().await, c.first("listPhysicalNetworks", "physicalnetwork", &[]).await);
    let dedicate = async |account: &str, range: &str| {
        let ask = [("account", account), ("domainid", &*root), ("physicalnetworkid", &*wire), ("vlanrange", range)];
        c.try_as(&c.admin, "dedicateGuestVlanRange", &ask).await
    };
    let vlan = async |who: &Arc<Caller>, name: &str| -> Result<String, Error> {
        let n = c.try_network(who, name).await?;
        c.deploy_on(who, &n).await?;
        Ok(c.network(&n.uuid).await.vlan.unwrap())
    };
    let made = dedicate("anna", "100-101").await.unwrap()["dedicatedguestvlanrange"].clone();
    assert_eq!((&made["guestvlanrange"], &made["account"]), (&"100-101".into(), &"anna".into()), "{made}");
    for bad in ["101-102", "190-210", "x"] {
        assert!(matches!(code(dedicate("bert", bad).await), 431 | 536), "{bad}");
    }
    assert_eq!(vlan(&bert, "b").await.unwrap(), "102", "the first two are anna's");
    assert_eq!(code(dedicate("anna", "102-103").await), 536, "bert's network has one");
    let narrow = [("id", &*wire), ("vlan", "101-200")];
    assert_eq!(code(c.try_as(&c.admin, "updatePhysicalNetwork", &narrow).await), 536);
    assert_eq!((vlan(&anna, "a1").await.unwrap(), vlan(&anna, "a2").await.unwrap()), ("100".into(), "101".into()));
    assert_eq!(vlan(&anna, "a3").await.unwrap(), "103", "her own are all taken");
    let id = c.first("listAccounts", "account", &[("name", "anna"), ("listall", "true")]).await;
    let only = [("name", "use.system.guest.vlans"), ("value", "false"), ("accountid", &*id)];
    c.ask("updateConfiguration", &only).await;
    assert_eq!(vlan(&anna, "a4").await.unwrap_err().codes().api, 533);
    let list = c.ask("listDedicatedGuestVlanRanges", &[("account", "anna"), ("domainid", &root)]).await;
    assert_eq!(list["count"], 1, "{list}");
    assert_eq!(c.ask("listDedicatedGuestVlanRanges", &[("account", "bert"), ("domainid", &root)]).await["count"], Value::Null);
    c.ask("releaseDedicatedGuestVlanRange", &[("id", made["id"].as_str().unwrap())]).await;
    assert_eq!(c.ask("listDedicatedGuestVlanRanges", &[]).await["count"], Value::Null);
    assert_eq!(vlan(&anna, "a5").await.unwrap(), "104");
}

async fn a_public_range_of_an_account_is_its_alone(c: TestCloud) {
    let (anna, bert) = (c.user("anna").await, c.user("bert").await);
    let root = c.root().await;
    let range = [("zoneid", &*c.zone), ("startip", "192.168.2.101"), ("endip", "192.168.2.102"), ("netmask", "255.255.255.0")];
    let made = c.ask("createVlanIpRange", &[&range[..], &[("gateway", "192.168.2.1"), ("vlan", "50")]].concat()).await;
    let range = made["vlan"]["id"].as_str().unwrap().to_owned();
    let dedicate = async |account: &str| {
        c.try_as(&c.admin, "dedicatePublicIpRange", &[("id", &*range), ("account", account), ("domainid", &*root)]).await
    };
    let made = dedicate("anna").await.unwrap()["vlan"].clone();
    assert_eq!((&made["id"], &made["account"]), (&Value::from(range.as_str()), &"anna".into()), "{made}");
    assert_eq!(code(dedicate("bert").await), 536, "once only");
    let take = async |who: &Arc<Caller>, network: &Network| {
        let made = c.try_as(who, "associateIpAddress", &[("networkid", &network.uuid)]).await?;
        Ok::<_, Error>(made["ipaddress"]["ipaddress"].as_str().unwrap().to_owned())
    };
    let (of_anna, of_bert) = (c.try_network(&anna, "a").await.unwrap(), c.try_network(&bert, "b").await.unwrap());
    let own = ["192.168.2.101".to_owned(), "192.168.2.102".to_owned()];
    let first = BTreeSet::from([take(&anna, &of_anna).await.unwrap(), take(&anna, &of_anna).await.unwrap()]);
    assert_eq!(first, BTreeSet::from(own.clone()), "her own first");
    let third = take(&anna, &of_anna).await.unwrap();
    let berts = take(&bert, &of_bert).await.unwrap();
    assert!(!own.contains(&third) && !own.contains(&berts));
    let id = c.first("listAccounts", "account", &[("name", "anna"), ("listall", "true")]).await;
    c.ask("updateConfiguration", &[("name", "use.system.public.ips"), ("value", "false"), ("accountid", &id)]).await;
    assert!(matches!(take(&anna, &of_anna).await, Err(Error::NoAddress(_))));
    c.ask("releasePublicIpRange", &[("id", &range)]).await;
    assert_eq!(code(c.try_as(&c.admin, "releasePublicIpRange", &[("id", &range)]).await), 431);
    assert_eq!(code(dedicate("bert").await), 536, "anna has addresses of it");
    dedicate("anna").await.unwrap();
    c.settled("dedicated").await;
}

async fn portable_ranges_are_kept_apart(c: TestCloud) {
    let make = async |first: &str, last: &str| {
        let ask = [("regionid", "1"), ("gateway", "203.0.113.1"), ("netmask", "255.255.255.0"), ("startip", first), ("endip", last)];
        c.try_as(&c.admin, "createPortableIpRange", &ask).await
    };
    let made = make("203.0.113.1", "203.0.113.4").await.unwrap()["portableiprange"].clone();
    assert_eq!((&made["vlan"], &made["regionid"]), (&"untagged".into(), &1.into()), "{made}");
    let ips: Vec<_> = made["portableipaddress"].as_array().unwrap().iter().map(|a| a["ipaddress"].as_str().unwrap()).collect();
    assert_eq!(ips, ["203.0.113.2", "203.0.113.3", "203.0.113.4"], "all but the gateway");
    assert_eq!(code(make("203.0.113.4", "203.0.113.9").await), 431, "overlaps");
    assert_eq!(code(make("198.51.100.4", "198.51.100.9").await), 431, "outside of the subnet");
    let public =
        [("regionid", "1"), ("gateway", "192.168.2.1"), ("netmask", "255.255.255.0"), ("startip", "192.168.2.5"), ("endip", "192.168.2.6")];
    assert_eq!(code(c.try_as(&c.admin, "createPortableIpRange", &public).await), 431, "a zone has these");
    assert_eq!(c.ask("listPortableIpRanges", &[("regionid", "1")]).await["count"], 1);
    assert_eq!(c.ask("listPortableIpRanges", &[("regionid", "2")]).await["count"], Value::Null);
    c.ask("deletePortableIpRange", &[("id", made["id"].as_str().unwrap())]).await;
    assert_eq!(c.ask("listPortableIpRanges", &[]).await["count"], Value::Null);
    make("203.0.113.1", "203.0.113.4").await.unwrap();
}

async fn a_network_of_a_persistent_offering_is_up_without_vms(c: TestCloud) {
    let mut ask = vec![("name", "always"), ("displaytext", "always"), ("guestiptype", "Isolated"), ("traffictype", "GUEST")];
    ask.extend([("supportedservices", "Dhcp,Dns,SourceNat,UserData"), ("ispersistent", "true")]);
    let provided: Vec<(String, &str)> = ["Dhcp", "Dns", "SourceNat", "UserData"]
        .into_iter()
        .enumerate()
        .flat_map(|(i, s)| {
            [(format!("serviceproviderlist[{i}].service"), s), (format!("serviceproviderlist[{i}].provider"), "VirtualRouter")]
        })
        .collect();
    ask.extend(provided.iter().map(|(k, v)| (k.as_str(), *v)));
    let made = c.ask("createNetworkOffering", &ask).await["networkoffering"].clone();
    assert_eq!(made["ispersistent"], true, "{made}");
    let offering = made["id"].as_str().unwrap();
    c.ask("updateNetworkOffering", &[("id", offering), ("state", "Enabled")]).await;
    let ask = [("name", "n"), ("displaytext", "n"), ("zoneid", &*c.zone), ("networkofferingid", offering)];

    c.sim.inject(Fault::nth(Op::Implement, 1, FaultKind::Fail(DriverError::Failed("no".into()))));
    assert_eq!(code(c.try_as(&c.admin, "createNetwork", &ask).await), 534);
    let left = Query::live().eq("name", "n");
    assert_eq!(c.engine.db.count::<Network>(left).await.unwrap(), 0, "what did not come up is not there");
    assert_eq!(c.engine.db.count::<Vnet>(Query::all()).await.unwrap(), 0);
    c.settled("a router that failed").await;

    let shown = c.ask("createNetwork", &ask).await["network"].clone();
    assert_eq!((&shown["state"], &shown["ispersistent"], &shown["vlan"]), (&"Implemented".into(), &true.into(), &"100".into()), "{shown}");
    let id = shown["id"].as_str().unwrap();
    assert!(c.sim.inventory().networks.contains_key(id), "its router is there before any VM");
    assert_eq!((c.collect().await, c.collect().await), (0, 0), "and stays");
    let n = c.network(id).await;
    let vm = c.deploy_on(&c.admin, &n).await.unwrap();
    c.ask("destroyVirtualMachine", &[("id", &vm), ("expunge", "true")]).await;
    assert_eq!((c.collect().await, c.network(id).await.state.as_str()), (0, "Implemented"));
    c.settled("after its last VM").await;
    c.ask("deleteNetwork", &[("id", id)]).await;
    assert!(!c.sim.inventory().networks.contains_key(id));
    c.settled("deleted").await;
}
