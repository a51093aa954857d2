-- Agents of real hosts, and the authority that signs their certificates.
create table agent (
  id integer primary key autoincrement,
  uuid text not null,
  name text not null,
  token_hash text,
  token_until integer not null,
  fingerprint text,
  next_fingerprint text,
  good_until integer not null,
  version text,
  address text,
  connected integer,
  created integer not null,
  removed integer
) strict;
create unique index agent_uuid on agent (uuid);
create index agent_token_hash on agent (token_hash);
create index agent_fingerprint on agent (fingerprint);
create index agent_next_fingerprint on agent (next_fingerprint);
create table agent_authority (
  id integer primary key autoincrement,
  name text not null,
  certificate text not null,
  key_sealed text not null,
  created integer not null
) strict;
create unique index agent_authority_name on agent_authority (name);
