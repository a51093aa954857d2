create table ec2_attribute (
  id bigint not null auto_increment primary key,
  kind varchar(255) not null,
  uuid char(36) character set ascii collate ascii_bin not null,
  name varchar(255) not null,
  content mediumtext not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index ec2_attribute_kind_uuid_name on ec2_attribute (kind, uuid, name);
insert into ec2_attribute (kind, uuid, name, content) select 'vol', resource_uuid, 'device', content from detail where name = 'ec2.device';
delete from detail where name = 'ec2.device';
