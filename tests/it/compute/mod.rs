//! What is done with VMs beyond their life, on both databases, by verb; here what these tests share.
mod disks;
mod groups;
mod local;
mod moves;
mod nics;
mod passwords;
mod placement;
mod sizes;

use super::cloud::TestCloud;
use serde_json::Value;
use sha2::{Digest, Sha256};
use stratus_store::{Event, Job, Query, Vm};

/// The built-in zone with this many hosts.
pub fn hosts(n: usize) -> String {
    let mut zone: Value = serde_json::from_str(stratus::simulate::BUILT_IN).unwrap();
    let hosts = &mut zone["zones"][0]["pods"][0]["clusters"][0]["hosts"];
    let one = hosts[0].clone();
    let host = |i: usize| {
        let mut host = one.clone();
        host["url"] = format!("http://sim/c0/h{i}?cpus=8&mhz=2000&memory=16G").into();
        host
    };
    *hosts = (0..n).map(host).collect();
    zone.to_string()
}

/// An advanced zone with two hosts, without public addresses.
pub fn advanced() -> String {
    let mut zone: Value = serde_json::from_str(stratus::simulate::BUILT_IN).unwrap();
    let z = &mut zone["zones"][0];
    z["networktype"] = "Advanced".into();
    z["securitygroupenabled"] = false.into();
    z["guestcidraddress"] = "10.1.1.0/24".into();
    z["physical_networks"] = serde_json::json!([{
        "name": "wires", "vlan": "100-200", "isolationmethods": ["VLAN"], "broadcastdomainrange": "Zone",
        "traffictypes": [{ "typ": "Guest" }, { "typ": "Management" }, { "typ": "Public" }],
        "providers": [{ "broadcastdomain": "ZONE", "name": "VirtualRouter" }]
    }]);
    z["ipranges"] = serde_json::json!([
        { "startip": "192.168.2.2", "endip": "192.168.2.20", "netmask": "255.255.255.0", "vlan": 50, "gateway": "192.168.2.1" }
    ]);
    let pod = z["pods"][0].as_object_mut().unwrap();
    for gone in ["guestIpRanges", "publicIpRanges"] {
        pod.remove(gone);
    }
    z.as_object_mut().unwrap().remove("publicIpRanges");
    zone.to_string()
}

impl TestCloud {
    async fn job_of(&self, command: &str) -> Job {
        self.engine.db.find_one(Query::all().eq("command", command).latest("id")).await.unwrap().unwrap()
    }
    pub async fn fails(&self, command: &str, params: &[(&str, &str)], code: u16, words: &str) {
        let e = self.try_as(&self.admin.clone(), command, params).await.expect_err(command);
        assert_eq!(e.codes().api, code, "{command} {params:?}: {e}");
        assert!(e.to_string().contains(words), "{command} {params:?}: {e}");
    }
    async fn offering(&self, name: &str, more: &[(&str, &str)]) -> String {
        let mut all = vec![("name", name), ("displaytext", name)];
        all.extend(more);
        let made = self.ask("createServiceOffering", &all).await;
        made["serviceoffering"]["id"].as_str().unwrap().to_owned()
    }
    async fn with_passwords(&self) {
        self.ask("updateTemplate", &[("id", &self.template), ("passwordenabled", "true")]).await;
    }
    fn digest_at(&self, vm: &str) -> Option<String> {
        let leases = self.sim.inventory().networks.into_values().flatten();
        leases.filter(|(_, l)| l.vm == vm).find_map(|(_, l)| l.password)
    }
    /// Nothing in the database holds this text.
    async fn kept_nowhere(&self, secret: &str) {
        for j in self.engine.db.find::<Job>(Query::all()).await.unwrap() {
            assert!(!format!("{j:?}").contains(secret), "job {}", j.command);
        }
        for e in self.engine.db.find::<Event>(Query::all()).await.unwrap() {
            assert!(!e.description.contains(secret), "event {}", e.event_type);
        }
        for v in self.engine.db.find::<Vm>(Query::all()).await.unwrap() {
            assert!(!format!("{v:?}").contains(secret), "vm");
        }
    }
}

fn digest(text: &str) -> String {
    let hex: String = Sha256::digest(text).iter().map(|b| format!("{b:02x}")).collect();
    format!("{{SHA-256}}{hex}")
}
