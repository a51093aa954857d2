//! NICs that come and go.
use crate::it::cloud::{TestCloud, on_both};
use stratus_drivers::DriverError;
use stratus_sim::{Fault, FaultKind, Op};

on_both! {
    nics_come_and_go in &crate::it::compute::advanced();
}

async fn nics_come_and_go(c: TestCloud) {
    let offering = c.first("listNetworkOfferings", "networkoffering", &[("name", "DefaultSharedNetworkOffering")]).await;
    let mut networks = Vec::new();
    for (name, vlan, net) in [("one", "301", "10.9.1"), ("two", "302", "10.9.2")] {
        let (gateway, first, last) = (format!("{net}.1"), format!("{net}.10"), format!("{net}.20"));
        let ask = [
            ("name", name),
            ("displaytext", name),
            ("networkofferingid", &*offering),
            ("zoneid", &*c.zone),
            ("vlan", vlan),
            ("gateway", &*gateway),
            ("netmask", "255.255.255.0"),
            ("startip", &*first),
            ("endip", &*last),
        ];
        networks.push(c.ask("createNetwork", &ask).await["network"]["id"].as_str().unwrap().to_owned());
    }
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
