-- Further addresses of NICs, guest VLANs and public ranges of accounts, portable ranges, networks that nobody uses.
create table nic_secondary_ip (
  id integer primary key autoincrement,
  uuid text not null,
  nic_id integer not null,
  vm_id integer not null,
  network_id integer not null,
  ip_address_id integer not null,
  address text not null,
  account_id integer not null,
  domain_id integer not null,
  created integer not null,
  removed integer
) strict;
create unique index nic_secondary_ip_uuid on nic_secondary_ip (uuid);
create index nic_secondary_ip_ip_address_id on nic_secondary_ip (ip_address_id);
create index nic_secondary_ip_nic_id on nic_secondary_ip (nic_id);
create table guest_vlan_range (
  id integer primary key autoincrement,
  uuid text not null,
  physical_network_id integer not null,
  first_number integer not null,
  last_number integer not null,
  account_id integer not null,
  domain_id integer not null,
  created integer not null,
  removed integer
) strict;
create unique index guest_vlan_range_uuid on guest_vlan_range (uuid);
create index guest_vlan_range_physical_network_id on guest_vlan_range (physical_network_id);
create table portable_ip_range (
  id integer primary key autoincrement,
  uuid text not null,
  region_id integer not null,
  vlan text not null,
  gateway text not null,
  netmask text not null,
  start_ip text not null,
  end_ip text not null,
  created integer not null,
  removed integer
) strict;
create unique index portable_ip_range_uuid on portable_ip_range (uuid);
alter table network add column idle_since integer;
