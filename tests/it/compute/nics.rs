//! NICs that come and go.
use crate::it::cloud::{TestCloud, on_both};
use stratus_drivers::DriverError;
use stratus_sim::{Fault, FaultKind, Op};

on_both! {
    nics_come_and_go in &crate::it::compute::advanced();
    nics_carry_what_their_offerings_say in &crate::it::compute::advanced();
}

async fn nics_come_and_go(c: TestCloud) {
    let offering = c.first("listNetworkOfferings", "networkoffering", &[("name", "DefaultSharedNetworkOffering")]).await;
    let networks = [c.wired("one", "301", "10.9.1", &offering).await, c.wired("two", "302", "10.9.2", &offering).await];
    let vm = c.try_deploy(&c.admin.clone(), &[("networkids", &networks[0])]).await.unwrap()["virtualmachine"].clone();
    let id = vm["id"].as_str().unwrap();
    let ask = [("virtualmachineid", id), ("networkid", &*networks[1]), ("ipaddress", "10.9.2.15")];
    for kind in [FaultKind::Fail(DriverError::Failed("no".into())), FaultKind::Lose] {
        c.sim.inject(Fault::nth(Op::Plug, 1, kind));
        assert!(c.try_as(&c.admin.clone(), "addNicToVirtualMachine", &ask).await.is_err());
        c.settled("a NIC that was not plugged").await;
    }
    let with = c.ask("addNicToVirtualMachine", &ask).await["virtualmachine"].clone();
    let nics = with["nic"].as_array().unwrap();
    assert_eq!((nics.len(), &nics[1]["ipaddress"], &nics[1]["isdefault"]), (2, &"10.9.2.15".into(), &false.into()), "{with}");
    c.settled("a second NIC").await;
    c.fails("addNicToVirtualMachine", &ask, 536, "has a NIC").await;
    let (first, second) = (nics[0]["id"].as_str().unwrap(), nics[1]["id"].as_str().unwrap());
    c.fails("removeNicFromVirtualMachine", &[("virtualmachineid", id), ("nicid", first)], 431, "default").await;
    let swapped =
        c.ask("updateDefaultNicForVirtualMachine", &[("virtualmachineid", id), ("nicid", second)]).await["virtualmachine"].clone();
    assert_eq!((&swapped["nic"][0]["isdefault"], &swapped["nic"][1]["isdefault"]), (&false.into(), &true.into()));
    let left = c.ask("removeNicFromVirtualMachine", &[("virtualmachineid", id), ("nicid", first)]).await["virtualmachine"].clone();
    assert_eq!(left["nic"].as_array().unwrap().len(), 1);
    c.settled("the first NIC is gone").await;
    c.ask("stopVirtualMachine", &[("id", id)]).await;
    c.ask("addNicToVirtualMachine", &[("virtualmachineid", id), ("networkid", &networks[0])]).await;
    c.ask("startVirtualMachine", &[("id", id)]).await;
    let seen = c.sim.inventory().hosts.values().find_map(|h| h.vms.get(&format!("i-2-{}-VM", 1)).cloned());
    assert!(seen.is_none_or(|v| v.nics.len() == 2));
    c.settled("started with both").await;
}

impl TestCloud {
    /// A network of an offering with addresses of its own; its id.
    async fn wired(&self, name: &str, vlan: &str, net: &str, offering: &str) -> String {
        let (gateway, first, last) = (format!("{net}.1"), format!("{net}.10"), format!("{net}.20"));
        let ask = [
            ("name", name),
            ("displaytext", name),
            ("networkofferingid", offering),
            ("zoneid", &*self.zone),
            ("vlan", vlan),
            ("gateway", &*gateway),
            ("netmask", "255.255.255.0"),
            ("startip", &*first),
            ("endip", &*last),
        ];
        self.ask("createNetwork", &ask).await["network"]["id"].as_str().unwrap().to_owned()
    }

    /// Megabits a second that the host of a VM was told for each of its NICs, in their order.
    async fn rates(&self, vm: &str) -> Vec<Option<u32>> {
        let shown = self.ask("listVirtualMachines", &[("id", vm)]).await["virtualmachine"][0].clone();
        let inventory = self.sim.inventory();
        let there = inventory.hosts.values().find_map(|host| host.vms.get(shown["instancename"].as_str().unwrap())).unwrap();
        shown["nic"].as_array().unwrap().iter().map(|nic| there.rates.get(nic["id"].as_str().unwrap()).copied()).collect()
    }
}

