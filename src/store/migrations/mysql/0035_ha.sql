-- VMs that left a host for its maintenance, and VMs that high availability is to start again.
create table host_leave (
  id bigint not null auto_increment primary key,
  host_id bigint not null,
  vm_id bigint not null,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index host_leave_host_id_vm_id on host_leave (host_id, vm_id);
create index host_leave_vm_id on host_leave (vm_id);
create table ha_restart (
  id bigint not null auto_increment primary key,
  vm_id bigint not null,
  job_id bigint not null,
  tries bigint not null,
  next_try bigint not null,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index ha_restart_vm_id on ha_restart (vm_id);
