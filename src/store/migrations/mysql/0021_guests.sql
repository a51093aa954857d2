-- How many guests a host has and how many it takes at most (0: any number). What a simulated host takes is a figure of ours.
alter table host_capacity add column guests bigint not null default 0;
alter table host_capacity add column max_guests bigint not null default 0;
update host_capacity set guests = (select count(*) from placement p where p.host_id = host_capacity.host_id);
update hypervisor_capability set max_guests = 100000 where hypervisor = 'Simulator' and max_guests = 50;
update host_capacity set max_guests = coalesce((select max(c.max_guests) from hypervisor_capability c where c.hypervisor = host_capacity.hypervisor and c.version = 'default'), 0);