/// The default NIC by the service offering or the cloud's setting, others by the network's offering or the zone's setting; nought and
/// less are no limit (LIM-03).
async fn nics_carry_what_their_offerings_say(c: TestCloud) {
    let set = async |name: &str, value: &str, more: &[(&str, &str)]| {
        c.ask("updateConfiguration", &[&[("name", name), ("value", value)], more].concat()).await;
    };
    let usual = c.first("listNetworkOfferings", "networkoffering", &[("name", "DefaultSharedNetworkOffering")]).await;
    let mut ask =
        vec![("name", "slow"), ("displaytext", "slow"), ("guestiptype", "Shared"), ("traffictype", "Guest"), ("networkrate", "9")];
    ask.extend([("supportedservices", "Dhcp,Dns"), ("specifyvlan", "true"), ("specifyipranges", "true")]);
    ask.extend([("serviceproviderlist[0].service", "Dhcp"), ("serviceproviderlist[0].provider", "VirtualRouter")]);
    ask.extend([("serviceproviderlist[1].service", "Dns"), ("serviceproviderlist[1].provider", "VirtualRouter")]);
    let slow = c.ask("createNetworkOffering", &ask).await["networkoffering"]["id"].as_str().unwrap().to_owned();
    c.ask("updateNetworkOffering", &[("id", &slow), ("state", "Enabled")]).await;
    let first = c.wired("one", "301", "10.9.1", &usual).await;
    let (second, third) = (c.wired("two", "302", "10.9.2", &usual).await, c.wired("three", "303", "10.9.3", &slow).await);
    let both = format!("{first},{second}");
    let vm = c.try_deploy(&c.admin.clone(), &[("networkids", &both)]).await.unwrap()["virtualmachine"]["id"].as_str().unwrap().to_owned();
    assert_eq!(c.rates(&vm).await, [Some(200), Some(200)], "what the settings are at first");

    set("vm.network.throttling.rate", "50", &[]).await;
    set("network.throttling.rate", "70", &[("zoneid", &c.zone)]).await;
    c.ask("addNicToVirtualMachine", &[("virtualmachineid", &vm), ("networkid", &third)]).await;
    assert_eq!(c.rates(&vm).await, [Some(200), Some(200), Some(9)], "a NIC that is plugged has its own, the others keep theirs");
    c.ask("stopVirtualMachine", &[("id", &vm)]).await;
    c.ask("startVirtualMachine", &[("id", &vm)]).await;
    assert_eq!(c.rates(&vm).await, [Some(50), Some(70), Some(9)]);

    let host = c.ask("listHosts", &[("type", "Routing")]).await["host"].clone();
    let on = c.ask("listVirtualMachines", &[("id", &vm)]).await["virtualmachine"][0]["hostid"].clone();
    let other = host.as_array().unwrap().iter().find(|host| host["id"] != on).unwrap()["id"].as_str().unwrap().to_owned();
    set("vm.network.throttling.rate", "0", &[]).await;
    set("network.throttling.rate", "-1", &[("zoneid", &c.zone)]).await;
    c.ask("migrateVirtualMachine", &[("virtualmachineid", &vm), ("hostid", &other)]).await;
    assert_eq!(c.rates(&vm).await, [None, None, Some(9)], "one that moves is told anew");

    let ask = [("name", "s"), ("displaytext", "s"), ("cpunumber", "1"), ("cpuspeed", "500"), ("memory", "128"), ("networkrate", "5")];
    let offering = c.ask("createServiceOffering", &ask).await["serviceoffering"]["id"].as_str().unwrap().to_owned();
    c.ask("stopVirtualMachine", &[("id", &vm)]).await;
    c.ask("changeServiceForVirtualMachine", &[("id", &vm), ("serviceofferingid", &offering)]).await;
    c.ask("startVirtualMachine", &[("id", &vm)]).await;
    assert_eq!(c.rates(&vm).await, [Some(5), None, Some(9)], "a NIC that is not the default one does not go by the service offering");
    c.settled("rates").await;
}
