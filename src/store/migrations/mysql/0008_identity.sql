-- Projects, alerts, throttling, dedicated places, hypervisor capabilities, LDAP servers, certificates, definitions of stores.
-- The same tables, columns and indexes stand in ../sqlite; a test compares them.
create table project (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  display_text mediumtext not null,
  domain_id bigint not null,
  account_id bigint not null,
  state varchar(255) not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index project_uuid on project (uuid);
create index project_domain_id_name on project (domain_id, name);
create unique index project_account_id on project (account_id);
create table project_member (
  id bigint not null auto_increment primary key,
  project_id bigint not null,
  account_id bigint not null,
  role varchar(255) not null,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index project_member_project_id_account_id on project_member (project_id, account_id);
create index project_member_account_id on project_member (account_id);
create table project_invitation (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  project_id bigint not null,
  account_id bigint,
  domain_id bigint not null,
  email varchar(255),
  token varchar(255),
  state varchar(255) not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index project_invitation_uuid on project_invitation (uuid);
create index project_invitation_project_id on project_invitation (project_id);
create index project_invitation_account_id on project_invitation (account_id);
create index project_invitation_token on project_invitation (token);
create table alert (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  alert_type bigint not null,
  subject varchar(255) not null,
  description mediumtext not null,
  zone_id bigint,
  pod_id bigint,
  cluster_id bigint,
  sent_count bigint not null,
  archived bigint not null,
  created bigint not null,
  last_sent bigint not null,
  resolved bigint,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index alert_uuid on alert (uuid);
create index alert_alert_type_resolved on alert (alert_type, resolved);
create index alert_created on alert (created);
create table api_count (
  id bigint not null auto_increment primary key,
  account_id bigint not null,
  window_start bigint not null,
  calls bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index api_count_account_id on api_count (account_id);
create table dedication (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  place_kind varchar(255) not null,
  place_id bigint not null,
  domain_id bigint not null,
  account_id bigint,
  affinity_group_id bigint,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index dedication_uuid on dedication (uuid);
create unique index dedication_place_kind_place_id on dedication (place_kind, place_id);
create index dedication_domain_id on dedication (domain_id);
create table hypervisor_capability (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  hypervisor varchar(255) not null,
  version varchar(255) not null,
  max_guests bigint not null,
  security_groups bigint not null,
  max_data_volumes bigint not null,
  max_hosts_per_cluster bigint,
  storage_motion bigint not null,
  vm_snapshot bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index hypervisor_capability_uuid on hypervisor_capability (uuid);
create unique index hypervisor_capability_hypervisor_version on hypervisor_capability (hypervisor, version);
create table ldap_server (
  id bigint not null auto_increment primary key,
  hostname varchar(255) not null,
  port bigint not null,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index ldap_server_hostname_port on ldap_server (hostname, port);
create table certificate (
  id bigint not null auto_increment primary key,
  name varchar(255) not null,
  seq bigint not null,
  certificate mediumtext not null,
  key_sealed mediumtext,
  domain_suffix varchar(255) not null,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index certificate_name on certificate (name);
create table store_definition (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  role varchar(255) not null,
  name varchar(255) not null,
  provider varchar(255) not null,
  protocol varchar(255) not null,
  url mediumtext not null,
  zone_id bigint,
  scope varchar(255) not null,
  details mediumtext,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index store_definition_uuid on store_definition (uuid);
create index store_definition_zone_id on store_definition (zone_id);
alter table account add column cleanup bigint not null default 0;
create index account_account_type on account (account_type);
