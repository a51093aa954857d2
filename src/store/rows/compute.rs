use crate::{Text, table};

table! {
    /// VMs that are to run apart (`host anti-affinity`).
    AffinityGroup in "affinity_group" {
        uuid: String, name: String, group_type: String, description: Option<Text>,
        account_id: i64, domain_id: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// A VM in an affinity group.
    AffinityMember in "affinity_member" { group_id: i64, vm_id: i64 }
}
table! {
    /// The one VM of a group of VMs that run apart which has a place on a host: taken with the place, so that parallel starts cannot
    /// meet there.
    AffinityHost in "affinity_host" { group_id: i64, host_id: i64, vm_id: i64 }
}
table! {
    /// A name under which VMs are shown together.
    InstanceGroup in "instance_group" { uuid: String, name: String, account_id: i64, domain_id: i64, created: i64, removed: Option<i64> }
}
table! {
    /// A VM as it was: its disks and, if it ran, its memory.
    VmSnapshot in "vm_snapshot" {
        uuid: String, name: String, display_name: Option<String>, description: Option<Text>, vm_id: i64, parent_id: Option<i64>,
        /// Whether the VM goes on from this one.
        is_current: bool,
        /// `Disk` or `DiskAndMemory`.
        snapshot_type: String,
        account_id: i64, domain_id: i64, zone_id: i64,
        /// `Allocated`, `Creating`, `Ready`, `Reverting`, `Expunging`, `Error`.
        state: String,
        update_count: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// More about a volume or NIC, by key.
    ResourceDetail in "resource_detail" {
        resource_type: String, resource_id: i64, resource_uuid: String, detail_key: String, detail_value: Text,
        account_id: i64, domain_id: i64, created: i64,
    }
}
