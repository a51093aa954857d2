-- Further addresses of NICs, guest VLANs and public ranges of accounts, portable ranges, networks that nobody uses.
create table nic_secondary_ip (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  nic_id bigint not null,
  vm_id bigint not null,
  network_id bigint not null,
  ip_address_id bigint not null,
  address varchar(255) not null,
  account_id bigint not null,
  domain_id bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index nic_secondary_ip_uuid on nic_secondary_ip (uuid);
create index nic_secondary_ip_ip_address_id on nic_secondary_ip (ip_address_id);
create index nic_secondary_ip_nic_id on nic_secondary_ip (nic_id);
create table guest_vlan_range (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  physical_network_id bigint not null,
  first_number bigint not null,
  last_number bigint not null,
  account_id bigint not null,
  domain_id bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index guest_vlan_range_uuid on guest_vlan_range (uuid);
create index guest_vlan_range_physical_network_id on guest_vlan_range (physical_network_id);
create table portable_ip_range (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  region_id bigint not null,
  vlan varchar(255) not null,
  gateway varchar(255) not null,
  netmask varchar(255) not null,
  start_ip varchar(255) not null,
  end_ip varchar(255) not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index portable_ip_range_uuid on portable_ip_range (uuid);
alter table network add column idle_since bigint;
