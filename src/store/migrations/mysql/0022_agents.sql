-- Agents of real hosts, and the authority that signs their certificates.
create table agent (
  id bigint not null auto_increment primary key,
  uuid varchar(255) not null,
  name varchar(255) not null,
  token_hash varchar(255),
  token_until bigint not null,
  fingerprint varchar(255),
  next_fingerprint varchar(255),
  good_until bigint not null,
  version varchar(255),
  address varchar(255),
  connected bigint,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index agent_uuid on agent (uuid);
create index agent_token_hash on agent (token_hash);
create index agent_fingerprint on agent (fingerprint);
create index agent_next_fingerprint on agent (next_fingerprint);
create table agent_authority (
  id bigint not null auto_increment primary key,
  name varchar(255) not null,
  certificate mediumtext not null,
  key_sealed mediumtext not null,
  created bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index agent_authority_name on agent_authority (name);
