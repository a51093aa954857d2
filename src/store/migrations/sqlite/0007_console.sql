-- What the console shows over time, and the tickets that open a VM's screen.
create table capacity_sample (
  id integer primary key autoincrement,
  zone_id integer not null,
  kind integer not null,
  used integer not null,
  total integer not null,
  taken integer not null
) strict;
create index capacity_sample_taken on capacity_sample (taken);
create table console_ticket (
  id integer primary key autoincrement,
  ticket_hash text not null,
  vm_id integer not null,
  user_id integer not null,
  expires integer not null
) strict;
create unique index console_ticket_ticket_hash on console_ticket (ticket_hash);
create index console_ticket_expires on console_ticket (expires);
