//! Bridges, one a broadcast domain, with what carries it to other hosts: an 802.1q tag on a device or a VXLAN tunnel.
use crate::{Done, Kvm};
use stratus_drivers::DriverError;

/// VXLAN's port (IANA); Linux would take an older one.
const VXLAN_PORT: &str = "4789";

/// What separates a guest network from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Untagged,
    Vlan(u32),
    Vxlan(u32),
}

fn wire(uri: &str) -> Done<Wire> {
    let number = |text: &str, most: u32| text.parse().ok().filter(|n| (1..=most).contains(n));
    let wire = match uri.split_once("://") {
        Some(("vlan", "untagged")) => Some(Wire::Untagged),
        Some(("vlan", tag)) => number(tag, 4094).map(Wire::Vlan),
        Some(("vxlan", id)) => number(id, (1 << 24) - 1).map(Wire::Vxlan),
        _ => None,
    };
    wire.ok_or_else(|| DriverError::Unsupported(format!("a guest network of `{uri}` on KVM; known are vlan:// and vxlan://")))
}

/// What `ip` is told for an 802.1q tag on a device: to make the tagged one, and to connect it.
fn tagged(prefix: &str, device: &str, tag: u32, bridge: &str) -> [Vec<String>; 2] {
    let name = format!("{prefix}u{tag}");
    let words = |line: String| line.split(' ').map(str::to_owned).collect();
    [
        words(format!("link add link {device} name {name} type vlan id {tag}")),
        words(format!("link set {name} addrgenmode none master {bridge} up")),
    ]
}

/// Why a tag could not be put on a device, so that whoever runs the machine knows what to do.
fn untaggable(device: &str, tag: u32, said: &str) -> DriverError {
    let said = said.trim();
    if said.contains("Unknown device type") || said.contains("not supported") {
        return DriverError::Unsupported(format!(
            "VLAN {tag} on {device}: this host's kernel has no 802.1q devices; load its module `8021q`, or leave `guest_device` out and use a tunnel"
        ));
    }
    DriverError::Failed(format!("VLAN {tag} on {device}: ip: {said}"))
}

impl Kvm {
    /// The bridge of a broadcast URI.
    pub(crate) fn bridge(&self, uri: &str) -> Done<String> {
        let prefix = &self.config.prefix;
        Ok(match wire(uri)? {
            Wire::Untagged => self.config.guest_bridge.clone(),
            Wire::Vlan(tag) => format!("{prefix}v{tag}"),
            Wire::Vxlan(id) => format!("{prefix}x{id}"),
        })
    }

    /// The port by which a broadcast domain comes from other hosts through a tunnel, if it does.
    pub(crate) fn tunnel_port(&self, uri: &str) -> Done<Option<String>> {
        Ok(match wire(uri)? {
            Wire::Vxlan(id) if self.config.tunnel.is_some() => Some(format!("{}n{id}", self.config.prefix)),
            _ => None,
        })
    }

    /// Whether an interface is there.
    pub(crate) async fn link_there(&self, name: &str) -> Done<bool> {
        Ok(self.run.ask("ip", &["link", "show", "dev", name]).await?.ok)
    }

    /// Makes the bridge of a broadcast URI if it is not there, and answers its name.
    pub(crate) async fn bridge_up(&self, uri: &str) -> Done<String> {
        let name = self.bridge(uri)?;
        let _held = self.locks.hold(&format!("link {name}")).await;
        if self.link_there(&name).await? {
            return Ok(name);
        }
        self.run.run("ip", &["link", "add", &name, "type", "bridge"]).await?;
        if let Err(error) = self.carry(uri, &name).await {
            // One without its way to other hosts would be taken for whole the next time.
            self.run.run("ip", &["link", "del", &name]).await?;
            return Err(error);
        }
        // Addresses that the kernel would give itself make the host a neighbour of its guests.
        self.run.run("ip", &["link", "set", &name, "addrgenmode", "none", "up"]).await?;
        Ok(name)
    }

