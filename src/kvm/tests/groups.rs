//! Security groups with real packets: who may come in, by network and by group, over TCP, UDP and ICMP; who may go out; a NIC in several
//! groups; and rules that change under a running guest. Guests are namespaces.
use crate::lab::Lab;
use crate::things::{network, vm};
use crate::wired::Guest;
use std::process::{Child, Stdio};
use std::sync::Arc;
use stratus_drivers::{GroupMembers, GroupRule, Host, Network, NicRules, StopMode, VmSpec};
use stratus_kvm::Kvm;

/// Answers on TCP ports 80 and 81 and on UDP port 53 as long as it runs.
const SERVER: &str = r#"
import select, socket
all = []
for port in (80, 81):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", port)); s.listen(8); all.append(s)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("", 53))
print("ready", flush=True)
while True:
    for s in select.select(all + [u], [], [])[0]:
        if s is u:
            data, who = u.recvfrom(100); u.sendto(data, who)
        else:
            s.accept()[0].close()
"#;

/// Whether somebody answers: the arguments are protocol, address, port.
const PROBE: &str = r#"
import socket, sys
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
if kind == "tcp":
    socket.create_connection((address, port), 4)
else:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(1)
    for n in range(4):
        s.sendto(b"hello", (address, port))
        try:
            s.recv(100)
            sys.exit(0)
        except TimeoutError:
            pass
    sys.exit(1)
"#;

/// What is tried of one guest by another, in this order.
const ALL: [&str; 4] = ["tcp 80", "tcp 81", "udp 53", "icmp"];

/// A guest with somebody who listens.
struct Member {
    vm: VmSpec,
    guest: Guest,
    server: Child,
    sequence: i64,
}

impl Member {
    async fn open(host: &crate::lab::LabHost, driver: &Kvm, number: u8) -> Self {
        let vm = vm(number);
        driver.prepare(&network(), &vm.nics[0], &vm.name).await.unwrap();
        driver.migrate("another", &host.id, &vm).await.unwrap();
        let guest = Guest::plug(host, driver, &vm.nics[0]);
        guest.address_by_hand(&vm.nics[0]);
        let mut server = guest.command("python3", &["-c", SERVER]).spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(server.stdout.take().unwrap()), &mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { vm, guest, server, sequence: 0 }
    }

    fn ip(&self) -> &str {
        &self.vm.nics[0].ip
    }

    /// Replaces the guest's rules, as a change of any of its groups does.
    async fn rules(&mut self, driver: &Kvm, host: &str, groups: &[&[GroupRule]]) {
        self.sequence += 1;
        let (vm, nic, sequence) = (self.vm.name.clone(), self.vm.nics[0].clone(), self.sequence);
        driver.apply_rules(host, &NicRules { vm, nic, sequence, rules: groups.concat() }).await.unwrap();
    }

    /// Which of all that is tried reaches the other.
    fn reaches(&self, other: &Self) -> Vec<&'static str> {
        let probe = |what: &'static str| {
            let mut command = match what.split_once(' ') {
                Some((kind, port)) => self.guest.command("python3", &["-c", PROBE, kind, other.ip(), port]),
                None => self.guest.command("busybox", &["ping", "-c", "1", "-W", "4", other.ip()]),
            };
            (what, command.stderr(Stdio::null()).spawn().unwrap())
        };
        // All at once: whoever is not let in waits.
        let probes = ALL.map(probe);
        probes.into_iter().filter_map(|(what, mut probe)| probe.wait().unwrap().success().then_some(what)).collect()
    }

    async fn ends(mut self, driver: &Kvm, host: &str) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
        driver.stop(host, &self.vm.name, StopMode::Forced).await.unwrap();
        drop(self.guest);
        driver.release(&network(), &self.vm.nics[0], &self.vm.name).await.unwrap();
    }
}

fn rule(ingress: bool, protocol: &str, ports: (i32, i32), cidrs: &[&str], groups: &[&str]) -> GroupRule {
    let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    GroupRule { ingress, protocol: protocol.into(), first: ports.0, last: ports.1, cidrs: all(cidrs), groups: all(groups) }
}

