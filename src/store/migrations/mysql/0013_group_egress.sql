-- A group without egress rules lets everything out, unless its last one was taken back through EC2.
alter table security_group add column egress_closed bigint not null default 0;
