create table snapshot (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  account_id integer not null,
  domain_id integer not null,
  zone_id integer not null,
  volume_id integer not null,
  snapshot_type text not null,
  policy_id integer,
  hypervisor text,
  size_bytes integer not null,
  physical_bytes integer not null,
  checksum text,
  store_id integer,
  error text,
  state text not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index snapshot_uuid on snapshot (uuid);
create index snapshot_account_id_removed_id on snapshot (account_id, removed, id);
create index snapshot_volume_id on snapshot (volume_id);
create index snapshot_removed_id on snapshot (removed, id);
create table snapshot_policy (
  id integer primary key autoincrement,
  uuid text not null,
  volume_id integer not null,
  account_id integer not null,
  domain_id integer not null,
  interval_type integer not null,
  schedule text not null,
  timezone text not null,
  max_snaps integer not null,
  next_run integer not null,
  inactive_taken integer not null,
  created integer not null
) strict;
create unique index snapshot_policy_uuid on snapshot_policy (uuid);
create unique index snapshot_policy_volume_id_interval_type on snapshot_policy (volume_id, interval_type);
create index snapshot_policy_next_run on snapshot_policy (next_run);
create table volume_store (
  id integer primary key autoincrement,
  volume_id integer not null,
  store_id integer not null,
  zone_id integer not null,
  format text not null,
  url text,
  state text not null,
  percent integer not null,
  physical_bytes integer not null,
  checksum text,
  error text,
  created integer not null,
  removed integer
) strict;
create index volume_store_volume_id on volume_store (volume_id);
create index volume_store_state on volume_store (state);
create table download (
  id integer primary key autoincrement,
  uuid text not null,
  token text not null,
  account_id integer not null,
  domain_id integer not null,
  zone_id integer not null,
  store_id integer not null,
  kind text not null,
  thing_id integer not null,
  object text not null,
  file_name text not null,
  format text not null,
  state text not null,
  url text,
  own_object integer not null,
  created integer not null,
  expires integer not null,
  removed integer
) strict;
create unique index download_uuid on download (uuid);
create unique index download_token on download (token);
create index download_expires on download (expires);
create table pool_stop (
  id integer primary key autoincrement,
  pool_id integer not null,
  vm_id integer not null,
  created integer not null
) strict;
create unique index pool_stop_pool_id_vm_id on pool_stop (pool_id, vm_id);