async fn members(driver: &Arc<Kvm>, host: &str, sequence: i64, cidrs: &[&str]) {
    let cidrs = cidrs.iter().map(|cidr| (*cidr).to_owned()).collect();
    driver.apply_members(host, &GroupMembers { group: "friends".into(), sequence, cidrs }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn kvm_security_groups_let_through_what_they_say_and_nothing_else() {
    let Some(lab) = Lab::open(1).await else { return };
    let host = &lab.hosts[0];
    let driver = host.driver().await;
    Host::connect(&*driver, &host.id, "http://host").await.unwrap();
    driver.implement(&network()).await.unwrap();
    let (mut one, mut two) = (Member::open(host, &driver, 11).await, Member::open(host, &driver, 12).await);
    let out = [rule(false, "all", (-1, -1), &["0.0.0.0/0"], &[])];
    // What the default group says: everything out, nothing in.
    one.rules(&driver, &host.id, &[&out]).await;
    two.rules(&driver, &host.id, &[&out]).await;
    assert_eq!((one.reaches(&two), two.reaches(&one)), (vec![], vec![]), "the default group lets nobody in");

    let by_network = [rule(true, "tcp", (80, 80), &["10.1.1.11/32"], &[])];
    two.rules(&driver, &host.id, &[&out, &by_network]).await;
    assert_eq!((one.reaches(&two), two.reaches(&one)), (vec!["tcp 80"], vec![]), "a port, to one network, one way");
    let others = [rule(true, "udp", (50, 60), &["10.1.1.0/24"], &[]), rule(true, "icmp", (8, 0), &["0.0.0.0/0"], &[])];
    two.rules(&driver, &host.id, &[&out, &by_network, &others]).await;
    assert_eq!(one.reaches(&two), ["tcp 80", "udp 53", "icmp"]);
    let elsewhere = [rule(true, "tcp", (1, 65_535), &["10.1.1.128/25", "192.0.2.0/24"], &[])];
    two.rules(&driver, &host.id, &[&out, &elsewhere]).await;
    assert_eq!(one.reaches(&two), Vec::<&str>::new(), "another network's rule is not ours");

    several_groups(&driver, &host.id, &one, &mut two, &out).await;
    going_out(&driver, &host.id, &mut one, &mut two, &out).await;
    one.ends(&driver, &host.id).await;
    two.ends(&driver, &host.id).await;
    driver.shutdown(&network()).await.unwrap();
    lab.nothing_is_left();
}

/// Members of a group come in as long as they are members; groups of one NIC add up, and a change of one is there at once.
async fn several_groups(driver: &Arc<Kvm>, host: &str, one: &Member, two: &mut Member, out: &[GroupRule]) {
    let by_group = [rule(true, "tcp", (81, 81), &[], &["friends"])];
    let web = [rule(true, "tcp", (80, 80), &["0.0.0.0/0"], &[])];
    two.rules(driver, host, &[out, &by_group]).await;
    assert_eq!(one.reaches(two), Vec::<&str>::new(), "a group without members");
    members(driver, host, 1, &["10.1.1.11/32"]).await;
    assert_eq!(one.reaches(two), ["tcp 81"]);
    two.rules(driver, host, &[out, &by_group, &web]).await;
    assert_eq!(one.reaches(two), ["tcp 80", "tcp 81"], "in two groups");
    members(driver, host, 2, &["10.1.1.77/32"]).await;
    assert_eq!(one.reaches(two), ["tcp 80"], "a member that left");
    two.rules(driver, host, &[out, &by_group]).await;
    assert_eq!(one.reaches(two), Vec::<&str>::new(), "out of the second group again");
}

/// Once there is a rule about going out, the rest stays in; answers go out whatever the rules say.
async fn going_out(driver: &Arc<Kvm>, host: &str, one: &mut Member, two: &mut Member, out: &[GroupRule]) {
    let all_in = [rule(true, "all", (-1, -1), &["0.0.0.0/0"], &[])];
    two.rules(driver, host, &[out, &all_in]).await;
    assert_eq!(one.reaches(two), ALL);
    let some = [rule(false, "udp", (53, 53), &["10.1.1.12/32"], &[]), rule(false, "tcp", (81, 81), &["192.0.2.0/24"], &[])];
    one.rules(driver, host, &[&some]).await;
    assert_eq!(one.reaches(two), ["udp 53"], "by port and network");
    members(driver, host, 3, &["10.1.1.12/32"]).await;
    one.rules(driver, host, &[&[rule(false, "tcp", (81, 81), &[], &["friends"])]]).await;
    assert_eq!(one.reaches(two), ["tcp 81"], "to members of a group");
    one.rules(driver, host, &[&all_in]).await;
    assert_eq!((one.reaches(two), two.reaches(one)), (vec![], ALL.to_vec()), "nothing begins, answers go");
}