    /// Connects a new bridge with other hosts.
    async fn carry(&self, uri: &str, bridge: &str) -> Done {
        let prefix = &self.config.prefix;
        match (wire(uri)?, &self.config.guest_device, &self.config.tunnel) {
            (Wire::Vlan(tag), Some(device), _) => {
                let [add, up] = tagged(prefix, device, tag, bridge);
                let made = self.run.ask("ip", &add).await?;
                // One that a driver before us made for a bridge that is gone since.
                if !made.ok && !made.err.contains("File exists") {
                    return Err(untaggable(device, tag, &made.err));
                }
                self.run.run("ip", &up).await.map(drop)
            }
            (Wire::Vxlan(id), _, Some(tunnel)) => {
                let (name, id, local) = (format!("{prefix}n{id}"), id.to_string(), tunnel.local.to_string());
                let device = tunnel.device.as_str();
                let add = ["link", "add", &name, "type", "vxlan", "id", &id, "local", &local, "dstport", VXLAN_PORT, "dev", device];
                self.run.run("ip", &add).await?;
                for peer in &tunnel.peers {
                    let peer = peer.to_string();
                    self.run.run("bridge", &["fdb", "append", "00:00:00:00:00:00", "dev", &name, "dst", &peer]).await?;
                }
                self.run.run("ip", &["link", "set", &name, "master", bridge, "up"]).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Removes what `bridge_up` made for a tagged network once nothing is connected any more. The untagged bridge is the machine's.
    pub(crate) async fn bridge_down(&self, uri: &str) -> Done {
        let (name, port) = (self.bridge(uri)?, self.tunnel_port(uri)?);
        if wire(uri)? == Wire::Untagged {
            return Ok(());
        }
        // Somebody connects something just now; whoever leaves last finds nobody.
        let Ok(_alone) = self.wiring.try_write() else { return Ok(()) };
        let said = self.run.ask("ip", &["-j", "link", "show", "master", &name]).await?;
        let ports: Vec<serde_json::Value> = serde_json::from_str(&said.out).unwrap_or_default();
        let own = |port_name: &str| Some(port_name) == port.as_deref() || port_name.starts_with(&format!("{}u", self.config.prefix));
        let names: Vec<&str> = ports.iter().filter_map(|port| port["ifname"].as_str()).collect();
        if !said.ok || !self.link_there(&name).await? || names.iter().any(|port| !own(port)) {
            return Ok(());
        }
        for port in names.iter().chain([&name.as_str()]) {
            self.run.run("ip", &["link", "del", port]).await?;
        }
        Ok(())
    }

    /// Largest packet that a bridge carries, in bytes.
    pub(crate) async fn mtu(&self, bridge: &str) -> Done<u64> {
        let text = self.run.run("ip", &["-j", "link", "show", "dev", bridge]).await?;
        let links: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap_or_default();
        Ok(links.first().and_then(|link| link["mtu"].as_u64()).unwrap_or(1500))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_put_on_its_device_and_what_is_missing_is_said() {
        let [add, up] = tagged("st", "eth1", 295, "stv295");
        assert_eq!(add.join(" "), "link add link eth1 name stu295 type vlan id 295");
        assert_eq!(up.join(" "), "link set stu295 addrgenmode none master stv295 up");
        let missing = untaggable("eth1", 295, "Error: Unknown device type.\n");
        assert!(
            matches!(&missing, DriverError::Unsupported(why) if why.contains("`8021q`") && why.contains("VLAN 295 on eth1")),
            "{missing}"
        );
        let other = untaggable("eth9", 295, "Cannot find device \"eth9\"\n");
        assert!(matches!(&other, DriverError::Failed(why) if why.ends_with("Cannot find device \"eth9\"")), "{other}");
    }

    #[test]
    fn broadcast_uris_are_read_and_others_refused() {
        assert_eq!(wire("vlan://untagged").unwrap(), Wire::Untagged);
        assert_eq!(wire("vlan://295").unwrap(), Wire::Vlan(295));
        assert_eq!(wire("vxlan://5001").unwrap(), Wire::Vxlan(5001));
        for uri in ["", "vlan://", "vlan://0", "vlan://4095", "vlan://-1", "vxlan://16777216", "gre://5", "vlan://5;reboot"] {
            assert!(wire(uri).is_err(), "{uri}");
        }
    }
}
