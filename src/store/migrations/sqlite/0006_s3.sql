create table s3_bucket (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  live_name text,
  account_id integer not null,
  domain_id integer not null,
  location text,
  versioning text not null,
  acl text not null,
  policy text,
  cors text,
  tags text,
  bytes integer not null,
  objects integer not null,
  quota_bytes integer,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index s3_bucket_uuid on s3_bucket (uuid);
create unique index s3_bucket_live_name on s3_bucket (live_name);
create index s3_bucket_account_id on s3_bucket (account_id);
create index s3_bucket_domain_id on s3_bucket (domain_id);
create table s3_object (
  id integer primary key autoincrement,
  uuid text not null,
  bucket_id integer not null,
  object_key text not null,
  key_hex text not null,
  version text not null,
  latest integer not null,
  marker integer not null,
  size_bytes integer not null,
  etag text not null,
  meta text not null,
  acl text not null,
  tags text,
  account_id integer not null,
  blob_id text,
  created integer not null
) strict;
create unique index s3_object_uuid on s3_object (uuid);
create unique index s3_object_bucket_id_key_hex_version on s3_object (bucket_id, key_hex, version);
create index s3_object_bucket_id_latest_key_hex on s3_object (bucket_id, latest, key_hex);
create index s3_object_blob_id on s3_object (blob_id);
create table s3_upload (
  id integer primary key autoincrement,
  uuid text not null,
  bucket_id integer not null,
  object_key text not null,
  key_hex text not null,
  account_id integer not null,
  meta text not null,
  acl text not null,
  tags text,
  created integer not null
) strict;
create unique index s3_upload_uuid on s3_upload (uuid);
create index s3_upload_bucket_id_key_hex on s3_upload (bucket_id, key_hex);
create table s3_part (
  id integer primary key autoincrement,
  upload_id integer,
  object_id integer,
  number integer not null,
  blob_id text not null,
  size_bytes integer not null,
  etag text not null,
  checksums text not null,
  created integer not null
) strict;
create unique index s3_part_upload_id_number on s3_part (upload_id, number);
create index s3_part_object_id_number on s3_part (object_id, number);
create index s3_part_blob_id on s3_part (blob_id);
create table s3_usage (
  id integer primary key autoincrement,
  account_id integer not null,
  bytes integer not null,
  quota_bytes integer,
  gets integer not null,
  puts integer not null,
  bytes_in integer not null,
  bytes_out integer not null
) strict;
create unique index s3_usage_account_id on s3_usage (account_id);
