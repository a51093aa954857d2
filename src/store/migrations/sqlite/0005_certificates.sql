-- Certificates of users, messages that must not come twice, and EC2 types that stand for offerings of other names.
create table user_certificate (
  id integer primary key autoincrement,
  uuid text not null,
  user_id integer not null,
  account_id integer not null,
  domain_id integer not null,
  fingerprint text not null,
  live_fingerprint text,
  certificate text not null,
  subject text not null,
  issuer text not null,
  serial text not null,
  not_before integer not null,
  not_after integer not null,
  created integer not null,
  removed integer
) strict;
create unique index user_certificate_uuid on user_certificate (uuid);
create unique index user_certificate_live_fingerprint on user_certificate (live_fingerprint);
create index user_certificate_user_id on user_certificate (user_id);
create index user_certificate_account_id on user_certificate (account_id);
create table soap_seen (
  id integer primary key autoincrement,
  digest text not null,
  good_until integer not null
) strict;
create unique index soap_seen_digest on soap_seen (digest);
create index soap_seen_good_until on soap_seen (good_until);
create table ec2_offering (
  id integer primary key autoincrement,
  name text not null,
  service_offering_id integer not null,
  created integer not null
) strict;
create unique index ec2_offering_name on ec2_offering (name);
create index ec2_offering_service_offering_id on ec2_offering (service_offering_id);
