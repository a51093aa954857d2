use crate::{Text, table};

table! {
    /// How much CPU and memory a VM gets. Null numbers are given at deploy (a customised offering).
    ServiceOffering in "service_offering" {
        uuid: String, name: String, display_text: Text, cpus: Option<i64>, cpu_mhz: Option<i64>, memory_mb: Option<i64>,
        network_rate: Option<i64>, multicast_rate: Option<i64>,
        offer_ha: bool, limit_cpu: bool, is_volatile: bool, is_default: bool, is_system: bool,
        /// `domainrouter`, `consoleproxy`, `secondarystoragevm` for system offerings.
        system_vm_type: Option<String>,
        /// `shared` or `local`.
        storage_type: String,
        tags: Option<String>, host_tags: Option<String>, domain_id: Option<i64>, deployment_planner: Option<String>,
        bytes_read_rate: Option<i64>, bytes_write_rate: Option<i64>, iops_read_rate: Option<i64>, iops_write_rate: Option<i64>,
        is_customized_iops: Option<bool>, min_iops: Option<i64>, max_iops: Option<i64>,
        sort_key: i64, details: Option<Text>, created: i64, removed: Option<i64>,
    }
}
table! {
    /// A family of guest operating systems.
    OsCategory in "os_category" { uuid: String, name: String }
}
table! {
    /// A guest operating system.
    OsType in "os_type" { uuid: String, category_id: i64, name: String, is_user_defined: bool }
}
table! {
    /// A template or ISO.
    Template in "template" {
        uuid: String, name: String, display_text: Text, account_id: i64, domain_id: i64, is_iso: bool,
        /// `QCOW2`, `VHD`, `OVA`, `RAW`, `ISO` …
        format: String,
        hypervisor: Option<String>, os_type_id: i64, url: Option<Text>, checksum: Option<String>, bits: i64,
        requires_hvm: bool, password_enabled: bool, ssh_key_enabled: bool, is_public: bool, is_featured: bool, is_extractable: bool, is_bootable: bool,
        is_dynamic: bool, is_routing: bool,
        /// `USER`, `SYSTEM`, `BUILTIN`.
        template_type: String,
        cross_zones: bool, source_template_id: Option<i64>, size_bytes: i64, tag: Option<String>, details: Option<Text>, sort_key: i64,
        state: String, update_count: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// A template on a store of a zone.
    TemplateStore in "template_store" {
        template_id: i64, store_id: i64, zone_id: i64,
        /// `DOWNLOADED`, `DOWNLOAD_IN_PROGRESS`, `DOWNLOAD_ERROR`, `NOT_DOWNLOADED`.
        state: String,
        percent: i64, physical_bytes: i64, error: Option<Text>, job_id: Option<i64>,
        update_count: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// A template's copy on a pool.
    TemplatePool in "template_pool" { template_id: i64, pool_id: i64, created: i64 }
}
table! {
    /// An account that a private template is shared with.
    TemplatePermission in "template_permission" { template_id: i64, account_id: i64, created: i64 }
}
table! {
    /// A VM.
    Vm in "vm" {
        uuid: String,
        /// The host name, unique in its network.
        name: String,
        display_name: Option<String>,
        /// `i-<account>-<id>-VM`.
        instance_name: String,
        account_id: i64, domain_id: i64, zone_id: i64, pod_id: Option<i64>, cluster_id: Option<i64>, host_id: Option<i64>, last_host_id: Option<i64>,
        template_id: i64, iso_id: Option<i64>, service_offering_id: i64, disk_offering_id: Option<i64>, os_type_id: i64, hypervisor: String,
        /// As deployed: for customised offerings the caller's numbers.
        cpus: i64, cpu_mhz: i64, memory_mb: i64,
        /// `User`, `DomainRouter`, …
        vm_type: String,
        ha_enabled: bool, display_vm: bool, dynamically_scalable: bool,
        user_data: Option<Text>, keypair: Option<String>, ssh_public_key: Option<Text>, keyboard: Option<String>,
        /// A password that the guest has yet to take up, sealed.
        password_sealed: Option<Text>,
        details: Option<Text>,
        reservation: Option<String>, launch_index: Option<i64>,
        /// Whether it has run at least once: a VM that never ran and fails to start is in Error.
        has_run: bool,
        state: String, update_count: i64, created: i64,
        /// Microseconds of the last start, for EC2's launchTime.
        started: Option<i64>,
        destroyed: Option<i64>, removed: Option<i64>,
        group_id: Option<i64>,
        /// The last password, readable only with the private half of the VM's SSH key: base64 of RSA with PKCS#1 v1.5 padding.
        password_encrypted: Option<Text>,
    }
}
table! {
    /// What a VM takes of a host: the reservation and the use are the same row. One a VM; two while it migrates.
    Placement in "placement" { vm_id: i64, host_id: i64, cpu: i64, memory: i64, created: i64 }
}
table! {
    /// A public key under a name.
    SshKeyPair in "ssh_keypair" {
        uuid: String, name: String, account_id: i64, domain_id: i64,
        /// MD5 of the OpenSSH blob, with colons: the native API's.
        fingerprint: String,
        /// EC2's: SHA-1 of the private key's DER when made here, MD5 of the public key's DER when imported.
        ec2_fingerprint: String,
        public_key: Text, created: i64, removed: Option<i64>,
    }
}
