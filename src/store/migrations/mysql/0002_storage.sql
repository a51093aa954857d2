create table snapshot (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  account_id bigint not null,
  domain_id bigint not null,
  zone_id bigint not null,
  volume_id bigint not null,
  snapshot_type varchar(255) not null,
  policy_id bigint,
  hypervisor varchar(255),
  size_bytes bigint not null,
  physical_bytes bigint not null,
  checksum varchar(255),
  store_id bigint,
  error mediumtext,
  state varchar(255) not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index snapshot_uuid on snapshot (uuid);
create index snapshot_account_id_removed_id on snapshot (account_id, removed, id);
create index snapshot_volume_id on snapshot (volume_id);
create index snapshot_removed_id on snapshot (removed, id);
create table snapshot_policy (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  volume_id bigint not null,
  account_id bigint not null,
  domain_id bigint not null,
  interval_type bigint not null,
  schedule varchar(255) not null,
  timezone varchar(255) not null,
  max_snaps bigint not null,
  next_run bigint not null,
  inactive_taken bigint not null,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index snapshot_policy_uuid on snapshot_policy (uuid);
create unique index snapshot_policy_volume_id_interval_type on snapshot_policy (volume_id, interval_type);
create index snapshot_policy_next_run on snapshot_policy (next_run);
create table volume_store (
  id bigint not null auto_increment primary key,
  volume_id bigint not null,
  store_id bigint not null,
  zone_id bigint not null,
  format varchar(255) not null,
  url mediumtext,
  state varchar(255) not null,
  percent bigint not null,
  physical_bytes bigint not null,
  checksum varchar(255),
  error mediumtext,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create index volume_store_volume_id on volume_store (volume_id);
create index volume_store_state on volume_store (state);
create table download (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  token varchar(255) not null,
  account_id bigint not null,
  domain_id bigint not null,
  zone_id bigint not null,
  store_id bigint not null,
  kind varchar(255) not null,
  thing_id bigint not null,
  object varchar(255) not null,
  file_name varchar(255) not null,
  format varchar(255) not null,
  state varchar(255) not null,
  url mediumtext,
  own_object bigint not null,
  created bigint not null,
  expires bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index download_uuid on download (uuid);
create unique index download_token on download (token);
create index download_expires on download (expires);
create table pool_stop (
  id bigint not null auto_increment primary key,
  pool_id bigint not null,
  vm_id bigint not null,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index pool_stop_pool_id_vm_id on pool_stop (pool_id, vm_id);
