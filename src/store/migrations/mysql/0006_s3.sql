create table s3_bucket (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  live_name varchar(255),
  account_id bigint not null,
  domain_id bigint not null,
  location varchar(255),
  versioning varchar(255) not null,
  acl mediumtext not null,
  policy mediumtext,
  cors mediumtext,
  tags mediumtext,
  bytes bigint not null,
  objects bigint not null,
  quota_bytes bigint,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index s3_bucket_uuid on s3_bucket (uuid);
create unique index s3_bucket_live_name on s3_bucket (live_name);
create index s3_bucket_account_id on s3_bucket (account_id);
create index s3_bucket_domain_id on s3_bucket (domain_id);
create table s3_object (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  bucket_id bigint not null,
  object_key mediumtext not null,
  key_hex varchar(2048) character set ascii collate ascii_bin not null,
  version varchar(36) character set ascii collate ascii_bin not null,
  latest bigint not null,
  marker bigint not null,
  size_bytes bigint not null,
  etag varchar(255) not null,
  meta mediumtext not null,
  acl mediumtext not null,
  tags mediumtext,
  account_id bigint not null,
  blob_id char(36) character set ascii collate ascii_bin,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index s3_object_uuid on s3_object (uuid);
create unique index s3_object_bucket_id_key_hex_version on s3_object (bucket_id, key_hex, version);
create index s3_object_bucket_id_latest_key_hex on s3_object (bucket_id, latest, key_hex);
create index s3_object_blob_id on s3_object (blob_id);
create table s3_upload (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  bucket_id bigint not null,
  object_key mediumtext not null,
  key_hex varchar(2048) character set ascii collate ascii_bin not null,
  account_id bigint not null,
  meta mediumtext not null,
  acl mediumtext not null,
  tags mediumtext,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index s3_upload_uuid on s3_upload (uuid);
create index s3_upload_bucket_id_key_hex on s3_upload (bucket_id, key_hex);
create table s3_part (
  id bigint not null auto_increment primary key,
  upload_id bigint,
  object_id bigint,
  number bigint not null,
  blob_id char(36) character set ascii collate ascii_bin not null,
  size_bytes bigint not null,
  etag varchar(255) not null,
  checksums mediumtext not null,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index s3_part_upload_id_number on s3_part (upload_id, number);
create index s3_part_object_id_number on s3_part (object_id, number);
create index s3_part_blob_id on s3_part (blob_id);
create table s3_usage (
  id bigint not null auto_increment primary key,
  account_id bigint not null,
  bytes bigint not null,
  quota_bytes bigint,
  gets bigint not null,
  puts bigint not null,
  bytes_in bigint not null,
  bytes_out bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index s3_usage_account_id on s3_usage (account_id);
