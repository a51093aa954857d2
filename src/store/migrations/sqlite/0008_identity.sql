-- Projects, alerts, throttling, dedicated places, hypervisor capabilities, LDAP servers, certificates, definitions of stores.
-- The same tables, columns and indexes stand in ../mysql; a test compares them.
create table project (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  display_text text not null,
  domain_id integer not null,
  account_id integer not null,
  state text not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index project_uuid on project (uuid);
create index project_domain_id_name on project (domain_id, name);
create unique index project_account_id on project (account_id);
create table project_member (
  id integer primary key autoincrement,
  project_id integer not null,
  account_id integer not null,
  role text not null,
  created integer not null
) strict;
create unique index project_member_project_id_account_id on project_member (project_id, account_id);
create index project_member_account_id on project_member (account_id);
create table project_invitation (
  id integer primary key autoincrement,
  uuid text not null,
  project_id integer not null,
  account_id integer,
  domain_id integer not null,
  email text,
  token text,
  state text not null,
  created integer not null,
  removed integer
) strict;
create unique index project_invitation_uuid on project_invitation (uuid);
create index project_invitation_project_id on project_invitation (project_id);
create index project_invitation_account_id on project_invitation (account_id);
create index project_invitation_token on project_invitation (token);
create table alert (
  id integer primary key autoincrement,
  uuid text not null,
  alert_type integer not null,
  subject text not null,
  description text not null,
  zone_id integer,
  pod_id integer,
  cluster_id integer,
  sent_count integer not null,
  archived integer not null,
  created integer not null,
  last_sent integer not null,
  resolved integer,
  removed integer
) strict;
create unique index alert_uuid on alert (uuid);
create index alert_alert_type_resolved on alert (alert_type, resolved);
create index alert_created on alert (created);
create table api_count (
  id integer primary key autoincrement,
  account_id integer not null,
  window_start integer not null,
  calls integer not null
) strict;
create unique index api_count_account_id on api_count (account_id);
create table dedication (
  id integer primary key autoincrement,
  uuid text not null,
  place_kind text not null,
  place_id integer not null,
  domain_id integer not null,
  account_id integer,
  affinity_group_id integer,
  created integer not null
) strict;
create unique index dedication_uuid on dedication (uuid);
create unique index dedication_place_kind_place_id on dedication (place_kind, place_id);
create index dedication_domain_id on dedication (domain_id);
create table hypervisor_capability (
  id integer primary key autoincrement,
  uuid text not null,
  hypervisor text not null,
  version text not null,
  max_guests integer not null,
  security_groups integer not null,
  max_data_volumes integer not null,
  max_hosts_per_cluster integer,
  storage_motion integer not null,
  vm_snapshot integer not null
) strict;
create unique index hypervisor_capability_uuid on hypervisor_capability (uuid);
create unique index hypervisor_capability_hypervisor_version on hypervisor_capability (hypervisor, version);
create table ldap_server (
  id integer primary key autoincrement,
  hostname text not null,
  port integer not null,
  created integer not null
) strict;
create unique index ldap_server_hostname_port on ldap_server (hostname, port);
create table certificate (
  id integer primary key autoincrement,
  name text not null,
  seq integer not null,
  certificate text not null,
  key_sealed text,
  domain_suffix text not null,
  created integer not null
) strict;
create unique index certificate_name on certificate (name);
create table store_definition (
  id integer primary key autoincrement,
  uuid text not null,
  role text not null,
  name text not null,
  provider text not null,
  protocol text not null,
  url text not null,
  zone_id integer,
  scope text not null,
  details text,
  created integer not null,
  removed integer
) strict;
create unique index store_definition_uuid on store_definition (uuid);
create index store_definition_zone_id on store_definition (zone_id);
alter table account add column cleanup integer not null default 0;
create index account_account_type on account (account_type);
