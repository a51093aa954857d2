use crate::{Text, table};

table! {
    /// A physical network of a zone.
    PhysicalNetwork in "physical_network" {
        uuid: String, name: String, zone_id: i64, domain_id: Option<i64>, broadcast_domain_range: String, isolation_methods: Option<String>,
        vlan: Option<Text>, speed: Option<String>, tags: Option<String>,
        state: String, update_count: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// A kind of traffic that a physical network carries.
    TrafficType in "traffic_type" {
        uuid: String, physical_network_id: i64,
        /// `Guest`, `Management`, `Public`, `Storage`.
        traffic_type: String,
        isolation: Option<String>,
        xen_label: Option<String>, kvm_label: Option<String>, vmware_label: Option<String>, hyperv_label: Option<String>, vlan: Option<String>,
        created: i64, removed: Option<i64>,
    }
}
table! {
    /// A provider of network services on a physical network.
    Provider in "provider" {
        uuid: String, name: String, physical_network_id: i64, destination_network_id: Option<i64>,
        /// Services as a comma list.
        services: Text,
        state: String, update_count: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// The virtual-router element of a provider.
    RouterElement in "router_element" { uuid: String, provider_id: i64, enabled: bool, created: i64, removed: Option<i64> }
}
table! {
    /// What kind of guest network one can have.
    NetworkOffering in "network_offering" {
        uuid: String, name: String, unique_name: Option<String>, display_text: Text,
        /// `Shared` or `Isolated`.
        guest_type: String,
        traffic_type: String,
        /// `Required`, `Optional`.
        availability: String,
        is_default: bool, specify_vlan: bool, specify_ip_ranges: bool, conserve_mode: bool, is_persistent: bool, for_vpc: bool,
        egress_default: bool,
        /// System offerings make the cloud's own networks and are not shown to users.
        system_only: bool,
        network_rate: Option<i64>, max_connections: Option<i64>, tags: Option<String>, service_offering_id: Option<i64>,
        sort_key: i64, details: Option<Text>,
        state: String, update_count: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// A service of a network offering and who provides it.
    OfferingService in "offering_service" { offering_id: i64, service: String, provider: String }
}
table! {
    /// A guest network.
    Network in "network" {
        uuid: String, name: String, display_text: Text, account_id: i64, domain_id: i64, zone_id: i64, physical_network_id: Option<i64>,
        offering_id: i64, guest_type: String, traffic_type: String,
        /// `Account` or `Domain`.
        acl_type: String,
        subdomain_access: bool, is_default: bool, is_system: bool, specify_ip_ranges: bool,
        cidr: Option<String>, gateway: Option<String>, netmask: Option<String>, network_domain: Option<String>,
        broadcast_uri: Option<String>, vlan: Option<String>, dns1: Option<String>, dns2: Option<String>,
        ip6_cidr: Option<String>, ip6_gateway: Option<String>, display_network: bool,
        restart_required: bool, state: String, update_count: i64, created: i64, removed: Option<i64>,
        /// Grows with each change of the public addresses that the network's router carries.
        nat_sequence: i64,
        /// The one that the router took last.
        nat_applied: i64,
        /// Since when no VM has used it, as far as the garbage collection has seen.
        idle_since: Option<i64>,
    }
}
table! {
    /// A range of addresses ("vlan" in the native API) for a zone, pod, account or network.
    IpRange in "ip_range" {
        uuid: String, zone_id: i64, pod_id: Option<i64>, network_id: i64, physical_network_id: Option<i64>,
        account_id: Option<i64>, domain_id: Option<i64>,
        /// `untagged` or a VLAN number.
        vlan: String,
        gateway: Option<String>, netmask: Option<String>, start_ip: Option<String>, end_ip: Option<String>,
        ip6_gateway: Option<String>, ip6_cidr: Option<String>, ip6_start: Option<String>, ip6_end: Option<String>,
        /// Whether the addresses are public ones (of virtual networks) rather than guests' own.
        for_virtual_network: bool,
        created: i64, removed: Option<i64>,
    }
}
table! {
    /// One address of a range. Taken and given back by one conditional statement on `state`.
    IpAddress in "ip_address" {
        uuid: String, address: String, range_id: i64, network_id: i64, zone_id: i64, pod_id: Option<i64>,
        /// `Free` or `Allocated`; a public one on its way `Allocating` or `Releasing`.
        state: String,
        account_id: Option<i64>, domain_id: Option<i64>, nic_id: Option<i64>, vm_id: Option<i64>,
        source_nat: bool, static_nat: bool, is_system: bool, allocated: Option<i64>, update_count: i64,
        /// The guest network whose router carries a public address.
        associated_network_id: Option<i64>,
        /// The NIC that a static NAT address stands for.
        nat_nic_id: Option<i64>,
        /// That NIC's own address.
        guest_ip: Option<String>,
        /// Names the present mapping; each new one has another.
        nat_uuid: Option<String>,
    }
}
table! {
    /// A rule on a public address.
    FirewallRule in "firewall_rule" {
        uuid: String,
        /// `StaticNat`: ports that a static NAT address forwards.
        purpose: String,
        ip_address_id: i64, network_id: i64, account_id: i64, domain_id: i64,
        /// `tcp` or `udp`.
        protocol: String,
        first_port: i64, last_port: i64,
        /// Who may come, as a comma list; everybody when there is none.
        cidrs: Option<Text>,
        /// `Add`, `Active`, `Revoke`.
        state: String,
        update_count: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// A VLAN or VNI of a physical network that a network has taken; one row a taken number.
    Vnet in "vnet" { physical_network_id: i64, number: i64, network_id: i64, created: i64 }
}
table! {
    /// VLANs of a physical network that belong to one account.
    GuestVlanRange in "guest_vlan_range" {
        uuid: String, physical_network_id: i64, first_number: i64, last_number: i64, account_id: i64, domain_id: i64, created: i64,
        removed: Option<i64>,
    }
}
table! {
    /// A range of portable addresses.
    PortableIpRange in "portable_ip_range" {
        uuid: String,
        /// The number of the region.
        region_id: i64,
        /// `untagged` or a VLAN number.
        vlan: String,
        gateway: String, netmask: String, start_ip: String, end_ip: String, created: i64, removed: Option<i64>,
    }
}
table! {
    /// A further address of a NIC.
    NicSecondaryIp in "nic_secondary_ip" {
        uuid: String, nic_id: i64, vm_id: i64, network_id: i64, ip_address_id: i64, address: String, account_id: i64, domain_id: i64,
        created: i64, removed: Option<i64>,
    }
}
table! {
    /// A NIC of a VM.
    Nic in "nic" {
        uuid: String, vm_id: i64, network_id: i64, account_id: i64, domain_id: i64, zone_id: i64, mac: String, ip4: Option<String>, ip6: Option<String>,
        gateway: Option<String>, netmask: Option<String>, broadcast_uri: Option<String>, is_default: bool, device_id: i64,
        update_count: i64, created: i64, removed: Option<i64>,
        /// The address that was asked for when its VM was made.
        requested_ip4: Option<String>,
    }
}
table! {
    /// A security group.
    SecurityGroup in "security_group" {
        uuid: String, name: String, description: Option<Text>, account_id: i64, domain_id: i64,
        /// Grows with each change of rules or members.
        sequence: i64,
        update_count: i64, created: i64, removed: Option<i64>,
        /// Without egress rules nothing goes out, where otherwise everything does.
        egress_closed: bool,
    }
}
table! {
    /// A rule of a security group. What it allows is one CIDR or one other group.
    SecurityGroupRule in "security_group_rule" {
        uuid: String, group_id: i64,
        /// `ingress` or `egress`.
        direction: String,
        /// `tcp`, `udp`, `icmp`, `all` or a number.
        protocol: String,
        /// Ports, or ICMP type and code; -1 for any.
        first: i64, last: i64,
        cidr: Option<String>, allowed_group_id: Option<i64>,
        created: i64,
    }
}
table! {
    /// Which VM is in which group.
    SecurityGroupMember in "security_group_member" { group_id: i64, vm_id: i64 }
}
