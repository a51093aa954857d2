//! A guest that asks too much, and one with as much user data as it may have. No VM: what a tap would carry comes from a namespace
//! behind a wire that has the tap's name.
use crate::lab::{LIMIT, Lab};
use crate::things::{network, vm};
use crate::wired::Guest;
use base64::Engine;
use std::time::{Duration, Instant};
use stratus_drivers::{Host, Network};
use stratus_kvm::Kvm;

/// Sends a thousand packets of a kind as fast as they go: the arguments are kind, address, gateway, MAC.
const FLOOD: &str = r#"
import socket, struct, sys
kind, ip, gateway, mac = sys.argv[1:5]
mac = bytes.fromhex(mac.replace(":", ""))
if kind == "DHCP":
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    send = lambda: s.sendto(b"x" * 300, (gateway, 67))
elif kind == "ARP":
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind(("eth0", 0))
    ask = struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, mac, socket.inet_aton(ip), bytes(6), socket.inet_aton(gateway))
    send = lambda: s.send(b"\xff" * 6 + mac + b"\x08\x06" + ask)
else:
    def send():
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        s.setblocking(False)
        try:
            s.connect((gateway, 80))
        except BlockingIOError:
            pass
        s.close()
for _ in range(1000):
    send()
"#;

fn flood(guest: &Guest, kind: &str) {
    let nic = &vm(11).nics[0];
    let said = guest.try_inside("python3", &["-c", FLOOD, kind, &nic.ip, &nic.gateway, &nic.mac]);
    assert!(said.status.success(), "{kind}: {said:?}");
}

async fn dropped(driver: &Kvm, kind: &str) -> u64 {
    driver.floods().await.get(&vm(11).name).and_then(|kinds| kinds.get(kind)).copied().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn kvm_a_guest_that_floods_is_contained_and_served_again() {
    let Some(lab) = Lab::open(1).await else { return };
    let host = &lab.hosts[0];
    let driver = host.driver().await;
    Host::connect(&*driver, &host.id, "http://host").await.unwrap();
    // Bytes of every kind, as many as a VM may have.
    let data: Vec<u8> = (0..32_u32 << 10).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut vm = vm(11);
    vm.user_data = Some(base64::engine::general_purpose::STANDARD.encode(&data));
    driver.implement(&network()).await.unwrap();
    driver.prepare(&network(), &vm.nics[0], &vm.name).await.unwrap();
    driver.introduce(&network(), &vm).await.unwrap();
    // Made ready for a guest that is to come.
    driver.migrate("another", &host.id, &vm).await.unwrap();
    let guest = Guest::plug(host, &driver, &vm.nics[0]);
    guest.address_by_hand(&vm.nics[0]);

    let served = async || {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(bytes) = guest.get("http://169.254.169.254/latest/user-data") {
                return bytes;
            }
            assert!(Instant::now() < end, "the guest is not served");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    assert_eq!(served().await, data);
    for kind in ["DHCP", "ARP", "metadata"] {
        assert_eq!(dropped(&driver, kind).await, 0, "{kind}: an ordinary guest loses nothing");
        flood(&guest, kind);
        assert!(dropped(&driver, kind).await > 0, "{kind}: what is too much is dropped and counted");
        assert_eq!(served().await, data, "{kind}: the guest is served again");
    }
    driver.release(&network(), &vm.nics[0], &vm.name).await.unwrap();
    driver.shutdown(&network()).await.unwrap();
}
