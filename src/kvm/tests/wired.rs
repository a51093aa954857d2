//! What a guest's NIC would do, without a guest: a namespace behind a wire that has the name of the NIC's tap. The host sees no
//! difference; packets are real.
use crate::lab::{LabHost, run};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use stratus_drivers::NicSpec;
use stratus_kvm::Kvm;

/// Numbers of namespaces, so that several live side by side.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// The namespace; gone when dropped, and the wire before it: the kernel would take its time.
pub struct Guest {
    netns: String,
    host: String,
    tap: String,
}

impl Guest {
    /// On the bridge of a NIC's network, with its MAC address and no other.
    pub fn plug(host: &LabHost, driver: &Kvm, nic: &NicSpec) -> Self {
        let netns = format!("{}-g{}", host.netns, COUNT.fetch_add(1, Ordering::Relaxed));
        let guest = Self { netns, host: host.netns.clone(), tap: driver.tap_name(nic) };
        let bridge = driver.bridge_name(nic).unwrap();
        run("ip", &["netns", "add", &guest.netns]);
        run("ip", &["-n", &host.netns, "link", "add", &guest.tap, "type", "veth", "peer", "name", "eth0", "netns", &guest.netns]);
        run("ip", &["-n", &host.netns, "link", "set", &guest.tap, "addrgenmode", "none", "master", &bridge, "up"]);
        run("ip", &["-n", &guest.netns, "link", "set", "lo", "up"]);
        run("ip", &["-n", &guest.netns, "link", "set", "eth0", "address", &nic.mac, "up"]);
        guest
    }

    /// The NIC's address and way out, without asking for them.
    pub fn address_by_hand(&self, nic: &NicSpec) {
        run("ip", &["-n", &self.netns, "addr", "add", &format!("{}/24", nic.ip), "dev", "eth0"]);
        run("ip", &["-n", &self.netns, "route", "add", "default", "via", &nic.gateway]);
    }

    /// A program inside, not yet started.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        within(&self.netns, program, arguments)
    }

    /// Runs a program inside, whatever comes of it.
    pub fn try_inside(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program, arguments).output().unwrap()
    }

    /// The body at a URL, if there is one.
    pub fn get(&self, url: &str) -> Option<Vec<u8>> {
        let said = self.try_inside("curl", &["-sf", "-m", "10", url]);
        said.status.success().then_some(said.stdout)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["-n", &self.host, "link", "del", &self.tap]).status();
        let _ = Command::new("ip").args(["netns", "del", &self.netns]).status();
    }
}

/// A program in a namespace, not yet started.
pub fn within(netns: &str, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", netns, program]).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}
