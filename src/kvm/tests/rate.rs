//! What a NIC may carry, measured.
use crate::lab::{LIMIT, Lab, run};
use crate::things::{network, vm};
use crate::wired::{Guest, within};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use stratus_drivers::{Host, Network, NicSpec, StopMode, VmSpec};

/// Megabits a second.
const RATE: u32 = 4;

/// Takes what comes for three seconds by its own clock and says how many bits a second that was.
const TAKE: &str = r#"
import socket, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", 5001))
s.listen(1)
s.settimeout(120)
c = s.accept()[0]
c.settimeout(120)
start, count = time.monotonic(), 0
while time.monotonic() - start < 3:
    got = len(c.recv(1 << 16))
    if got == 0:
        break
    count += got
print(int(count * 8 / (time.monotonic() - start)))
"#;

/// Sends to an address until nobody takes any more.
const GIVE: &str = r#"
import socket, sys, time
end = time.monotonic() + 120
while True:
    try:
        s = socket.create_connection((sys.argv[1], 5001), 10)
        break
    except OSError:
        if time.monotonic() > end:
            raise
        time.sleep(0.1)
s.settimeout(120)
try:
    while True:
        s.sendall(bytes(1 << 16))
except OSError:
    pass
"#;

/// Bits a second from one to the other, who has this address.
fn measured(mut give: Command, mut take: Command, to: &str) -> u64 {
    let taking = take.args(["python3", "-c", TAKE]).spawn().unwrap();
    let mut giving = give.args(["python3", "-c", GIVE, to]).stderr(Stdio::null()).spawn().unwrap();
    let said = taking.wait_with_output().unwrap();
    giving.wait().unwrap();
    String::from_utf8_lossy(&said.stdout).trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn kvm_a_nic_carries_what_it_may_and_no_more() {
    let Some(lab) = Lab::open(1).await else { return };
    let host = &lab.hosts[0];
    let driver = host.driver().await;
    Host::connect(&*driver, &host.id, "http://host").await.unwrap();
    let free = vm(11);
    let nic = &free.nics[0];
    driver.implement(&network()).await.unwrap();
    driver.prepare(&network(), nic, &free.name).await.unwrap();
    let lab_hosts: &stratus_testkit::lab::Lab = &lab;
    let router = lab_hosts.hosts[0].routers().remove(0);
    let bits = |guest: &Guest| {
        let (inside, outside) = (|| guest.command("env", &[]), || within(&router, "env", &[]));
        (measured(outside(), inside(), &nic.ip), measured(inside(), outside(), &nic.gateway))
    };
    driver.migrate("another", &host.id, &free).await.unwrap();
    let guest = Guest::plug(host, &driver, nic);
    guest.address_by_hand(nic);
    let most = u64::from(RATE) * 2_000_000;
    let (to, from) = bits(&guest);
    assert!(to > most * 2 && from > most * 2, "without a limit: {to} to the guest, {from} from it, in bits a second");

    let limited = VmSpec { nics: vec![NicSpec { rate_mbps: Some(RATE), ..nic.clone() }], ..free.clone() };
    // The second time changes nothing.
    for _ in 0..2 {
        driver.migrate("another", &host.id, &limited).await.unwrap();
    }
    let (to, from) = bits(&guest);
    assert!((1..most).contains(&to), "{to} bits a second to a guest that may have {RATE} Mbps");
    assert!((1..most).contains(&from), "{from} bits a second from a guest that may send {RATE} Mbps");
    let queues = || run("ip", &["netns", "exec", &host.netns, "tc", "qdisc", "show"]);
    assert_eq!(queues().matches("rate 4Mbit").count(), 2, "{}", queues());

    // A tap that is made anew, as when a guest is restarted, has no queues until it is looked at.
    drop(guest);
    let rounds = || run("ip", &["-n", &host.netns, "-o", "link", "show", "type", "ifb"]);
    let end = Instant::now() + LIMIT;
    while !rounds().is_empty() {
        assert!(Instant::now() < end, "a guest that ended by itself leaves nothing: {}", rounds());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let guest = Guest::plug(host, &driver, nic);
    guest.address_by_hand(nic);
    driver.migrate("another", &host.id, &limited).await.unwrap();
    let from = bits(&guest).1;
    assert!((1..most).contains(&from), "{from} bits a second from a guest on a new wire");

    // A kernel that cannot do half of it: what can be held is held, and it costs nobody his guest.
    let tap = driver.tap_name(nic);
    let tc = |words: &[&str]| run("ip", &[&["netns", "exec", &host.netns, "tc", "qdisc"], words].concat());
    tc(&["del", "dev", &tap, "ingress"]);
    tc(&["add", "dev", &tap, "clsact"]);
    driver.migrate("another", &host.id, &limited).await.unwrap();
    assert!(tc(&["show", "dev", &tap]).contains("rate 4Mbit"), "what goes to the guest");
    tc(&["del", "dev", &tap, "clsact"]);
    driver.migrate("another", &host.id, &limited).await.unwrap();
    assert!(tc(&["show", "dev", &tap]).contains("ingress"), "tried again");

    driver.stop(&host.id, &free.name, StopMode::Forced).await.unwrap();
    drop(guest);
    driver.release(&network(), nic, &free.name).await.unwrap();
    driver.shutdown(&network()).await.unwrap();
    lab.nothing_is_left();
}
