use crate::{Text, table};

table! {
    /// A region; this server's is the one with its own name.
    Region in "region" { number: i64, name: String, end_point: Text, created: i64, removed: Option<i64> }
}
table! {
    /// A zone. `domain_id` is set for a private one.
    Zone in "zone" {
        uuid: String, name: String, description: Option<Text>, display_text: Option<Text>,
        /// `Basic` or `Advanced`.
        network_type: String,
        dns1: String, dns2: Option<String>, internal_dns1: String, internal_dns2: Option<String>,
        ip6_dns1: Option<String>, ip6_dns2: Option<String>, domain: Option<String>, domain_id: Option<i64>,
        guest_cidr: Option<String>, security_groups: bool, local_storage: bool, dhcp_provider: Option<String>,
        /// `Enabled` or `Disabled`.
        allocation_state: String,
        /// Random text that makes zone-scoped tokens differ.
        zone_token: String,
        update_count: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// A pod: a rack with its management range.
    Pod in "pod" {
        uuid: String, name: String, zone_id: i64, gateway: String, netmask: String, start_ip: String, end_ip: String,
        allocation_state: String, update_count: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// A cluster: hosts of one hypervisor type with common storage.
    Cluster in "cluster" {
        uuid: String, name: String, zone_id: i64, pod_id: i64, hypervisor: String,
        /// `CloudManaged` or `ExternalManaged`.
        cluster_type: String,
        cpu_overcommit: String, memory_overcommit: String,
        allocation_state: String, managed_state: String, update_count: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// A host. `state` is how the connection is, `resource_state` what administrators want.
    Host in "host" {
        uuid: String, name: String, zone_id: i64, pod_id: i64, cluster_id: i64,
        /// `Routing`, `SecondaryStorage`, …
        host_type: String,
        hypervisor: String, hypervisor_version: Option<String>,
        url: Text, ip_address: String, username: Option<String>, password_sealed: Option<Text>,
        cpus: i64, cpu_mhz: i64, memory_bytes: i64, capabilities: Option<String>, tags: Option<String>,
        os_category_id: Option<i64>,
        state: String, resource_state: String,
        last_ping: i64, disconnected: Option<i64>,
        /// The management server that speaks to the host, and its epoch.
        server_id: Option<i64>, epoch: i64,
        update_count: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// What a host has to give, changed only by conditional statements. `used` must equal the sum of its placements.
    HostCapacity in "host_capacity" {
        host_id: i64, zone_id: i64, pod_id: i64, cluster_id: i64, hypervisor: String,
        /// MHz and bytes after over-provisioning.
        cpu_total: i64, cpu_used: i64, memory_total: i64, memory_used: i64,
        /// Whether the allocator may choose the host: Up and enabled.
        open: bool,
        update_count: i64,
        /// VMs that have a place on it, and how many may: 0 for any number.
        guests: i64,
        max_guests: i64,
    }
}
table! {
    /// Primary storage. `used_bytes` must equal the sum of its volumes' sizes.
    StoragePool in "storage_pool" {
        uuid: String, name: String, zone_id: i64, pod_id: Option<i64>, cluster_id: Option<i64>,
        /// `ZONE`, `CLUSTER`, `HOST`.
        scope: String,
        hypervisor: Option<String>,
        /// `NetworkFilesystem`, `Filesystem`, …
        pool_type: String,
        provider: String, url: Text, ip_address: String, path: Text, tags: Option<String>,
        capacity_bytes: i64, used_bytes: i64, iops: Option<i64>,
        state: String, update_count: i64, created: i64, removed: Option<i64>,
        /// The host whose own disks it is, for scope `HOST`.
        host_id: Option<i64>,
    }
}
table! {
    /// Secondary storage.
    ImageStore in "image_store" {
        uuid: String, name: String, provider: String, protocol: String, url: Text, zone_id: Option<i64>,
        /// `ZONE` or `REGION`.
        scope: String,
        details: Option<Text>, total_bytes: i64, used_bytes: i64,
        update_count: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// A place that only one domain, or one account of it, may use.
    Dedication in "dedication" {
        uuid: String,
        /// `zone`, `pod`, `cluster` or `host`.
        place_kind: String,
        place_id: i64, domain_id: i64, account_id: Option<i64>, affinity_group_id: Option<i64>, created: i64,
    }
}
table! {
    /// What a version of a hypervisor can do.
    HypervisorCapability in "hypervisor_capability" {
        uuid: String, hypervisor: String, version: String, max_guests: i64, security_groups: bool, max_data_volumes: i64,
        max_hosts_per_cluster: Option<i64>, storage_motion: bool, vm_snapshot: bool,
    }
}
table! {
    /// A store that is defined and that no driver here serves: `role` is `cache` for one near the hosts that images pass through,
    /// `object` for one of objects.
    StoreDefinition in "store_definition" {
        uuid: String, role: String, name: String, provider: String, protocol: String, url: Text, zone_id: Option<i64>, scope: String,
        details: Option<Text>, created: i64, removed: Option<i64>,
    }
}
