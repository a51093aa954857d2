//! DHCP and DNS of a guest network: one dnsmasq in the router's namespace, with files that are written here. It outlives us. It answers
//! DHCP to those that it has a lease for and to nobody else: a bridge may have the routers of several pods.
use crate::keep::{gone, io};
use crate::network::Net;
use crate::router::{METADATA, Router};
use crate::{Done, Kvm};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

/// Its files.
struct Files {
    /// What a running one does not read again.
    main: String,
    /// Who gets which address; read again on SIGHUP.
    leases: String,
    /// Names and addresses; read again on SIGHUP.
    names: String,
}

/// A host name as DNS takes it; none when nothing of it is left.
fn label(name: &str) -> Option<String> {
    let clean: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(63).collect::<String>().to_lowercase();
    let clean = clean.trim_matches('-');
    (!clean.is_empty()).then(|| clean.to_owned())
}

fn files(net: &Net, folder: &Path, domain: &str, mtu: u64) -> Files {
    let mut main = format!(
        "interface=guest\nbind-dynamic\nexcept-interface=lo\nuser=root\nno-hosts\nno-resolv\ndomain={domain}\nlocal=/{domain}/\n\
         expand-hosts\nleasefile-ro\ndhcp-authoritative\ndhcp-ignore=tag:!known\ndhcp-hostsfile={0}/leases\naddn-hosts={0}/names\npid-file={0}/pid\n\
         log-facility={0}/log\n",
        folder.display()
    );
    for (count, (gateway, subnet)) in net.subnets().into_iter().enumerate() {
        // Writing into a string cannot fail, here and below.
        let _ = write!(
            main,
            "dhcp-range=set:n{count},{},static,{},infinite\ndhcp-option=tag:n{count},option:dns-server,{gateway}\n\
             dhcp-option=tag:n{count},tag:!second,option:router,{gateway}\n\
             dhcp-option=tag:n{count},tag:!second,121,{METADATA}/32,{gateway},0.0.0.0/0,{gateway}\n",
            subnet.network(),
            subnet.netmask()
        );
    }
    // Without a line for it, dnsmasq would say that it is the router.
    main.push_str("dhcp-option=tag:second,option:router\n");
    if mtu != 1500 {
        let _ = writeln!(main, "dhcp-option=option:mtu,{mtu}");
    }
    for server in net.spec.dns.iter().filter_map(|server| server.parse::<Ipv4Addr>().ok()) {
        let _ = writeln!(main, "server={server}");
    }
    let (mut leases, mut names) = (String::new(), String::new());
    for lease in net.leases.values() {
        let second = if lease.nic.default { "" } else { "set:second," };
        let name = lease.guest.as_ref().and_then(|guest| label(&guest.host_name));
        let _ = write!(leases, "{},{second}{}", lease.nic.mac, lease.nic.ip);
        if let Some(name) = name {
            let _ = write!(leases, ",{name}");
            let _ = writeln!(names, "{} {name}", lease.nic.ip);
        }
        leases.push_str(",infinite\n");
    }
    Files { main, leases, names }
}

/// Writes a file if it is not so already; whether it was not.
fn write(path: &Path, text: &str) -> Done<bool> {
    if std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(false);
    }
    std::fs::write(path, text).map_err(io(path)).map(|()| true)
}

/// The process of a pid file, if it is still that one: a number may belong to somebody else after a restart of the machine.
fn process(folder: &Path) -> Option<rustix::process::Pid> {
    let number: i32 = std::fs::read_to_string(folder.join("pid")).ok()?.trim().parse().ok()?;
    let line = std::fs::read(format!("/proc/{number}/cmdline")).ok()?;
    let conf = folder.join("dnsmasq.conf");
    String::from_utf8_lossy(&line).contains(&*conf.to_string_lossy()).then_some(())?;
    rustix::process::Pid::from_raw(number)
}

impl Kvm {
    /// Makes addresses, DHCP and DNS of a network as its leases want them.
    pub(crate) async fn dhcp_up(&self, net: &Net) -> Done {
        let router = self.router(&net.spec.uuid);
        let subnets = net.subnets();
        let mut wanted: Vec<String> = subnets.iter().map(|(gateway, subnet)| format!("{gateway}/{}", subnet.prefix_len())).collect();
        wanted.push(format!("{METADATA}/32"));
        self.addresses_are(&router, "guest", &wanted).await?;
        let mtu = self.mtu(&self.bridge(&net.spec.broadcast_uri)?).await?;
        std::fs::create_dir_all(&router.folder).map_err(io(&router.folder))?;
        let files = files(net, &router.folder, &self.config.dns_domain, mtu);
        let conf = router.folder.join("dnsmasq.conf");
        let released = std::fs::read_to_string(router.folder.join("leases")).is_ok_and(|before| lost(&before, &files.leases));
        let main = write(&conf, &files.main)?;
        let told = write(&router.folder.join("leases"), &files.leases)? | write(&router.folder.join("names"), &files.names)?;
        match process(&router.folder) {
            // An address that went to another NIC would be refused to it: the old lease lives in dnsmasq's memory only.
            Some(_) if main || released => self.dhcp_down(&router).await?,
            Some(pid) if told => return signal(pid, rustix::process::Signal::HUP),
            Some(_) => return Ok(()),
            None => {}
        }
        if subnets.is_empty() {
            return Ok(());
        }
        let conf = format!("--conf-file={}", conf.display());
        router.run().run("dnsmasq", &[conf]).await.map(drop)
    }

