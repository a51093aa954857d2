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
table! {
    /// A volume's bytes of one moment, kept on an image store.
    Snapshot in "snapshot" {
        uuid: String, name: String, account_id: i64, domain_id: i64, zone_id: i64, volume_id: i64,
        /// `MANUAL`, `HOURLY`, `DAILY`, `WEEKLY` or `MONTHLY`.
        snapshot_type: String,
        policy_id: Option<i64>, hypervisor: Option<String>,
        /// What the disk had, and what is counted of the store; 0 until it is there.
        size_bytes: i64, physical_bytes: i64,
        checksum: Option<String>, store_id: Option<i64>, error: Option<Text>,
        state: String, update_count: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// When a volume's snapshots are taken; one of a kind a volume.
    SnapshotPolicy in "snapshot_policy" {
        uuid: String, volume_id: i64, account_id: i64, domain_id: i64,
        /// 0 hourly, 1 daily, 2 weekly, 3 monthly.
        interval_type: i64,
        /// `MM`, `MM:HH`, `MM:HH:DD`, in `timezone`.
        schedule: String, timezone: String, max_snaps: i64, next_run: i64,
        /// The one snapshot after the volume went inactive was taken.
        inactive_taken: bool,
        created: i64,
    }
}
table! {
    /// A volume on an image store: uploaded, or on its way.
    VolumeStore in "volume_store" {
        volume_id: i64, store_id: i64, zone_id: i64, format: String, url: Option<Text>,
        /// As of a template on a store.
        state: String,
        percent: i64, physical_bytes: i64, checksum: Option<String>, error: Option<Text>, created: i64, removed: Option<i64>,
    }
}
table! {
    /// An address under which something can be downloaded for a while.
    Download in "download" {
        uuid: String,
        /// The secret part of the address.
        token: String,
        account_id: i64, domain_id: i64, zone_id: i64, store_id: i64,
        /// `Template`, `Iso` or `Volume`.
        kind: String,
        thing_id: i64,
        /// Its name on the store.
        object: String, file_name: String, format: String, state: String, url: Option<Text>,
        /// The object was made for this download and goes with it.
        own_object: bool,
        created: i64, expires: i64, removed: Option<i64>,
    }
}
table! {
    /// A VM that left a host for its maintenance, and comes back after it.
    HostLeave in "host_leave" { host_id: i64, vm_id: i64, created: i64 }
}
table! {
    /// A VM that high availability starts again, until it runs.
    HaRestart in "ha_restart" {
        vm_id: i64,
        /// The job that stopped it in the books. Any other stop is somebody's wish.
        job_id: i64,
        tries: i64, next_try: i64, created: i64,
    }
}
table! {
    /// A VM that a pool's maintenance stopped.
    PoolStop in "pool_stop" { pool_id: i64, vm_id: i64, created: i64 }
}
