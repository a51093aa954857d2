-- The first schema. The same tables, columns and indexes stand in ../sqlite; a test compares them.
create table domain (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  parent_id bigint,
  path mediumtext not null,
  level bigint not null,
  network_domain varchar(255),
  state varchar(255) not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index domain_uuid on domain (uuid);
create index domain_parent_id on domain (parent_id);
create table account (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  account_type bigint not null,
  domain_id bigint not null,
  network_domain varchar(255),
  default_zone_id bigint,
  owner_number varchar(255) not null,
  details mediumtext,
  state varchar(255) not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index account_uuid on account (uuid);
create index account_domain_id_name on account (domain_id, name);
create index account_owner_number on account (owner_number);
create table cloud_user (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  account_id bigint not null,
  domain_id bigint not null,
  username varchar(255) not null,
  password_hash mediumtext not null,
  firstname varchar(255) not null,
  lastname varchar(255) not null,
  email varchar(255),
  timezone varchar(255),
  api_key varchar(255),
  secret_sealed mediumtext,
  failed_logins bigint not null,
  default_password bigint not null,
  state varchar(255) not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index cloud_user_uuid on cloud_user (uuid);
create index cloud_user_account_id on cloud_user (account_id);
create unique index cloud_user_api_key on cloud_user (api_key);
create index cloud_user_domain_id_username on cloud_user (domain_id, username);
create table session (
  id bigint not null auto_increment primary key,
  cookie_hash varchar(255) not null,
  session_key varchar(255) not null,
  user_id bigint not null,
  created bigint not null,
  last_used bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index session_cookie_hash on session (cookie_hash);
create index session_last_used on session (last_used);
create table resource_count (
  id bigint not null auto_increment primary key,
  owner_kind varchar(255) not null,
  owner_id bigint not null,
  resource bigint not null,
  used bigint not null,
  max bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index resource_count_owner_kind_owner_id_resource on resource_count (owner_kind, owner_id, resource);
create table setting (
  id bigint not null auto_increment primary key,
  name varchar(255) not null,
  scope varchar(255) not null,
  scope_id bigint not null,
  content mediumtext
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index setting_name_scope_scope_id on setting (name, scope, scope_id);
create table region (
  id bigint not null auto_increment primary key,
  number bigint not null,
  name varchar(255) not null,
  end_point mediumtext not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create index region_number on region (number);
create table zone (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  description mediumtext,
  display_text mediumtext,
  network_type varchar(255) not null,
  dns1 varchar(255) not null,
  dns2 varchar(255),
  internal_dns1 varchar(255) not null,
  internal_dns2 varchar(255),
  ip6_dns1 varchar(255),
  ip6_dns2 varchar(255),
  domain varchar(255),
  domain_id bigint,
  guest_cidr varchar(255),
  security_groups bigint not null,
  local_storage bigint not null,
  dhcp_provider varchar(255),
  allocation_state varchar(255) not null,
  zone_token varchar(255) not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index zone_uuid on zone (uuid);
create table pod (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  zone_id bigint not null,
  gateway varchar(255) not null,
  netmask varchar(255) not null,
  start_ip varchar(255) not null,
  end_ip varchar(255) not null,
  allocation_state varchar(255) not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index pod_uuid on pod (uuid);
create index pod_zone_id on pod (zone_id);
create table cluster (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  zone_id bigint not null,
  pod_id bigint not null,
  hypervisor varchar(255) not null,
  cluster_type varchar(255) not null,
  cpu_overcommit varchar(255) not null,
  memory_overcommit varchar(255) not null,
  allocation_state varchar(255) not null,
  managed_state varchar(255) not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index cluster_uuid on cluster (uuid);
create index cluster_pod_id on cluster (pod_id);
create table host (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  zone_id bigint not null,
  pod_id bigint not null,
  cluster_id bigint not null,
  host_type varchar(255) not null,
  hypervisor varchar(255) not null,
  hypervisor_version varchar(255),
  url mediumtext not null,
  ip_address varchar(255) not null,
  username varchar(255),
  password_sealed mediumtext,
  cpus bigint not null,
  cpu_mhz bigint not null,
  memory_bytes bigint not null,
  capabilities varchar(255),
  tags varchar(255),
  os_category_id bigint,
  state varchar(255) not null,
  resource_state varchar(255) not null,
  last_ping bigint not null,
  disconnected bigint,
  server_id bigint,
  epoch bigint not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index host_uuid on host (uuid);
create index host_cluster_id on host (cluster_id);
create index host_zone_id on host (zone_id);
create table host_capacity (
  id bigint not null auto_increment primary key,
  host_id bigint not null,
  zone_id bigint not null,
  pod_id bigint not null,
  cluster_id bigint not null,
  hypervisor varchar(255) not null,
  cpu_total bigint not null,
  cpu_used bigint not null,
  memory_total bigint not null,
  memory_used bigint not null,
  open bigint not null,
  update_count bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index host_capacity_host_id on host_capacity (host_id);
create index host_capacity_zone_id_open_host_id on host_capacity (zone_id, open, host_id);
create index host_capacity_cluster_id on host_capacity (cluster_id);
create table storage_pool (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  zone_id bigint not null,
  pod_id bigint,
  cluster_id bigint,
  scope varchar(255) not null,
  hypervisor varchar(255),
  pool_type varchar(255) not null,
  provider varchar(255) not null,
  url mediumtext not null,
  ip_address varchar(255) not null,
  path mediumtext not null,
  tags varchar(255),
  capacity_bytes bigint not null,
  used_bytes bigint not null,
  iops bigint,
  state varchar(255) not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index storage_pool_uuid on storage_pool (uuid);
create index storage_pool_cluster_id on storage_pool (cluster_id);
create index storage_pool_zone_id on storage_pool (zone_id);
create table image_store (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  provider varchar(255) not null,
  protocol varchar(255) not null,
  url mediumtext not null,
  zone_id bigint,
  scope varchar(255) not null,
  details mediumtext,
  total_bytes bigint not null,
  used_bytes bigint not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index image_store_uuid on image_store (uuid);
create index image_store_zone_id on image_store (zone_id);
create table physical_network (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  zone_id bigint not null,
  domain_id bigint,
  broadcast_domain_range varchar(255) not null,
  isolation_methods varchar(255),
  vlan mediumtext,
  speed varchar(255),
  tags varchar(255),
  state varchar(255) not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index physical_network_uuid on physical_network (uuid);
create index physical_network_zone_id on physical_network (zone_id);
create table traffic_type (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  physical_network_id bigint not null,
  traffic_type varchar(255) not null,
  isolation varchar(255),
  xen_label varchar(255),
  kvm_label varchar(255),
  vmware_label varchar(255),
  hyperv_label varchar(255),
  vlan varchar(255),
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index traffic_type_uuid on traffic_type (uuid);
create index traffic_type_physical_network_id on traffic_type (physical_network_id);
create table provider (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  physical_network_id bigint not null,
  destination_network_id bigint,
  services mediumtext not null,
  state varchar(255) not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index provider_uuid on provider (uuid);
create index provider_physical_network_id on provider (physical_network_id);
create table router_element (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  provider_id bigint not null,
  enabled bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index router_element_uuid on router_element (uuid);
create index router_element_provider_id on router_element (provider_id);
create table network_offering (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  unique_name varchar(255),
  display_text mediumtext not null,
  guest_type varchar(255) not null,
  traffic_type varchar(255) not null,
  availability varchar(255) not null,
  is_default bigint not null,
  specify_vlan bigint not null,
  specify_ip_ranges bigint not null,
  conserve_mode bigint not null,
  is_persistent bigint not null,
  for_vpc bigint not null,
  egress_default bigint not null,
  system_only bigint not null,
  network_rate bigint,
  max_connections bigint,
  tags varchar(255),
  service_offering_id bigint,
  sort_key bigint not null,
  details mediumtext,
  state varchar(255) not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index network_offering_uuid on network_offering (uuid);
create table offering_service (
  id bigint not null auto_increment primary key,
  offering_id bigint not null,
  service varchar(255) not null,
  provider varchar(255) not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create index offering_service_offering_id on offering_service (offering_id);
create table network (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  display_text mediumtext not null,
  account_id bigint not null,
  domain_id bigint not null,
  zone_id bigint not null,
  physical_network_id bigint,
  offering_id bigint not null,
  guest_type varchar(255) not null,
  traffic_type varchar(255) not null,
  acl_type varchar(255) not null,
  subdomain_access bigint not null,
  is_default bigint not null,
  is_system bigint not null,
  specify_ip_ranges bigint not null,
  cidr varchar(255),
  gateway varchar(255),
  netmask varchar(255),
  network_domain varchar(255),
  broadcast_uri varchar(255),
  vlan varchar(255),
  dns1 varchar(255),
  dns2 varchar(255),
  ip6_cidr varchar(255),
  ip6_gateway varchar(255),
  display_network bigint not null,
  restart_required bigint not null,
  state varchar(255) not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index network_uuid on network (uuid);
create index network_account_id on network (account_id);
create index network_zone_id on network (zone_id);
create table ip_range (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  zone_id bigint not null,
  pod_id bigint,
  network_id bigint not null,
  physical_network_id bigint,
  account_id bigint,
  domain_id bigint,
  vlan varchar(255) not null,
  gateway varchar(255),
  netmask varchar(255),
  start_ip varchar(255),
  end_ip varchar(255),
  ip6_gateway varchar(255),
  ip6_cidr varchar(255),
  ip6_start varchar(255),
  ip6_end varchar(255),
  for_virtual_network bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index ip_range_uuid on ip_range (uuid);
create index ip_range_network_id on ip_range (network_id);
create index ip_range_zone_id on ip_range (zone_id);
create table ip_address (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  address varchar(255) not null,
  range_id bigint not null,
  network_id bigint not null,
  zone_id bigint not null,
  pod_id bigint,
  state varchar(255) not null,
  account_id bigint,
  domain_id bigint,
  nic_id bigint,
  vm_id bigint,
  source_nat bigint not null,
  static_nat bigint not null,
  is_system bigint not null,
  allocated bigint,
  update_count bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index ip_address_uuid on ip_address (uuid);
create unique index ip_address_range_id_address on ip_address (range_id, address);
create index ip_address_network_id_state_id on ip_address (network_id, state, id);
create index ip_address_pod_id_state_id on ip_address (pod_id, state, id);
create index ip_address_nic_id on ip_address (nic_id);
create index ip_address_vm_id on ip_address (vm_id);
create index ip_address_account_id on ip_address (account_id);
create table nic (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  vm_id bigint not null,
  network_id bigint not null,
  account_id bigint not null,
  domain_id bigint not null,
  zone_id bigint not null,
  mac varchar(255) not null,
  ip4 varchar(255),
  ip6 varchar(255),
  gateway varchar(255),
  netmask varchar(255),
  broadcast_uri varchar(255),
  is_default bigint not null,
  device_id bigint not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index nic_uuid on nic (uuid);
create index nic_vm_id on nic (vm_id);
create index nic_network_id on nic (network_id);
create table security_group (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  description mediumtext,
  account_id bigint not null,
  domain_id bigint not null,
  sequence bigint not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index security_group_uuid on security_group (uuid);
create index security_group_account_id_name on security_group (account_id, name);
create table security_group_rule (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  group_id bigint not null,
  direction varchar(255) not null,
  protocol varchar(255) not null,
  first bigint not null,
  last bigint not null,
  cidr varchar(255),
  allowed_group_id bigint,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index security_group_rule_uuid on security_group_rule (uuid);
create index security_group_rule_group_id on security_group_rule (group_id);
create index security_group_rule_allowed_group_id on security_group_rule (allowed_group_id);
create table security_group_member (
  id bigint not null auto_increment primary key,
  group_id bigint not null,
  vm_id bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index security_group_member_group_id_vm_id on security_group_member (group_id, vm_id);
create index security_group_member_vm_id on security_group_member (vm_id);
create table service_offering (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  display_text mediumtext not null,
  cpus bigint,
  cpu_mhz bigint,
  memory_mb bigint,
  network_rate bigint,
  multicast_rate bigint,
  offer_ha bigint not null,
  limit_cpu bigint not null,
  is_volatile bigint not null,
  is_default bigint not null,
  is_system bigint not null,
  system_vm_type varchar(255),
  storage_type varchar(255) not null,
  tags varchar(255),
  host_tags varchar(255),
  domain_id bigint,
  deployment_planner varchar(255),
  bytes_read_rate bigint,
  bytes_write_rate bigint,
  iops_read_rate bigint,
  iops_write_rate bigint,
  is_customized_iops bigint,
  min_iops bigint,
  max_iops bigint,
  sort_key bigint not null,
  details mediumtext,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index service_offering_uuid on service_offering (uuid);
create index service_offering_name on service_offering (name);
create table os_category (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index os_category_uuid on os_category (uuid);
create table os_type (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  category_id bigint not null,
  name varchar(255) not null,
  is_user_defined bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index os_type_uuid on os_type (uuid);
create index os_type_category_id on os_type (category_id);
create table template (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  display_text mediumtext not null,
  account_id bigint not null,
  domain_id bigint not null,
  is_iso bigint not null,
  format varchar(255) not null,
  hypervisor varchar(255),
  os_type_id bigint not null,
  url mediumtext,
  checksum varchar(255),
  bits bigint not null,
  requires_hvm bigint not null,
  password_enabled bigint not null,
  ssh_key_enabled bigint not null,
  is_public bigint not null,
  is_featured bigint not null,
  is_extractable bigint not null,
  is_bootable bigint not null,
  is_dynamic bigint not null,
  is_routing bigint not null,
  template_type varchar(255) not null,
  cross_zones bigint not null,
  source_template_id bigint,
  size_bytes bigint not null,
  tag varchar(255),
  details mediumtext,
  sort_key bigint not null,
  state varchar(255) not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index template_uuid on template (uuid);
create index template_account_id on template (account_id);
create table template_store (
  id bigint not null auto_increment primary key,
  template_id bigint not null,
  store_id bigint not null,
  zone_id bigint not null,
  state varchar(255) not null,
  percent bigint not null,
  physical_bytes bigint not null,
  error mediumtext,
  job_id bigint,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create index template_store_template_id on template_store (template_id);
create index template_store_store_id on template_store (store_id);
create table template_pool (
  id bigint not null auto_increment primary key,
  template_id bigint not null,
  pool_id bigint not null,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index template_pool_template_id_pool_id on template_pool (template_id, pool_id);
create table template_permission (
  id bigint not null auto_increment primary key,
  template_id bigint not null,
  account_id bigint not null,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index template_permission_template_id_account_id on template_permission (template_id, account_id);
create index template_permission_account_id on template_permission (account_id);
create table vm (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  display_name varchar(255),
  instance_name varchar(255) not null,
  account_id bigint not null,
  domain_id bigint not null,
  zone_id bigint not null,
  pod_id bigint,
  cluster_id bigint,
  host_id bigint,
  last_host_id bigint,
  template_id bigint not null,
  iso_id bigint,
  service_offering_id bigint not null,
  disk_offering_id bigint,
  os_type_id bigint not null,
  hypervisor varchar(255) not null,
  cpus bigint not null,
  cpu_mhz bigint not null,
  memory_mb bigint not null,
  vm_type varchar(255) not null,
  ha_enabled bigint not null,
  display_vm bigint not null,
  dynamically_scalable bigint not null,
  user_data mediumtext,
  keypair varchar(255),
  ssh_public_key mediumtext,
  keyboard varchar(255),
  group_name varchar(255),
  password_sealed mediumtext,
  details mediumtext,
  reservation varchar(255),
  launch_index bigint,
  has_run bigint not null,
  state varchar(255) not null,
  update_count bigint not null,
  created bigint not null,
  started bigint,
  destroyed bigint,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index vm_uuid on vm (uuid);
create index vm_account_id_removed_id on vm (account_id, removed, id);
create index vm_domain_id_removed_id on vm (domain_id, removed, id);
create index vm_removed_id on vm (removed, id);
create index vm_zone_id on vm (zone_id);
create index vm_host_id on vm (host_id);
create index vm_state_destroyed on vm (state, destroyed);
create index vm_instance_name on vm (instance_name);
create index vm_name on vm (name);
create table placement (
  id bigint not null auto_increment primary key,
  vm_id bigint not null,
  host_id bigint not null,
  cpu bigint not null,
  memory bigint not null,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index placement_vm_id on placement (vm_id);
create index placement_host_id on placement (host_id);
create table ssh_keypair (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  account_id bigint not null,
  domain_id bigint not null,
  fingerprint varchar(255) not null,
  ec2_fingerprint varchar(255) not null,
  public_key mediumtext not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index ssh_keypair_uuid on ssh_keypair (uuid);
create index ssh_keypair_account_id_name on ssh_keypair (account_id, name);
create table disk_offering (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  display_text mediumtext not null,
  size_gb bigint not null,
  is_custom bigint not null,
  is_custom_iops bigint not null,
  min_iops bigint,
  max_iops bigint,
  tags varchar(255),
  domain_id bigint,
  storage_type varchar(255) not null,
  bytes_read_rate bigint,
  bytes_write_rate bigint,
  iops_read_rate bigint,
  iops_write_rate bigint,
  display_offering bigint not null,
  sort_key bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index disk_offering_uuid on disk_offering (uuid);
create table volume (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  account_id bigint not null,
  domain_id bigint not null,
  zone_id bigint not null,
  pod_id bigint,
  volume_type varchar(255) not null,
  size_bytes bigint not null,
  disk_offering_id bigint,
  service_offering_id bigint,
  template_id bigint,
  snapshot_id bigint,
  vm_id bigint,
  device_id bigint,
  attached bigint,
  pool_id bigint,
  path varchar(255),
  hypervisor varchar(255),
  min_iops bigint,
  max_iops bigint,
  display_volume bigint not null,
  delete_with_vm bigint not null,
  state varchar(255) not null,
  update_count bigint not null,
  created bigint not null,
  destroyed bigint,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index volume_uuid on volume (uuid);
create index volume_account_id_removed_id on volume (account_id, removed, id);
create index volume_vm_id on volume (vm_id);
create index volume_pool_id on volume (pool_id);
create index volume_removed_id on volume (removed, id);
create table job (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  command varchar(255) not null,
  parameters mediumtext not null,
  user_id bigint not null,
  account_id bigint not null,
  domain_id bigint not null,
  instance_type varchar(255),
  instance_id bigint,
  queue varchar(255) not null,
  status bigint not null,
  process_status bigint not null,
  result_code bigint not null,
  result mediumtext,
  start_event_id bigint,
  server_id bigint,
  lease_until bigint,
  epoch bigint not null,
  update_count bigint not null,
  created bigint not null,
  finished bigint,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index job_uuid on job (uuid);
create index job_status_id on job (status, id);
create index job_account_id_id on job (account_id, id);
create index job_instance_type_instance_id_status on job (instance_type, instance_id, status);
create table job_step (
  id bigint not null auto_increment primary key,
  job_id bigint not null,
  saga varchar(255) not null,
  step bigint not null,
  backward bigint not null,
  plan mediumtext not null,
  error mediumtext,
  done bigint not null,
  updated bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index job_step_job_id_saga on job_step (job_id, saga);
create table event (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  event_type varchar(255) not null,
  level varchar(255) not null,
  state varchar(255) not null,
  description mediumtext not null,
  user_id bigint not null,
  account_id bigint not null,
  domain_id bigint not null,
  start_id bigint,
  resource_type varchar(255),
  resource_id bigint,
  archived bigint not null,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index event_uuid on event (uuid);
create index event_account_id_id on event (account_id, id);
create index event_created on event (created);
create index event_event_type_id on event (event_type, id);
create index event_start_id on event (start_id);
create table usage_event (
  id bigint not null auto_increment primary key,
  event_type varchar(255) not null,
  account_id bigint not null,
  domain_id bigint not null,
  zone_id bigint not null,
  resource_id bigint not null,
  resource_name varchar(255),
  offering_id bigint,
  template_id bigint,
  size bigint,
  resource_type varchar(255),
  created bigint not null,
  processed bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create index usage_event_created on usage_event (created);
create index usage_event_processed_id on usage_event (processed, id);
create table server (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  epoch bigint not null,
  state varchar(255) not null,
  started bigint not null,
  last_seen bigint not null,
  version varchar(255) not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index server_uuid on server (uuid);
create table tag (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  resource_type varchar(255) not null,
  resource_id bigint not null,
  resource_uuid char(36) character set ascii collate ascii_bin not null,
  tag_key varchar(255) not null,
  tag_value mediumtext not null,
  account_id bigint not null,
  domain_id bigint not null,
  customer varchar(255),
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index tag_uuid on tag (uuid);
create unique index tag_resource_type_resource_id_tag_key on tag (resource_type, resource_id, tag_key);
create index tag_tag_key on tag (tag_key);
create index tag_account_id on tag (account_id);
create table detail (
  id bigint not null auto_increment primary key,
  resource_type varchar(255) not null,
  resource_id bigint not null,
  resource_uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  content mediumtext not null,
  display bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index detail_resource_type_resource_id_name on detail (resource_type, resource_id, name);
create table ec2_id (
  id bigint not null auto_increment primary key,
  ec2_id varchar(255) not null,
  kind varchar(255) not null,
  uuid char(36) character set ascii collate ascii_bin not null,
  account_id bigint,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index ec2_id_ec2_id on ec2_id (ec2_id);
create unique index ec2_id_kind_uuid on ec2_id (kind, uuid);
create table client_token (
  id bigint not null auto_increment primary key,
  account_id bigint not null,
  action varchar(255) not null,
  token varchar(255) not null,
  request_hash varchar(255) not null,
  answer mediumtext,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index client_token_account_id_action_token on client_token (account_id, action, token);