    /// Ends a network's dnsmasq.
    pub(crate) async fn dhcp_down(&self, router: &Router) -> Done {
        if let Some(pid) = process(&router.folder) {
            signal(pid, rustix::process::Signal::TERM)?;
            for _ in 0..100 {
                if process(&router.folder).is_none() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let pid = router.folder.join("pid");
        gone(std::fs::remove_file(&pid)).map_err(io(&pid))
    }
}

/// Whether a line went away.
fn lost(before: &str, after: &str) -> bool {
    let address = |line: &str| line.split(',').find(|part| part.parse::<Ipv4Addr>().is_ok()).map(str::to_owned);
    let pair = |text: &str| -> std::collections::BTreeSet<(String, Option<String>)> {
        text.lines().map(|line| (line.split(',').next().unwrap_or_default().to_owned(), address(line))).collect()
    };
    !pair(before).is_subset(&pair(after))
}

fn signal(pid: rustix::process::Pid, signal: rustix::process::Signal) -> Done {
    match rustix::process::kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(e) => Err(stratus_drivers::DriverError::Failed(format!("dnsmasq cannot be told: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Lease;
    use std::collections::BTreeMap;
    use stratus_drivers::{NetworkSpec, NicSpec, PublicSet, VmSpec};

    fn lease(last: u8, name: Option<&str>) -> Lease {
        let nic = NicSpec {
            uuid: format!("nic-{last}"),
            mac: format!("06:00:00:00:00:{last:02x}"),
            ip: format!("10.1.{}.{last}", last / 100),
            netmask: "255.255.255.0".into(),
            gateway: format!("10.1.{}.1", last / 100),
            broadcast_uri: "vlan://untagged".into(),
            default: last != 12,
            rate_mbps: None,
        };
        let guest = name.map(|name| VmSpec { host_name: name.into(), ..crate::domain::tests::vm() });
        Lease { nic, vm: "i-2-3-VM".into(), guest, password: None }
    }

    fn net(leases: &[Lease]) -> Net {
        let spec = NetworkSpec {
            uuid: "net".into(),
            cidr: String::new(),
            gateway: String::new(),
            dns: vec!["8.8.8.8".into(), "x\nuser=nobody".into()],
            broadcast_uri: "vlan://untagged".into(),
            pod: None,
        };
        let leases: BTreeMap<_, _> = leases.iter().map(|lease| (lease.nic.uuid.clone(), lease.clone())).collect();
        Net { spec, leases, public: PublicSet::default() }
    }

    #[test]
    fn every_pods_subnet_is_served_and_names_cannot_break_out() {
        let net = net(&[lease(11, Some("Web_1\nuser=x,")), lease(12, None), lease(111, Some("---"))]);
        let files = files(&net, Path::new("/f"), "cs.internal", 1450);
        assert!(files.main.contains("dhcp-range=set:n0,10.1.0.0,static,255.255.255.0,infinite\n"), "{}", files.main);
        assert!(files.main.contains("dhcp-range=set:n1,10.1.1.0,static,255.255.255.0,infinite\n"), "{}", files.main);
        assert!(files.main.contains("server=8.8.8.8\n") && !files.main.contains("nobody"), "{}", files.main);
        assert!(files.main.contains("option:mtu,1450\n"));
        let leases = "06:00:00:00:00:0b,10.1.0.11,web1userx,infinite\n06:00:00:00:00:0c,set:second,10.1.0.12,infinite\n";
        assert!(files.leases.contains(leases.split_once('\n').unwrap().0) && files.leases.contains(leases.split_once('\n').unwrap().1));
        assert_eq!(files.names, "10.1.0.11 web1userx\n");
    }

    #[test]
    fn an_address_that_changes_hands_is_noticed() {
        let before = "06:00:00:00:00:0b,10.1.0.11,infinite\n";
        assert!(!lost(before, "06:00:00:00:00:0b,10.1.0.11,web,infinite\n06:00:00:00:00:0c,10.1.0.12,infinite\n"));
        assert!(lost(before, ""));
        assert!(lost(before, "06:00:00:00:00:0c,10.1.0.11,infinite\n"));
    }
}
