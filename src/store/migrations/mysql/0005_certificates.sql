-- Certificates of users, messages that must not come twice, and EC2 types that stand for offerings of other names.
create table user_certificate (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  user_id bigint not null,
  account_id bigint not null,
  domain_id bigint not null,
  fingerprint varchar(255) not null,
  live_fingerprint varchar(255),
  certificate mediumtext not null,
  subject mediumtext not null,
  issuer mediumtext not null,
  serial varchar(255) not null,
  not_before bigint not null,
  not_after bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index user_certificate_uuid on user_certificate (uuid);
create unique index user_certificate_live_fingerprint on user_certificate (live_fingerprint);
create index user_certificate_user_id on user_certificate (user_id);
create index user_certificate_account_id on user_certificate (account_id);
create table soap_seen (
  id bigint not null auto_increment primary key,
  digest varchar(255) not null,
  good_until bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index soap_seen_digest on soap_seen (digest);
create index soap_seen_good_until on soap_seen (good_until);
create table ec2_offering (
  id bigint not null auto_increment primary key,
  name varchar(255) not null,
  service_offering_id bigint not null,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index ec2_offering_name on ec2_offering (name);
create index ec2_offering_service_offering_id on ec2_offering (service_offering_id);
