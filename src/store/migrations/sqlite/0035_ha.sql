-- VMs that left a host for its maintenance, and VMs that high availability is to start again.
create table host_leave (
  id integer primary key autoincrement,
  host_id integer not null,
  vm_id integer not null,
  created integer not null
) strict;
create unique index host_leave_host_id_vm_id on host_leave (host_id, vm_id);
create index host_leave_vm_id on host_leave (vm_id);
create table ha_restart (
  id integer primary key autoincrement,
  vm_id integer not null,
  job_id integer not null,
  tries integer not null,
  next_try integer not null,
  created integer not null
) strict;
create unique index ha_restart_vm_id on ha_restart (vm_id);
