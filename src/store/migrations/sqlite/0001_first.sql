-- The first schema. The same tables, columns and indexes stand in ../mysql; a test compares them.
create table domain (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  parent_id integer,
  path text not null,
  level integer not null,
  network_domain text,
  state text not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index domain_uuid on domain (uuid);
create index domain_parent_id on domain (parent_id);
create table account (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  account_type integer not null,
  domain_id integer not null,
  network_domain text,
  default_zone_id integer,
  owner_number text not null,
  details text,
  state text not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index account_uuid on account (uuid);
create index account_domain_id_name on account (domain_id, name);
create index account_owner_number on account (owner_number);
create table cloud_user (
  id integer primary key autoincrement,
  uuid text not null,
  account_id integer not null,
  domain_id integer not null,
  username text not null,
  password_hash text not null,
  firstname text not null,
  lastname text not null,
  email text,
  timezone text,
  api_key text,
  secret_sealed text,
  failed_logins integer not null,
  default_password integer not null,
  state text not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index cloud_user_uuid on cloud_user (uuid);
create index cloud_user_account_id on cloud_user (account_id);
create unique index cloud_user_api_key on cloud_user (api_key);
create index cloud_user_domain_id_username on cloud_user (domain_id, username);
create table session (
  id integer primary key autoincrement,
  cookie_hash text not null,
  session_key text not null,
  user_id integer not null,
  created integer not null,
  last_used integer not null
) strict;
create unique index session_cookie_hash on session (cookie_hash);
create index session_last_used on session (last_used);
create table resource_count (
  id integer primary key autoincrement,
  owner_kind text not null,
  owner_id integer not null,
  resource integer not null,
  used integer not null,
  max integer
) strict;
create unique index resource_count_owner_kind_owner_id_resource on resource_count (owner_kind, owner_id, resource);
create table setting (
  id integer primary key autoincrement,
  name text not null,
  scope text not null,
  scope_id integer not null,
  content text
) strict;
create unique index setting_name_scope_scope_id on setting (name, scope, scope_id);
create table region (
  id integer primary key autoincrement,
  number integer not null,
  name text not null,
  end_point text not null,
  created integer not null,
  removed integer
) strict;
create index region_number on region (number);
create table zone (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  description text,
  display_text text,
  network_type text not null,
  dns1 text not null,
  dns2 text,
  internal_dns1 text not null,
  internal_dns2 text,
  ip6_dns1 text,
  ip6_dns2 text,
  domain text,
  domain_id integer,
  guest_cidr text,
  security_groups integer not null,
  local_storage integer not null,
  dhcp_provider text,
  allocation_state text not null,
  zone_token text not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index zone_uuid on zone (uuid);
create table pod (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  zone_id integer not null,
  gateway text not null,
  netmask text not null,
  start_ip text not null,
  end_ip text not null,
  allocation_state text not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index pod_uuid on pod (uuid);
create index pod_zone_id on pod (zone_id);
create table cluster (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  zone_id integer not null,
  pod_id integer not null,
  hypervisor text not null,
  cluster_type text not null,
  cpu_overcommit text not null,
  memory_overcommit text not null,
  allocation_state text not null,
  managed_state text not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index cluster_uuid on cluster (uuid);
create index cluster_pod_id on cluster (pod_id);
create table host (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  zone_id integer not null,
  pod_id integer not null,
  cluster_id integer not null,
  host_type text not null,
  hypervisor text not null,
  hypervisor_version text,
  url text not null,
  ip_address text not null,
  username text,
  password_sealed text,
  cpus integer not null,
  cpu_mhz integer not null,
  memory_bytes integer not null,
  capabilities text,
  tags text,
  os_category_id integer,
  state text not null,
  resource_state text not null,
  last_ping integer not null,
  disconnected integer,
  server_id integer,
  epoch integer not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index host_uuid on host (uuid);
create index host_cluster_id on host (cluster_id);
create index host_zone_id on host (zone_id);
create table host_capacity (
  id integer primary key autoincrement,
  host_id integer not null,
  zone_id integer not null,
  pod_id integer not null,
  cluster_id integer not null,
  hypervisor text not null,
  cpu_total integer not null,
  cpu_used integer not null,
  memory_total integer not null,
  memory_used integer not null,
  open integer not null,
  update_count integer not null
) strict;
create unique index host_capacity_host_id on host_capacity (host_id);
create index host_capacity_zone_id_open_host_id on host_capacity (zone_id, open, host_id);
create index host_capacity_cluster_id on host_capacity (cluster_id);
create table storage_pool (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  zone_id integer not null,
  pod_id integer,
  cluster_id integer,
  scope text not null,
  hypervisor text,
  pool_type text not null,
  provider text not null,
  url text not null,
  ip_address text not null,
  path text not null,
  tags text,
  capacity_bytes integer not null,
  used_bytes integer not null,
  iops integer,
  state text not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index storage_pool_uuid on storage_pool (uuid);
create index storage_pool_cluster_id on storage_pool (cluster_id);
create index storage_pool_zone_id on storage_pool (zone_id);
create table image_store (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  provider text not null,
  protocol text not null,
  url text not null,
  zone_id integer,
  scope text not null,
  details text,
  total_bytes integer not null,
  used_bytes integer not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index image_store_uuid on image_store (uuid);
create index image_store_zone_id on image_store (zone_id);
create table physical_network (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  zone_id integer not null,
  domain_id integer,
  broadcast_domain_range text not null,
  isolation_methods text,
  vlan text,
  speed text,
  tags text,
  state text not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index physical_network_uuid on physical_network (uuid);
create index physical_network_zone_id on physical_network (zone_id);
create table traffic_type (
  id integer primary key autoincrement,
  uuid text not null,
  physical_network_id integer not null,
  traffic_type text not null,
  isolation text,
  xen_label text,
  kvm_label text,
  vmware_label text,
  hyperv_label text,
  vlan text,
  created integer not null,
  removed integer
) strict;
create unique index traffic_type_uuid on traffic_type (uuid);
create index traffic_type_physical_network_id on traffic_type (physical_network_id);
create table provider (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  physical_network_id integer not null,
  destination_network_id integer,
  services text not null,
  state text not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index provider_uuid on provider (uuid);
create index provider_physical_network_id on provider (physical_network_id);
create table router_element (
  id integer primary key autoincrement,
  uuid text not null,
  provider_id integer not null,
  enabled integer not null,
  created integer not null,
  removed integer
) strict;
create unique index router_element_uuid on router_element (uuid);
create index router_element_provider_id on router_element (provider_id);
create table network_offering (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  unique_name text,
  display_text text not null,
  guest_type text not null,
  traffic_type text not null,
  availability text not null,
  is_default integer not null,
  specify_vlan integer not null,
  specify_ip_ranges integer not null,
  conserve_mode integer not null,
  is_persistent integer not null,
  for_vpc integer not null,
  egress_default integer not null,
  system_only integer not null,
  network_rate integer,
  max_connections integer,
  tags text,
  service_offering_id integer,
  sort_key integer not null,
  details text,
  state text not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index network_offering_uuid on network_offering (uuid);
create table offering_service (
  id integer primary key autoincrement,
  offering_id integer not null,
  service text not null,
  provider text not null
) strict;
create index offering_service_offering_id on offering_service (offering_id);
create table network (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  display_text text not null,
  account_id integer not null,
  domain_id integer not null,
  zone_id integer not null,
  physical_network_id integer,
  offering_id integer not null,
  guest_type text not null,
  traffic_type text not null,
  acl_type text not null,
  subdomain_access integer not null,
  is_default integer not null,
  is_system integer not null,
  specify_ip_ranges integer not null,
  cidr text,
  gateway text,
  netmask text,
  network_domain text,
  broadcast_uri text,
  vlan text,
  dns1 text,
  dns2 text,
  ip6_cidr text,
  ip6_gateway text,
  display_network integer not null,
  restart_required integer not null,
  state text not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index network_uuid on network (uuid);
create index network_account_id on network (account_id);
create index network_zone_id on network (zone_id);
create table ip_range (
  id integer primary key autoincrement,
  uuid text not null,
  zone_id integer not null,
  pod_id integer,
  network_id integer not null,
  physical_network_id integer,
  account_id integer,
  domain_id integer,
  vlan text not null,
  gateway text,
  netmask text,
  start_ip text,
  end_ip text,
  ip6_gateway text,
  ip6_cidr text,
  ip6_start text,
  ip6_end text,
  for_virtual_network integer not null,
  created integer not null,
  removed integer
) strict;
create unique index ip_range_uuid on ip_range (uuid);
create index ip_range_network_id on ip_range (network_id);
create index ip_range_zone_id on ip_range (zone_id);
create table ip_address (
  id integer primary key autoincrement,
  uuid text not null,
  address text not null,
  range_id integer not null,
  network_id integer not null,
  zone_id integer not null,
  pod_id integer,
  state text not null,
  account_id integer,
  domain_id integer,
  nic_id integer,
  vm_id integer,
  source_nat integer not null,
  static_nat integer not null,
  is_system integer not null,
  allocated integer,
  update_count integer not null
) strict;
create unique index ip_address_uuid on ip_address (uuid);
create unique index ip_address_range_id_address on ip_address (range_id, address);
create index ip_address_network_id_state_id on ip_address (network_id, state, id);
create index ip_address_pod_id_state_id on ip_address (pod_id, state, id);
create index ip_address_nic_id on ip_address (nic_id);
create index ip_address_vm_id on ip_address (vm_id);
create index ip_address_account_id on ip_address (account_id);
create table nic (
  id integer primary key autoincrement,
  uuid text not null,
  vm_id integer not null,
  network_id integer not null,
  account_id integer not null,
  domain_id integer not null,
  zone_id integer not null,
  mac text not null,
  ip4 text,
  ip6 text,
  gateway text,
  netmask text,
  broadcast_uri text,
  is_default integer not null,
  device_id integer not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index nic_uuid on nic (uuid);
create index nic_vm_id on nic (vm_id);
create index nic_network_id on nic (network_id);
create table security_group (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  description text,
  account_id integer not null,
  domain_id integer not null,
  sequence integer not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index security_group_uuid on security_group (uuid);
create index security_group_account_id_name on security_group (account_id, name);
create table security_group_rule (
  id integer primary key autoincrement,
  uuid text not null,
  group_id integer not null,
  direction text not null,
  protocol text not null,
  first integer not null,
  last integer not null,
  cidr text,
  allowed_group_id integer,
  created integer not null
) strict;
create unique index security_group_rule_uuid on security_group_rule (uuid);
create index security_group_rule_group_id on security_group_rule (group_id);
create index security_group_rule_allowed_group_id on security_group_rule (allowed_group_id);
create table security_group_member (
  id integer primary key autoincrement,
  group_id integer not null,
  vm_id integer not null
) strict;
create unique index security_group_member_group_id_vm_id on security_group_member (group_id, vm_id);
create index security_group_member_vm_id on security_group_member (vm_id);
create table service_offering (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  display_text text not null,
  cpus integer,
  cpu_mhz integer,
  memory_mb integer,
  network_rate integer,
  multicast_rate integer,
  offer_ha integer not null,
  limit_cpu integer not null,
  is_volatile integer not null,
  is_default integer not null,
  is_system integer not null,
  system_vm_type text,
  storage_type text not null,
  tags text,
  host_tags text,
  domain_id integer,
  deployment_planner text,
  bytes_read_rate integer,
  bytes_write_rate integer,
  iops_read_rate integer,
  iops_write_rate integer,
  is_customized_iops integer,
  min_iops integer,
  max_iops integer,
  sort_key integer not null,
  details text,
  created integer not null,
  removed integer
) strict;
create unique index service_offering_uuid on service_offering (uuid);
create index service_offering_name on service_offering (name);
create table os_category (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null
) strict;
create unique index os_category_uuid on os_category (uuid);
create table os_type (
  id integer primary key autoincrement,
  uuid text not null,
  category_id integer not null,
  name text not null,
  is_user_defined integer not null
) strict;
create unique index os_type_uuid on os_type (uuid);
create index os_type_category_id on os_type (category_id);
create table template (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  display_text text not null,
  account_id integer not null,
  domain_id integer not null,
  is_iso integer not null,
  format text not null,
  hypervisor text,
  os_type_id integer not null,
  url text,
  checksum text,
  bits integer not null,
  requires_hvm integer not null,
  password_enabled integer not null,
  ssh_key_enabled integer not null,
  is_public integer not null,
  is_featured integer not null,
  is_extractable integer not null,
  is_bootable integer not null,
  is_dynamic integer not null,
  is_routing integer not null,
  template_type text not null,
  cross_zones integer not null,
  source_template_id integer,
  size_bytes integer not null,
  tag text,
  details text,
  sort_key integer not null,
  state text not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index template_uuid on template (uuid);
create index template_account_id on template (account_id);
create table template_store (
  id integer primary key autoincrement,
  template_id integer not null,
  store_id integer not null,
  zone_id integer not null,
  state text not null,
  percent integer not null,
  physical_bytes integer not null,
  error text,
  job_id integer,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create index template_store_template_id on template_store (template_id);
create index template_store_store_id on template_store (store_id);
create table template_pool (
  id integer primary key autoincrement,
  template_id integer not null,
  pool_id integer not null,
  created integer not null
) strict;
create unique index template_pool_template_id_pool_id on template_pool (template_id, pool_id);
create table template_permission (
  id integer primary key autoincrement,
  template_id integer not null,
  account_id integer not null,
  created integer not null
) strict;
create unique index template_permission_template_id_account_id on template_permission (template_id, account_id);
create index template_permission_account_id on template_permission (account_id);
create table vm (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  display_name text,
  instance_name text not null,
  account_id integer not null,
  domain_id integer not null,
  zone_id integer not null,
  pod_id integer,
  cluster_id integer,
  host_id integer,
  last_host_id integer,
  template_id integer not null,
  iso_id integer,
  service_offering_id integer not null,
  disk_offering_id integer,
  os_type_id integer not null,
  hypervisor text not null,
  cpus integer not null,
  cpu_mhz integer not null,
  memory_mb integer not null,
  vm_type text not null,
  ha_enabled integer not null,
  display_vm integer not null,
  dynamically_scalable integer not null,
  user_data text,
  keypair text,
  ssh_public_key text,
  keyboard text,
  group_name text,
  password_sealed text,
  details text,
  reservation text,
  launch_index integer,
  has_run integer not null,
  state text not null,
  update_count integer not null,
  created integer not null,
  started integer,
  destroyed integer,
  removed integer
) strict;
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
  id integer primary key autoincrement,
  vm_id integer not null,
  host_id integer not null,
  cpu integer not null,
  memory integer not null,
  created integer not null
) strict;
create unique index placement_vm_id on placement (vm_id);
create index placement_host_id on placement (host_id);
create table ssh_keypair (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  account_id integer not null,
  domain_id integer not null,
  fingerprint text not null,
  ec2_fingerprint text not null,
  public_key text not null,
  created integer not null,
  removed integer
) strict;
create unique index ssh_keypair_uuid on ssh_keypair (uuid);
create index ssh_keypair_account_id_name on ssh_keypair (account_id, name);
create table disk_offering (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  display_text text not null,
  size_gb integer not null,
  is_custom integer not null,
  is_custom_iops integer not null,
  min_iops integer,
  max_iops integer,
  tags text,
  domain_id integer,
  storage_type text not null,
  bytes_read_rate integer,
  bytes_write_rate integer,
  iops_read_rate integer,
  iops_write_rate integer,
  display_offering integer not null,
  sort_key integer not null,
  created integer not null,
  removed integer
) strict;
create unique index disk_offering_uuid on disk_offering (uuid);
create table volume (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  account_id integer not null,
  domain_id integer not null,
  zone_id integer not null,
  pod_id integer,
  volume_type text not null,
  size_bytes integer not null,
  disk_offering_id integer,
  service_offering_id integer,
  template_id integer,
  snapshot_id integer,
  vm_id integer,
  device_id integer,
  attached integer,
  pool_id integer,
  path text,
  hypervisor text,
  min_iops integer,
  max_iops integer,
  display_volume integer not null,
  delete_with_vm integer not null,
  state text not null,
  update_count integer not null,
  created integer not null,
  destroyed integer,
  removed integer
) strict;
create unique index volume_uuid on volume (uuid);
create index volume_account_id_removed_id on volume (account_id, removed, id);
create index volume_vm_id on volume (vm_id);
create index volume_pool_id on volume (pool_id);
create index volume_removed_id on volume (removed, id);
create table job (
  id integer primary key autoincrement,
  uuid text not null,
  command text not null,
  parameters text not null,
  user_id integer not null,
  account_id integer not null,
  domain_id integer not null,
  instance_type text,
  instance_id integer,
  queue text not null,
  status integer not null,
  process_status integer not null,
  result_code integer not null,
  result text,
  start_event_id integer,
  server_id integer,
  lease_until integer,
  epoch integer not null,
  update_count integer not null,
  created integer not null,
  finished integer,
  removed integer
) strict;
create unique index job_uuid on job (uuid);
create index job_status_id on job (status, id);
create index job_account_id_id on job (account_id, id);
create index job_instance_type_instance_id_status on job (instance_type, instance_id, status);
create table job_step (
  id integer primary key autoincrement,
  job_id integer not null,
  saga text not null,
  step integer not null,
  backward integer not null,
  plan text not null,
  error text,
  done integer not null,
  updated integer not null
) strict;
create unique index job_step_job_id_saga on job_step (job_id, saga);
create table event (
  id integer primary key autoincrement,
  uuid text not null,
  event_type text not null,
  level text not null,
  state text not null,
  description text not null,
  user_id integer not null,
  account_id integer not null,
  domain_id integer not null,
  start_id integer,
  resource_type text,
  resource_id integer,
  archived integer not null,
  created integer not null
) strict;
create unique index event_uuid on event (uuid);
create index event_account_id_id on event (account_id, id);
create index event_created on event (created);
create index event_event_type_id on event (event_type, id);
create index event_start_id on event (start_id);
create table usage_event (
  id integer primary key autoincrement,
  event_type text not null,
  account_id integer not null,
  domain_id integer not null,
  zone_id integer not null,
  resource_id integer not null,
  resource_name text,
  offering_id integer,
  template_id integer,
  size integer,
  resource_type text,
  created integer not null,
  processed integer not null
) strict;
create index usage_event_created on usage_event (created);
create index usage_event_processed_id on usage_event (processed, id);
create table server (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  epoch integer not null,
  state text not null,
  started integer not null,
  last_seen integer not null,
  version text not null
) strict;
create unique index server_uuid on server (uuid);
create table tag (
  id integer primary key autoincrement,
  uuid text not null,
  resource_type text not null,
  resource_id integer not null,
  resource_uuid text not null,
  tag_key text not null,
  tag_value text not null,
  account_id integer not null,
  domain_id integer not null,
  customer text,
  created integer not null
) strict;
create unique index tag_uuid on tag (uuid);
create unique index tag_resource_type_resource_id_tag_key on tag (resource_type, resource_id, tag_key);
create index tag_tag_key on tag (tag_key);
create index tag_account_id on tag (account_id);
create table detail (
  id integer primary key autoincrement,
  resource_type text not null,
  resource_id integer not null,
  resource_uuid text not null,
  name text not null,
  content text not null,
  display integer not null
) strict;
create unique index detail_resource_type_resource_id_name on detail (resource_type, resource_id, name);
create table ec2_id (
  id integer primary key autoincrement,
  ec2_id text not null,
  kind text not null,
  uuid text not null,
  account_id integer,
  created integer not null,
  removed integer
) strict;
create unique index ec2_id_ec2_id on ec2_id (ec2_id);
create unique index ec2_id_kind_uuid on ec2_id (kind, uuid);
create table client_token (
  id integer primary key autoincrement,
  account_id integer not null,
  action text not null,
  token text not null,
  request_hash text not null,
  answer text,
  created integer not null
) strict;
create unique index client_token_account_id_action_token on client_token (account_id, action, token);
