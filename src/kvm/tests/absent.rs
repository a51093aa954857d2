//! Says so when the driver's tests are not there.
#[cfg(not(feature = "kvm"))]
#[test]
fn kvm_drivers_are_in_the_build() {
    stratus_testkit::skip("built without the KVM drivers (cargo feature kvm, which needs libvirt-dev)");
}
