create table ec2_attribute (
  id integer primary key autoincrement,
  kind text not null,
  uuid text not null,
  name text not null,
  content text not null
) strict;
create unique index ec2_attribute_kind_uuid_name on ec2_attribute (kind, uuid, name);
insert into ec2_attribute (kind, uuid, name, content) select 'vol', resource_uuid, 'device', content from detail where name = 'ec2.device';
delete from detail where name = 'ec2.device';
