//! 802.1q tags, as far as this kernel has them.
use crate::lab::{Lab, run};
use crate::things::network;
use stratus_drivers::{DriverError, Network, NetworkSpec};
use stratus_kvm::{Config, Kvm};

/// A tagged network needs a kernel that knows tags. Where it does not, the error says which module is missing and nothing is left; where
/// it does, the tagged device is there and goes with its network.
#[tokio::test(flavor = "multi_thread")]
async fn kvm_a_tagged_network_says_what_its_kernel_lacks() {
    let Some(lab) = Lab::open(1).await else { return };
    let host = &lab.hosts[0];
    let ip = |words: &[&str]| run("ip", &[&["-n", &host.netns], words].concat());
    ip(&["link", "add", "trunk", "type", "veth", "peer", "name", "away"]);
    ip(&["link", "set", "trunk", "up"]);
    let driver = Kvm::open(Config { guest_device: Some("trunk".into()), ..host.config.clone() }).await.unwrap();
    let tagged = NetworkSpec { broadcast_uri: "vlan://295".into(), ..network() };
    match driver.implement(&tagged).await {
        Ok(()) => assert!(ip(&["-d", "link", "show", "type", "vlan"]).contains("id 295"), "the tag is on the wire"),
        Err(DriverError::Unsupported(why)) => {
            assert!(why.contains("VLAN 295 on trunk") && why.contains("`8021q`"), "{why}");
            let again = driver.implement(&tagged).await;
            assert!(matches!(again, Err(DriverError::Unsupported(_))), "half a bridge is not taken for a whole one: {again:?}");
        }
        Err(other) => panic!("{other}"),
    }
    driver.shutdown(&tagged).await.unwrap();
    lab.nothing_is_left();
}
