-- Compute: groups of VMs, affinity, VM snapshots, details, passwords kept for the key of their VM.
create table affinity_group (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  group_type varchar(255) not null,
  description mediumtext,
  account_id bigint not null,
  domain_id bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index affinity_group_uuid on affinity_group (uuid);
create index affinity_group_account_id_name on affinity_group (account_id, name);
create table affinity_member (
  id bigint not null auto_increment primary key,
  group_id bigint not null,
  vm_id bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index affinity_member_group_id_vm_id on affinity_member (group_id, vm_id);
create index affinity_member_vm_id on affinity_member (vm_id);
create table affinity_host (
  id bigint not null auto_increment primary key,
  group_id bigint not null,
  host_id bigint not null,
  vm_id bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index affinity_host_group_id_host_id on affinity_host (group_id, host_id);
create index affinity_host_vm_id on affinity_host (vm_id);
create table instance_group (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  account_id bigint not null,
  domain_id bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index instance_group_uuid on instance_group (uuid);
create index instance_group_account_id_name on instance_group (account_id, name);
create table vm_snapshot (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  display_name varchar(255),
  description mediumtext,
  vm_id bigint not null,
  parent_id bigint,
  is_current bigint not null,
  snapshot_type varchar(255) not null,
  account_id bigint not null,
  domain_id bigint not null,
  zone_id bigint not null,
  state varchar(255) not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index vm_snapshot_uuid on vm_snapshot (uuid);
create index vm_snapshot_vm_id on vm_snapshot (vm_id);
create index vm_snapshot_account_id on vm_snapshot (account_id);
create table resource_detail (
  id bigint not null auto_increment primary key,
  resource_type varchar(255) not null,
  resource_id bigint not null,
  resource_uuid char(36) character set ascii collate ascii_bin not null,
  detail_key varchar(255) not null,
  detail_value mediumtext not null,
  account_id bigint not null,
  domain_id bigint not null,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index resource_detail_resource_type_resource_id_detail_key on resource_detail (resource_type, resource_id, detail_key);
create index resource_detail_account_id on resource_detail (account_id);
alter table vm drop column group_name;
alter table vm add column group_id bigint;
alter table vm add column password_encrypted mediumtext;
create index vm_group_id on vm (group_id);
drop index placement_vm_id on placement;
create unique index placement_vm_id_host_id on placement (vm_id, host_id);
alter table nic add column requested_ip4 varchar(255);
