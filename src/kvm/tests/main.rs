//! The driver with a real libvirtd, real guests run in software, real bridges and packet filters; all of it in network and mount
//! namespaces of its own, so nothing of the machine's changes and several runs do not meet.
//!
//! Needs root, `/dev/net/tun` and packages that `tests/tools.sh` installs. Where one is missing, or the driver is not in the build
//! (cargo feature `kvm`), the tests say so and do nothing, unless `STRATUS_REQUIRE_TOOLS` is set. One at a time: a guest that boots in software takes a core.
#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]
#[cfg(feature = "kvm")]
mod contract;
#[cfg(feature = "kvm")]
mod daemon;
#[cfg(feature = "kvm")]
mod flood;
#[cfg(feature = "kvm")]
mod guest;
#[cfg(feature = "kvm")]
mod lab;
#[cfg(feature = "kvm")]
mod silent;
#[cfg(feature = "kvm")]
mod things;

#[cfg(not(feature = "kvm"))]
#[test]
fn kvm_drivers_are_in_the_build() {
    stratus_testkit::skip("built without the KVM drivers (cargo feature kvm, which needs libvirt-dev)");
}
