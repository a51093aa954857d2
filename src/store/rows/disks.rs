use crate::{Text, table};

table! {
    /// How big and of what kind a disk is.
    DiskOffering in "disk_offering" {
        uuid: String, name: String, display_text: Text,
        /// GiB; 0 for custom sizes.
        size_gb: i64,
        is_custom: bool, is_custom_iops: bool, min_iops: Option<i64>, max_iops: Option<i64>, tags: Option<String>, domain_id: Option<i64>,
        storage_type: String,
        bytes_read_rate: Option<i64>, bytes_write_rate: Option<i64>, iops_read_rate: Option<i64>, iops_write_rate: Option<i64>,
        display_offering: bool, sort_key: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// A volume.
    Volume in "volume" {
        uuid: String, name: String, account_id: i64, domain_id: i64, zone_id: i64, pod_id: Option<i64>,
        /// `ROOT` or `DATADISK`.
        volume_type: String,
        size_bytes: i64, disk_offering_id: Option<i64>, service_offering_id: Option<i64>, template_id: Option<i64>, snapshot_id: Option<i64>,
        vm_id: Option<i64>, device_id: Option<i64>, attached: Option<i64>, pool_id: Option<i64>, path: Option<String>,
        hypervisor: Option<String>, min_iops: Option<i64>, max_iops: Option<i64>, display_volume: bool, delete_with_vm: bool,
        state: String, update_count: i64, created: i64, destroyed: Option<i64>, removed: Option<i64>,
    }
}
