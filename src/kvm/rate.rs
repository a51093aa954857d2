//! What a NIC may carry. The queue of its tap holds back what goes to the guest. What comes from the guest takes a way round by a
//! device of the kind ifb, whose queue holds it back: `tc police` would be shorter, and some kernels have none.
//!
//! What is to hold is a file a NIC, there before the tap is and gone with the NIC; the queues are the kernel's, so they go with their
//! tap and are set again when a VM gets a new one. A kernel that cannot do it costs no guest its start: the log says so, and the VM's
//! figures (an alert at the server).
use crate::domain::short;
use crate::{Done, Kvm};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use stratus_drivers::{DriverError, NicSpec};

/// From so many megabits a second on there is nothing to hold back.
const ENDLESS: u32 = 100_000;
/// Least that a queue lets through at once, in bytes: the largest packet that a guest's card makes of several.
const BURST: u64 = 64 << 10;

/// The rate of a NIC, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    vm: String,
    nic: NicSpec,
}

/// VMs on this host of which a NIC is not held to its rate.
#[derive(Default)]
pub(crate) struct Unlimited(Mutex<BTreeSet<String>>);

impl Unlimited {
    fn all(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Whether a VM is one of them.
    pub fn has(&self, vm: &str) -> bool {
        self.all().contains(vm)
    }
}

/// A queue that lets so much through, as `tc` reads it: bursts of ten milliseconds, and nothing waits longer than fifty.
fn queue(device: &str, mbps: u32) -> String {
    let burst = (u64::from(mbps) * 125_000 / 100).max(BURST);
    format!("qdisc replace dev {device} root tbf rate {mbps}mbit burst {burst}b latency 50ms\n")
}

/// Both directions of a tap. Said again it changes nothing.
fn script(tap: &str, round: &str, mbps: u32) -> String {
    // The last line is the one that sends packets the way round: it is said when there is one.
    format!(
        "{}{}qdisc replace dev {tap} ingress\n\
         filter replace dev {tap} parent ffff: protocol all prio 1 handle 800::800 u32 match u32 0 0 action mirred egress redirect dev {round}\n",
        queue(tap, mbps),
        queue(round, mbps),
    )
}

impl Kvm {
    /// The device by which a NIC's packets go round.
    fn way_round(&self, nic: &NicSpec) -> String {
        format!("{}i{}", self.config.prefix, short(&nic.uuid, 10))
    }

    /// Keeps the rate of a NIC that is about to come.
    pub(crate) fn rate_note(&self, vm: &str, nic: &NicSpec) -> Done {
        match nic.rate_mbps.filter(|mbps| *mbps < ENDLESS) {
            Some(_) => self.folders.rates.put(&nic.uuid, &Kept { vm: vm.to_owned(), nic: nic.clone() }),
            None => self.folders.rates.remove(&nic.uuid),
        }
    }

    /// NICs of a VM that have a rate here, whether it runs here or was only to.
    pub(crate) fn nics_rated(&self, vm: &str) -> Done<Vec<NicSpec>> {
        let mut found = Vec::new();
        for nic in self.folders.rates.names()? {
            found.extend(self.folders.rates.get::<Kept>(&nic)?.filter(|kept| kept.vm == vm).map(|kept| kept.nic));
        }
        Ok(found)
    }

    /// Holds the NICs of a VM that is here to their rates; whether their taps are all there yet.
    pub(crate) async fn rates_hold(&self, vm: &str) -> Done<bool> {
        let _held = self.locks.hold("rates").await;
        let mut whole = true;
        let mut limited = true;
        for nic in self.nics_rated(vm)? {
            let Some(mbps) = nic.rate_mbps else { continue };
            if !self.link_there(&self.tap(&nic)).await? {
                whole = false;
            } else if let Err(error) = self.rate_set(&nic, mbps).await {
                limited = false;
                if !self.unlimited.has(vm) {
                    tracing::warn!(vm, nic = nic.uuid, mbps, %error, "a NIC is not held to its rate: this takes the kernel's sch_tbf, \
                        sch_ingress, cls_u32, act_mirred and ifb, and iproute2's tc");
                }
            }
        }
        if limited {
            self.unlimited.all().remove(vm);
        } else {
            self.unlimited.all().insert(vm.to_owned());
        }
        Ok(whole)
    }

    async fn rate_set(&self, nic: &NicSpec, mbps: u32) -> Done {
        let (tap, round) = (self.tap(nic), self.way_round(nic));
        if !self.link_there(&round).await? {
            self.run.run("ip", &["link", "add", &round, "type", "ifb"]).await?;
        }
        self.run.run("ip", &["link", "set", &round, "addrgenmode", "none", "up"]).await?;
        self.run.pipe("tc", &["-batch", "-"], &script(&tap, &round, mbps)).await.map(drop)
    }

    /// Forgets the rate of a NIC that is gone from here.
    pub(crate) async fn rate_forget(&self, nic: &NicSpec) -> Done {
        let _held = self.locks.hold("rates").await;
        let (kept, round) = (self.folders.rates.get::<Kept>(&nic.uuid)?, self.way_round(nic));
        self.folders.rates.remove(&nic.uuid)?;
        if let Some(kept) = kept {
            self.unlimited.all().remove(&kept.vm);
        }
        if self.link_there(&round).await? { self.run.run("ip", &["link", "del", &round]).await.map(drop) } else { Ok(()) }
    }

    /// Takes ways round away whose tap is gone: of guests that ended by themselves.
    pub(crate) async fn rates_sweep(&self) -> Done {
        let _held = self.locks.hold("rates").await;
        let text = self.run.run("ip", &["-j", "link", "show"]).await?;
        let links: Vec<serde_json::Value> = serde_json::from_str(&text).map_err(|e| DriverError::Failed(format!("ip: {e}")))?;
        let names: BTreeSet<&str> = links.iter().filter_map(|link| link["ifname"].as_str()).collect();
        let prefix = &self.config.prefix;
        for round in &names {
            let Some(digest) = round.strip_prefix(&format!("{prefix}i")).filter(|digest| digest.len() == 10) else { continue };
            if !names.contains(format!("{prefix}t{digest}").as_str()) {
                self.run.run("ip", &["link", "del", round]).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_have_a_queue_and_the_way_round_comes_last() {
        let text = script("stt1", "sti1", 200);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "qdisc replace dev stt1 root tbf rate 200mbit burst 250000b latency 50ms");
        assert_eq!(lines[1], "qdisc replace dev sti1 root tbf rate 200mbit burst 250000b latency 50ms");
        assert!(lines[2].ends_with("stt1 ingress") && lines[3].ends_with("redirect dev sti1"), "{text}");
        assert!(queue("t", 2).contains("burst 65536b "), "a packet of the largest size passes");
    }
}
