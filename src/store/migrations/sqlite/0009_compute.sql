-- Compute: groups of VMs, affinity, VM snapshots, details, passwords kept for the key of their VM.
create table affinity_group (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  group_type text not null,
  description text,
  account_id integer not null,
  domain_id integer not null,
  created integer not null,
  removed integer
) strict;
create unique index affinity_group_uuid on affinity_group (uuid);
create index affinity_group_account_id_name on affinity_group (account_id, name);
create table affinity_member (
  id integer primary key autoincrement,
  group_id integer not null,
  vm_id integer not null
) strict;
create unique index affinity_member_group_id_vm_id on affinity_member (group_id, vm_id);
create index affinity_member_vm_id on affinity_member (vm_id);
create table affinity_host (
  id integer primary key autoincrement,
  group_id integer not null,
  host_id integer not null,
  vm_id integer not null
) strict;
create unique index affinity_host_group_id_host_id on affinity_host (group_id, host_id);
create index affinity_host_vm_id on affinity_host (vm_id);
create table instance_group (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  account_id integer not null,
  domain_id integer not null,
  created integer not null,
  removed integer
) strict;
create unique index instance_group_uuid on instance_group (uuid);
create index instance_group_account_id_name on instance_group (account_id, name);
create table vm_snapshot (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  display_name text,
  description text,
  vm_id integer not null,
  parent_id integer,
  is_current integer not null,
  snapshot_type text not null,
  account_id integer not null,
  domain_id integer not null,
  zone_id integer not null,
  state text not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index vm_snapshot_uuid on vm_snapshot (uuid);
create index vm_snapshot_vm_id on vm_snapshot (vm_id);
create index vm_snapshot_account_id on vm_snapshot (account_id);
create table resource_detail (
  id integer primary key autoincrement,
  resource_type text not null,
  resource_id integer not null,
  resource_uuid text not null,
  detail_key text not null,
  detail_value text not null,
  account_id integer not null,
  domain_id integer not null,
  created integer not null
) strict;
create unique index resource_detail_resource_type_resource_id_detail_key on resource_detail (resource_type, resource_id, detail_key);
create index resource_detail_account_id on resource_detail (account_id);
alter table vm drop column group_name;
alter table vm add column group_id integer;
alter table vm add column password_encrypted text;
create index vm_group_id on vm (group_id);
drop index placement_vm_id;
create unique index placement_vm_id_host_id on placement (vm_id, host_id);
alter table nic add column requested_ip4 text;
