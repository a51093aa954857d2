-- The host that a pool of scope HOST is on.
alter table storage_pool add column host_id integer;
create index storage_pool_host_id on storage_pool (host_id);
