//! What the agent keeps of root's powers: what its drivers need on their machine, for itself and for every program that it runs.
use rustix::io::{Errno, Result};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};

/// Networks and their services (`ip`, `nft`, dnsmasq on low ports, which gives up root by itself), namespaces and mounts, files of
/// whoever QEMU runs as, and the end of its processes. Not among them: kernel modules, raw devices, other users' processes' memory, the
/// clock, the kernel's log, reboot.
pub const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::NET_ADMIN)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SYS_ADMIN);

/// Gives up every other capability, for this thread and those that it starts: call it before there are others. Programs that are run
/// get no more either, whatever their files say. Does nothing for who has none of root's powers.
///
/// # Errors
/// The kernel refuses.
pub fn lessen() -> Result<()> {
    let has = capabilities(None)?;
    if has.permitted.is_empty() {
        return Ok(());
    }
    for (_, capability) in CapabilitySet::all().iter_names().filter(|(_, capability)| !KEPT.contains(*capability)) {
        match remove_capability_from_bounding_set(capability) {
            // One that this kernel does not know, or a container that lets nobody change the set and has lessened it itself.
            Ok(()) | Err(Errno::INVAL | Errno::PERM) => {}
            Err(e) => return Err(e),
        }
    }
    let left = CapabilitySets { effective: has.effective & KEPT, permitted: has.permitted & KEPT, inheritable: CapabilitySet::empty() };
    set_capabilities(None, left)?;
    clear_ambient_capability_set()?;
    set_no_new_privs(true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_up_does_not_come_back() {
        // In a thread of its own, the others keep what they have.
        std::thread::spawn(|| {
            let before = capabilities(None).unwrap();
            lessen().unwrap();
            lessen().unwrap();
            let after = capabilities(None).unwrap();
            assert_eq!(after.permitted, before.permitted & KEPT);
            assert!(before.permitted.is_empty() || set_capabilities(None, before).is_err());
            let child = std::process::Command::new("grep").args(["CapEff", "/proc/self/status"]).output().unwrap();
            let line = String::from_utf8_lossy(&child.stdout).into_owned();
            let left = u64::from_str_radix(line.split_whitespace().last().unwrap(), 16).unwrap();
            assert_eq!(left & !KEPT.bits(), 0, "a program that is run has {line}");
        })
        .join()
        .unwrap();
    }
}
